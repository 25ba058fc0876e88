#include "trivium/notations/tf/op_spec.h"

#include <set>

#include "trivium/notations/tf/translator.h"

namespace trivium::tf {
namespace {

const SpecTable& table() {
  static const SpecTable* const specs = [] {
    auto* t = new SpecTable;
    define_state_ops(*t);
    define_math_ops(*t);
    define_reduction_ops(*t);
    define_array_ops(*t);
    define_slice_ops(*t);
    define_nn_ops(*t);
    define_conv_ops(*t);
    define_pool_ops(*t);
    define_random_ops(*t);
    define_train_ops(*t);
    define_summary_ops(*t);
    define_index_ops(*t);
    define_segment_ops(*t);
    define_block_ops(*t);
    define_backprop_ops(*t);
    define_more_ops(*t);
    define_host_ops(*t);
    define_linalg_ops(*t);
    define_picture_ops(*t);
    define_resize_ops(*t);
    define_control_ops(*t);
    define_checkpoint_ops(*t);
    define_switch_ops(*t);
    return t;
  }();
  return *specs;
}

constexpr int64_t kFoldLimit = 256;  // elements: shapes and axes are far smaller

/// Ops whose value is worth knowing while the graph is described: arithmetic on sizes.
bool folds(const std::string& type) {
  static const std::set<std::string> types{
      "Pack",    "Range",    "Cast",     "Add",        "AddV2",        "Sub",        "Mul",
      "RealDiv", "FloorDiv", "FloorMod", "ConcatV2",   "StridedSlice", "Slice",      "Prod",
      "Sum",     "Max",      "Min",      "GatherV2",   "Reshape",      "ExpandDims", "Squeeze",
      "Fill",    "Minimum",  "Maximum",  "Identity",   "Neg",          "Ceil",       "Floor",
      "Equal",   "Less",     "Greater",  "LogicalAnd", "LogicalNot",   "ReverseV2"};
  return types.count(type) != 0;
}

Array integers(const std::vector<int64_t>& values, DataType type) {
  return Array::from(values, Shape{static_cast<int64_t>(values.size())}).cast(engine_type(type));
}

/// The one size that a scalar strided slice of a shape picks, or the slice it takes.
PartialShape sliced_shape(const Operation& op) {
  const auto begin = constant_value(*op.edges()[1].op, op.edges()[1].index);
  const auto end = constant_value(*op.edges()[2].op, op.edges()[2].index);
  const auto step = constant_value(*op.edges()[3].op, op.edges()[3].index);
  const PartialShape from = constant_shape(*op.edges()[0].op, op.edges()[0].index);
  if (!begin || !end || !step || begin->count() != 1 || !from.known_rank()) return {};
  const int64_t n = from.rank(), stride = static_cast<int64_t>(step->at(0));
  if (stride <= 0 || op.attr_or<int64_t>("ellipsis_mask", 0) ||
      op.attr_or<int64_t>("new_axis_mask", 0))
    return {};
  const auto place = [n](double v) {
    const auto i = static_cast<int64_t>(v);
    return std::clamp<int64_t>(i < 0 ? i + n : i, 0, n);
  };
  const int64_t first = op.attr_or<int64_t>("begin_mask", 0) & 1 ? 0 : place(begin->at(0));
  int64_t last = op.attr_or<int64_t>("end_mask", 0) & 1 ? n : place(end->at(0));
  if (op.attr_or<int64_t>("shrink_axis_mask", 0) & 1) last = std::min(first + 1, n);
  std::vector<int64_t> out;
  for (int64_t i = first; i < last; i += stride) out.push_back(from[static_cast<int>(i)]);
  return PartialShape(out);
}

/// Sizes as one vector: of each input's constant_shape, in a row.
PartialShape joined(const Operation& op, int count, bool scalars) {
  std::vector<int64_t> out;
  for (int i = 0; i < count; ++i) {
    const auto& e = op.edges()[i];
    if (scalars) {
      const auto value = constant_value(*e.op, e.index);
      out.push_back(value && value->count() == 1 ? static_cast<int64_t>(value->item()) : -1);
      continue;
    }
    const PartialShape part = constant_shape(*e.op, e.index);
    if (!part.known_rank()) return {};
    out.insert(out.end(), part.dims().begin(), part.dims().end());
  }
  return PartialShape(out);
}

}  // namespace

const OpSpec* find_op_spec(const std::string& type) {
  const auto it = table().specs_.find(type);
  return it == table().specs_.end() ? nullptr : &it->second;
}

const OpSpec& op_spec(const std::string& type) {
  if (const OpSpec* spec = find_op_spec(type)) return *spec;
  const std::string near = closest_match(type, op_types());
  raise<NotImplementedError>("operation type {} is not known{}", type,
                             near.empty() ? "" : "; the nearest is " + near);
}

std::vector<std::string> op_types() {
  std::vector<std::string> types;
  for (const auto& item : table().specs_) types.push_back(item.first);
  return types;
}

std::optional<Array> Infer::constant(int i) const {
  return constant_value(*edge(i).op, edge(i).index);
}
PartialShape Infer::constant_shape(int i) const {
  return tf::constant_shape(*edge(i).op, edge(i).index);
}

void Infer::fail(const std::string& message, const std::string& hint) const {
  std::string shapes;
  for (int i = 0; i < inputs(); ++i) shapes += (i ? ", " : "") + shape(i).brackets();
  std::string text = fmt::format("{} for '{}' (op: '{}') with input shapes: {}.", message,
                                 op_.name(), op_.type(), shapes);
  for (int i = 0; i < inputs() && i < 4; ++i)
    text += fmt::format("\n  {} = {} {}{}",
                        i < static_cast<int>(op_.spec().inputs.size()) ? op_.spec().inputs[i]
                                                                       : fmt::format("input {}", i),
                        op_.input(i).name(), name_of(dtype(i)), shape(i).brackets());
  if (!op_.site().empty()) text += "\n  at " + op_.site();
  if (!hint.empty()) text += "\n  " + hint;
  throw ValueError(text);
}

void Infer::same_dtype(int i) const {
  if (dtype(i) == dtype(0)) return;
  const auto& names = op_.spec().inputs;
  const auto arg = [&](int k) {
    return k < static_cast<int>(names.size()) ? names[k] : fmt::format("input {}", k);
  };
  raise<TypeError>(
      "Input '{}' of '{}' Op has type {} that does not match type {} of argument '{}'.", arg(i),
      op_.type(), name_of(dtype(i)), name_of(dtype(0)), arg(0));
}

void Infer::floating(int i) const {
  if (is_floating(dtype(i))) return;
  const auto& names = op_.spec().inputs;
  raise<TypeError>(
      "Value passed to parameter '{}' has DataType {} not in list of allowed values: "
      "float16, bfloat16, float32, float64",
      i < static_cast<int>(names.size()) ? names[i] : "x", name_of(dtype(i)));
}

void Infer::rank(int i, int wanted) const {
  if (shape(i).known_rank() && shape(i).rank() != wanted)
    fail(fmt::format("Shape must be rank {} but is rank {}", wanted, shape(i).rank()));
}

int Infer::axis(int64_t value, int rank) const {
  if (value < -rank || value >= rank)
    fail(fmt::format("Invalid reduction dimension {} for input with {} dimensions.", value, rank));
  return static_cast<int>(value < 0 ? value + rank : value);
}

std::optional<Array> constant_value(const Operation& op, int index) {
  if (op.type() == "Const") {
    const Data& value = op.attr<Data>("value");
    return value.strings ? std::nullopt : std::optional(value.array);
  }
  if (op.type() == "Shape" || op.type() == "Size" || op.type() == "Rank") {
    const PartialShape& shape = op.edges()[0].op->out(op.edges()[0].index).shape;
    const DataType type = op.out(0).type;
    if (op.type() == "Rank" && shape.known_rank())
      return Array::full({}, shape.rank(), engine_type(type));
    if (!shape.fully_known()) return std::nullopt;
    if (op.type() == "Size") return Array::full({}, double(shape.count()), engine_type(type));
    return integers(shape.dims(), type);
  }
  const PartialShape& shape = op.out(index).shape;
  if (op.type() == "StridedSlice" && shape.known_rank() && shape.rank() == 0) {
    const PartialShape picked = sliced_shape(op);  // one size of a partly known shape
    if (picked.known_rank() && picked.rank() == 1 && picked[0] >= 0)
      return Array::full({}, double(picked[0]), engine_type(op.out(index).type));
  }
  if (!folds(op.type()) || op.out(index).type == DataType::string) return std::nullopt;
  if (shape.fully_known() && shape.count() > kFoldLimit) return std::nullopt;
  if (const auto found = op.found().find(index); found != op.found().end()) return found->second;
  std::vector<Array> inputs;
  for (const auto& e : op.edges()) {
    auto value = constant_value(*e.op, e.index);
    if (!value || value->count() > kFoldLimit) return std::nullopt;
    inputs.push_back(std::move(*value));
  }
  auto result = fold(op, index, inputs);
  if (result) op.found()[index] = *result;
  return result;
}

PartialShape constant_shape(const Operation& op, int index) {
  if (const auto value = constant_value(op, index)) {
    std::vector<int64_t> dims;
    for (int64_t i = 0; i < value->count(); ++i)
      dims.push_back(std::max<int64_t>(-1, static_cast<int64_t>(value->at(i))));
    return PartialShape(dims);
  }
  const auto& in = op.edges();
  if (op.type() == "Shape") return in[0].op->out(in[0].index).shape;
  if (op.type() == "Pack") return joined(op, op.num_inputs(), true);
  if (op.type() == "ConcatV2") return joined(op, op.num_inputs() - 1, false);
  if (op.type() == "StridedSlice") return sliced_shape(op);
  if (op.type() == "Cast" || op.type() == "Identity") return constant_shape(*in[0].op, in[0].index);
  const PartialShape& mine = op.out(index).shape;
  if (mine.known_rank() && mine.rank() == 1 && mine[0] >= 0)
    return PartialShape(std::vector<int64_t>(mine[0], -1));
  return {};
}

}  // namespace trivium::tf
