// Recording loops and choices: drafts become nodes. What never changes leaves the loop; a number of
// iterations that follows from literals becomes part of the node.
#include <algorithm>
#include <set>

#include "trivium/engine/graph/interpret.h"
#include "trivium/engine/graph/text.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/ops/control.h"

namespace trivium::ops {
namespace {

constexpr int64_t kFewElements = 1024, kFewNodes = 256;  // worth computing while recording
constexpr int64_t kMostTrips = 20000;  // counted ahead; more are counted by running

/// Nodes that a value depends on.
std::vector<char> needed_for(const std::vector<Value>& values) {
  const Graph& g = *values[0].graph;
  std::vector<char> needed(g.size(), 0);
  for (const Value& v : values) needed[v.node] = 1;
  for (int n = g.size() - 1; n >= 0; --n)
    if (needed[n])
      for (const Edge& e : g.node(n).inputs) needed[e.node] = 1;
  return needed;
}

/// Values of the graph around that drafts capture, each once, and the inputs that stand for them.
class Captures {
 public:
  explicit Captures(std::vector<RegionDraft*> drafts) : drafts_(std::move(drafts)) {
    for (const RegionDraft* d : drafts_)
      for (const auto& c : d->captures)
        if (used(*d, c.inner) && std::find(outer_.begin(), outer_.end(), c.outer) == outer_.end())
          outer_.push_back(c.outer);
  }
  const std::vector<Value>& outer() const { return outer_; }

  /// The draft's region; every draft sees every captured value.
  std::string text(RegionDraft& draft) const {
    std::vector<Value> inputs = draft.inputs;
    for (const Value& outer : outer_) {
      const auto at =
          std::find_if(draft.captures.begin(), draft.captures.end(),
                       [&](const RegionDraft::Captured& c) { return c.outer == outer; });
      inputs.push_back(at != draft.captures.end()
                           ? at->inner
                           : draft.graph->input("capture", outer.shape(), outer.dtype()));
    }
    return region_text(*draft.graph, inputs, draft.results);
  }

 private:
  static bool used(const RegionDraft& draft, Value inner) {
    return !draft.results.empty() && needed_for(draft.results)[inner.node];
  }

  std::vector<RegionDraft*> drafts_;
  std::vector<Value> outer_;
};

/// Input i of a draft is captured from now on.
void make_captured(RegionDraft& draft, size_t i, Value outer) {
  draft.captures.push_back({outer, draft.inputs[i]});
  draft.inputs.erase(draft.inputs.begin() + static_cast<std::ptrdiff_t>(i));
}

/// How often the loop runs, by computing what its condition depends on; -1 when that is not
/// known or too much.
class TripCounter {
 public:
  TripCounter(const std::vector<Value>& initial, const RegionDraft& condition,
              const RegionDraft& body)
      : initial_(initial), condition_(condition), body_(body) {}

  int64_t count() {
    if (!collect()) return -1;
    std::vector<size_t> carries(used_.begin(), used_.end());
    std::vector<Value> next;
    for (size_t i : carries) next.push_back(body_.results[i]);
    for (int64_t trips = 0; trips <= kMostTrips; ++trips) {
      if (interpret_region(*condition_.graph, {condition_.results[0]}, bound(condition_))[0]
              .data[0] == 0)
        return trips;
      std::vector<RefTensor> results = interpret_region(*body_.graph, next, bound(body_));
      for (size_t k = 0; k < carries.size(); ++k) values_[carries[k]] = std::move(results[k]);
    }
    return -1;
  }

 private:
  /// Carries the condition depends on, also through the body; false when not all is known.
  bool collect() {
    if (!look_at(condition_, {condition_.results[0]})) return false;
    for (size_t before = 0; before != used_.size();) {
      before = used_.size();
      std::vector<Value> results;
      for (size_t i : used_) results.push_back(body_.results[i]);
      if (!results.empty() && !look_at(body_, results)) return false;
    }
    values_.resize(initial_.size());
    for (size_t i : used_)
      if (!follows_from_literals(initial_[i], &values_[i])) return false;
    return true;
  }

  bool look_at(const RegionDraft& draft, const std::vector<Value>& roots) {
    const std::vector<char> needed = needed_for(roots);
    int64_t nodes = 0;
    for (size_t n = 0; n < needed.size(); ++n)
      if (needed[n]) {
        const Node& node = draft.graph->node(static_cast<int>(n));
        nodes += 1;
        if (node.op->effect() != Effect::none || node.op->name() == "while") return false;
        for (int o = 0; o < node.outputs; ++o)
          if (draft.graph->meta({static_cast<int>(n), o}).shape.count() > kFewElements)
            return false;
      }
    if (nodes > kFewNodes) return false;
    for (size_t i = 0; i < draft.inputs.size(); ++i)
      if (needed[draft.inputs[i].node]) used_.insert(i);
    for (const auto& c : draft.captures)
      if (needed[c.inner.node]) {
        RefTensor value;
        if (!follows_from_literals(c.outer, &value)) return false;
        captured_[{draft.graph.get(), c.inner.node}] = std::move(value);
      }
    return true;
  }

