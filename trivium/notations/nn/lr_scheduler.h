// Learning-rate schedules. A schedule edits group["lr"] of its optimizer: once when it is made,
// then at every step(). Most of them scale the rate that is there, so changes by hand persist.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "trivium/notations/nn/optim.h"

namespace trivium::optim::lr_scheduler {

/// The attributes of a schedule by PyTorch's names.
using FieldValue =
    std::variant<bool, int64_t, double, std::string, std::vector<double>, std::vector<int64_t>>;
using SchedulerState = std::vector<std::pair<std::string, FieldValue>>;

class LRScheduler {
 public:
  virtual ~LRScheduler() = default;
  LRScheduler(const LRScheduler&) = delete;
  LRScheduler& operator=(const LRScheduler&) = delete;

  /// To be called after optimizer.step(), usually once an epoch.
  virtual void step();
  /// The rates in use, one a group.
  const std::vector<double>& get_last_lr() const { return last_lr_; }
  int64_t last_epoch() const { return last_epoch_; }
  SchedulerState state_dict();
  /// Entries it does not know are passed over; UserError for one of another kind.
  void load_state_dict(const SchedulerState& state);
  Optimizer& optimizer() { return optimizer_; }

 protected:
  using FieldRef = std::variant<bool*, int64_t*, double*, std::string*, std::vector<double>*,
                                std::vector<int64_t>*>;
  using Visit = std::function<void(const char* name, FieldRef field)>;

  /// last_epoch other than -1 resumes: groups must have initial_lr (UserError).
  LRScheduler(Optimizer& optimizer, int64_t last_epoch);
  /// Called by the constructor of each concrete class: step 0.
  void begin();
  /// The rates of last_epoch_, from those in use.
  virtual std::vector<double> get_lr() = 0;
  /// The rates of epoch 0 whatever is in use: when SequentialLR switches to this one.
  virtual std::vector<double> first_lr() { return base_lrs_; }
  friend class SequentialLR;
  /// Every field that a checkpoint keeps.
  virtual void each_field(const Visit& visit);

  std::vector<ParamGroup>& groups() { return optimizer_.param_groups(); }
  std::vector<double> current() const;
  /// The rates in use times `factor`.
  std::vector<double> scaled(double factor) const;
  void apply(const std::vector<double>& rates);

  Optimizer& optimizer_;
  std::vector<double> base_lrs_, last_lr_;
  int64_t last_epoch_, step_count_ = 0;
  bool initial_ = false;  // step 0 is going on
};

/// lr * gamma every step_size epochs.
class StepLR : public LRScheduler {
 public:
  StepLR(Optimizer& optimizer, int64_t step_size, double gamma = 0.1, int64_t last_epoch = -1);

 protected:
  std::vector<double> get_lr() override;
  void each_field(const Visit& visit) override;
  int64_t step_size_;
  double gamma_;
};

/// lr * gamma at each milestone; repeated ones multiply repeatedly.
class MultiStepLR : public LRScheduler {
 public:
  MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma = 0.1,
              int64_t last_epoch = -1);

 protected:
  std::vector<double> get_lr() override;
  void each_field(const Visit& visit) override;
  std::vector<int64_t> milestones_;
  double gamma_;
};

class ExponentialLR : public LRScheduler {
 public:
  ExponentialLR(Optimizer& optimizer, double gamma, int64_t last_epoch = -1);

 protected:
  std::vector<double> get_lr() override;
  void each_field(const Visit& visit) override;
  double gamma_;
};

using EpochFunction = std::function<double(int64_t epoch)>;
/// base * fn(epoch): one function, or one a group.
class LambdaLR : public LRScheduler {
 public:
  LambdaLR(Optimizer& optimizer, EpochFunction fn, int64_t last_epoch = -1);
  LambdaLR(Optimizer& optimizer, std::vector<EpochFunction> fns, int64_t last_epoch = -1);

 protected:
  std::vector<double> get_lr() override;
  std::vector<double> first_lr() override { return get_lr(); }
  std::vector<EpochFunction> fns_;
};

/// lr * fn(epoch).
class MultiplicativeLR : public LRScheduler {
 public:
  MultiplicativeLR(Optimizer& optimizer, EpochFunction fn, int64_t last_epoch = -1);

 protected:
  std::vector<double> get_lr() override;
  std::vector<double> first_lr() override { return current(); }
  EpochFunction fn_;
};

/// base * factor until total_iters.
class ConstantLR : public LRScheduler {
 public:
  explicit ConstantLR(Optimizer& optimizer, double factor = 1.0 / 3, int64_t total_iters = 5,
                      int64_t last_epoch = -1);

 protected:
  std::vector<double> get_lr() override;
  std::vector<double> first_lr() override;
  void each_field(const Visit& visit) override;
  double factor_;
  int64_t total_iters_;
};

/// From base * start_factor to base * end_factor in total_iters steps.
class LinearLR : public LRScheduler {
 public:
  explicit LinearLR(Optimizer& optimizer, double start_factor = 1.0 / 3, double end_factor = 1,
                    int64_t total_iters = 5, int64_t last_epoch = -1);

 protected:
  std::vector<double> get_lr() override;
  std::vector<double> first_lr() override;
  void each_field(const Visit& visit) override;
  double start_factor_, end_factor_;
  int64_t total_iters_;
};

