// Composition, and the transforms that look at values only: ToTensor, Normalize, ToImage.
#include "trivium/data/transform.h"

#include <algorithm>
#include <cmath>

#include "trivium/data/dataset.h"
#include "trivium/data/picture.h"

namespace trivium::data {
namespace {

constexpr int64_t kLevels = 256;

void flatten(const Transform& transform, std::vector<Transform>& steps) {
  if (const auto* compose = dynamic_cast<const Compose*>(transform.step())) {
    for (const Transform& part : compose->parts()) flatten(part, steps);
  } else if (transform) {
    steps.push_back(transform);
  }
}

}  // namespace

Array Transform::operator()(const Array& picture, random::TorchGenerator& rng) const {
  if (!step_) user_error("Transform: empty; assign one of the transforms or a function");
  return step_->apply(picture, rng);
}

Array Transform::operator()(const Array& picture) const {
  return (*this)(picture, sample_generator());
}

Compose::Compose(std::vector<Transform> parts) : parts_(std::move(parts)) {
  for (size_t i = 0; i < parts_.size(); ++i)
    if (!parts_[i]) user_error("Compose: transform {} is empty", i);
}

Array Compose::apply(const Array& picture, random::TorchGenerator& rng) const {
  Array result = picture;
  for (const Transform& part : parts_) result = part(result, rng);
  return result;
}

bool Compose::tabulate(PixelTable& table) const {
  return std::all_of(parts_.begin(), parts_.end(),
                     [&](const Transform& part) { return part.step()->tabulate(table); });
}

TabulatedTransform::TabulatedTransform(const Transform& transform) {
  flatten(transform, head);
  for (size_t i = head.size(); i-- > 0;) {
    const bool first = dynamic_cast<const ToTensor*>(head[i].step());
    if (!first && !dynamic_cast<const Normalize*>(head[i].step())) return;
    if (!first) continue;
    tail.assign(head.begin() + static_cast<std::ptrdiff_t>(i), head.end());
    head.resize(i);
    return;
  }
}

PixelTable TabulatedTransform::table(int64_t channels) const {
  PixelTable table;
  table.channels = channels;
  for (const Transform& step : tail)
    if (!step.step()->tabulate(table)) internal_error("a value transform cannot be tabulated");
  return table;
}

void write_through(const PixelTable& table, const Array& image, float* out) {
  const Layout l = image_layout(image, "ToTensor");
  if (l.channels != table.channels)
    internal_error("table of {} channels for {}", table.channels, image.text());
  const int64_t area = l.height * l.width;
  for (int64_t c = 0; c < l.channels; ++c) {
    const uint8_t* from = image.data<uint8_t>() + c;
    const float* value = table.values.data() + c * kLevels;
    for (int64_t i = 0; i < area; ++i) out[i] = value[from[i * l.channels]];
    out += area;
  }
}

Array ToTensor::apply(const Array& picture, random::TorchGenerator& rng) const {
  PixelTable table;
  const Layout l = image_layout(picture, "ToTensor");
  table.channels = l.channels;
  tabulate(table);
  const Array out({l.channels, l.height, l.width}, DType::f32);
  write_through(table, picture, out.data<float>());
  return out;
}

bool ToTensor::tabulate(PixelTable& table) const {
  if (!table.values.empty()) return false;
  table.values.resize(static_cast<size_t>(table.channels * kLevels));
  for (size_t i = 0; i < table.values.size(); ++i)
    table.values[i] = static_cast<float>(i % kLevels) / 255.f;
  return true;
}

Normalize::Normalize(std::vector<double> mean, std::vector<double> std)
    : mean_(std::move(mean)), std_(std::move(std)) {
  if (mean_.empty() || std_.empty())
    user_error("Normalize: expected means and stds, received none");
  for (const double s : std_)
    if (static_cast<float>(s) == 0)
      user_error("Normalize: expected every std != 0, received {}", s);
}

std::pair<float, float> Normalize::channel(int64_t c) const {
  const auto pick = [&](const std::vector<double>& v) {
    return static_cast<float>(v.size() == 1 ? v[0] : v[static_cast<size_t>(c)]);
  };
  return {pick(mean_), pick(std_)};
}

Array Normalize::apply(const Array& picture, random::TorchGenerator& rng) const {
  const Layout l = tensor_layout(picture, "Normalize");
  for (const size_t count : {mean_.size(), std_.size()})
    if (count != 1 && static_cast<int64_t>(count) != l.channels)
      user_error("Normalize: expected 1 or {} means and stds, received {} and {}", l.channels,
                 mean_.size(), std_.size());
  const Array out(picture.shape(), DType::f32);
  const int64_t area = l.height * l.width;
  for (int64_t c = 0; c < l.channels; ++c) {
    const auto [mean, std] = channel(c);
    const float* from = picture.data<float>() + c * area;
    float* to = out.data<float>() + c * area;
    for (int64_t i = 0; i < area; ++i) to[i] = (from[i] - mean) / std;
  }
  return out;
}

bool Normalize::tabulate(PixelTable& table) const {
  if (table.values.empty()) return false;
  // A table is a picture of 256 pixels: the same code, so the same bits and the same errors.
  const Array values = Array::from(table.values, {table.channels, 1, kLevels});
  random::TorchGenerator unused;
  const Array out = apply(values, unused);
  table.values.assign(out.data<float>(), out.data<float>() + out.count());
  return true;
}

Array ToImage::apply(const Array& picture, random::TorchGenerator& rng) const {
  const Layout l = tensor_layout(picture, "ToImage");
  const Array out({l.height, l.width, l.channels}, DType::u8);
  const int64_t area = l.height * l.width;
  for (int64_t c = 0; c < l.channels; ++c) {
    const float* from = picture.data<float>() + c * area;
    uint8_t* to = out.data<uint8_t>() + c;
    for (int64_t i = 0; i < area; ++i) {
      const float value = from[i] * 255.f;  // negative values wrap around as PyTorch's do
      to[i * l.channels] =
          std::fabs(value) < 0x1p31f ? static_cast<uint8_t>(static_cast<int64_t>(value)) : 0;
    }
  }
  return out;
}

RandomApply::RandomApply(std::vector<Transform> parts, double p)
    : parts_(std::move(parts)), p_(p) {}

Array RandomApply::apply(const Array& picture, random::TorchGenerator& rng) const {
  const float drawn = random::rand(rng, {1}).data<float>()[0];
  return static_cast<float>(p_) < drawn ? picture : parts_.apply(picture, rng);
}

}  // namespace trivium::data
