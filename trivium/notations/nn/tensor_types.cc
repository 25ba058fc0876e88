#include "trivium/notations/nn/tensor_types.h"

#include <algorithm>

#include "trivium/notations/nn/tensor.h"

namespace trivium::nn {

Dims::Dims(std::span<const int64_t> many) : count_(static_cast<int>(many.size())) {
  if (many.size() > kMost) user_error("{} dims received, at most {} expected", many.size(), kMost);
  std::copy(many.begin(), many.end(), values_.begin());
}

void Dims::push_back(int64_t v) {
  if (count_ == kMost) user_error("more than {} dims", kMost);
  values_[count_++] = v;
}

Shape Dims::shape() const {
  for (int64_t v : *this)
    if (v < 0) user_error("a size of {} received in {}; sizes are 0 or more", v, text());
  return Shape(span());
}

std::string Dims::text() const {
  std::string out = "[";
  for (int i = 0; i < count_; ++i) out += (i ? ", " : "") + std::to_string(values_[i]);
  return out + "]";
}

TensorIndex::TensorIndex(const Tensor& t)
    : kind(Kind::tensor), tensor(std::make_shared<Tensor>(t)) {}

TensorIndex::TensorIndex(const std::vector<int64_t>& list)
    : kind(Kind::tensor),
      tensor(
          std::make_shared<Tensor>(Array::from(list, Shape{static_cast<int64_t>(list.size())}))) {}

Device::Device(const std::string& text) : type(text.substr(0, text.find(':'))) {
  static const char* const known[] = {"cpu", "cuda", "mps", "xpu", "meta", "hip", "xla"};
  if (std::find(std::begin(known), std::end(known), type) == std::end(known))
    user_error("unknown device \"{}\"; cpu or cuda expected", text);
  if (type.size() == text.size()) return;
  const std::string number = text.substr(type.size() + 1);
  if (number.empty() || number.size() > 4 ||
      !std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; }))
    user_error("device \"{}\": a number expected after the colon", text);
  index = std::stoi(number);
}

std::string Device::text() const { return index ? type + ":" + std::to_string(*index) : type; }

void require_available(const Device& device) {
  if (device.type == "cpu") return;
  user_error("device \"{}\" is not available: this build computes on the processor; use \"cpu\"",
             device.text());
}

Reduction parse_reduction(const std::string& name) {
  if (name == "none") return Reduction::none;
  if (name == "mean" || name == "elementwise_mean") return Reduction::mean;
  if (name == "sum") return Reduction::sum;
  if (name == "batchmean") return Reduction::batchmean;
  raise<ValueError>("reduction \"{}\" received; none, mean or sum expected", name);
}

}  // namespace trivium::nn
