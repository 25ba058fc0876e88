// Brings definitions in Caffe's older formats to the newest one, step by step, reporting as Caffe
// reports. Steps, in order: V0 layers -> V1 -> transform fields -> V1 to V2 layers -> input fields
// -> BatchNorm.
#pragma once

#include <string>

#include "trivium/formats/proto/caffe.pb.h"
#include "trivium/notations/caffe/log_line.h"
#include "trivium/notations/caffe/source_map.h"

namespace trivium::caffe {

struct UpgradedNet {
  proto::NetParameter net;
  bool complete = true;  ///< false when something old had no equivalent; the log says what
};

/// True when `upgrade_net` would change the net.
bool net_needs_upgrade(const proto::NetParameter& net);

/// The net in the newest format. Weights inside are moved, not copied, when the argument is an
/// rvalue. `file` is the name shown in log lines and errors; `lines` (may be null) stays parallel
/// to the layers. Throws UserError when the definition mixes formats, has an unknown V0 type, or
/// inputs and shapes do not pair up.
UpgradedNet upgrade_net(proto::NetParameter net, const std::string& file, LogLines* log = nullptr,
                        SourceMap* lines = nullptr);

/// True when the solver uses the enum `solver_type`.
bool solver_needs_upgrade(const proto::SolverParameter& solver);

/// The solver with `type` instead of `solver_type`. Throws UserError when both are given.
proto::SolverParameter upgrade_solver(proto::SolverParameter solver, const std::string& file,
                                      LogLines* log = nullptr);

}  // namespace trivium::caffe
