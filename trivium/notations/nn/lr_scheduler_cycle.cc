// Schedules that cycle, that follow a metric, and that combine others.
#include <algorithm>
#include <cmath>
#include <limits>

#include "trivium/notations/nn/lr_scheduler.h"

namespace trivium::optim::lr_scheduler {

using nn::raise;
using nn::ValueError;

namespace {

/// Momentum of a group: its own setting, or the first beta.
void set_momentum(ParamGroup& group, double value) {
  if (group.has("betas"))
    group["betas"] = std::pair<double, double>{value, group.at("betas").pair().second};
  else
    group["momentum"] = value;
}

void require_momentum(const std::vector<ParamGroup>& groups, const char* name) {
  for (const ParamGroup& group : groups)
    if (!group.has("momentum") && !group.has("betas"))
      raise<ValueError>("{}: cycle_momentum needs an optimizer with momentum or betas", name);
}

Optimizer& with_rate(Optimizer& optimizer, double lr) {
  for (ParamGroup& group : optimizer.param_groups()) group["lr"] = lr;
  return optimizer;
}

double cosine_between(double from, double to, double share) {
  return to + (from - to) / 2 * (std::cos(3.14159265358979323846 * share) + 1);
}

}  // namespace

CyclicLR::CyclicLR(Optimizer& optimizer, double base_lr, double max_lr, const CyclicOptions& o,
                   int64_t last_epoch)
    : LRScheduler(last_epoch == -1 ? with_rate(optimizer, base_lr) : optimizer, last_epoch),
      options_(o) {
  const bool known = o.mode == "triangular" || o.mode == "triangular2" || o.mode == "exp_range";
  if (!known && !o.scale_fn)
    raise<ValueError>("CyclicLR: mode must be triangular, triangular2 or exp_range, received '{}'",
                      o.mode);
  const auto up = static_cast<double>(o.step_size_up);
  total_size_ = up + static_cast<double>(o.step_size_down.value_or(o.step_size_up));
  step_ratio_ = up / total_size_;
  max_lrs_.assign(groups().size(), max_lr);
  if (o.cycle_momentum) {
    require_momentum(groups(), "CyclicLR");
    for (ParamGroup& group : groups()) {
      if (last_epoch == -1) {
        set_momentum(group, o.max_momentum);
        group["max_momentum"] = o.max_momentum;
        group["base_momentum"] = o.base_momentum;
      }
    }
  }
  begin();
  base_lrs_.assign(groups().size(), base_lr);
}

double CyclicLR::scale(double cycle) const {
  const auto iteration = static_cast<double>(last_epoch_);
  if (options_.scale_fn) return options_.scale_fn(options_.scale_by_iteration ? iteration : cycle);
  if (options_.mode == "triangular2") return 1 / std::pow(2.0, cycle - 1);
  if (options_.mode == "exp_range") return std::pow(options_.gamma, iteration);
  return 1;
}

std::vector<double> CyclicLR::get_lr() {
  const double position = static_cast<double>(last_epoch_) / total_size_;
  const double cycle = std::floor(1 + position), x = 1 + position - cycle;
  const double height = x <= step_ratio_ ? x / step_ratio_ : (x - 1) / (step_ratio_ - 1);
  std::vector<double> out;
  for (size_t i = 0; i < base_lrs_.size(); ++i)
    out.push_back(base_lrs_[i] + (max_lrs_[i] - base_lrs_[i]) * height * scale(cycle));
  if (options_.cycle_momentum) {
    const double swing = (options_.max_momentum - options_.base_momentum) * height;
    for (ParamGroup& group : groups())
      set_momentum(group, options_.max_momentum - swing * scale(cycle));
  }
  return out;
}

void CyclicLR::each_field(const Visit& visit) {
  visit("max_lrs", &max_lrs_);
  visit("total_size", &total_size_);
  visit("step_ratio", &step_ratio_);
  visit("mode", &options_.mode);
  visit("gamma", &options_.gamma);
  visit("cycle_momentum", &options_.cycle_momentum);
  LRScheduler::each_field(visit);
}

OneCycleLR::OneCycleLR(Optimizer& optimizer, double max_lr, const OneCycleOptions& o,
                       int64_t last_epoch)
    : LRScheduler(optimizer, last_epoch), options_(o) {
  if (options_.total_steps <= 0) options_.total_steps = o.epochs * o.steps_per_epoch;
  if (options_.total_steps <= 0)
    raise<ValueError>("OneCycleLR: give total_steps, or epochs and steps_per_epoch");
  if (!(o.pct_start >= 0 && o.pct_start <= 1))
    raise<ValueError>("OneCycleLR: pct_start must be in [0, 1], received {}", o.pct_start);
  if (o.anneal_strategy != "cos" && o.anneal_strategy != "linear")
    raise<ValueError>("OneCycleLR: anneal_strategy must be cos or linear, received '{}'",
                      o.anneal_strategy);
  if (o.cycle_momentum) require_momentum(groups(), "OneCycleLR");
  const auto total = static_cast<double>(options_.total_steps);
  const double rise = o.pct_start * total;
  phases_.push_back({rise - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum"});
  if (o.three_phase) {
    phases_.push_back({2 * rise - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"});
    phases_.push_back({total - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"});
  } else {
    phases_.push_back({total - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"});
  }
  if (last_epoch == -1) {
    for (ParamGroup& group : groups()) {
      group["initial_lr"] = max_lr / o.div_factor;
      group["max_lr"] = max_lr;
      group["min_lr"] = max_lr / o.div_factor / o.final_div_factor;
      if (!o.cycle_momentum) continue;
      set_momentum(group, o.max_momentum);
      group["max_momentum"] = o.max_momentum;
      group["base_momentum"] = o.base_momentum;
    }
  }
  for (size_t i = 0; i < groups().size(); ++i) base_lrs_[i] = groups()[i].number("initial_lr");
  begin();
}

std::vector<double> OneCycleLR::get_lr() {
  if (last_epoch_ > options_.total_steps)
    raise<ValueError>("OneCycleLR: step {} is beyond the {} it was made for", last_epoch_,
                      options_.total_steps);
  const auto at = static_cast<double>(last_epoch_);
  double begin = 0;
  size_t i = 0;
  while (i + 1 < phases_.size() && at > phases_[i].end) begin = phases_[i++].end;
  const Phase& phase = phases_[i];
  const double share = (at - begin) / (phase.end - begin);
  const auto between = [&](double from, double to) {
    return options_.anneal_strategy == "cos" ? cosine_between(from, to, share)
                                             : (to - from) * share + from;
  };
  std::vector<double> out;
  for (ParamGroup& group : groups()) {
    out.push_back(between(group.number(phase.lr_from), group.number(phase.lr_to)));
    if (options_.cycle_momentum)
      set_momentum(group,
                   between(group.number(phase.momentum_from), group.number(phase.momentum_to)));
  }
  return out;
}

void OneCycleLR::each_field(const Visit& visit) {
  visit("total_steps", &options_.total_steps);
  visit("cycle_momentum", &options_.cycle_momentum);
  LRScheduler::each_field(visit);
}

ReduceLROnPlateau::ReduceLROnPlateau(Optimizer& optimizer, const PlateauOptions& o)
    : LRScheduler(optimizer, -1), options_(o) {
  if (!(o.factor < 1)) raise<ValueError>("ReduceLROnPlateau: factor must be < 1");
  if (o.mode != "min" && o.mode != "max")
    raise<ValueError>("ReduceLROnPlateau: mode must be min or max, received '{}'", o.mode);
  if (o.threshold_mode != "rel" && o.threshold_mode != "abs")
    raise<ValueError>("ReduceLROnPlateau: threshold_mode must be rel or abs, received '{}'",
                      o.threshold_mode);
  best_ = (o.mode == "min" ? 1 : -1) * std::numeric_limits<double>::infinity();
  last_epoch_ = 0;
  last_lr_ = current();
}

bool ReduceLROnPlateau::is_better(double m) const {
  const bool rel = options_.threshold_mode == "rel";
  const double t = options_.threshold;
  if (options_.mode == "min") return m < (rel ? best_ * (1 - t) : best_ - t);
  return m > (rel ? best_ * (t + 1) : best_ + t);
}

void ReduceLROnPlateau::step() {
  raise<nn::TypeError>("ReduceLROnPlateau.step: expected the metric it follows");
}

void ReduceLROnPlateau::step(double metric) {
  ++last_epoch_;
  if (is_better(metric)) {
    best_ = metric;
    num_bad_epochs_ = 0;
  } else {
    ++num_bad_epochs_;
  }
  if (cooldown_counter_ > 0) {
    --cooldown_counter_;
    num_bad_epochs_ = 0;
  }
  if (num_bad_epochs_ > options_.patience) {
    for (ParamGroup& group : groups()) {
      const double before = group.number("lr");
      const double after = std::max(before * options_.factor, options_.min_lr);
      if (before - after > options_.eps) group["lr"] = after;
    }
    cooldown_counter_ = options_.cooldown;
    num_bad_epochs_ = 0;
  }
  last_lr_ = current();
}

void ReduceLROnPlateau::each_field(const Visit& visit) {
  visit("factor", &options_.factor);
  visit("patience", &options_.patience);
  visit("cooldown", &options_.cooldown);
  visit("eps", &options_.eps);
  visit("last_epoch", &last_epoch_);
  visit("_last_lr", &last_lr_);
  visit("mode", &options_.mode);
  visit("threshold", &options_.threshold);
  visit("threshold_mode", &options_.threshold_mode);
  visit("best", &best_);
  visit("num_bad_epochs", &num_bad_epochs_);
  visit("cooldown_counter", &cooldown_counter_);
}

SequentialLR::SequentialLR(Optimizer& optimizer, std::vector<SchedulerPtr> schedulers,
                           std::vector<int64_t> milestones, int64_t last_epoch)
    : LRScheduler(optimizer, last_epoch),
      schedulers_(std::move(schedulers)),
      milestones_(std::move(milestones)) {
  if (schedulers_.empty() || milestones_.size() + 1 != schedulers_.size())
    raise<ValueError>("SequentialLR: {} schedulers need {} milestones, received {}",
                      schedulers_.size(), schedulers_.size() - 1, milestones_.size());
  ++last_epoch_;
  for (ParamGroup& group : groups()) group["lr"] = group.number("initial_lr");
  for (const SchedulerPtr& s : schedulers_) --s->last_epoch_;
  schedulers_[0]->begin();
  last_lr_ = schedulers_[0]->get_last_lr();
}

void SequentialLR::step() {
  ++last_epoch_;
  const size_t index =
      std::upper_bound(milestones_.begin(), milestones_.end(), last_epoch_) - milestones_.begin();
  LRScheduler& scheduler = *schedulers_[index];
  if (index > 0 && milestones_[index - 1] == last_epoch_) {
    scheduler.last_epoch_ = 0;
    scheduler.apply(scheduler.first_lr());
  } else {
    scheduler.step();
  }
  last_lr_ = scheduler.get_last_lr();
}

void SequentialLR::each_field(const Visit& visit) {
  visit("_milestones", &milestones_);
  visit("last_epoch", &last_epoch_);
  visit("_last_lr", &last_lr_);
}

namespace {

Optimizer& optimizer_of(const std::vector<SchedulerPtr>& schedulers) {
  if (schedulers.empty()) raise<ValueError>("ChainedScheduler: expected at least one scheduler");
  return schedulers.front()->optimizer();
}

}  // namespace

ChainedScheduler::ChainedScheduler(std::vector<SchedulerPtr> schedulers)
    : LRScheduler(optimizer_of(schedulers), -1), schedulers_(std::move(schedulers)) {
  last_lr_ = schedulers_.back()->get_last_lr();
}

void ChainedScheduler::step() {
  for (const SchedulerPtr& s : schedulers_) s->step();
  last_lr_ = schedulers_.back()->get_last_lr();
}

}  // namespace trivium::optim::lr_scheduler
