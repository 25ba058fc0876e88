// The schedules that follow from the epoch alone, and what all share. Cyclic ones are in
// lr_scheduler_cycle.cc.
#include "trivium/notations/nn/lr_scheduler.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace trivium::optim::lr_scheduler {

using nn::raise;
using nn::ValueError;

namespace {

constexpr double kPi = 3.14159265358979323846;

std::vector<double> times(std::vector<double> rates, double factor) {
  for (double& r : rates) r *= factor;
  return rates;
}

}  // namespace

LRScheduler::LRScheduler(Optimizer& optimizer, int64_t last_epoch)
    : optimizer_(optimizer), last_epoch_(last_epoch) {
  for (ParamGroup& group : groups()) {
    if (last_epoch == -1 && !group.has("initial_lr"))
      group["initial_lr"] = group.number("lr");
    else if (last_epoch != -1 && !group.has("initial_lr"))
      user_error(
          "scheduler: resuming at epoch {} needs 'initial_lr' in every group; load the "
          "optimizer's state first",
          last_epoch);
    base_lrs_.push_back(group.number("initial_lr"));
  }
}

void LRScheduler::begin() {
  step_count_ = 0;
  initial_ = true;
  step();
  initial_ = false;
}

void LRScheduler::step() {
  if (step_count_ == 1 && optimizer_.steps_taken() == 0)
    std::fprintf(stderr,
                 "trivium: scheduler.step() came before optimizer.step(): the first learning rate "
                 "is skipped\n");
  ++step_count_;
  ++last_epoch_;
  apply(get_lr());
}

std::vector<double> LRScheduler::current() const {
  std::vector<double> out;
  for (const ParamGroup& group : optimizer_.param_groups()) out.push_back(group.number("lr"));
  return out;
}

std::vector<double> LRScheduler::scaled(double factor) const { return times(current(), factor); }

void LRScheduler::apply(const std::vector<double>& rates) {
  for (size_t i = 0; i < rates.size(); ++i) groups()[i]["lr"] = rates[i];
  last_lr_ = current();
}

void LRScheduler::each_field(const Visit& visit) {
  visit("base_lrs", &base_lrs_);
  visit("last_epoch", &last_epoch_);
  visit("_step_count", &step_count_);
  visit("_is_initial", &initial_);
  visit("_last_lr", &last_lr_);
}

SchedulerState LRScheduler::state_dict() {
  SchedulerState out;
  each_field([&](const char* name, FieldRef field) {
    std::visit([&](auto* value) { out.emplace_back(name, FieldValue(*value)); }, field);
  });
  return out;
}

void LRScheduler::load_state_dict(const SchedulerState& state) {
  each_field([&](const char* name, FieldRef field) {
    for (const auto& [entry, value] : state) {
      if (entry != name) continue;
      std::visit(
          [&, &found = value](auto* target) {
            using T = std::remove_pointer_t<decltype(target)>;
            if (const T* same = std::get_if<T>(&found)) {
              *target = *same;
              return;
            }
            if constexpr (std::is_same_v<T, double>) {
              if (const int64_t* whole = std::get_if<int64_t>(&found)) {
                *target = static_cast<double>(*whole);
                return;
              }
            }
            user_error("scheduler state: entry '{}' has the wrong kind", name);
          },
          field);
    }
  });
}

// ---- StepLR … PolynomialLR

StepLR::StepLR(Optimizer& optimizer, int64_t step_size, double gamma, int64_t last_epoch)
    : LRScheduler(optimizer, last_epoch), step_size_(step_size), gamma_(gamma) {
  if (step_size < 1)
    raise<ValueError>("StepLR: step_size must be positive, received {}", step_size);
  begin();
}

std::vector<double> StepLR::get_lr() {
  return last_epoch_ == 0 || last_epoch_ % step_size_ != 0 ? current() : scaled(gamma_);
}

void StepLR::each_field(const Visit& visit) {
  visit("step_size", &step_size_);
  visit("gamma", &gamma_);
  LRScheduler::each_field(visit);
}

MultiStepLR::MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma,
                         int64_t last_epoch)
    : LRScheduler(optimizer, last_epoch), milestones_(std::move(milestones)), gamma_(gamma) {
  begin();
}

std::vector<double> MultiStepLR::get_lr() {
  const auto hits = std::count(milestones_.begin(), milestones_.end(), last_epoch_);
  return hits == 0 ? current() : scaled(std::pow(gamma_, static_cast<double>(hits)));
}

