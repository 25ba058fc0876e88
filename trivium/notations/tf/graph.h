// A graph that is described first and run later: operations with names, inputs and attributes.
// Nothing here computes; a Session translates the part of the graph that is asked for.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "trivium/notations/tf/types.h"

namespace trivium::tf {

class Graph;
class Operation;
class Session;
class VariableParts;
struct OpSpec;

/// One output of an operation. Keeps its graph alive; equal when operation and index are.
class Tensor {
 public:
  Tensor() = default;
  Tensor(std::shared_ptr<Operation> op, int index) : op_(std::move(op)), index_(index) {}

  bool defined() const { return op_ != nullptr; }
  Operation* op() const { return op_.get(); }
  const std::shared_ptr<Operation>& operation() const { return op_; }
  int index() const { return index_; }
  /// "MatMul:0"
  std::string name() const;
  DataType dtype() const;
  const PartialShape& shape() const;
  /// Adds what the caller knows; ValueError when it contradicts what is known.
  void set_shape(const PartialShape& shape) const;
  friend bool operator==(const Tensor& a, const Tensor& b) {
    return a.op_.get() == b.op_.get() && a.index_ == b.index_;
  }

 private:
  std::shared_ptr<Operation> op_;
  int index_ = 0;
};

/// An attribute of an operation.
using AttrData = std::variant<bool, int64_t, double, std::string, std::vector<int64_t>, DataType,
                              PartialShape, Data, std::vector<std::string>, std::vector<double>,
                              std::vector<DataType>, std::vector<PartialShape>>;
using AttrMap = std::map<std::string, AttrData>;

/// Work of the host that a program gives an operation (see host.h).
using HostFunction = std::function<std::vector<Data>(Session&, const std::vector<Data>& inputs)>;

/// A part of a graph that runs only inside one of its operations: a branch of a choice, the
/// condition or the body of a loop.
struct Context;

class Operation {
 public:
  struct Edge {
    Operation* op;
    int index;
  };

  const std::string& name() const { return name_; }
  const std::string& type() const { return type_; }
  const std::string& device() const { return device_; }
  /// Position in the order of creation.
  int id() const { return id_; }
  Graph& graph() const { return *graph_; }
  int num_inputs() const { return static_cast<int>(inputs_.size()); }
  const std::vector<Edge>& edges() const { return inputs_; }
  Tensor input(int index) const;
  const std::vector<Operation*>& control_inputs() const { return control_; }
  int num_outputs() const { return static_cast<int>(outputs_.size()); }
  Tensor output(int index = 0);
  std::shared_ptr<Operation> self();
  /// Where the user's program made it ("train.py:12"); "" when not known.
  const std::string& site() const { return site_; }
  const OpSpec& spec() const { return *spec_; }
  /// Where it runs; null: with the graph itself.
  Context* context() const { return context_; }

  const AttrMap& attrs() const { return attrs_; }
  bool has_attr(const std::string& name) const { return attrs_.count(name) != 0; }
  /// ValueError when the operation has no such attribute (or it is of another kind).
  template <typename T>
  const T& attr(const std::string& name) const {
    const T* value = std::get_if<T>(&attr(name));
    if (!value) internal_error("tf: attribute {} of {} is of another kind", name, type_);
    return *value;
  }
  const AttrData& attr(const std::string& name) const;
  template <typename T>
  T attr_or(const std::string& name, T fallback) const {
    const auto it = attrs_.find(name);
    return it == attrs_.end() ? fallback : std::get<T>(it->second);
  }
  void set_attr(const std::string& name, AttrData value) { attrs_[name] = std::move(value); }
  /// Empty unless the program wrote what the operation does.
  const HostFunction& host_function() const { return host_function_; }
  void set_host_function(HostFunction fn) { host_function_ = std::move(fn); }

  struct Output {
    PartialShape shape;
    DataType type;
    std::vector<Operation*> consumers;
  };
  /// Values found while the graph was described (see constant_value), by output.
  std::map<int, Array>& found() const { return found_; }
  Output& out(int index) { return outputs_[index]; }
  const Output& out(int index) const { return outputs_[index]; }

