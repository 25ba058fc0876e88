// A Caffe solver: a train net, test nets, an update rule and a schedule, run as the solver file
// says and logged in Caffe's own lines. Every iteration is one plan: forward, backward and update
// together.
//
//   Solver solver(read_solver_file("lenet_solver.prototxt"), {.log = print_line});
//   solver.solve();
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trivium/engine/run/profile.h"
#include "trivium/notations/caffe/net.h"
#include "trivium/notations/caffe/net_file.h"
#include "trivium/notations/caffe/update_rule.h"

namespace trivium::caffe {

/// What a signal or a caller asks of a running solver.
enum class SolverAction { none, stop, snapshot };

/// One iteration, for progress displays.
struct StepInfo {
  int iter = 0;  ///< updates done, this one included
  int max_iter = 0;
  float loss = 0, smoothed_loss = 0, rate = 0;
};

/// One test pass: every element of every output, averaged over the batches.
struct TestResult {
  int net = 0, iter = 0;
  double loss = 0;  ///< mean of the weighted loss
  std::vector<std::pair<std::string, float>> outputs;
};

struct SolverOptions {
  LogSink log;
  std::string folder;                  ///< relative paths start here; "" = working directory
  std::function<SolverAction()> poll;  ///< asked after each update and before each test batch
  std::function<void(const StepInfo&)> on_step;
  std::function<void(const TestResult&)> on_test;
  run::Profile* profile = nullptr;  ///< times the training plan
  bool stop_on_nan = true;          ///< a loss that is not finite ends training with an error
  compile::Options compile;
};

class Solver {
 public:
  /// Builds train and test nets, loads `weights`, makes the histories. UserError with file and
  /// line.
  explicit Solver(const SolverFile& file, SolverOptions options = {});
  ~Solver();

  const proto::SolverParameter& param() const { return param_; }
  Net& net() { return *net_; }
  const std::vector<std::unique_ptr<Net>>& test_nets() const { return test_nets_; }
  int iter() const { return iter_; }
  /// Learning rate at the current iteration (multistep may advance, as in Caffe).
  float rate();

  /// Trains until max_iter or until asked to stop; returns false in the latter case. With `resume`,
  /// the state file is restored first.
  bool solve(const std::string& resume = "");
  /// `iterations` more updates. The smoothing window of average_loss starts anew.
  void step(int iterations);
  /// One pass over test_iter batches of test net `index`.
  TestResult test(int index);
  /// Writes model and state; returns the name of the state file. Both appear whole or not at all.
  std::string snapshot();
  /// Continues from a state file: iteration, weights, histories, and (files of Trivium) generator
  /// and data position, so that the run goes on bit for bit.
  void restore(const std::string& state_file, bool with_data = true);
  /// Histories in slot order: all first slots, then all second ones.
  std::vector<Array> history() const;
  /// What the last update subtracted, per learnable parameter (needs snapshot_diff).
  std::vector<Array> applied() const;

 private:
  class Program;  // the plan of an iteration with its bindings
  void log(const std::string& text, LogLevel level = LogLevel::info) const;
  void log_all(LogLines& lines) const;
  void check() const;
  void make_train_net(const SolverFile& file);
  void make_test_nets(const SolverFile& file);
  void add_test_net(proto::NetParameter net, SourceMap lines, const std::string& source, int index);
  std::unique_ptr<Net> build(proto::NetParameter net, const proto::NetState& wanted,
                             proto::Phase phase, SourceMap lines, const Net* share_with);
  void load_weights(Net& net) const;
  void make_history();
  Program& program(bool debug);
  float forward_backward_update(bool display);
  void log_display(const Program& p);
  void log_debug(const Program& p);
  void log_clip(double norm) const;
  void check_finite(float loss) const;
  void smooth(float loss);
  void test_all();
  void final_display();
  SolverAction take_action();
  std::string snapshot_name(const char* extension) const;
  void probe_prefix() const;

  proto::SolverParameter param_;
  SolverOptions options_;
  UpdateRule rule_;
  RandomRef random_;
  std::unique_ptr<Net> net_;
  std::vector<std::unique_ptr<Net>> test_nets_;
  std::vector<std::vector<CellRef>> history_;  // [slot][learnable]
  std::vector<CellRef> accumulated_, applied_;
  std::unique_ptr<Program> program_, debug_program_;
  int64_t program_generation_ = -1;
  int iter_ = 0, current_step_ = 0, display_iter_ = 0;
  float rate_ = 0, smoothed_ = 0;
  std::deque<float> losses_;
  std::chrono::steady_clock::time_point display_time_;
  bool early_exit_ = false;
};

}  // namespace trivium::caffe