void MultiStepLR::each_field(const Visit& visit) {
  visit("milestones", &milestones_);
  visit("gamma", &gamma_);
  LRScheduler::each_field(visit);
}

ExponentialLR::ExponentialLR(Optimizer& optimizer, double gamma, int64_t last_epoch)
    : LRScheduler(optimizer, last_epoch), gamma_(gamma) {
  begin();
}

std::vector<double> ExponentialLR::get_lr() { return initial_ ? current() : scaled(gamma_); }

void ExponentialLR::each_field(const Visit& visit) {
  visit("gamma", &gamma_);
  LRScheduler::each_field(visit);
}

LambdaLR::LambdaLR(Optimizer& optimizer, EpochFunction fn, int64_t last_epoch)
    : LRScheduler(optimizer, last_epoch), fns_(groups().size(), std::move(fn)) {
  begin();
}

LambdaLR::LambdaLR(Optimizer& optimizer, std::vector<EpochFunction> fns, int64_t last_epoch)
    : LRScheduler(optimizer, last_epoch), fns_(std::move(fns)) {
  if (fns_.size() != groups().size())
    raise<ValueError>("LambdaLR: expected {} functions, received {}", groups().size(), fns_.size());
  begin();
}

std::vector<double> LambdaLR::get_lr() {
  std::vector<double> out;
  for (size_t i = 0; i < fns_.size(); ++i) out.push_back(base_lrs_[i] * fns_[i](last_epoch_));
  return out;
}

MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, EpochFunction fn, int64_t last_epoch)
    : LRScheduler(optimizer, last_epoch), fn_(std::move(fn)) {
  begin();
}

std::vector<double> MultiplicativeLR::get_lr() {
  return initial_ ? current() : scaled(fn_(last_epoch_));
}

ConstantLR::ConstantLR(Optimizer& optimizer, double factor, int64_t total_iters, int64_t last_epoch)
    : LRScheduler(optimizer, last_epoch), factor_(factor), total_iters_(total_iters) {
  if (!(factor >= 0 && factor <= 1))
    raise<ValueError>("ConstantLR: factor must be in [0, 1], received {}", factor);
  begin();
}

std::vector<double> ConstantLR::get_lr() {
  if (last_epoch_ == 0) return scaled(factor_);
  return last_epoch_ == total_iters_ ? scaled(1 / factor_) : current();
}

std::vector<double> ConstantLR::first_lr() { return times(base_lrs_, factor_); }

void ConstantLR::each_field(const Visit& visit) {
  visit("factor", &factor_);
  visit("total_iters", &total_iters_);
  LRScheduler::each_field(visit);
}

LinearLR::LinearLR(Optimizer& optimizer, double start_factor, double end_factor,
                   int64_t total_iters, int64_t last_epoch)
    : LRScheduler(optimizer, last_epoch),
      start_factor_(start_factor),
      end_factor_(end_factor),
      total_iters_(total_iters) {
  if (!(start_factor > 0 && start_factor <= 1))
    raise<ValueError>("LinearLR: start_factor must be in (0, 1], received {}", start_factor);
  if (!(end_factor >= 0 && end_factor <= 1))
    raise<ValueError>("LinearLR: end_factor must be in [0, 1], received {}", end_factor);
  begin();
}

std::vector<double> LinearLR::get_lr() {
  if (last_epoch_ == 0) return scaled(start_factor_);
  if (initial_ || last_epoch_ > total_iters_) return current();
  const double rise = end_factor_ - start_factor_;
  return scaled(1 + rise / (static_cast<double>(total_iters_) * start_factor_ +
                            static_cast<double>(last_epoch_ - 1) * rise));
}

std::vector<double> LinearLR::first_lr() { return times(base_lrs_, start_factor_); }

void LinearLR::each_field(const Visit& visit) {
  visit("start_factor", &start_factor_);
  visit("end_factor", &end_factor_);
  visit("total_iters", &total_iters_);
  LRScheduler::each_field(visit);
}

PolynomialLR::PolynomialLR(Optimizer& optimizer, int64_t total_iters, double power,
                           int64_t last_epoch)
    : LRScheduler(optimizer, last_epoch), total_iters_(total_iters), power_(power) {
  begin();
}

