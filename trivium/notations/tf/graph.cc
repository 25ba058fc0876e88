#include "trivium/notations/tf/graph.h"

#include <algorithm>

#include "trivium/notations/tf/op_spec.h"

namespace trivium::tf {
namespace {

std::function<std::string()>& site_finder() {
  static std::function<std::string()> finder;
  return finder;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool is_name_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-' ||
         c == '/' || c == '\\' || c == '>';
}

/// Whether `name` is one for an operation (or a root scope); inner scopes may start with _ - / too.
bool valid_name(const std::string& name, bool inner) {
  if (name.empty()) return inner;
  const char c = name[0];
  const bool first = std::isalnum(static_cast<unsigned char>(c)) || c == '.';
  if (!first && !(inner && is_name_char(c))) return false;
  return std::all_of(name.begin(), name.end(), is_name_char);
}

struct DefaultGraphs {
  std::shared_ptr<Graph> global = Graph::make();
};

DefaultGraphs& default_graphs() {
  static DefaultGraphs graphs;
  return graphs;
}

std::vector<std::shared_ptr<Graph>>& graph_stack() {
  thread_local std::vector<std::shared_ptr<Graph>> stack;
  return stack;
}

}  // namespace

std::string Tensor::name() const { return fmt::format("{}:{}", op_->name(), index_); }
DataType Tensor::dtype() const { return op_->out(index_).type; }
const PartialShape& Tensor::shape() const { return op_->out(index_).shape; }

void Tensor::set_shape(const PartialShape& shape) const {
  PartialShape& mine = op_->out(index_).shape;
  if (mine.known_rank() && shape.known_rank() && mine.rank() == shape.rank())
    for (int i = 0; i < mine.rank(); ++i)
      if (mine[i] >= 0 && shape[i] >= 0 && mine[i] != shape[i])
        raise<ValueError>(
            "Dimension {} in both shapes must be equal, but are {} and {}. Shapes are {} and {}.",
            i, mine[i], shape[i], mine.brackets(), shape.brackets());
  if (!mine.compatible(shape))
    raise<ValueError>("Shapes must be equal rank, but are {} and {}", mine.rank(), shape.rank());
  mine = mine.merge(shape);
}

Tensor Operation::input(int index) const {
  const Edge& e = inputs_.at(index);
  return {graph_->handle(e.op), e.index};
}

Tensor Operation::output(int index) { return {self(), index}; }
std::shared_ptr<Operation> Operation::self() { return graph_->handle(this); }

const AttrData& Operation::attr(const std::string& name) const {
  const auto it = attrs_.find(name);
  if (it == attrs_.end()) raise<ValueError>("Operation '{}' has no attr named '{}'.", name_, name);
  return it->second;
}

void Graph::set_site_finder(std::function<std::string()> finder) {
  site_finder() = std::move(finder);
}

void Graph::check_inputs(const std::string& type, std::vector<Tensor>& inputs) {
  for (Tensor& t : inputs) {
    if (!t.defined()) raise<ValueError>("None values not supported. ({})", type);
    if (capture_ && &t.op()->graph() != this) t = capture_(t);
    if (&t.op()->graph() != this)
      raise<ValueError>("Tensor {} must be from the same graph as the other arguments of {}.",
                        t.name(), type);
    const Context* inside = context_;
    while (inside && inside != t.op()->context()) inside = inside->outer;
    if (inside != t.op()->context())
      raise<ValueError>(
          "Cannot use '{0}' as input to '{1}' because '{0}' is in {2}. See info log for more "
          "details. (A value leaves {3} as a result of its function.)",
          t.op()->name(), type,
          t.op()->context()->kind == Context::branch ? "a cond" : "a while loop",
          t.op()->context()->name);
  }
}

Context* Graph::open_context(Context::Kind kind, const std::string& name) {
  Context* outer = context_;
  push_control({}, true);
  contexts_.push_back({kind, outer, name, {}, {}});
  context_ = &contexts_.back();
  return context_;
}

void Graph::close_context() { pop_control(); }

int64_t Graph::number_of(const Context* context) const {
  for (size_t i = 0; i < contexts_.size(); ++i)
    if (&contexts_[i] == context) return static_cast<int64_t>(i);
  internal_error("tf: a context of another graph");
}

void Graph::add_control(Operation* op, Operation* other) {
  if (std::find(op->control_.begin(), op->control_.end(), other) == op->control_.end())
    op->control_.push_back(other);
}

std::shared_ptr<Operation> Graph::create(const std::string& type, std::vector<Tensor> inputs,
                                         AttrMap attrs, const std::string& name) {
  return create_as(op_spec(type), type, std::move(inputs), std::move(attrs), name);
}

std::shared_ptr<Operation> Graph::create_as(const OpSpec& spec, const std::string& type,
                                            std::vector<Tensor> inputs, AttrMap attrs,
                                            const std::string& name) {
  if (finalized_) raise<RuntimeError>("Graph is finalized and cannot be modified.");
  check_inputs(type, inputs);
  const std::string wanted = name.empty() ? type : name;
  const bool literal = wanted.back() == '/';
  const std::string bare = literal ? wanted.substr(0, wanted.size() - 1) : wanted;
  if (!valid_name(bare, false)) raise<ValueError>("'{}' is not a valid node name", wanted);
  auto op = std::unique_ptr<Operation>(new Operation);
  op->graph_ = this;
  op->id_ = size();
  op->type_ = type;
  op->spec_ = &spec;
  op->context_ = context_;
  op->name_ = literal ? bare : unique_name(bare, false);
  op->attrs_ = std::move(attrs);
  for (const Tensor& t : inputs) op->inputs_.push_back({t.op(), t.index()});
  op->site_ = !site_.empty() ? site_ : site_finder() ? site_finder()() : "";
  Infer context(*op);
  spec.infer(context);
  for (auto& out : context.outputs()) op->outputs_.push_back({out.first, out.second, {}});
  if (!literal) unique_name(bare);
  for (int i = 1; by_name_.count(op->name_); ++i)  // a literal name that is taken already
    op->name_ = fmt::format("{}_{}", bare, i);
  add_controls(*op);
  for (const std::string& device : devices_)
    if (!device.empty()) op->device_ = device;
  Operation* raw = op.get();
  ops_.push_back(std::move(op));
  by_name_[raw->name_] = raw;
  for (const auto& e : raw->inputs_) e.op->outputs_[e.index].consumers.push_back(raw);
  if (device_finder_) raw->device_ = device_finder_(*raw);
  return handle(raw);
}

void Graph::add_controls(Operation& op) {
  std::vector<Operation*> wanted;
  for (auto frame = controls_.rbegin(); frame != controls_.rend(); ++frame) {
    const bool waits = std::any_of(op.inputs_.begin(), op.inputs_.end(),
                                   [&](const auto& e) { return e.op->id() >= frame->first; });
    if (!waits)
      for (Operation* c : frame->ops) wanted.push_back(c);
    if (frame->clear) break;
  }
  for (Operation* c : wanted) {
    const bool is_input =
        std::any_of(op.inputs_.begin(), op.inputs_.end(), [&](const auto& e) { return e.op == c; });
    if (!is_input && std::find(op.control_.begin(), op.control_.end(), c) == op.control_.end())
      op.control_.push_back(c);
  }
}

Operation* Graph::find(const std::string& name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

std::shared_ptr<Operation> Graph::operation_by_name(const std::string& name) {
  if (Operation* op = find(name)) return handle(op);
  if (name.find(':') != std::string::npos)
    raise<ValueError>("Name '{}' appears to refer to a Tensor, not a Operation.", name);
  raise<KeyError>("The name '{}' refers to an Operation not in the graph.", name);
}

Tensor Graph::tensor_by_name(const std::string& name) {
  const size_t colon = name.find(':');
  if (colon == std::string::npos) {
    if (find(name))
      raise<ValueError>(
          "The name '{}' refers to an Operation, not a Tensor. Tensor names must be of "
          "the form \"<op_name>:<output_index>\".",
          name);
    raise<ValueError>(
        "The name '{}' looks like an (invalid) Operation name, not a Tensor. Tensor "
        "names must be of the form \"<op_name>:<output_index>\".",
        name);
  }
  const std::string op_name = name.substr(0, colon), port = name.substr(colon + 1);
  if (port.empty() || port.size() > 6 ||
      !std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; }))
    raise<ValueError>(
        "The name '{}' looks a like a Tensor name, but is not a valid one. Tensor names "
        "must be of the form \"<op_name>:<output_index>\".",
        name);
  Operation* op = find(op_name);
  if (!op)
    raise<KeyError>(
        "The name '{}' refers to a Tensor which does not exist. The operation, '{}', "
        "does not exist in the graph.",
        name, op_name);
  const int index = std::stoi(port);
  if (index >= op->num_outputs())
    raise<KeyError>(
        "The name '{}' refers to a Tensor which does not exist. The operation, '{}', "
        "exists but only has {} outputs.",
        name, op_name, op->num_outputs());
  return op->output(index);
}

