#include "trivium/notations/caffe/solver_program.h"

#include <cmath>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/caffe/layer_error.h"

namespace trivium::caffe {
namespace {

Value mean_abs(Value x) { return ops::mean(ops::abs(ops::cast(x, DType::f32))); }

/// Sums of |x| and of x^2 over all of them.
Value sum_of(const std::vector<Value>& xs, Value (*f)(Value), Graph& graph) {
  std::vector<Value> parts;
  for (const Value& x : xs)
    if (x.defined()) parts.push_back(ops::sum(f(x)));
  return parts.empty() ? graph.constant(0.0) : ops::add_n(parts);
}

}  // namespace

Solver::Program::Program(Net& net, const UpdateRule& rule, std::vector<UpdateParam> params,
                         const std::vector<CellRef>& accumulated, bool debug,
                         const compile::Options& options)
    : debug_(debug), recording_(net.record()), two_plans_(!accumulated.empty()) {
  Graph& graph = recording_->graph;
  const std::vector<Value> gradients = net.param_gradients(*recording_);
  for (size_t i = 0; i < params.size(); ++i) params[i].gradient = gradients[i];
  std::vector<Value> fetches = {recording_->loss};
  for (int blob : net.outputs()) fetches.push_back(recording_->blobs[blob]);
  if (debug) record_debug(net, params, fetches);
  if (!two_plans_) {
    const Value norm = rule.record(graph, params);
    if (norm.defined()) {
      norm_ = static_cast<int>(fetches.size());
      fetches.push_back(norm);
    }
    prepared_ = compile::prepare(graph, {}, fetches, true, options);
    return;
  }
  for (size_t i = 0; i < params.size(); ++i)
    if (gradients[i].defined())
      graph.assign(accumulated[i], graph.read(accumulated[i]) + gradients[i]);
  prepared_ = compile::prepare(graph, {}, fetches, true, options);
  for (size_t i = 0; i < params.size(); ++i)
    params[i].gradient = gradients[i].defined() ? update_graph_.read(accumulated[i]) : Value{};
  const Value norm = rule.record(update_graph_, params);
  for (size_t i = 0; i < params.size(); ++i)
    if (gradients[i].defined())
      update_graph_.assign(accumulated[i],
                           ops::broadcast_to(update_graph_.constant(0.0), accumulated[i]->shape()));
  std::vector<Value> update_fetches;
  if (norm.defined()) {
    norm_ = 0;
    update_fetches.push_back(norm);
  }
  update_prepared_ = compile::prepare(update_graph_, {}, update_fetches, true, options);
}

void Solver::Program::fetch_forward_values(const Net& net, Recording& r,
                                           std::vector<Value>& fetches) {
  forward_texts_.clear();
  for (size_t l = 0; l < net.layers().size(); ++l) {
    const NetLayer& layer = net.layers()[l];
    for (size_t t = 0; t < layer.tops.size(); ++t) {
      forward_texts_.push_back(fmt::format("    [Forward] Layer {}, top blob {} data: ",
                                           layer.name(), net.blobs()[layer.tops[t]].name));
      fetches.push_back(mean_abs(r.tops[l][t]));
    }
    for (int p : layer.params) {
      const NetParam& param = net.params()[p];
      forward_texts_.push_back(
          fmt::format("    [Forward] Layer {}, param blob {} data: ", layer.name(),
                      param.name.empty() ? std::to_string(param.index) : param.name));
      fetches.push_back(mean_abs(r.params[p]));
    }
  }
}

void Solver::Program::record_debug(Net& net, const std::vector<UpdateParam>& params,
                                   std::vector<Value>& fetches) {
  Recording& r = *recording_;
  first_forward_ = fetches.size();
  fetch_forward_values(net, r, fetches);
  first_backward_ = fetches.size();
  std::vector<Value> xs;
  for (int l = static_cast<int>(net.layers().size()) - 1; l >= 0; --l) {
    const NetLayer& layer = net.layers()[l];
    if (!layer.needs_backward) continue;
    for (size_t b = 0; b < layer.bottoms.size(); ++b) {
      if (!layer.bottom_needs_backward[b]) continue;
      backward_texts_.push_back(fmt::format("    [Backward] Layer {}, bottom blob {} diff: ",
                                            layer.name(), net.blobs()[layer.bottoms[b]].name));
      xs.push_back(r.bottoms[l][b]);
    }
    for (int p : layer.params) {
      if (!net.params()[p].gradient) continue;
      backward_texts_.push_back(fmt::format(
          "    [Backward] Layer {}, param blob {} diff: ", layer.name(), net.params()[p].index));
      xs.push_back(r.params[p]);
    }
  }
  for (const Value& g : net.gradients(r, {}, xs))
    fetches.push_back(g.defined() ? mean_abs(g) : r.graph.constant(0.0));
  first_norm_ = fetches.size();
  std::vector<Value> data, diff;
  for (const UpdateParam& p : params) {
    data.push_back(r.graph.read(p.cell));
    diff.push_back(p.gradient);
  }
  for (auto f :
       {static_cast<Value (*)(Value)>(ops::abs), static_cast<Value (*)(Value)>(ops::square)}) {
    fetches.push_back(sum_of(data, f, r.graph));
    fetches.push_back(sum_of(diff, f, r.graph));
  }
}

void Solver::Program::fill_scalars(const Graph& graph, const compile::Prepared& prepared,
                                   const UpdateRule& rule, const UpdateScalars& now,
                                   run::Bindings& bindings) {
  bindings.scalars.resize(prepared.scalars.size());
  for (size_t i = 0; i < prepared.scalars.size(); ++i)
    bindings.scalars[i] = rule.scalar(graph.scalars()[prepared.scalars[i]].name, now);
}

float Solver::Program::run_pass(Net& net, const UpdateRule& rule, const UpdateScalars& now,
                                run::Profile* profile) {
  net.feed(*recording_, prepared_, bindings_);
  fill_scalars(recording_->graph, prepared_, rule, now, bindings_);
  try {
    run::execute(*prepared_.plan, bindings_, results_, profile);
  } catch (const UserError& error) {
    throw_with_line(net, error);
  }
  return static_cast<float>(results_[0].item());
}

void Solver::Program::run_update(const UpdateRule& rule, const UpdateScalars& now,
                                 run::Profile* profile) {
  if (!two_plans_) return;
  update_bindings_.cells = update_prepared_.cells;
  fill_scalars(update_graph_, update_prepared_, rule, now, update_bindings_);
  run::execute(*update_prepared_.plan, update_bindings_, update_results_, profile);
}

float Solver::Program::forward_only(Net& net) {
  net.advance();
  if (!forward_) {
    forward_ = net.record();
    forward_fetches_ = {forward_->loss};
    if (debug_) fetch_forward_values(net, *forward_, forward_fetches_);
  }
  forward_results_ = net.run(*forward_, forward_fetches_);
  return static_cast<float>(forward_results_[0].item());
}

std::vector<Solver::Program::Line> Solver::Program::lines(const std::vector<std::string>& texts,
                                                          const std::vector<Array>& values,
                                                          size_t first) {
  std::vector<Line> out;
  for (size_t i = 0; i < texts.size(); ++i) out.push_back({texts[i], values[first + i].item()});
  return out;
}

std::array<double, 4> Solver::Program::norms() const {
  return {results_[first_norm_].item(), results_[first_norm_ + 1].item(),
          std::sqrt(results_[first_norm_ + 2].item()), std::sqrt(results_[first_norm_ + 3].item())};
}

}  // namespace trivium::caffe
