#include "trivium/notations/tf/translator.h"

#include <algorithm>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/compile/compile.h"
#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/graph/op.h"
#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/windows.h"

namespace trivium::tf {
namespace {

constexpr size_t kConstantBytes = 1 << 14;  // larger literals are bound, not part of a plan's key

bool is_variable(const Operation& op) { return op.type() == "VariableV2"; }

}  // namespace

VariableState& Store::variable(Operation* op) {
  auto& state = variables_[op];
  if (!state) {
    state = std::make_unique<VariableState>();
    state->op = op;
    state->home = home_of(op);
  }
  return *state;
}

RandomStream& Store::random(Operation* op) {
  auto& stream = randoms_[op];
  if (!stream)
    stream =
        std::make_unique<RandomStream>(static_cast<uint64_t>(op->attr_or<int64_t>("seed", 0)),
                                       static_cast<uint64_t>(op->attr_or<int64_t>("seed2", 0)));
  return *stream;
}

Value Translate::in(int i) { return translator_.value(op_.edges().at(i), &op_); }
std::vector<Value> Translate::ins(int first) {
  std::vector<Value> values;
  for (int i = first; i < inputs(); ++i) values.push_back(in(i));
  return values;
}
const Shape& Translate::shape(int i) { return in(i).shape(); }
DType Translate::dtype(int i) { return in(i).dtype(); }
Array Translate::known(int i) {
  const Data data = translator_.known(op_.edges().at(i));
  if (data.strings) fail("numbers are needed, not strings");
  return data.array;
}
std::vector<int64_t> Translate::known_integers(int i) {
  const Array a = known(i);
  std::vector<int64_t> out(a.count());
  for (size_t k = 0; k < out.size(); ++k)
    out[k] = static_cast<int64_t>(a.at(static_cast<int64_t>(k)));
  return out;
}
bool Translate::fixed(int i) const { return translator_.fixed(op_.edges().at(i)); }
void Translate::out(int i, Value value) { translator_.set(op_, i, value); }
void Translate::out(int i, const Array& value) { translator_.set(op_, i, Data(value)); }
void Translate::hand_on(int i, int o) { translator_.hand_on(op_.edges()[i], op_, o); }
trivium::Graph& Translate::graph() { return translator_.graph(); }
void Translate::fail(const std::string& message) const {
  std::string text = fmt::format("{}\n\t [[{{{{node {}}}}}]]", message, op_.name());
  if (!op_.site().empty()) text += "\n  at " + op_.site();
  throw OpError(Code::invalid_argument, text, op_.name());
}

Translator::Translator(Store* store, const std::vector<Feed>& feeds, Session* session)
    : store_(store),
      feeds_(feeds),
      session_(session),
      root_graph_(std::make_unique<trivium::Graph>()),
      graph_(root_graph_.get()) {
  ops::register_all();
  for (size_t i = 0; i < feeds.size(); ++i) fed_[key_of(feeds[i].key)] = static_cast<int>(i);
}

void Translator::translate(const std::vector<Operation*>& ops) {
  ops_ = ops;
  for (Operation* op : ops) {
    merge_writes(*op);
    translate_op(*op);
  }
  check_marks(nullptr);
}

void Translator::translate_op(Operation& op) {
  bool all_fed = op.num_outputs() > 0;
  for (int i = 0; i < op.num_outputs(); ++i) all_fed = all_fed && fed_.count(key_of(&op, i)) != 0;
  if (all_fed) return;
  if (calls_host() && op.spec().on_host()) {
    call_host(op);
    if (!op.spec().translate) return;
  } else if (op.spec().before) {
    return;
  }
  if (!calls_host() && op.spec().on_host()) {
    host_ops_.push_back(&op);
    if (!op.spec().translate) return;  // with both, the host only watches
  }
  graph_->set_scope(op.name());
  Translate context(*this, op);
  try {
    op.spec().translate(context);
  } catch (const OpError&) {
    throw;
  } catch (const UserError& error) {
    context.fail(error.what());
  }
}

/// An operation has seen the writes its inputs and control inputs have seen.
void Translator::merge_writes(Operation& op) {
  std::vector<Operation*> others = op.control_inputs();
  for (const auto& e : op.edges()) others.push_back(e.op);
  merge_from(op, others);
}

void Translator::merge_from(Operation& op, const std::vector<Operation*>& others) {
  std::shared_ptr<const Writes> seen;
  for (Operation* from : others) {
    const auto it = seen_.find(from);
    if (it == seen_.end() || it->second == seen) continue;
    if (!seen) {
      seen = it->second;
      continue;
    }
    auto both = std::make_shared<Writes>(*seen);
    for (const auto& [variable, write] : *it->second) {
      const auto mine = both->find(variable);
      if (mine == both->end() || mine->second.sequence < write.sequence) (*both)[variable] = write;
    }
    seen = both;
  }
  if (seen) seen_[&op] = seen;
}

Operation* Translator::variable_of(const Operation::Edge& edge) const {
  if (is_variable(*edge.op)) return edge.op;
  if (edge.op->num_inputs() == 0 ||
      edge.op->edges()[0].op->out(edge.op->edges()[0].index).type != edge.op->out(edge.index).type)
    internal_error("tf: {} refers to no variable", edge.op->name());
  return variable_of(edge.op->edges()[0]);
}

void Translator::uninitialized(Operation* variable) {
  std::string all;
  for (int i = 0; i < variable->graph().size(); ++i) {
    Operation* op = variable->graph().op(i);
    if (!is_variable(*op) || store_->variable(op).initialized) continue;
    all += "\n  " + op->name() + (op->site().empty() ? "" : ", made at " + op->site());
  }
  throw OpError(Code::failed_precondition,
                fmt::format("Attempting to use uninitialized value {0}\n\t [[{{{{node {0}}}}}]]"
                            "\nwithout a value in this session:{1}\nrun "
                            "tf.global_variables_initializer() first",
                            variable->name(), all),
                variable->name());
}

bool Translator::is_initialized(Operation* variable) {
  if (last_.count(variable)) return true;
  if (inside()) return outside([&] { return is_initialized(variable); });
  VariableState& state = store_->variable(variable);
  assumptions_.emplace_back(&state, state.initialized);
  return state.initialized;
}

Value Translator::initial(Operation* variable) {
  if (!store_) user_error("the value depends on the variable \"{}\"", variable->name());
  if (inside()) {
    const auto at = initials_.find(variable);
    if (at != initials_.end()) return at->second;
    Operation* owner = owner_;
    return initials_[variable] = captured(outside([&] { return read(variable, owner); }));
  }
  VariableState& state = store_->variable(variable);
  if (state.initialized) {
    Value& value = initials_[variable];
    if (!value.defined()) value = state.home.logical(graph_->read(state.cell));
    return value;
  }
  const auto write = last_.find(variable);
  if (write == last_.end()) uninitialized(variable);
  assumptions_.emplace_back(&state, false);
  return write->second.value;
}

Value Translator::latest(Operation* variable) {
  const auto write = last_.find(variable);
  if (write != last_.end()) return write->second.value;
  if (!inside() || context_->kind != Context::branch) return initial(variable);
  return captured(outside([&] { return latest(variable); }));
}

Value Translator::read(Operation* variable, Operation* reader) {
  const auto fed = fed_.find(key_of(variable, 0));
  if (fed != fed_.end())
    return inside() ? captured(outside([&] { return read(variable, nullptr); }))
                    : value({variable, 0}, nullptr);
  const auto it = seen_.find(reader);
  if (it != seen_.end()) {
    const auto write = it->second->find(variable);
    if (write != it->second->end()) return write->second.value;
  }
  return initial(variable);
}

void Translator::write(Operation& writer, Operation* variable, Value value) {
  if (!store_) user_error("a value that is needed now depends on a write to a variable");
  if (!last_.count(variable)) written_.push_back(variable);
  const Write write{++sequence_, value};
  last_[variable] = write;
  auto seen = std::make_shared<Writes>();
  if (seen_.count(&writer)) *seen = *seen_[&writer];
  (*seen)[variable] = write;
  seen_[&writer] = seen;
}

std::vector<VariableState*> Translator::commit() {
  std::vector<VariableState*> begun;
  for (Operation* variable : written_) {
    VariableState& state = store_->variable(variable);
    const Value value = state.home.stored(last_[variable].value);
    if (!state.initialized) {
      if (!state.cell || state.cell->shape() != value.shape())
        state.cell =
            std::make_shared<Cell>(variable->name(), Array::zeros(value.shape(), value.dtype()));
      begun.push_back(&state);
    }
    if (state.cell->shape() != value.shape())
      throw OpError(Code::invalid_argument,
                    fmt::format("Assign: variable \"{}\" holds {}, the new value has shape {}; a "
                                "variable keeps its shape",
                                variable->name(), state.cell->shape().text(), value.shape().text()),
                    variable->name());
    graph_->assign(state.cell, value);
  }
  return begun;
}

Value Translator::input_leaf(const std::string& name, const Array& like, Leaf leaf) {
  return from_root([&] {
    leaves_.push_back(std::move(leaf));
    return graph_->input(name, like.shape(), like.dtype());
  });
}

Value Translator::value(const Operation::Edge& edge, Operation* reader) {
  const int64_t key = key_of(edge);
  const auto found = values_.find(key);
  if (found != values_.end()) return found->second;
  if (inside()) {
    if (is_variable(*edge.op)) return read(edge.op, reader);
    if (!known_.count(key) && is_outside(edge.op)) {
      const Value outer = outside([&] { return value(edge, nullptr); });
      return values_[key] = captured(outer);
    }
  } else if (const auto fed = fed_.find(key); fed != fed_.end()) {
    const Data& data = feeds_[fed->second].value;
    if (data.strings) user_error("{} holds strings", edge.op->name());
    return values_[key] = input_leaf(edge.op->name(), data.array, {Leaf::feed, fed->second, {}});
  }
  if (is_variable(*edge.op)) return read(edge.op, reader);
  const auto known = known_.find(key);
  if (known == known_.end()) {
    if (edge.op->spec().on_host())
      throw OpError(
          Code::unimplemented,
          fmt::format("{} ({}) is computed after the numbers of a run; no operation can use "
                      "its result in the same run",
                      edge.op->name(), edge.op->type()),
          edge.op->name());
    internal_error("tf: {}:{} was not translated", edge.op->name(), edge.index);
  }
  if (known->second.strings) user_error("{} holds strings", edge.op->name());
  const Array& array = known->second.array;
  if (array.bytes() <= kConstantBytes) return values_[key] = graph_->constant(array);
  return values_[key] = input_leaf(edge.op->name(), array, {Leaf::fixed, 0, array});
}

const Data* Translator::known_data(const Operation::Edge& edge) {
  if (inside() && !known_.count(key_of(edge)) && is_outside(edge.op))
    return outside([&] { return known_data(edge); });
  if (const auto fed = fed_.find(key_of(edge)); fed != fed_.end()) {
    if (!feeds_[fed->second].value.strings) return nullptr;
    looked_at_.insert(fed->second);
    return &feeds_[fed->second].value;
  }
  const auto known = known_.find(key_of(edge));
  return known == known_.end() ? nullptr : &known->second;
}

const Data* Translator::fed_data(const Operation::Edge& edge) const {
  const auto fed = fed_.find(key_of(edge));
  return fed == fed_.end() ? nullptr : &feeds_[fed->second].value;
}

void Translator::hand_on(const Operation::Edge& from, Operation& op, int output) {
  const Data* data = known_data(from);
  if (data) set(op, output, Data(*data));
  if (!data || is_floating(op.out(output).type)) set(op, output, value(from, &op));
}

Data Translator::known(const Operation::Edge& edge) {
  const int64_t key = key_of(edge);
  if (inside() && !known_.count(key) && is_outside(edge.op))
    return outside([&] { return known(edge); });
  if (const auto fed = fed_.find(key); fed != fed_.end()) {
    looked_at_.insert(fed->second);
    return feeds_[fed->second].value;
  }
  if (const auto known = known_.find(key); known != known_.end()) return known->second;
  return known_[key] = evaluate(*edge.op, edge.index);
}

bool Translator::fixed(const Operation::Edge& edge) const {
  std::set<const Operation*> seen;
  std::vector<Operation::Edge> stack{edge};
  while (!stack.empty()) {
    const Operation::Edge e = stack.back();
    stack.pop_back();
    if (fed_.count(key_of(e))) return false;
    const auto known_outside = [&] {
      return std::any_of(outer_.begin(), outer_.end(),
                         [&](const State& s) { return s.known.count(key_of(e)) != 0; });
    };
    if (known_outside()) continue;
    if (known_.count(key_of(e)) || !seen.insert(e.op).second) continue;
    const std::string& type = e.op->type();
    if (type == "Shape" || type == "Size" || type == "Rank" || type == "ShapeN") continue;
    if (e.op->num_inputs() == 0 || e.op->spec().host || e.op->has_attr("seed")) return false;
    for (const auto& in : e.op->edges()) stack.push_back(in);
  }
  return true;
}

/// Runs one operation on inputs that are known, apart from the run being translated.
Data Translator::evaluate(Operation& op, int index) {
  if (is_variable(op) || (op.spec().on_host() && !op.spec().translate) || op.num_inputs() == 0)
    throw OpError(
        Code::unimplemented,
        fmt::format("{} ({}): a shape, size or axis of this run depends on its value, which "
                    "is known only when the run has begun; feed it, or make it a constant",
                    op.name(), op.type()),
        op.name());
  static const std::vector<Feed> none;
  Translator alone(nullptr, none, session_);
  for (const auto& e : op.edges()) alone.known_[key_of(e)] = known(e);
  alone.translate_op(op);
  if (const Data* data = alone.known_data({&op, index})) return *data;
  const Value value = alone.value({&op, index}, nullptr);
  if (!alone.leaves_.empty()) user_error("{} is too large to be known in advance", op.name());
  return run_constants(*alone.graph_, {value})[0];
}

Value Translator::draw(Operation& op, DrawKind kind, const Shape& shape, DType dtype, int64_t low,
                       int64_t high) {
  if (!store_)
    user_error("a value that is needed now depends on the random numbers of {}", op.name());
  if (calls_host()) {  // every iteration draws its own
    const Draw one{&op, &store_->random(&op), kind, shape, dtype, low, high};
    return host_call(op, std::vector<Value>{}, {{shape, dtype}},
                     [one](const std::vector<Array>&, const std::vector<Array>& out) {
                       Array(out[0]).copy_from(drawn(one));
                     });
  }
  const int index = static_cast<int>(draws_.size());
  draws_.push_back({&op, &store_->random(&op), kind, shape, dtype, low, high});
  leaves_.push_back({Leaf::draw, index, {}});
  return graph_->input(op.name(), shape, dtype);
}

std::vector<Value> Translator::gradients(Operation& op, int ys, int xs, int seeds, int stops) {
  const auto& in = op.edges();
  std::unordered_map<int64_t, Value> kept;
  const int first_stop = ys + xs + seeds;
  if (stops > 0) {  // what lies behind the stops is recorded once more, on constants
    kept = values_;
    again_ = true;
    std::set<Operation*> behind;
    for (int i = 0; i < stops; ++i) {
      const auto& e = in[first_stop + i];
      values_[key_of(e)] = ops::stop_gradient(value(e, &op));
      behind.insert(e.op);
    }
    for (Operation* o : ops_) {
      if (o->id() >= op.id() || !o->spec().translate) continue;
      const bool after = std::any_of(o->edges().begin(), o->edges().end(),
                                     [&](const auto& e) { return behind.count(e.op) != 0; });
      if (!after || behind.count(o)) continue;
      behind.insert(o);
      translate_op(*o);
    }
    again_ = false;
  }
  std::vector<Value> y, x, seed;
  for (int i = 0; i < ys; ++i) y.push_back(value(in[i], &op));
  for (int i = 0; i < xs; ++i) x.push_back(value(in[ys + i], &op));
  for (int i = 0; i < seeds; ++i) seed.push_back(value(in[ys + xs + i], &op));
  graph_->set_scope(op.name());
  std::vector<Value> at = x;  // a variable that is kept in another order: its Cell's value
  std::vector<std::optional<Turned>> turns(x.size());
  for (int i = 0; i < xs; ++i) {
    turns[i] = turning_of(x[i]);
    if (turns[i] && graph_->node(turns[i]->source.node).op->name() == "cell")
      at[i] = turns[i]->source;
  }
  std::vector<Value> result = trivium::gradients(y, at, seed);
  for (int i = 0; i < xs; ++i)
    if (result[i].defined() && at[i] != x[i]) result[i] = turns[i]->again(result[i]);
  for (int i = 0; i < xs; ++i)
    if (!result[i].defined()) result[i] = graph_->constant(0.0, x[i].dtype(), x[i].shape());
  if (stops > 0) values_ = kept;
  return result;
}

std::optional<Array> fold(const Operation& op, int index, const std::vector<Array>& inputs) {
  if (!op.spec().translate) return std::nullopt;
  static const std::vector<Feed> none;
  try {
    Translator alone(nullptr, none);
    for (size_t i = 0; i < inputs.size(); ++i)
      alone.known_[key_of(op.edges()[i])] = Data(inputs[i]);
    alone.translate_op(const_cast<Operation&>(op));
    if (const Data* data = alone.known_data({const_cast<Operation*>(&op), index}))
      return data->array;
    const Value value = alone.value({const_cast<Operation*>(&op), index}, nullptr);
    return run_constants(*alone.graph_, {value})[0];
  } catch (const UserError&) {
    return std::nullopt;  // the mistake is reported where the operation runs
  }
}

std::vector<Array> run_constants(const trivium::Graph& graph, const std::vector<Value>& fetches) {
  cpu::register_backend();
  const compile::Prepared p = compile::prepare(graph, {}, fetches, false);
  std::vector<Array> outputs;
  run::execute(*p.plan, {}, outputs);
  return outputs;
}

}  // namespace trivium::tf
