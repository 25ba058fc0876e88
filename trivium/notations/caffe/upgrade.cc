// The order of the upgrade steps and what is logged around each. The texts are Caffe's, since logs
// are compared.
#include "trivium/notations/caffe/upgrade.h"

#include <fmt/format.h>

#include <utility>

#include "trivium/engine/core/error.h"
#include "trivium/notations/caffe/upgrade_steps.h"

namespace trivium::caffe {
namespace {

void log_attempt(LogLines* log, const char* what, const std::string& file) {
  add_line(log, LogLevel::info,
           fmt::format("Attempting to upgrade input file specified using deprecated {}: {}", what,
                       file));
}

void log_success(LogLines* log, const char* what) {
  add_line(log, LogLevel::info,
           fmt::format("Successfully upgraded file specified using deprecated {}", what));
}

void log_note(LogLines* log, const char* what) {
  add_line(log, LogLevel::warning, fmt::format("Note that future Caffe releases will {}", what));
}

bool run_v0(const std::string& file, proto::NetParameter* net, LogLines* log, SourceMap* lines) {
  log_attempt(log, "V0LayerParameter", file);
  const bool complete = upgrade_v0(file, net, log, lines);
  if (complete) {
    log_success(log, "V0LayerParameter");
  } else {
    add_line(log, LogLevel::error,
             "Warning: had one or more problems upgrading V0NetParameter to NetParameter (see "
             "above); continuing "
             "anyway.");
  }
  log_note(log,
           "not support V0NetParameter; use ./build/tools/upgrade_net_proto_text for prototxt and "
           "./build/tools/upgrade_net_proto_binary for model weights upgrade this and any other "
           "net protos to "
           "the new format.");
  return complete;
}

void run_transform(const std::string& file, proto::NetParameter* net, LogLines* log) {
  log_attempt(log, "transformation parameters", file);
  upgrade_transform(net);
  log_success(log, "data transformation parameters.");
  log_note(log, "only support transform_param messages for transformation fields.");
}

void run_v1(const std::string& file, proto::NetParameter* net, LogLines* log) {
  log_attempt(log, "V1LayerParameter", file);
  upgrade_v1(file, net);
  log_success(log, "V1LayerParameter");
}

void run_input(const std::string& file, proto::NetParameter* net, LogLines* log, SourceMap* lines) {
  log_attempt(log, "input fields", file);
  upgrade_input(file, net, lines);
  log_success(log, "input fields.");
  log_note(log, "only support input layers and not input fields.");
}

void run_batch_norm(const std::string& file, proto::NetParameter* net, LogLines* log) {
  add_line(
      log, LogLevel::info,
      fmt::format("Attempting to upgrade batch norm layers using deprecated params: {}", file));
  upgrade_batch_norm(net);
  add_line(log, LogLevel::info, "Successfully upgraded batch norm layers using deprecated params.");
}

const char* solver_type_name(proto::SolverParameter::SolverType type) {
  switch (type) {
    case proto::SolverParameter::SGD:
      return "SGD";
    case proto::SolverParameter::NESTEROV:
      return "Nesterov";
    case proto::SolverParameter::ADAGRAD:
      return "AdaGrad";
    case proto::SolverParameter::RMSPROP:
      return "RMSProp";
    case proto::SolverParameter::ADADELTA:
      return "AdaDelta";
    case proto::SolverParameter::ADAM:
      return "Adam";
  }
  internal_error("solver type {} has no name", static_cast<int>(type));
}

}  // namespace

bool net_needs_upgrade(const proto::NetParameter& net) {
  return needs_v0_upgrade(net) || needs_v1_upgrade(net) || needs_transform_upgrade(net) ||
         needs_input_upgrade(net) || needs_batch_norm_upgrade(net);
}

UpgradedNet upgrade_net(proto::NetParameter net, const std::string& file, LogLines* log,
                        SourceMap* lines) {
  bool complete = true;
  if (needs_v0_upgrade(net)) complete = run_v0(file, &net, log, lines);
  if (needs_transform_upgrade(net)) run_transform(file, &net, log);
  if (needs_v1_upgrade(net)) run_v1(file, &net, log);
  if (needs_input_upgrade(net)) run_input(file, &net, log, lines);
  if (needs_batch_norm_upgrade(net)) run_batch_norm(file, &net, log);
  return {std::move(net), complete};
}

bool solver_needs_upgrade(const proto::SolverParameter& solver) { return solver.has_solver_type(); }

proto::SolverParameter upgrade_solver(proto::SolverParameter solver, const std::string& file,
                                      LogLines* log) {
  if (!solver_needs_upgrade(solver)) return solver;
  log_attempt(log, "'solver_type' field (enum)'", file);
  const char* name = solver_type_name(solver.solver_type());
  if (solver.has_type()) {
    user_error(
        "{}: the solver has both the old field solver_type ({}) and type (\"{}\"); keep only type",
        file, name, solver.type());
  }
  solver.set_type(name);
  solver.clear_solver_type();
  log_success(log, "'solver_type' field (enum) to 'type' field (string).");
  log_note(log, "only support 'type' field (string) for a solver's type.");
  return solver;
}

}  // namespace trivium::caffe