/// base * (1 - epoch/total_iters)^power.
class PolynomialLR : public LRScheduler {
 public:
  explicit PolynomialLR(Optimizer& optimizer, int64_t total_iters = 5, double power = 1,
                        int64_t last_epoch = -1);

 protected:
  std::vector<double> get_lr() override;
  void each_field(const Visit& visit) override;
  int64_t total_iters_;
  double power_;
};

/// eta_min + (base - eta_min)(1 + cos(pi epoch/T_max))/2; rises again after T_max.
class CosineAnnealingLR : public LRScheduler {
 public:
  CosineAnnealingLR(Optimizer& optimizer, int64_t t_max, double eta_min = 0,
                    int64_t last_epoch = -1);

 protected:
  std::vector<double> get_lr() override;
  void each_field(const Visit& visit) override;
  int64_t t_max_;
  double eta_min_;
};

/// Cosine annealing that starts again after T_0, T_0*T_mult, … epochs.
class CosineAnnealingWarmRestarts : public LRScheduler {
 public:
  CosineAnnealingWarmRestarts(Optimizer& optimizer, int64_t t_0, int64_t t_mult = 1,
                              double eta_min = 0, int64_t last_epoch = -1);
  void step() override;
  /// To a fractional epoch.
  void step(double epoch);

 protected:
  std::vector<double> get_lr() override;
  std::vector<double> first_lr() override { return get_lr(); }
  void each_field(const Visit& visit) override;
  int64_t t_0_, t_i_, t_mult_;
  double eta_min_, t_cur_;
};

struct CyclicOptions {
  int64_t step_size_up = 2000;
  std::optional<int64_t> step_size_down{};
  std::string mode = "triangular";  // triangular2, exp_range
  double gamma = 1;
  std::function<double(double)> scale_fn{};  // instead of a mode
  bool scale_by_iteration = false;           // the argument of scale_fn
  bool cycle_momentum = true;
  double base_momentum = 0.8, max_momentum = 0.9;
};
/// Between base_lr and max_lr and back.
class CyclicLR : public LRScheduler {
 public:
  CyclicLR(Optimizer& optimizer, double base_lr, double max_lr, const CyclicOptions& options = {},
           int64_t last_epoch = -1);

 protected:
  std::vector<double> get_lr() override;
  std::vector<double> first_lr() override { return get_lr(); }
  void each_field(const Visit& visit) override;
  double scale(double cycle) const;
  CyclicOptions options_;
  std::vector<double> max_lrs_;
  double total_size_, step_ratio_;
};

struct OneCycleOptions {
  int64_t total_steps = 0;  // or:
  int64_t epochs = 0, steps_per_epoch = 0;
  double pct_start = 0.3;
  std::string anneal_strategy = "cos";  // linear
  bool cycle_momentum = true;
  double base_momentum = 0.85, max_momentum = 0.95;
  double div_factor = 25, final_div_factor = 1e4;
  bool three_phase = false;
};
/// From max_lr/div_factor up to max_lr and far down; ValueError for a step beyond the last.
class OneCycleLR : public LRScheduler {
 public:
  OneCycleLR(Optimizer& optimizer, double max_lr, const OneCycleOptions& options,
             int64_t last_epoch = -1);

 protected:
  std::vector<double> get_lr() override;
  std::vector<double> first_lr() override { return get_lr(); }
  void each_field(const Visit& visit) override;
  OneCycleOptions options_;
  struct Phase {
    double end;
    const char *lr_from, *lr_to, *momentum_from, *momentum_to;
  };
  std::vector<Phase> phases_;
};

struct PlateauOptions {
  std::string mode = "min";  // max
  double factor = 0.1;
  int64_t patience = 10;
  double threshold = 1e-4;
  std::string threshold_mode = "rel";  // abs
  int64_t cooldown = 0;
  double min_lr = 0, eps = 1e-8;
};
/// lr * factor when the metric has not improved for more than `patience` epochs.
class ReduceLROnPlateau : public LRScheduler {
 public:
  explicit ReduceLROnPlateau(Optimizer& optimizer, const PlateauOptions& options = {});
  void step(double metric);
  void step() override;  ///< TypeError: a metric is needed

 protected:
  std::vector<double> get_lr() override { return current(); }
  void each_field(const Visit& visit) override;
  bool is_better(double metric) const;
  PlateauOptions options_;
  double best_;
  int64_t num_bad_epochs_ = 0, cooldown_counter_ = 0;
};

using SchedulerPtr = std::shared_ptr<LRScheduler>;
/// One after another: scheduler i+1 starts at milestones[i].
class SequentialLR : public LRScheduler {
 public:
  SequentialLR(Optimizer& optimizer, std::vector<SchedulerPtr> schedulers,
               std::vector<int64_t> milestones, int64_t last_epoch = -1);
  void step() override;

 protected:
  std::vector<double> get_lr() override { return current(); }
  void each_field(const Visit& visit) override;
  std::vector<SchedulerPtr> schedulers_;
  std::vector<int64_t> milestones_;
};

/// All of them at every step.
class ChainedScheduler : public LRScheduler {
 public:
  explicit ChainedScheduler(std::vector<SchedulerPtr> schedulers);
  void step() override;

 protected:
  std::vector<double> get_lr() override { return current(); }
  std::vector<SchedulerPtr> schedulers_;
};

}  // namespace trivium::optim::lr_scheduler