std::string Graph::unique_name(const std::string& wanted, bool mark) {
  std::string name = scope_.empty() ? wanted : scope_ + "/" + wanted;
  std::string key = lower(name);
  const auto it = names_in_use_.find(key);
  int i = it == names_in_use_.end() ? 0 : it->second;
  if (mark) names_in_use_[key] = i + 1;
  if (i == 0) return name;
  const std::string base = key;
  while (names_in_use_.count(key)) key = fmt::format("{}_{}", base, i++);
  if (mark) names_in_use_[key] = 1;
  return fmt::format("{}_{}", name, i - 1);
}

std::string Graph::push_scope(const std::string& name) {
  std::string next;
  if (!name.empty()) {
    if (!valid_name(name, !scope_.empty()))
      raise<ValueError>("'{}' is not a valid scope name", name);
    next = name.back() == '/' ? name.substr(0, name.size() - 1) : unique_name(name);
  }
  scopes_.push_back(scope_);
  scope_ = next;
  return next.empty() ? "" : next + "/";
}

void Graph::pop_scope() {
  scope_ = scopes_.back();
  scopes_.pop_back();
}

void Graph::push_control(std::vector<Operation*> ops, bool clear) {
  controls_.push_back({std::move(ops), clear, size(), context_});
  if (clear) context_ = nullptr;
}

