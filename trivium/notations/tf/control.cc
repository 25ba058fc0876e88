#include "trivium/notations/tf/control.h"

#include <algorithm>

#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/ops.h"

namespace trivium::tf {
namespace {

/// Operations made while it lives run inside the loop or branch.
class Opened {
 public:
  Opened(Graph& graph, Context::Kind kind, const std::string& name)
      : graph_(graph), context_(graph.open_context(kind, name)) {}
  ~Opened() { graph_.close_context(); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  Context& operator*() const { return *context_; }
  Context* operator->() const { return context_; }

 private:
  Graph& graph_;
  Context* context_;
};

bool within(const Context* inner, const Context* outer) {
  while (inner && inner != outer) inner = inner->outer;
  return inner == outer;
}

/// Tensors of the graph around that the operations of contexts read, and operations they wait for.
struct Around {
  std::vector<Tensor> inputs;
  std::vector<Operation*> waits;

  void look(Graph& graph, const Context& context, int first, int last) {
    const auto outside = [&](const Operation* op) { return !within(op->context(), &context); };
    for (int id = first; id < last; ++id) {
      Operation* op = graph.op(id);
      if (outside(op)) continue;
      for (const auto& e : op->edges())
        if (outside(e.op)) add({graph.handle(e.op), e.index});
      for (Operation* c : op->control_inputs())
        if (outside(c) && std::find(waits.begin(), waits.end(), c) == waits.end())
          waits.push_back(c);
    }
    for (const auto& e : context.results)
      if (outside(e.op)) add({graph.handle(e.op), e.index});
  }
  void add(const Tensor& t) {
    if (std::find(inputs.begin(), inputs.end(), t) == inputs.end()) inputs.push_back(t);
  }
};

std::shared_ptr<Operation> make_owner(Graph& graph, const std::string& type,
                                      std::vector<Tensor> inputs, const Around& around,
                                      AttrMap attrs) {
  for (const Tensor& t : around.inputs)
    if (t.dtype() != DataType::resource) inputs.push_back(t);
  auto op = graph.create(type, inputs, std::move(attrs), type);
  for (Operation* c : around.waits) graph.add_control(op.get(), c);
  return op;
}

Tensor scalar_bool(const Tensor& t, const char* what) {
  if (t.dtype() != DataType::bool_)
    raise<TypeError>("{} must be a boolean tensor, received {} {}", what, t.name(),
                     name_of(t.dtype()));
  if (t.shape().known_rank() && t.shape().count() > 1)
    raise<ValueError>("Shape must be rank 0 but is rank {} for {} {}", t.shape().rank(), what,
                      t.name());
  return t;
}

void check_variable(const Tensor& enters, const Tensor& next, const PartialShape& invariant,
                    const std::string& scope, size_t i) {
  if (next.dtype() != enters.dtype())
    raise<TypeError>(
        "Input 1 of node {0}Merge{1} was passed {2} from {0}NextIteration{1}:0 incompatible with "
        "expected {3}.",
        scope, i ? "_" + std::to_string(i) : "", name_of(next.dtype()), name_of(enters.dtype()));
  if (!invariant.compatible(next.shape()))
    raise<ValueError>(
        "Input tensor '{}' enters the loop with shape {}, but has shape {} after one iteration. To "
        "allow the shape to vary across iterations, use the `shape_invariants` argument of "
        "tf.while_loop to specify a less-specific shape.",
        enters.name(), invariant.text(), next.shape().text());
}

/// i < maximum beside the condition, i + 1 beside the results: i is the first variable.
struct Counted {
  Tensor maximum;
  std::function<Tensor(const Tensors&)> condition;
  std::function<Tensors(const Tensors&)> body;

