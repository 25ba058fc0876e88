// The six solvers as recorded arithmetic: clip, normalise, regularise, update. One call records the
// update of all parameters; every number of the solver file is a scalar slot, so a plan serves any
// schedule.
#pragma once

#include <string>
#include <vector>

#include "trivium/engine/graph/graph.h"
#include "trivium/formats/proto/caffe.pb.h"

namespace trivium::caffe {

/// A learnable parameter as the update sees it.
struct UpdateParam {
  CellRef cell;
  Value gradient;                ///< undefined: the parameter stays as it is
  std::vector<CellRef> history;  ///< one slot, two for AdaDelta and Adam
  float lr_mult = 1, decay_mult = 1;
  CellRef applied;  ///< when set, receives what was subtracted
};

/// Slots of the scalars an update reads, filled before each run.
struct UpdateScalars {
  float rate = 0;
  int iter = 0;  ///< updates done before this one
};

class UpdateRule {
 public:
  /// UserError for an unknown type (listing those there are) and for options a type refuses.
  explicit UpdateRule(const proto::SolverParameter& solver);

  /// History slots per parameter: 1 or 2.
  int slots() const { return slots_; }
  /// Records the update and the assignments of Cells and histories. Returns the global gradient
  /// norm (rank 0) when clip_gradients is on, else an undefined Value.
  Value record(Graph& graph, const std::vector<UpdateParam>& params) const;
  /// Value of the scalar slot `name` of the recorded graph.
  double scalar(const std::string& name, const UpdateScalars& now) const;

 private:
  struct Slots;
  Value regularised(const Slots& s, const UpdateParam& p, Value gradient) const;
  void keep_frozen_history(Graph& graph, const Slots& s, const UpdateParam& p) const;
  Value step_of(Graph& graph, const Slots& s, const UpdateParam& p, Value gradient) const;

  proto::SolverParameter solver_;
  int slots_ = 1;
};

}  // namespace trivium::caffe
