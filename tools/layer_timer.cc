#include "tools/layer_timer.h"

#include <chrono>
#include <map>
#include <set>

#include "trivium/engine/graph/rewrite.h"

namespace trivium::tools {
namespace {

constexpr char kBackward[] = " (backward)";

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// A copy of the graph in which the nodes from `first` on (the gradients) carry scopes of their
/// own.
std::unique_ptr<Graph> with_backward_scopes(const Graph& graph, int first,
                                            std::vector<Value>& fetches) {
  Rewriter rewriter(graph);
  for (int n = 0; n < graph.size(); ++n) {
    const Node& node = graph.node(n);
    if (n < first || node.literal >= 0) {
      rewriter.copy(n);
      continue;
    }
    std::vector<Value> operands;
    for (const Edge& e : node.inputs) operands.push_back(rewriter.map(e));
    rewriter.to().set_scope(graph.scope_name(node.scope) + kBackward);
    const Value made = rewriter.to().op(*node.op, operands, *node.attrs);
    for (int o = 0; o < node.outputs; ++o) rewriter.set({n, o}, rewriter.to().output_of(made, o));
  }
  rewriter.copy_assigns();
  for (Value& v : fetches) v = rewriter.map({v.node, v.output});
  return rewriter.take();
}

}  // namespace

const char kLayerTimerMethod[] =
    "Each step of the compiled plan (forward and backward together, as in training) is timed, and "
    "its time is\n"
    "given to the layer and direction that recorded it. Layers fused into a neighbour show no time "
    "of their own.";

LayerTimer::LayerTimer(caffe::Net& net, bool backward) : net_(net), backward_(backward) { reset(); }
LayerTimer::~LayerTimer() = default;

void LayerTimer::reset() {
  profile_ = std::make_unique<run::Profile>();
  wall_ms_ = data_ms_ = 0;
  runs_ = 0;
}

void LayerTimer::prepare() {
  generation_ = net_.generation();
  recording_ = net_.record();
  const int forward_nodes = recording_->graph.size();
  std::vector<Value> fetches = {recording_->loss};
  for (int blob : net_.outputs()) fetches.push_back(recording_->blobs[blob]);
  if (backward_)
    for (const Value& g : net_.param_gradients(*recording_))
      if (g.defined()) fetches.push_back(g);
  graph_ = with_backward_scopes(recording_->graph, forward_nodes, fetches);
  // Plans are found by structure, and names of layers are no part of it: one that was made for
  // training would bring its own names.
  compile::clear_plan_cache();
  prepared_ = compile::prepare(*graph_, {}, fetches, true, net_.options().compile);
  outputs_.clear();
}

double LayerTimer::run() {
  const Clock::time_point start = Clock::now();
  net_.advance();
  const double data_ms = ms_since(start);
  if (generation_ != net_.generation()) {
    prepare();
    reset();
  }
  const Clock::time_point compute = Clock::now();
  net_.feed(*recording_, prepared_, bindings_);
  run::execute(*prepared_.plan, bindings_, outputs_, profile_.get());
  const double ms = data_ms + ms_since(compute);
  loss_ = outputs_[0].item();
  data_ms_ += data_ms;
  wall_ms_ += ms;
  ++runs_;
  return ms;
}

std::vector<LayerTime> LayerTimer::layers() const {
  std::map<std::string, run::Profile::Row> rows;
  for (run::Profile::Row& row : profile_->rows(run::Profile::By::scope)) rows[row.key] = row;
  const double runs = std::max(runs_, 1);
  std::vector<LayerTime> out;
  std::set<std::string> seen;
  int sources = 0;
  for (const caffe::NetLayer& layer : net_.layers())
    sources += net_.source(layer.name()) != nullptr;
  for (const caffe::NetLayer& layer : net_.layers()) {
    LayerTime time{layer.name(), layer.type(), 0, 0, 0};
    if (net_.source(layer.name())) time.forward_ms += data_ms_ / sources / runs;
    if (seen.insert(layer.name()).second) {  // layers of one name share one scope
      const run::Profile::Row forward = rows[layer.name()],
                              backward = rows[layer.name() + kBackward];
      time.forward_ms += forward.total_us / runs / 1e3;
      time.backward_ms = backward.total_us / runs / 1e3;
      const double us = forward.total_us + backward.total_us;
      if (us > 0) time.gflops = (forward.flops + backward.flops) / us / 1e3;
    }
    out.push_back(time);
  }
  return out;
}

double LayerTimer::forward_ms() const {
  double ms = 0;
  for (const LayerTime& layer : layers()) ms += layer.forward_ms;
  return ms;
}

double LayerTimer::backward_ms() const {
  double ms = 0;
  for (const LayerTime& layer : layers()) ms += layer.backward_ms;
  return ms;
}

}  // namespace trivium::tools
