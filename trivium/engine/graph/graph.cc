#include "trivium/engine/graph/graph.h"

#include "trivium/engine/graph/op.h"

namespace trivium {

Graph::Graph() { scopes_.push_back(""); }

Value Graph::append(Node node, std::span<const ValueMeta> outputs) {
  node.first_meta = static_cast<int32_t>(metas_.size());
  node.outputs = static_cast<int32_t>(outputs.size());
  node.scope = scope_;
  metas_.insert(metas_.end(), outputs.begin(), outputs.end());
  nodes_.push_back(std::move(node));
  return {this, static_cast<int32_t>(nodes_.size()) - 1, 0};
}

namespace {

Node leaf(const char* op, int literal) {
  static const auto no_attrs = complete_attrs(OpRegistry::instance().get("input"), {});
  Node node;
  node.op = &OpRegistry::instance().get(op);
  node.attrs = no_attrs;
  node.literal = literal;
  return node;
}

}  // namespace

Value Graph::input(const std::string& name, Shape shape, DType dtype) {
  const ValueMeta meta{shape, dtype};
  const Value v = append(leaf("input", static_cast<int>(inputs_.size())), {&meta, 1});
  inputs_.push_back({name, {v.node, 0}});
  return v;
}

Value Graph::scalar(const std::string& name, DType dtype) {
  const ValueMeta meta{Shape{}, dtype};
  const Value v = append(leaf("scalar", static_cast<int>(scalars_.size())), {&meta, 1});
  scalars_.push_back({name, {v.node, 0}});
  return v;
}

Value Graph::constant(const Array& value) {
  const ValueMeta meta{value.shape(), value.dtype()};
  const Value v = append(leaf("constant", static_cast<int>(constants_.size())), {&meta, 1});
  constants_.push_back(value);
  return v;
}

Value Graph::constant(double value, DType dtype, Shape shape) {
  return constant(Array::full(shape, value, dtype));
}

int Graph::cell_index(const CellRef& cell) {
  if (!cell) user_error("graph: a Cell is expected, null received");
  auto [at, fresh] = cell_index_.emplace(cell.get(), static_cast<int>(cells_.size()));
  if (fresh) cells_.push_back({cell, {}, {}});
  return at->second;
}

Value Graph::read(const CellRef& cell) {
  const int index = cell_index(cell);
  if (cells_[index].current.node < 0) {
    const ValueMeta meta{cell->shape(), cell->dtype()};
    const Value v = append(leaf("cell", index), {&meta, 1});
    cells_[index].initial = cells_[index].current = {v.node, 0};
  }
  return value(cells_[index].current);
}

void Graph::assign(const CellRef& cell, Value value) {
  if (value.graph != this)
    user_error("assign to \"{}\": the value belongs to another graph", cell->name());
  if (value.shape() != cell->shape() || value.dtype() != cell->dtype())
    user_error("assign to \"{}\": expected {}{}, received {}{}", cell->name(),
               name_of(cell->dtype()), cell->shape().text(), name_of(value.dtype()),
               value.shape().text());
  cells_[cell_index(cell)].current = {value.node, value.output};
}

Value Graph::op(const std::string& name, std::span<const Value> inputs, const Attrs& attrs) {
  return op(OpRegistry::instance().get(name), inputs, attrs);
}

Value Graph::op(const OpDef& def, std::span<const Value> inputs, const Attrs& attrs) {
  Node node;
  node.op = &def;
  std::vector<ValueMeta> metas;
  for (const Value& v : inputs) {
    if (v.graph != this)
      user_error("{}: operand {} {}", def.name(), node.inputs.size(),
                 v.defined() ? "belongs to another graph" : "is undefined");
    node.inputs.push_back({v.node, v.output});
    metas.push_back(meta({v.node, v.output}));
  }
  node.attrs = complete_attrs(def, attrs);
  InferCtx ctx(def, std::move(metas), *node.attrs, scopes_[scope_]);
  size_t required = 0;
  for (const auto& in : def.inputs()) required += !in.optional;
  const bool variadic = !def.inputs().empty() && def.inputs().back().variadic;
  if (inputs.size() < required || (!variadic && inputs.size() > def.inputs().size()))
    ctx.fail(fmt::format("{}{} operands expected, {} received", variadic ? "at least " : "",
                         required, inputs.size()));
  def.infer()(ctx);
  return append(std::move(node), ctx.outputs());
}

void Graph::set_scope(const std::string& name) {
  auto [at, fresh] = scope_ids_.emplace(name, static_cast<int32_t>(scopes_.size()));
  if (fresh) scopes_.push_back(name);
  scope_ = at->second;
}

}  // namespace trivium