std::vector<double> PolynomialLR::get_lr() {
  if (initial_ || last_epoch_ > total_iters_) return current();
  const auto total = static_cast<double>(total_iters_), at = static_cast<double>(last_epoch_);
  return scaled(std::pow((1 - at / total) / (1 - (at - 1) / total), power_));
}

void PolynomialLR::each_field(const Visit& visit) {
  visit("total_iters", &total_iters_);
  visit("power", &power_);
  LRScheduler::each_field(visit);
}

// ---- cosine annealing

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, int64_t t_max, double eta_min,
                                     int64_t last_epoch)
    : LRScheduler(optimizer, last_epoch), t_max_(t_max), eta_min_(eta_min) {
  begin();
}

std::vector<double> CosineAnnealingLR::get_lr() {
  if (initial_) return current();
  const auto period = static_cast<double>(t_max_), at = static_cast<double>(last_epoch_);
  std::vector<double> out = current();
  for (size_t i = 0; i < out.size(); ++i) {
    const double height = base_lrs_[i] - eta_min_;
    if (step_count_ == 1 && last_epoch_ > 0)
      out[i] = eta_min_ + height * (1 + std::cos(at * kPi / period)) / 2;
    else if ((last_epoch_ - 1 - t_max_) % (2 * t_max_) == 0)
      out[i] = out[i] + height * (1 - std::cos(kPi / period)) / 2;
    else
      out[i] = (1 + std::cos(kPi * at / period)) / (1 + std::cos(kPi * (at - 1) / period)) *
                   (out[i] - eta_min_) +
               eta_min_;
  }
  return out;
}

void CosineAnnealingLR::each_field(const Visit& visit) {
  visit("T_max", &t_max_);
  visit("eta_min", &eta_min_);
  LRScheduler::each_field(visit);
}

CosineAnnealingWarmRestarts::CosineAnnealingWarmRestarts(Optimizer& optimizer, int64_t t_0,
                                                         int64_t t_mult, double eta_min,
                                                         int64_t last_epoch)
    : LRScheduler(optimizer, last_epoch),
      t_0_(t_0),
      t_i_(t_0),
      t_mult_(t_mult),
      eta_min_(eta_min),
      t_cur_(static_cast<double>(last_epoch)) {
  if (t_0 <= 0) raise<ValueError>("CosineAnnealingWarmRestarts: T_0 must be positive");
  if (t_mult < 1) raise<ValueError>("CosineAnnealingWarmRestarts: T_mult must be at least 1");
  begin();
}

void CosineAnnealingWarmRestarts::step() {
  if (last_epoch_ < 0) return step(0.0);
  ++last_epoch_;
  t_cur_ += 1;
  if (t_cur_ >= static_cast<double>(t_i_)) {
    t_cur_ = std::fmod(t_cur_, static_cast<double>(t_i_));
    t_i_ *= t_mult_;
  }
  apply(get_lr());
}

void CosineAnnealingWarmRestarts::step(double epoch) {
  if (epoch < 0)
    raise<ValueError>("CosineAnnealingWarmRestarts: epoch must not be negative, received {}",
                      epoch);
  const auto first = static_cast<double>(t_0_), growth = static_cast<double>(t_mult_);
  if (epoch < first) {
    t_i_ = t_0_;
    t_cur_ = epoch;
  } else if (t_mult_ == 1) {
    t_cur_ = std::fmod(epoch, first);
  } else {
    const auto n =
        static_cast<int64_t>(std::log(epoch / first * (growth - 1) + 1) / std::log(growth));
    const double grown = std::pow(growth, static_cast<double>(n));
    t_cur_ = epoch - first * (grown - 1) / (growth - 1);
    t_i_ = static_cast<int64_t>(first * grown);
  }
  last_epoch_ = static_cast<int64_t>(std::floor(epoch));
  apply(get_lr());
}

std::vector<double> CosineAnnealingWarmRestarts::get_lr() {
  std::vector<double> out;
  for (const double base : base_lrs_)
    out.push_back(eta_min_ +
                  (base - eta_min_) * (1 + std::cos(kPi * t_cur_ / static_cast<double>(t_i_))) / 2);
  return out;
}

void CosineAnnealingWarmRestarts::each_field(const Visit& visit) {
  visit("T_0", &t_0_);
  visit("T_i", &t_i_);
  visit("T_mult", &t_mult_);
  visit("eta_min", &eta_min_);
  visit("T_cur", &t_cur_);
  LRScheduler::each_field(visit);
}

}  // namespace trivium::optim::lr_scheduler
