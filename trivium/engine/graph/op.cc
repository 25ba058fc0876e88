#include "trivium/engine/graph/op.h"

#include <mutex>
#include <unordered_map>

namespace trivium {

InferCtx::InferCtx(const OpDef& op, std::vector<ValueMeta> inputs, const Attrs& attrs,
                   std::string where)
    : op_(op), inputs_(std::move(inputs)), attrs_(attrs), where_(std::move(where)) {}

int InferCtx::axis(const std::string& name) const {
  const int64_t axis = attrs_.integer(name);
  const int rank = shape(0).rank();
  const int64_t at = axis < 0 ? axis + rank : axis;
  if (at < 0 || at >= rank)
    fail(fmt::format("{} {} is out of range for rank {}", name, axis, rank),
         fmt::format("-{} <= {} < {}", rank, name, rank));
  return static_cast<int>(at);
}

namespace {

/// Attributes that nobody writes are no help in a message; their documentation says so.
bool set_by_compiler(const OpDef& op, const std::string& name) {
  for (const OpDef::Attr& attr : op.attrs())
    if (attr.name == name) return attr.doc.find("set by the compiler") != std::string::npos;
  return false;
}

}  // namespace

void InferCtx::fail(const std::string& message, const std::string& rule) const {
  std::string text = op_.name() + ": " + message + "\n  ";
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const auto& names = op_.inputs();
    const std::string name = i < names.size() ? names[i].name : fmt::format("operand {}", i);
    text += fmt::format("{} {}{}   ", name, name_of(inputs_[i].dtype), inputs_[i].shape.text());
  }
  for (const auto& [name, value] : attrs_.items())
    if (!set_by_compiler(op_, name)) text += fmt::format("{} {}   ", name, attr_text(value));
  if (!rule.empty()) text += "  rule: " + rule;
  while (!text.empty() && text.back() == ' ') text.pop_back();
  if (!where_.empty()) text += fmt::format("\n  at layer \"{}\"", where_);
  throw UserError(text);
}

GradCtx::GradCtx(Graph& graph, int node, std::vector<Value> upstream, std::vector<bool> wanted)
    : graph_(graph),
      node_(node),
      upstream_(std::move(upstream)),
      wanted_(std::move(wanted)),
      results_(wanted_.size()) {}

Value GradCtx::input(int i) const {
  const Edge e = graph_.node(node_).inputs[i];
  return {&graph_, e.node, e.output};
}
int GradCtx::inputs() const { return static_cast<int>(graph_.node(node_).inputs.size()); }
const Attrs& GradCtx::attrs() const { return *graph_.node(node_).attrs; }

Value GradCtx::upstream(int i) {
  if (!upstream_[i].defined()) {
    const ValueMeta meta = graph_.meta({node_, i});
    upstream_[i] = graph_.op("broadcast_to", {graph_.constant(0.0, meta.dtype)},
                             {{"shape", meta.shape.vec()}});
  }
  return upstream_[i];
}

OpRegistry& OpRegistry::instance() {
  static OpRegistry registry;
  return registry;
}

OpDef& OpRegistry::define(const std::string& name) {
  if (by_name_.count(name)) internal_error("op \"{}\" is defined twice", name);
  ops_.push_back(std::make_unique<OpDef>(name));
  return *(by_name_[name] = ops_.back().get());
}

const OpDef* OpRegistry::find(std::string_view name) const {
  auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : at->second;
}

const OpDef& OpRegistry::get(std::string_view name) const {
  if (const OpDef* op = find(name)) return *op;
  std::vector<std::string> names;
  for (const auto& op : ops_) names.push_back(op->name());
  const std::string near = closest_match(std::string(name), names);
  user_error("unknown op \"{}\"{}", name,
             near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near));
}

namespace {

/// One object per distinct set of attributes, for the life of the process: plan keys compare
/// pointers.
std::shared_ptr<const Attrs> intern(std::shared_ptr<const Attrs> attrs) {
  static std::mutex lock;  // guards `table`
  static std::unordered_multimap<uint64_t, std::shared_ptr<const Attrs>> table;
  const uint64_t hash = attrs->hash();
  std::lock_guard<std::mutex> hold(lock);
  auto [at, end] = table.equal_range(hash);
  for (; at != end; ++at)
    if (*at->second == *attrs) return at->second;
  return table.emplace(hash, std::move(attrs))->second;
}

}  // namespace

std::shared_ptr<const Attrs> complete_attrs(const OpDef& op, const Attrs& given) {
  auto out = std::make_shared<Attrs>();
  for (const auto& [name, value] : given.items()) {
    const OpDef::Attr* declared = nullptr;
    for (const auto& a : op.attrs())
      if (a.name == name) declared = &a;
    if (!declared) {
      std::vector<std::string> names;
      for (const auto& a : op.attrs()) names.push_back(a.name);
      const std::string near = closest_match(name, names);
      user_error("{}: no attribute \"{}\"{}; there are: {}", op.name(), name,
                 near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near),
                 fmt::join(names, ", "));
    }
    if (declared->type.index() != value.index())
      user_error("{}: attribute \"{}\" is {}, received {} {}", op.name(), name,
                 attr_type_name(declared->type), attr_type_name(value), attr_text(value));
    out->set(name, value);
  }
  for (const auto& a : op.attrs()) {
    if (out->has(a.name)) continue;
    if (!a.fallback) user_error("{}: attribute \"{}\" ({}) is required", op.name(), a.name, a.doc);
    out->set(a.name, *a.fallback);
  }
  return intern(std::move(out));
}

}  // namespace trivium