  Tensor holds(const Tensors& all) const {
    const Tensor more = binary("Less", all[0], maximum);
    return binary("LogicalAnd", more, condition(Tensors(all.begin() + 1, all.end())));
  }
  Tensors next(const Tensors& all) const {
    Tensors out = body(Tensors(all.begin() + 1, all.end()));
    out.insert(out.begin(), binary("Add", all[0], 1));
    return out;
  }
};

}  // namespace

Tensors cond(const Input& pred, const TensorsFn& true_fn, const TensorsFn& false_fn,
             const std::string& name) {
  const auto graph = default_graph();
  const NameScope scope(name.empty() ? "cond" : name);
  const Tensor predicate =
      scalar_bool(Build("Identity", "pred_id").in(pred, "pred", DataType::bool_), "pred");
  Around around;
  Tensors results[2];
  int64_t numbers[2];
  for (int side : {0, 1}) {
    const int first = graph->size();
    const Opened here(*graph, Context::branch, scope.text().substr(0, scope.text().size() - 1));
    for (const Tensor& t : (side == 0 ? true_fn : false_fn)())
      results[side].push_back(Build("Identity", "result").in(t));
    for (const Tensor& t : results[side]) here->results.push_back({t.op(), t.index()});
    numbers[side] = graph->number_of(&*here);
    around.look(*graph, *here, first, graph->size());
  }
  if (results[0].size() != results[1].size())
    raise<ValueError>(
        "true_fn and false_fn must return the same number of outputs; they return {} and {}",
        results[0].size(), results[1].size());
  for (size_t i = 0; i < results[0].size(); ++i)
    if (results[0][i].dtype() != results[1][i].dtype())
      raise<TypeError>(
          "Outputs of true_fn and false_fn must have the same type(s). Output {} is {} and {}.", i,
          name_of(results[0][i].dtype()), name_of(results[1][i].dtype()));
  const auto op = make_owner(*graph, "If", {predicate}, around,
                             {{"then", numbers[0]}, {"otherwise", numbers[1]}});
  Tensors out;
  for (size_t i = 0; i < results[0].size(); ++i)
    out.push_back(Build("Merge", "Merge").in(op->output(static_cast<int>(i))));
  return out;
}

Tensor cond(const Input& pred, const std::function<Tensor()>& true_fn,
            const std::function<Tensor()>& false_fn, const std::string& name) {
  return cond(pred, TensorsFn([&] { return Tensors{true_fn()}; }),
              TensorsFn([&] { return Tensors{false_fn()}; }), name)[0];
}

Tensors case_of(const std::vector<Case>& cases, const TensorsFn& fallback,
                const std::string& name) {
  const NameScope scope(name.empty() ? "case" : name);
  TensorsFn rest = fallback;
  for (auto c = cases.rbegin(); c != cases.rend(); ++c)
    rest = [one = *c, rest] { return cond(one.pred, one.fn, rest); };
  return rest();
}

Tensors while_loop(const std::function<Tensor(const Tensors&)>& condition,
                   const std::function<Tensors(const Tensors&)>& body, const Tensors& loop_vars,
                   const LoopOptions& options) {
  if (loop_vars.empty()) raise<ValueError>("No loop variables provided");
  if (options.maximum_iterations.defined()) {
    const NameScope scope(options.name.empty() ? "while" : options.name);
    const Counted counted{options.maximum_iterations, condition, body};
    Tensors all = loop_vars;
    all.insert(all.begin(), constant(Array::zeros({}, engine_type(counted.maximum.dtype())),
                                     DataType::invalid, "iteration_counter"));
    LoopOptions rest{options.shape_invariants, {}, scope.text()};
    if (!rest.shape_invariants.empty())
      rest.shape_invariants.insert(rest.shape_invariants.begin(), PartialShape(Shape{}));
    Tensors out = while_loop([&](const Tensors& t) { return counted.holds(t); },
                             [&](const Tensors& t) { return counted.next(t); }, all, rest);
    out.erase(out.begin());
    return out;
  }
  const auto graph = default_graph();
  const NameScope scope(options.name.empty() ? "while" : options.name);
  const std::string& text = scope.text();
  const size_t count = loop_vars.size();
  if (!options.shape_invariants.empty() && options.shape_invariants.size() != count)
    raise<ValueError>("shape_invariants: {} given for {} loop variables",
                      options.shape_invariants.size(), count);
  Tensors enters;
  std::vector<PartialShape> shapes;
  for (size_t i = 0; i < count; ++i) {
    enters.push_back(Build("Enter", "Enter").in(loop_vars[i]));
    shapes.push_back(options.shape_invariants.empty() ? loop_vars[i].shape()
                                                      : options.shape_invariants[i]);
    if (!shapes.back().compatible(loop_vars[i].shape()))
      raise<ValueError>(
          "The shape invariant specified for {} is not compatible with the initial shape of the "
          "loop variable. It enters the loop with shape {}, but the specified shape invariant is "
          "{}.",
          loop_vars[i].name(), loop_vars[i].shape().text(), shapes.back().text());
  }
  Around around;
  const auto open = [&](Context& context, const char* name) {
    Tensors variables;
    for (size_t i = 0; i < count; ++i) {
      variables.push_back(graph
                              ->create("LoopVariable", {},
                                       {{"shape", shapes[i]}, {"dtype", enters[i].dtype()}}, name)
                              ->output());
      context.variables.push_back(variables.back().op());
    }
    return variables;
  };
  const std::string bare = text.substr(0, text.size() - 1);
  AttrMap attrs{{"variables", static_cast<int64_t>(count)}};
  {
    const int first = graph->size();
    const Opened here(*graph, Context::condition, bare);
    const Tensor holds = scalar_bool(condition(open(*here, "Merge")), "cond");
    const Tensor last = Build("Identity", "LoopCond").in(holds);
    here->results.push_back({last.op(), last.index()});
    attrs["condition"] = graph->number_of(&*here);
    around.look(*graph, *here, first, graph->size());
  }
  {
    const int first = graph->size();
    const Opened here(*graph, Context::body, bare);
    const Tensors results = body(open(*here, "Identity"));
    if (results.size() != count)
      raise<ValueError>(
          "The two structures don't have the same number of elements. The loop has {} variables, "
          "the body gives {}.",
          count, results.size());
    for (size_t i = 0; i < count; ++i) {
      check_variable(enters[i], results[i], shapes[i], text, i);
      const Tensor next = Build("Identity", "NextIteration").in(results[i]);
      here->results.push_back({next.op(), next.index()});
    }
    attrs["body"] = graph->number_of(&*here);
    around.look(*graph, *here, first, graph->size());
  }
  for (size_t i = 0; i < count; ++i) attrs[fmt::format("shape{}", i)] = shapes[i];
  const auto op = make_owner(*graph, "While", enters, around, std::move(attrs));
  Tensors out;
  for (size_t i = 0; i < count; ++i)
    out.push_back(Build("Exit", "Exit").in(op->output(static_cast<int>(i))));
  return out;
}

// ---- tensor arrays

TensorArray::TensorArray(DataType dtype, const Input& size, const TensorArrayOptions& options) {
  const std::string name = options.name.empty() ? "TensorArray" : options.name;
  const std::string& called = options.tensor_array_name;
  flow_ = Build("TensorArrayV3", name)
              .in(size, "size", DataType::int32)
              .attr("dtype", dtype)
              .attr("element_shape", options.element_shape)
              .attr("dynamic_size", options.dynamic_size)
              .attr("clear_after_read", options.clear_after_read)
              .attr("infer_shape", options.infer_shape)
              .attr("checked", options.checked)
              .attr("tensor_array_name", called.empty() ? name : called);
}

TensorArray TensorArray::write(const Input& index, const Input& value,
                               const std::string& name) const {
  return TensorArray(Build("TensorArrayWriteV3", name.empty() ? "TensorArrayWrite" : name)
                         .in(flow_)
                         .in(index, "index", DataType::int32)
                         .in(value, "value", dtype()));
}

Tensor TensorArray::read(const Input& index, const std::string& name) const {
  return Build("TensorArrayReadV3", name.empty() ? "TensorArrayRead" : name)
      .in(flow_)
      .in(index, "index", DataType::int32);
}

Tensor TensorArray::stack(const std::string& name) const {
  return Build("TensorArrayStack", name).in(flow_);
}

Tensor TensorArray::gather(const Input& indices, const std::string& name) const {
  return Build("TensorArrayGatherV3", name.empty() ? "TensorArrayGather" : name)
      .in(flow_)
      .in(indices, "indices", DataType::int32);
}

Tensor TensorArray::concat(const std::string& name) const {
  return Build("TensorArrayConcatV3", name.empty() ? "TensorArrayConcat" : name).in(flow_);
}

TensorArray TensorArray::unstack(const Input& value, const std::string& name) const {
  return TensorArray(Build("TensorArrayUnstack", name).in(flow_).in(value, "value", dtype()));
}

TensorArray TensorArray::scatter(const Input& indices, const Input& value,
                                 const std::string& name) const {
  return TensorArray(Build("TensorArrayScatterV3", name.empty() ? "TensorArrayScatter" : name)
                         .in(flow_)
                         .in(indices, "indices", DataType::int32)
                         .in(value, "value", dtype()));
}

Tensor TensorArray::size(const std::string& name) const {
  return Build("TensorArraySizeV3", name.empty() ? "TensorArraySize" : name).in(flow_);
}

}  // namespace trivium::tf
