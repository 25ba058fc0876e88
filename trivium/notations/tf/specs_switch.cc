#include <algorithm>
#include <set>
#include <unordered_map>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/switches.h"
#include "trivium/notations/tf/translator.h"

namespace trivium::tf {
namespace {

constexpr int64_t kSmall = 16;  // elements of a feed that may decide a plan

/// Everything an operation needs or waits for, itself included, in order of creation.
std::vector<Operation*> ancestors(Operation* op) {
  std::set<std::pair<int, Operation*>> seen{{op->id(), op}};
  std::vector<Operation*> stack{op};
  const auto visit = [&](Operation* o) {
    if (seen.insert({o->id(), o}).second) stack.push_back(o);
  };
  while (!stack.empty()) {
    Operation* at = stack.back();
    stack.pop_back();
    for (const auto& e : at->edges()) visit(e.op);
    for (Operation* c : at->control_inputs()) visit(c);
  }
  std::vector<Operation*> out;
  for (const auto& item : seen) out.push_back(item.second);
  return out;
}

void keep_common(Conditions* all, const Conditions& other) {
  for (auto it = all->begin(); it != all->end();) {
    const auto there = other.find(it->first);
    it = there == other.end() || there->second.second != it->second.second ? all->erase(it)
                                                                           : std::next(it);
  }
}

/// Conditions of every operation that `op` needs.
std::unordered_map<Operation*, Conditions> all_conditions(Operation* op) {
  std::unordered_map<Operation*, Conditions> known;
  const auto of = [&](const Operation::Edge& e) {
    Conditions c = known[e.op];
    if (e.op->type() == "Switch") {
      const auto& predicate = e.op->edges()[1];
      c[key_of(predicate)] = {predicate, e.index == 1};
    }
    return c;
  };
  for (Operation* at : ancestors(op)) {
    Conditions mine;
    if (at->type() == "Merge") {
      mine = of(at->edges()[0]);
      for (const auto& e : at->edges()) keep_common(&mine, of(e));
    } else {
      for (const auto& e : at->edges())
        for (const auto& item : of(e)) mine.insert(item);
      for (Operation* c : at->control_inputs())
        for (const auto& item : known[c]) mine.insert(item);
    }
    known[at] = std::move(mine);
  }
  return known;
}

/// Whether the value of a predicate may be looked at to make a plan: it follows from constants and
/// small feeds.
bool may_be_known(Translate& c, const Operation::Edge& predicate) {
  for (Operation* op : ancestors(predicate.op)) {
    for (int i = 0; i < op->num_outputs(); ++i)
      if (const Data* fed = c.translator().fed_data({op, i}))
        if (fed->shape().count() > kSmall) return false;
    if (c.translator().fed_data({op, 0}) || op->type() == "Const") continue;
    if (op->num_inputs() == 0 || op->spec().on_host() || !op->spec().translate) return false;
    for (const auto& e : op->edges())
      if (e.op->type() == "VariableV2") return false;
  }
  return true;
}

/// The predicate that tells two inputs of a Merge apart, and which of them counts when it holds.
std::pair<Operation::Edge, int> predicate_of(Translate& c) {
  const Conditions first = conditions_of(c.op().edges()[0]);
  const Conditions second = conditions_of(c.op().edges()[1]);
  for (const auto& [key, condition] : first) {
    const auto other = second.find(key);
    if (other != second.end() && other->second.second != condition.second)
      return {condition.first, condition.second ? 0 : 1};
  }
  c.fail(fmt::format("Merge of {} and {}, which no Switch tells apart", c.op().input(0).name(),
                     c.op().input(1).name()));
}

void translate_merge(Translate& c) {
  // Of a cond described here: one operation has computed the result.
  if (c.inputs() == 1) return c.hand_on(0, 0);
  if (c.inputs() != 2) c.fail(fmt::format("Merge of {} inputs; 2 expected", c.inputs()));
  const auto [predicate, when_true] = predicate_of(c);
  Translator& t = c.translator();
  if (may_be_known(c, predicate)) {
    const bool holds = t.known(predicate).array.item() != 0;
    const int chosen = holds ? when_true : 1 - when_true;
    c.hand_on(chosen, 0);
    return c.out(1, Array::full({}, chosen, DType::i32));
  }
  const Value yes = c.in(when_true), no = c.in(1 - when_true);
  if (yes.shape() != no.shape())
    c.fail(fmt::format("Merge of shapes {} and {}: where the run decides, both must be equal",
                       PartialShape(yes.shape()).brackets(), PartialShape(no.shape()).brackets()));
  const Value p = t.value(predicate, &c.op());
  c.out(0, ops::select(ops::broadcast_to(p, yes.shape()), yes, no));
  const Value one = c.graph().constant(1.0, DType::i32), zero = c.graph().constant(0.0, DType::i32);
  c.out(1, when_true == 1 ? ops::select(p, one, zero) : ops::select(p, zero, one));
}

}  // namespace

Conditions conditions_of(Operation* op) { return all_conditions(op)[op]; }

Conditions conditions_of(const Operation::Edge& edge) {
  Conditions out = conditions_of(edge.op);
  if (edge.op->type() == "Switch") {
    const auto& predicate = edge.op->edges()[1];
    out[key_of(predicate)] = {predicate, edge.index == 1};
  }
  return out;
}

void define_switch_ops(SpecTable& t) {
  t.add({"Switch",
         {"data", "pred"},
         [](Infer& c) {
           for (int i : {0, 1}) {
             (void)i;
             c.output(c.shape(0), c.dtype(0));
           }
         },
         [](Translate& c) {
           c.hand_on(0, 0);
           c.hand_on(0, 1);
         }});
  t.add({"Merge",
         {"inputs"},
         [](Infer& c) {
           PartialShape shape = c.shape(0);
           for (int i = 1; i < c.inputs(); ++i) {
             c.same_dtype(i);
             const PartialShape& other = c.shape(i);
             if (!shape.known_rank() || !other.known_rank() || shape.rank() != other.rank()) {
               shape = PartialShape();
               continue;
             }
             for (int k = 0; k < shape.rank(); ++k)
               if (shape[k] != other[k]) shape.set(k, -1);
           }
           c.output(shape, c.dtype(0));
           if (c.inputs() > 1) c.output(PartialShape(Shape{}), DataType::int32);
         },
         translate_merge});
}

}  // namespace trivium::tf