void Graph::pop_control() {
  context_ = controls_.back().context;
  controls_.pop_back();
}
void Graph::push_device(std::string device) { devices_.push_back(std::move(device)); }
void Graph::pop_device() { devices_.pop_back(); }

std::pair<int64_t, int64_t> Graph::op_seeds(std::optional<int64_t> op_seed) {
  constexpr int64_t kModulus = 2147483647;
  const auto wrap = [](int64_t s) { return ((s % kModulus) + kModulus) % kModulus; };
  std::pair<int64_t, int64_t> seeds{0, 0};
  if (!seed_ && !op_seed) return seeds;
  if (!seed_)
    seeds = {87654321, wrap(*op_seed)};
  else if (op_seed)
    seeds = {wrap(*seed_), wrap(*op_seed)};
  else
    seeds = {wrap(*seed_), wrap(seeds_taken_++)};
  if (seeds.first == 0 && seeds.second == 0) seeds.second = kModulus;
  return seeds;
}

std::shared_ptr<VariableParts> Graph::own(std::shared_ptr<VariableParts> parts) {
  VariableParts* const raw = parts.get();
  variables_.emplace(raw, std::move(parts));
  return {shared_from_this(), raw};
}

void Graph::add_to_collection(const std::string& key, const CollectionItem& item) {
  std::vector<Kept>& kept = collections_[key];
  if (const auto* tensor = std::get_if<Tensor>(&item);
      tensor && tensor->op() && &tensor->op()->graph() == this) {
    kept.emplace_back(Operation::Edge{tensor->op(), tensor->index()});
  } else if (const auto* op = std::get_if<std::shared_ptr<Operation>>(&item);
             op && &(*op)->graph() == this) {
    kept.emplace_back(op->get());
  } else if (const auto* parts = std::get_if<std::shared_ptr<VariableParts>>(&item);
             parts && variables_.count(parts->get())) {
    kept.emplace_back(parts->get());
  } else {
    kept.emplace_back(item);
  }
}

std::vector<CollectionItem> Graph::collection(const std::string& key) {
  std::vector<CollectionItem> items;
  const auto at = collections_.find(key);
  if (at == collections_.end()) return items;
  for (const Kept& kept : at->second) {
    if (const auto* edge = std::get_if<Operation::Edge>(&kept))
      items.emplace_back(Tensor(handle(edge->op), edge->index));
    else if (const auto* op = std::get_if<Operation*>(&kept))
      items.emplace_back(handle(*op));
    else if (const auto* parts = std::get_if<VariableParts*>(&kept))
      items.emplace_back(std::shared_ptr<VariableParts>(shared_from_this(), *parts));
    else
      items.push_back(std::get<CollectionItem>(kept));
  }
  return items;
}

std::vector<std::string> Graph::collection_names() const {
  std::vector<std::string> names;
  for (const auto& entry : collections_) names.push_back(entry.first);
  return names;
}

std::shared_ptr<Graph> default_graph() {
  return graph_stack().empty() ? default_graphs().global : graph_stack().back();
}

void reset_default_graph() {
  if (!graph_stack().empty())
    raise<RuntimeError>(
        "Do not use tf.reset_default_graph() to clear nested graphs. If you need a "
        "cleared graph, exit the nesting and create a new graph.");
  default_graphs().global = Graph::make();
}

void push_default_graph(std::shared_ptr<Graph> graph) { graph_stack().push_back(std::move(graph)); }
void pop_default_graph() { graph_stack().pop_back(); }

NameScope::NameScope(const std::string& name) : graph_(default_graph()) {
  text_ = graph_->push_scope(name);
}
NameScope::~NameScope() { graph_->pop_scope(); }

ControlDependencies::ControlDependencies(const std::vector<std::shared_ptr<Operation>>& ops)
    : graph_(default_graph()) {
  std::vector<Operation*> raw;
  for (const auto& op : ops) raw.push_back(op.get());
  graph_->push_control(std::move(raw), false);
}
ControlDependencies::~ControlDependencies() { graph_->pop_control(); }

void set_random_seed(int64_t seed) { default_graph()->set_seed(seed); }

}  // namespace trivium::tf
