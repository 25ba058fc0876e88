// Loops and choices as region nodes of the engine. A region is recorded like a graph of its own:
// tensors of the graph around it are captured, variables written inside are carried, and calls
// into the host (py_func, Print, Assert, random numbers) happen in the middle of the run, in order.
//
// A loop whose body changes shapes, or computes a shape from its counter, is no region: where its
// iterations can be counted here, the body is recorded once for each.
#include <algorithm>

#include "trivium/engine/ops/build.h"
#include "trivium/engine/ops/control.h"
#include "trivium/engine/run/regions.h"
#include "trivium/notations/tf/translate_control.h"

namespace trivium::tf {
namespace {

constexpr int kMostUnrolled = 10000;
constexpr int64_t kKnownElements = 16;  // of a value worth knowing from one iteration to the next

/// A body gives another shape than it got.
class ShapeChanges : public OpError {
 public:
  using OpError::OpError;
};

}  // namespace

const Context& context_of(const Operation& op, const char* attribute) {
  return *op.graph().context_of(op.attr<int64_t>(attribute));
}

std::vector<Operation*> needed_in(const Context& context) {
  std::set<Operation*> seen;
  std::vector<Operation*> stack, found;
  const auto visit = [&](Operation* op) {
    if (op->context() == &context && seen.insert(op).second) stack.push_back(op);
  };
  for (const auto& e : context.results) visit(e.op);
  while (!stack.empty()) {
    Operation* op = stack.back();
    stack.pop_back();
    found.push_back(op);
    for (const auto& e : op->edges()) visit(e.op);
    for (Operation* c : op->control_inputs()) visit(c);
  }
  std::sort(found.begin(), found.end(), [](auto* a, auto* b) { return a->id() < b->id(); });
  return found;
}

namespace {

/// Variables that operations inside may write.
void find_written(const Context& context, std::vector<Operation*>& found) {
  for (Operation* op : needed_in(context)) {
    if (op->type() == "While" || op->type() == "If") {
      for (const char* attribute : {"condition", "body", "then", "otherwise"})
        if (op->has_attr(attribute)) find_written(context_of(*op, attribute), found);
      continue;
    }
    if (op->type() == "Identity" || op->type() == "IsVariableInitialized") continue;
    for (const auto& e : op->edges())
      if (e.op->type() == "VariableV2" &&
          std::find(found.begin(), found.end(), e.op) == found.end())
        found.push_back(e.op);
  }
}

std::string metas_text(const std::vector<ValueMeta>& metas) {
  std::string text;
  for (const ValueMeta& m : metas)
    text += (text.empty() ? "" : ", ") + std::string(name_of(m.dtype)) + m.shape.text();
  return text;
}

}  // namespace

void Translator::exchange(State& s) {
  std::swap(graph_, s.graph);
  std::swap(draft_, s.draft);
  std::swap(context_, s.context);
  std::swap(owner_, s.owner);
  std::swap(token_, s.token);
  std::swap(values_, s.values);
  std::swap(known_, s.known);
  std::swap(initials_, s.initials);
  std::swap(last_, s.last);
  std::swap(written_, s.written);
  std::swap(seen_, s.seen);
  std::swap(ops_, s.ops);
  std::swap(unwritten_, s.unwritten);
  std::swap(marks_, s.marks);
}

/// While it lives, the translator records into a region.
class Translator::Inside {
 public:
  Inside(Translator& t, RegionDraft& draft, const Context& context, Operation& owner) : t_(t) {
    State s;
    s.graph = draft.graph.get();
    s.draft = &draft;
    s.context = &context;
    s.owner = &owner;
    t_.exchange(s);
    t_.outer_.push_back(std::move(s));
  }
  ~Inside() {
    State around = std::move(t_.outer_.back());
    t_.outer_.pop_back();
    t_.exchange(around);
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  Translator& t_;
};

bool Translator::is_outside(const Operation* op) const {
  if (!context_ || op->context() == context_) return false;
  for (const Context* c = context_->outer;; c = c->outer) {
    if (op->context() == c) return true;
    if (!c) return false;
  }
}

Value Translator::captured(Value outer) {
  const Value inner = draft_->capture(outer);
  const auto& around = outer_.back().unwritten;
  if (const auto at = around.find(edge_of(outer)); at != around.end())
    unwritten_[edge_of(inner)] = at->second;
  return inner;
}

Value Translator::from_root(const std::function<Value()>& make) {
  if (!inside()) return make();
  return captured(outside([&] { return from_root(make); }));
}

Value Translator::token() { return token_.defined() ? token_ : graph_->constant(0.0, DType::i64); }

void Translator::translate_context(const Context& context) {
  const std::vector<Operation*> ops = needed_in(context);
  for (Operation* op : ops)
    for (int i = 0; i < op->num_outputs(); ++i)
      if (std::find(context.variables.begin(), context.variables.end(), op) ==
          context.variables.end()) {
        values_.erase(key_of(op, i));
        known_.erase(key_of(op, i));
      }
  std::vector<Operation*> before = std::exchange(ops_, ops);
  for (Operation* op : ops) {
    merge_writes(*op);
    translate_op(*op);
  }
  check_marks(&context);
  ops_ = std::move(before);
}

// ---- calls into the host
// ---------------------------------------------------------------------------

Value Translator::host_call(
    Operation& op, const std::vector<Operation::Edge>& inputs,
    const std::vector<ValueMeta>& results,
    std::function<void(const std::vector<Array>&, const std::vector<Array>&)> call) {
  std::vector<Value> values;
  for (const auto& e : inputs) values.push_back(value(e, &op));
  return host_call(op, values, results, std::move(call));
}

Value Translator::host_call(
    Operation& op, const std::vector<Value>& inputs, const std::vector<ValueMeta>& results,
    std::function<void(const std::vector<Array>&, const std::vector<Array>&)> call) {
  const Array function = run::HostFunction::bound(std::move(call));
  std::vector<Value> operands = {from_root([&] {
                                   leaves_.push_back({Leaf::fixed, 0, function});
                                   return graph_->input("host", Shape{}, DType::i64);
                                 }),
                                 token()};
  for (const Value& v : inputs) operands.push_back(ops::stop_gradient(v));
  graph_->set_scope(op.name());
  token_ = graph_->op("host_call", operands, {{"results", metas_text(results)}});
  return results.empty() ? Value{} : graph_->output_of(token_, 1);
}

void Translator::call_host(Operation& op) {
  const auto refuse = [&](const std::string& why) {
    throw OpError(Code::unimplemented,
                  fmt::format("{} ({}) inside {}: {}", op.name(), op.type(),
                              op.context() ? op.context()->name : "a loop", why),
                  op.name());
  };
  std::vector<ValueMeta> results;
  const bool watches = op.spec().translate != nullptr;  // its outputs are made by the plan
  for (int i = 0; i < op.num_outputs() && !watches; ++i) {
    const auto& out = op.out(i);
    if (out.type == DataType::string) refuse("a result that holds strings");
    if (!out.shape.fully_known())
      refuse(fmt::format("the shape {} of result {} has to be known; call set_shape on it",
                         out.shape.text(), i));
    results.push_back({out.shape.known(), engine_type(out.type)});
  }
  std::vector<Data> fixed(op.num_inputs());  // those that are known already
  std::vector<Operation::Edge> run;
  for (int i = 0; i < op.num_inputs(); ++i) {
    if (const Data* data = known_data(op.edges()[i]))
      fixed[i] = *data;
    else
      run.push_back(op.edges()[i]);
  }
  Session* session = session_;
  const auto call = [&op, fixed, session](const std::vector<Array>& arguments,
                                          const std::vector<Array>& to) {
    std::vector<Data> inputs = fixed;
    size_t next = 0;
    for (Data& data : inputs)
      if (!data.defined()) data = Data(arguments[next++].clone());
    const std::vector<Data> from = run_host(op, inputs, *session);
    for (size_t i = 0; i < to.size(); ++i) {
      if (from[i].strings || from[i].shape() != to[i].shape())
        throw OpError(
            Code::invalid_argument,
            fmt::format("{}: result {} has shape {}, {} expected", op.name(), i,
                        PartialShape(from[i].shape()).text(), PartialShape(to[i].shape()).text()),
            op.name());
      Array(to[i]).copy_from(from[i].array);
    }
  };
  const Value first = host_call(op, run, results, call);
  for (size_t i = 0; i < results.size(); ++i)
    set(op, static_cast<int>(i), graph_->output_of(first, static_cast<int>(i) + 1));
}

// ---- loops
// -----------------------------------------------------------------------------------------

void Translator::loop(Operation& op) {
  Carried carried;
  carried.count = static_cast<int>(op.attr<int64_t>("variables"));
  try {
    for (int i = 0; i < carried.count; ++i) {
      carried.initial.push_back(value(op.edges()[i], &op));
      carried.arrays.push_back(unwritten(carried.initial.back()));
    }
    find_written(context_of(op, "condition"), carried.variables);
    find_written(context_of(op, "body"), carried.variables);
    find_touched(context_of(op, "body"), carried.touched);
    grow_carried(op, carried);
    for (Operation* v : carried.variables) carried.initial.push_back(latest(v));
    for (Operation* a : carried.touched) carried.initial.push_back(value_of(marks_.at(a)));
    carried.initial.push_back(token());
    while (!record_loop(op, carried)) {
    }
  } catch (const OpError& error) {
    const bool shapes =
        error.code() == Code::unimplemented || dynamic_cast<const ShapeChanges*>(&error) != nullptr;
    if (!shapes) throw;
    const OpError first = error;
    try {
      unroll(op);
    } catch (const OpError& second) {
      if (second.code() != Code::unimplemented) throw;
      throw first;
    }
  }
}

/// False when the body has told what the elements of a tensor array are: then it is recorded again.
bool Translator::record_loop(Operation& op, Carried& carried) {
  RegionDraft condition, body;
  record_body(op, carried, body);
  bool complete = true;
  for (int i = 0; i < carried.count; ++i)
    if (carried.arrays[i] && carried.arrays[i]->element) {
      carried.initial[i] = with_elements(carried.initial[i], *carried.arrays[i]->element);
      carried.arrays[i] = nullptr;
      complete = false;
    }
  if (!complete) return false;
  for (int i = 0; i < carried.count; ++i) {
    const Shape &before = carried.initial[i].shape(), &after = body.results[i].shape();
    if (before == after) continue;
    throw ShapeChanges(
        Code::invalid_argument,
        fmt::format(
            "Input tensor '{}' enters the loop with shape {}, but has shape {} after one "
            "iteration. Shapes stay the same while a loop runs, unless its number of iterations "
            "follows from constants.\n\t [[{{{{node {}}}}}]]",
            op.input(i).name(), PartialShape(before).text(), PartialShape(after).text(), op.name()),
        op.name());
  }
  record_condition(op, carried, condition);
  graph_->set_scope(op.name());
  const std::vector<Value> out =
      ops::while_loop(carried.initial, std::move(condition), std::move(body));
  for (int i = 0; i < carried.count; ++i) {
    set(op, i, out[i]);
    if (carried.arrays[i]) unwritten_[edge_of(out[i])] = carried.arrays[i];
  }
  for (size_t k = 0; k < carried.variables.size(); ++k)
    if (const size_t at = carried.count + k; !(out[at] == carried.initial[at]))
      write(op, carried.variables[k], out[at]);
  for (size_t k = 0; k < carried.touched.size(); ++k)
    marks_[carried.touched[k]] = {{}, out[carried.first_mark() + k], true};
  if (!(out.back() == carried.initial.back())) token_ = out.back();
  return true;
}

void Translator::record_body(Operation& op, const Carried& carried, RegionDraft& draft) {
  const Context& context = context_of(op, "body");
  for (const Value& v : carried.initial) draft.input("carry", {v.shape(), v.dtype()});
  const Inside here(*this, draft, context, op);
  for (int i = 0; i < carried.count; ++i) {
    values_[key_of(context.variables[i], 0)] = draft.inputs[i];
    if (carried.arrays[i]) unwritten_[edge_of(draft.inputs[i])] = carried.arrays[i];
  }
  for (size_t k = 0; k < carried.variables.size(); ++k)
    initials_[carried.variables[k]] = draft.inputs[carried.count + k];
  for (size_t k = 0; k < carried.touched.size(); ++k)
    marks_[carried.touched[k]] = {{}, draft.inputs[carried.first_mark() + k], true};
  token_ = draft.inputs.back();
  translate_context(context);
  for (const auto& e : context.results) draft.results.push_back(value(e, nullptr));
  for (Operation* v : carried.variables) draft.results.push_back(latest(v));
  for (Operation* a : carried.touched) draft.results.push_back(value_of(marks_.at(a)));
  draft.results.push_back(token_);
}

void Translator::record_condition(Operation& op, const Carried& carried, RegionDraft& draft) {
  const Context& context = context_of(op, "condition");
  for (const Value& v : carried.initial) draft.input("carry", {v.shape(), v.dtype()});
  const Inside here(*this, draft, context, op);
  for (int i = 0; i < carried.count; ++i)
    values_[key_of(context.variables[i], 0)] = draft.inputs[i];
  for (size_t k = 0; k < carried.variables.size(); ++k)
    initials_[carried.variables[k]] = draft.inputs[carried.count + k];
  token_ = draft.inputs.back();
  translate_context(context);
  if (!written_.empty())
    throw OpError(Code::unimplemented,
                  fmt::format("{}: the condition of a loop writes the variable \"{}\"; write it in "
                              "the body",
                              op.name(), written_[0]->name()),
                  op.name());
  Value holds = ops::reshape(value(context.results[0], nullptr), Shape{});
  if (!(token_ == draft.inputs.back()))  // what the condition calls has to be called
    holds = ops::logical_and(holds, ops::greater_equal(token_, graph_->constant(0.0, DType::i64)));
  draft.results = {holds};
}

/// Records the body once an iteration, with counters that are known.
void Translator::unroll(Operation& op) {
  const Context &condition = context_of(op, "condition"), &body = context_of(op, "body");
  const int count = static_cast<int>(op.attr<int64_t>("variables"));
  struct Item {
    Value value;
    std::optional<Data> data;
  };
  std::vector<Item> items(count);
  const auto look = [&](const Operation::Edge& e) {
    Item item;
    const auto& out = e.op->out(e.index);
    if (const Data* data = known_data(e)) {
      item.data = *data;
      // The value as well: a gradient of the literal goes through it.
      if (is_floating(out.type)) item.value = value(e, &op);
      return item;
    }
    if (!is_floating(out.type) && out.type != DataType::string && out.shape.fully_known() &&
        out.shape.count() <= kKnownElements) {
      try {
        item.data = known(e);
        return item;
      } catch (const OpError&) {  // it takes part in the run then
      }
    }
    item.value = value(e, &op);
    return item;
  };
  const auto bind = [&](const Context& context) {
    for (int i = 0; i < count; ++i) {
      const int64_t key = key_of(context.variables[i], 0);
      values_.erase(key);
      known_.erase(key);
      if (items[i].data) known_[key] = *items[i].data;
      if (items[i].value.defined()) values_[key] = items[i].value;
    }
  };
  for (int i = 0; i < count; ++i) items[i] = look(op.edges()[i]);
  ++unrolling_;
  try {
    for (int step = 0;; ++step) {
      bind(condition);
      translate_context(condition);
      if (known(condition.results[0]).array.item() == 0) break;
      if (step == kMostUnrolled)
        throw OpError(Code::unimplemented, op.name() + ": more iterations than can be recorded");
      bind(body);
      translate_context(body);
      for (Operation* o : needed_in(body)) merge_from(op, {&op, o});
      std::vector<Item> next;
      for (int i = 0; i < count; ++i) next.push_back(look(body.results[i]));
      items = std::move(next);
    }
  } catch (...) {
    --unrolling_;
    throw;
  }
  --unrolling_;
  for (int i = 0; i < count; ++i) {
    if (items[i].data) set(op, i, *items[i].data);
    if (items[i].value.defined()) set(op, i, items[i].value);
  }
}

// ---- choices
// ---------------------------------------------------------------------------------------

void Translator::choice(Operation& op) {
  const Context &then = context_of(op, "then"), &otherwise = context_of(op, "otherwise");
  if (const Data* known = known_data(op.edges()[0]))
    return take_branch(op, known->array.item() != 0 ? then : otherwise);
  const Value predicate = ops::reshape(value(op.edges()[0], &op), Shape{});
  std::vector<Operation*> variables, arrays;
  find_written(then, variables);
  find_written(otherwise, variables);
  find_touched(then, arrays);
  find_touched(otherwise, arrays);
  RegionDraft first, second;
  for (int round = 0; round < 2; ++round) {
    first = RegionDraft{};
    second = RegionDraft{};
    record_branch(op, then, first, variables, arrays);
    record_branch(op, otherwise, second, variables, arrays);
    bool differ = false;  // a branch that writes to a tensor array tells the shape of elements
    for (size_t i = 0; i < then.results.size(); ++i)
      differ = differ || first.results[i].shape() != second.results[i].shape();
    if (!differ) break;
  }
  const size_t results = then.results.size() + variables.size() + arrays.size();
  const bool calls = first.results.size() > results || second.results.size() > results;
  const Value before = token();
  for (RegionDraft* d : {&first, &second})
    if (calls && d->results.size() == results) d->results.push_back(d->capture(before));
  graph_->set_scope(op.name());
  const std::vector<Value> out = ops::choose(predicate, std::move(first), std::move(second));
  const auto count = static_cast<int>(then.results.size());
  for (int i = 0; i < count; ++i) set(op, i, out[i]);
  for (size_t k = 0; k < variables.size(); ++k) write(op, variables[k], out[count + k]);
  for (size_t k = 0; k < arrays.size(); ++k)
    marks_[arrays[k]] = {{}, out[count + variables.size() + k], true};
  if (calls) token_ = out.back();
}

/// The results of a branch, what variables hold after it, and the token if the branch calls.
void Translator::record_branch(Operation& op, const Context& context, RegionDraft& draft,
                               const std::vector<Operation*>& variables,
                               const std::vector<Operation*>& arrays) {
  const Value before = token();
  std::vector<Value> marks;
  for (Operation* a : arrays) marks.push_back(value_of(marks_.at(a)));
  const Inside here(*this, draft, context, op);
  for (size_t k = 0; k < arrays.size(); ++k)
    marks_[arrays[k]] = {{}, draft.capture(marks[k]), true};
  const Value start = draft.capture(before);
  token_ = start;
  translate_context(context);
  for (const auto& e : context.results) {
    const Value result = value(e, nullptr);
    const auto array = unwritten(result);
    draft.results.push_back(array && array->element ? with_elements(result, *array->element)
                                                    : result);
  }
  for (Operation* v : variables) draft.results.push_back(latest(v));
  for (Operation* a : arrays) draft.results.push_back(value_of(marks_.at(a)));
  if (!(token_ == start)) draft.results.push_back(token_);
}

/// The predicate is known: the branch becomes part of the graph around it.
void Translator::take_branch(Operation& op, const Context& context) {
  translate_context(context);
  for (Operation* o : needed_in(context)) merge_from(op, {&op, o});
  for (size_t i = 0; i < context.results.size(); ++i) {
    hand_on(context.results[i], op, static_cast<int>(i));
  }
}

}  // namespace trivium::tf
