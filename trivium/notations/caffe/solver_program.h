// The plan (or, with iter_size above 1, the two plans) of a training iteration, and the bindings
// that stay from step to step.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "trivium/notations/caffe/solver.h"

namespace trivium::caffe {

class Solver::Program {
 public:
  /// Records forward, backward and update of the net as it is now. `accumulated` has a Cell per
  /// parameter when gradients of several passes are summed first. With `debug`, mean absolute
  /// values of every blob, parameter and gradient are computed too.
  Program(Net& net, const UpdateRule& rule, std::vector<UpdateParam> params,
          const std::vector<CellRef>& accumulated, bool debug, const compile::Options& options);

  /// One pass over the batch at hand; returns the loss. Updates parameters unless gradients
  /// accumulate.
  float run_pass(Net& net, const UpdateRule& rule, const UpdateScalars& now, run::Profile* profile);
  /// The update after the passes of an iteration, when they accumulate.
  void run_update(const UpdateRule& rule, const UpdateScalars& now, run::Profile* profile);
  /// Loss of the net on a new batch, nothing updated.
  float forward_only(Net& net);

  const Array& output(size_t i) const { return results_[1 + i]; }
  bool has_norm() const { return norm_ >= 0; }
  double norm() const { return two_plans_ ? update_results_[0].item() : results_[norm_].item(); }

  using Line = std::pair<std::string, double>;
  std::vector<Line> forward_lines() const {
    return lines(forward_texts_, results_, first_forward_);
  }
  std::vector<Line> backward_lines() const {
    return lines(backward_texts_, results_, first_backward_);
  }
  /// Forward lines of the last forward_only.
  std::vector<Line> forward_only_lines() const {
    return lines(forward_texts_, forward_results_, 1);
  }
  std::array<double, 4> norms() const;

 private:
  void record_debug(Net& net, const std::vector<UpdateParam>& params, std::vector<Value>& fetches);
  void fetch_forward_values(const Net& net, Recording& recording, std::vector<Value>& fetches);
  static std::vector<Line> lines(const std::vector<std::string>& texts,
                                 const std::vector<Array>& values, size_t first);
  static void fill_scalars(const Graph& graph, const compile::Prepared& prepared,
                           const UpdateRule& rule, const UpdateScalars& now,
                           run::Bindings& bindings);

  bool debug_;
  std::unique_ptr<Recording> recording_;
  compile::Prepared prepared_;
  run::Bindings bindings_;
  std::vector<Array> results_;  // loss, outputs, norm, debug values
  int norm_ = -1;

  bool two_plans_ = false;
  Graph update_graph_;
  compile::Prepared update_prepared_;
  run::Bindings update_bindings_;
  std::vector<Array> update_results_;

  std::vector<std::string> forward_texts_, backward_texts_;
  size_t first_forward_ = 0, first_backward_ = 0, first_norm_ = 0;

  std::unique_ptr<Recording> forward_;  // for forward_only
  std::vector<Value> forward_fetches_;
  std::vector<Array> forward_results_;
};

}  // namespace trivium::caffe
