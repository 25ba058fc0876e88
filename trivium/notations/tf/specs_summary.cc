// Summaries: strings the session makes of the numbers of a run, for event files.
#include <set>

#include "trivium/formats/tf_summary.h"
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
  const Array& values = in[1].array;
  for (int64_t i = 0; i < values.count(); ++i)
    if (const double v = values.at(i); !(v - v == 0))
      fail(op,
           fmt::format("{} in summary histogram for: {}", v != v ? "Nan" : "Infinity", op.name()));
  Summary summary;
  auto* value = summary.add_value();
  value->set_tag(in[0].strings->values.at(0));
  *value->mutable_histo() = formats::histogram_of(values, value->tag());
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
  host(t, "MergeSummary", {"inputs"}, merge);
}

}  // namespace trivium::tf
