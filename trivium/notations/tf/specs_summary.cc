// Summaries: strings the session makes of the numbers of a run, for event files.
#include <algorithm>
#include <cstring>
#include <set>

#include "trivium/formats/tf_summary.h"
#include "trivium/formats/tf_tensor.h"
#include "trivium/notations/tf/op_spec.h"

namespace trivium::tf {
namespace {

using formats::tf_proto::Summary;

[[noreturn]] void fail(const Operation& op, const std::string& message) {
  throw OpError(Code::invalid_argument,
                fmt::format("{}\n\t [[{{{{node {}}}}}]]", message, op.name()), op.name());
}

std::vector<Data> packed(const Summary& summary) {
  return {Data(Strings{Shape{}, {summary.SerializeAsString()}})};
}

void host(SpecTable& t, const std::string& type, std::vector<std::string> inputs,
          std::function<std::vector<Data>(const Operation&, const std::vector<Data>&)> fn) {
  OpSpec spec{type, std::move(inputs), {}, {}, Differentiable::cut};
  spec.infer = [](Infer& c) { c.output(PartialShape(Shape{}), DataType::string); };
  spec.host = std::move(fn);
  t.add(spec);
}

std::vector<Data> scalar(const Operation& op, const std::vector<Data>& in) {
  const std::string& tag = in[0].strings->values.at(0);
  if (in[1].shape().rank() != 0)
    fail(op, fmt::format("tags and values are not the same shape: [] != {} (tag '{}')",
                         PartialShape(in[1].shape()).brackets(), tag));
  Summary summary;
  auto* value = summary.add_value();
  value->set_tag(tag);
  value->set_simple_value(static_cast<float>(in[1].array.item()));
  return packed(summary);
}

std::vector<Data> histogram(const Operation& op, const std::vector<Data>& in) {
  const Array values = in[1].array.cast(DType::f64);
  for (const double v : values.span<double>())
    if (!(v - v == 0))
      fail(op,
           fmt::format("{} in summary histogram for: {}", v != v ? "Nan" : "Infinity", op.name()));
  Summary summary;
  auto* value = summary.add_value();
  value->set_tag(in[0].strings->values.at(0));
  *value->mutable_histo() = formats::histogram_of(values, value->tag());
  return packed(summary);
}

/// Pictures [n, height, width, channels] as PNG, at most max_images of them.
std::vector<Data> image(const Operation& op, const std::vector<Data>& in) {
  const std::string& tag = in[0].strings->values.at(0);
  const Array& all = in[1].array;
  const Shape& shape = all.shape();
  if (shape.rank() != 4 || (shape[3] != 1 && shape[3] != 3 && shape[3] != 4))
    fail(op, fmt::format("Tensor must be 4-D with last dim 1, 3, or 4, not {}",
                         PartialShape(shape).brackets()));
  const auto most = op.attr_or<int64_t>("max_images", 3);
  const int64_t count = std::min(shape[0], most), size = shape.count(1);
  Summary summary;
  for (int64_t i = 0; i < count; ++i) {
    Array one({shape[1], shape[2], shape[3]}, all.dtype());
    const auto bytes = static_cast<size_t>(size) * size_of(all.dtype());
    std::memcpy(one.raw(), static_cast<const char*>(all.raw()) + static_cast<size_t>(i) * bytes,
                bytes);
    auto* value = summary.add_value();
    value->set_tag(most == 1 ? tag + "/image" : fmt::format("{}/image/{}", tag, i));
    *value->mutable_image() =
        formats::image_summary(all.dtype() == DType::u8 ? one : one.cast(DType::f32));
  }
  return packed(summary);
}

/// A text, or a tensor of them, as TensorBoard's page of texts takes it.
std::vector<Data> text(const Operation&, const std::vector<Data>& in) {
  Summary summary;
  auto* value = summary.add_value();
  value->set_tag(in[0].strings->values.at(0));
  value->mutable_metadata()->ParseFromString(in[2].strings->values.at(0));
  if (in[1].strings)
    *value->mutable_tensor() =
        formats::strings_to_tensor({in[1].strings->shape, in[1].strings->values});
  else
    *value->mutable_tensor() = formats::array_to_tensor(in[1].array);
  return packed(summary);
}

std::vector<Data> merge(const Operation& op, const std::vector<Data>& in) {
  Summary all;
  std::set<std::string> tags;
  for (const Data& data : in) {
    Summary one;
    if (!one.ParseFromString(data.strings->values.at(0))) fail(op, "an input is no summary");
    for (const auto& value : one.value()) {
      if (!tags.insert(value.tag()).second)
        fail(op, fmt::format("Duplicate tag {} found in summary inputs", value.tag()));
      *all.add_value() = value;
    }
  }
  return packed(all);
}

}  // namespace

void define_summary_ops(SpecTable& t) {
  host(t, "ScalarSummary", {"tags", "values"}, scalar);
  host(t, "HistogramSummary", {"tag", "values"}, histogram);
  host(t, "ImageSummary", {"tag", "tensor"}, image);
  host(t, "TensorSummaryV2", {"tag", "tensor", "serialized_summary_metadata"}, text);
  host(t, "MergeSummary", {"inputs"}, merge);
}

}  // namespace trivium::tf