  /// Values of the draft graph's inputs; those that are not needed stay null.
  std::vector<const RefTensor*> bound(const RegionDraft& draft) {
    std::vector<const RefTensor*> out(draft.graph->inputs().size(), nullptr);
    const auto slot = [&](int node) { return draft.graph->node(node).literal; };
    for (size_t i : used_) out[slot(draft.inputs[i].node)] = &values_[i];
    for (const auto& c : draft.captures)
      if (const auto at = captured_.find({draft.graph.get(), c.inner.node}); at != captured_.end())
        out[slot(c.inner.node)] = &at->second;
    return out;
  }

  const std::vector<Value>& initial_;
  const RegionDraft &condition_, &body_;
  std::set<size_t> used_;
  std::vector<RefTensor> values_;
  std::map<std::pair<const Graph*, int>, RefTensor> captured_;
};

std::vector<Value> outputs_of(Value first) {
  std::vector<Value> out;
  for (int o = 0; o < first.graph->node(first.node).outputs; ++o)
    out.push_back(first.graph->output_of(first, o));
  return out;
}

}  // namespace

bool follows_from_literals(Value value, RefTensor* result) {
  const Graph& g = *value.graph;
  const std::vector<char> needed = needed_for({value});
  int64_t nodes = 0;
  for (int n = 0; n < g.size(); ++n) {
    if (!needed[n]) continue;
    const Node& node = g.node(n);
    if (node.literal >= 0 && node.op->name() != "constant") return false;
    if (node.op->effect() != Effect::none || node.op->name() == "while") return false;
    for (int o = 0; o < node.outputs; ++o)
      if (g.meta({n, o}).shape.count() > kFewElements) return false;
    if (++nodes > kFewNodes) return false;
  }
  *result = interpret_region(g, {value}, std::vector<const RefTensor*>{})[0];
  return true;
}

std::vector<Value> while_loop(const std::vector<Value>& initial, RegionDraft condition,
                              RegionDraft body) {
  if (initial.empty()) user_error("while: a loop needs at least one value that it carries");
  Graph& graph = *initial[0].graph;
  std::vector<Value> carried = initial, results = initial;
  std::vector<size_t> place(initial.size());  // of the outputs among the results
  for (size_t i = 0; i < place.size(); ++i) place[i] = i;
  for (size_t i = carried.size(); i-- > 0;) {
    if (!(body.results[i] == body.inputs[i]) || carried.size() == 1) continue;
    make_captured(condition, i, carried[i]);
    make_captured(body, i, carried[i]);
    body.results.erase(body.results.begin() + static_cast<std::ptrdiff_t>(i));
    carried.erase(carried.begin() + static_cast<std::ptrdiff_t>(i));
    place.erase(place.begin() + static_cast<std::ptrdiff_t>(i));
  }
  const int64_t trips = TripCounter(carried, condition, body).count();
  const LoopRows rows = take_rows(trips, carried, body);
  Attrs attrs{{"carries", static_cast<int64_t>(carried.size() - rows.saved.size())},
              {"rows", static_cast<int64_t>(rows.stacks.size())},
              {"trips", trips}};
  const Captures captures(trips < 0 ? std::vector<RegionDraft*>{&condition, &body}
                                    : std::vector<RegionDraft*>{&body});
  attrs.set("body", captures.text(body));
  if (trips < 0) attrs.set("condition", captures.text(condition));
  std::vector<Value> operands;
  std::vector<size_t> from, to;  // places of what stays a carry, and of what is saved
  for (size_t i = 0; i < carried.size(); ++i) {
    const bool saved = std::find(rows.saved.begin(), rows.saved.end(), i) != rows.saved.end();
    (saved ? to : from).push_back(place[i]);
    if (!saved) operands.push_back(carried[i]);
  }
  operands.insert(operands.end(), rows.stacks.begin(), rows.stacks.end());
  operands.insert(operands.end(), captures.outer().begin(), captures.outer().end());
  const std::vector<Value> out = outputs_of(graph.op("while", operands, attrs));
  from.insert(from.end(), to.begin(), to.end());  // the order of the node's results
  for (size_t i = 0; i < from.size(); ++i) results[from[i]] = out[i];
  return results;
}

std::vector<Value> repeat(int64_t trips, const std::vector<Value>& initial,
                          const std::vector<Value>& stacks, RegionDraft body, bool reverse) {
  const Captures captures({&body});
  std::vector<Value> operands = initial;
  operands.insert(operands.end(), stacks.begin(), stacks.end());
  operands.insert(operands.end(), captures.outer().begin(), captures.outer().end());
  if (operands.empty()) user_error("repeat: a loop needs a value that it carries or reads");
  return outputs_of(operands[0].graph->op("while", operands,
                                          {{"body", captures.text(body)},
                                           {"carries", static_cast<int64_t>(initial.size())},
                                           {"rows", static_cast<int64_t>(stacks.size())},
                                           {"trips", trips},
                                           {"reverse", reverse}}));
}

std::vector<Value> choose(Value predicate, RegionDraft then, RegionDraft otherwise) {
  const Captures captures({&then, &otherwise});
  std::vector<Value> operands = {predicate};
  operands.insert(operands.end(), captures.outer().begin(), captures.outer().end());
  return outputs_of(predicate.graph->op(
      "cond", operands, {{"then", captures.text(then)}, {"otherwise", captures.text(otherwise)}}));
}

}  // namespace trivium::ops
