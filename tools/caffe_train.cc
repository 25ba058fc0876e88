// caffe train: a solver from start or snapshot to its end, logged line by line as Caffe logs.
#include "tools/caffe_commands.h"
#include "tools/signals.h"
#include "tools/solver_files.h"
#include "trivium/engine/core/error.h"
#include "trivium/notations/caffe/solver.h"

namespace trivium::tools {
namespace {

caffe::SolverFile solver_file(const CaffeRun& run) {
  caffe::LogLines lines;
  const auto print = [&] {
    for (const caffe::LogLine& line : lines) run.log.forward(line.level, line.text);
  };
  try {
    caffe::SolverFile file = read_solver(run.flags.text("solver"), &lines);
    print();
    return file;
  } catch (...) {
    print();
    throw;
  }
}

std::vector<int> wanted_gpus(const CaffeRun& run, const caffe::proto::SolverParameter& solver) {
  const std::string& flag = run.flags.text("gpu");
  // The schema's default of solver_mode is GPU, but only a solver that says so gets one.
  if (flag.empty() && solver.has_solver_mode() &&
      solver.solver_mode() == caffe::proto::SolverParameter::GPU)
    return {solver.has_device_id() ? solver.device_id() : 0};
  return gpus_of(flag);
}

}  // namespace

int caffe_train(const CaffeRun& run) {
  const Gflags& flags = run.flags;
  const std::string &snapshot = flags.text("snapshot"), &weights = flags.text("weights");
  if (flags.text("solver").empty())
    user_error("Need a solver definition to train: give -solver FILE");
  if (!snapshot.empty() && !weights.empty())
    user_error(
        "Give a snapshot to resume training or weights to finetune but not both (-snapshot {}, "
        "-weights {})",
        snapshot, weights);
  caffe::SolverFile file = solver_file(run);
  file.solver.mutable_train_state()->set_level(flags.integer("level"));
  for (const std::string& stage : split_list(flags.text("stage")))
    file.solver.mutable_train_state()->add_stage(stage);
  choose_device(run, wanted_gpus(run, file.solver));
  SignalActions signals(parse_action("sigint_effect", flags.text("sigint_effect")),
                        parse_action("sighup_effect", flags.text("sighup_effect")));
  if (!snapshot.empty()) {
    file.solver.clear_weights();
  } else if (!weights.empty()) {
    file.solver.clear_weights();
    file.solver.add_weights(weights);
  }
  caffe::SolverOptions options;
  options.log = run.sink();
  options.poll = [&signals] { return signals.poll(); };
  caffe::Solver solver(file, std::move(options));
  if (!snapshot.empty()) {
    run.log.info("Resuming from " + snapshot);
    solver.restore(snapshot);
  }
  run.log.info("Starting Optimization");
  solver.solve();
  run.log.info("Optimization Done.");
  return 0;
}

}  // namespace trivium::tools