 private:
  friend class Graph;
  Graph* graph_ = nullptr;
  int id_ = 0;
  std::string name_, type_, device_, site_;
  const OpSpec* spec_ = nullptr;
  Context* context_ = nullptr;
  std::vector<Edge> inputs_;
  std::vector<Operation*> control_;
  std::vector<Output> outputs_;
  AttrMap attrs_;
  HostFunction host_function_;
  mutable std::map<int, Array> found_;
};

struct Context {
  enum Kind { branch, condition, body } kind;
  Context* outer;                     // null: the graph itself
  std::string name;                   // of the loop or choice
  std::vector<Operation*> variables;  // what a loop binds at every iteration
  std::vector<Operation::Edge> results;
};

/// Something in a collection.
using CollectionItem =
    std::variant<Tensor, std::shared_ptr<Operation>, std::shared_ptr<VariableParts>>;

class Graph : public std::enable_shared_from_this<Graph> {
 public:
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  static std::shared_ptr<Graph> make() { return std::shared_ptr<Graph>(new Graph); }

  /// Adds an operation of a known type: its spec finds the outputs, and checks shapes and dtypes.
  /// `name` as in unique_name. ValueError / TypeError naming op and shapes; NotImplementedError for
  /// an unknown type. Control dependencies and the device in force are added.
  std::shared_ptr<Operation> create(const std::string& type, std::vector<Tensor> inputs,
                                    AttrMap attrs, const std::string& name = "");

  /// The same for a type that has no spec of its own here: `spec` stands for it.
  std::shared_ptr<Operation> create_as(const OpSpec& spec, const std::string& type,
                                       std::vector<Tensor> inputs, AttrMap attrs,
                                       const std::string& name);

  int size() const { return static_cast<int>(ops_.size()); }
  Operation* op(int id) const { return ops_[id].get(); }
  std::shared_ptr<Operation> handle(Operation* op) {
    return std::shared_ptr<Operation>(shared_from_this(), op);
  }
  /// Null when there is none.
  Operation* find(const std::string& name) const;
  /// KeyError / ValueError with TensorFlow's words.
  std::shared_ptr<Operation> operation_by_name(const std::string& name);
  Tensor tensor_by_name(const std::string& name);

  // Names.
  /// The scope in force joined with `name`, made unique by _1, _2, …; a name that ends in "/" is
  /// taken as it stands. `mark` false only looks.
  std::string unique_name(const std::string& name, bool mark = true);
  /// Opens a scope and returns it with its "/" ("" at the root); a name ending in "/" re-enters.
  std::string push_scope(const std::string& name);
  void pop_scope();
  const std::string& scope() const { return scope_; }

  // Control dependencies, devices, the user's line.
  void push_control(std::vector<Operation*> ops, bool clear);
  void pop_control();
  /// Operations made from here on run inside a loop or a choice; a push_control that clears leaves
  /// it for a while, as control_dependencies(None) does.
  Context* open_context(Context::Kind kind, const std::string& name);
  void close_context();
  Context* context() const { return context_; }
  /// All contexts so far; a context's number is its place here.
  const std::deque<Context>& contexts() const { return contexts_; }
  Context* context_of(int64_t number) { return &contexts_.at(static_cast<size_t>(number)); }
  int64_t number_of(const Context* context) const;
  /// `op` also waits for `other`.
  void add_control(Operation* op, Operation* other);
  void push_device(std::string device);
  void pop_device();
  void set_site(std::string site) { site_ = std::move(site); }
  /// Asked for the user's line at every operation when set (the Python layer looks at the stack).
  static void set_site_finder(std::function<std::string()> finder);
  /// Asked for the device of a new operation when set.
  void set_device_finder(std::function<std::string(Operation&)> finder) {
    device_finder_ = std::move(finder);
  }

  /// What becomes of a tensor of another graph that an operation here wants: a placeholder that
  /// stands for it. Without one it is an error.
  void set_capture(std::function<Tensor(const Tensor&)> capture) { capture_ = std::move(capture); }

  void finalize(bool on = true) { finalized_ = on; }
  bool finalized() const { return finalized_; }

  // Seeds.
  void set_seed(std::optional<int64_t> seed) { seed_ = seed; }
  std::optional<int64_t> seed() const { return seed_; }
  /// The pair of TensorFlow's rules for an op seed; (0, 0) means: draw it from the system.
  std::pair<int64_t, int64_t> op_seeds(std::optional<int64_t> op_seed);

  std::vector<CollectionItem> collection(const std::string& key);
  std::vector<std::string> collection_names() const;
  void add_to_collection(const std::string& key, const CollectionItem& item);
  void clear_collection(const std::string& key) { collections_.erase(key); }
  /// A handle of `parts`, which live as long as the graph does from here on.
  std::shared_ptr<VariableParts> own(std::shared_ptr<VariableParts> parts);
  /// Anything a language binding wants to keep with the graph.
  std::shared_ptr<void>& companion() { return companion_; }

 private:
  Graph() = default;
  void add_controls(Operation& op);
  void check_inputs(const std::string& type, std::vector<Tensor>& inputs);

  std::deque<std::unique_ptr<Operation>> ops_;
  std::unordered_map<std::string, Operation*> by_name_;
  std::unordered_map<std::string, int> names_in_use_;
  std::string scope_;
  std::vector<std::string> scopes_;
  struct ControlFrame {
    std::vector<Operation*> ops;
    bool clear;
    int first;         // operations from here on were made inside
    Context* context;  // in force before
  };
  std::vector<ControlFrame> controls_;
  std::deque<Context> contexts_;
  Context* context_ = nullptr;
  std::vector<std::string> devices_;
  std::function<std::string(Operation&)> device_finder_;
  std::function<Tensor(const Tensor&)> capture_;
  std::string site_;
  std::optional<int64_t> seed_;
  int64_t seeds_taken_ = 0;
  bool finalized_ = false;
  /// What a collection holds of its own graph, without keeping the graph alive by itself; handles
  /// are for what belongs to another one.
  using Kept = std::variant<Operation::Edge, Operation*, VariableParts*, CollectionItem>;
  std::map<std::string, std::vector<Kept>> collections_;
  std::unordered_map<VariableParts*, std::shared_ptr<VariableParts>> variables_;
  std::shared_ptr<void> companion_;
};

/// The graph that functions add to: the innermost AsDefault of this thread, else the global one.
std::shared_ptr<Graph> default_graph();
/// A new global default graph; RuntimeError inside an AsDefault.
void reset_default_graph();
void push_default_graph(std::shared_ptr<Graph> graph);
void pop_default_graph();

/// Makes a graph the default one for a block.
class AsDefault {
 public:
  explicit AsDefault(std::shared_ptr<Graph> graph) { push_default_graph(std::move(graph)); }
  ~AsDefault() { pop_default_graph(); }
  AsDefault(const AsDefault&) = delete;
  AsDefault& operator=(const AsDefault&) = delete;
};

/// Opens a name scope of the default graph for a block.
class NameScope {
 public:
  explicit NameScope(const std::string& name);
  ~NameScope();
  NameScope(const NameScope&) = delete;
  NameScope& operator=(const NameScope&) = delete;
  /// With its "/": given as a name, it is taken as it stands.
  const std::string& text() const { return text_; }

 private:
  std::shared_ptr<Graph> graph_;
  std::string text_;
};

/// Operations made in the block wait for these.
class ControlDependencies {
 public:
  explicit ControlDependencies(const std::vector<std::shared_ptr<Operation>>& ops);
  ~ControlDependencies();
  ControlDependencies(const ControlDependencies&) = delete;
  ControlDependencies& operator=(const ControlDependencies&) = delete;

 private:
  std::shared_ptr<Graph> graph_;
};

void set_random_seed(int64_t seed);

}  // namespace trivium::tf
