#include "trivium/engine/run/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace trivium::run {
namespace {

double us_between(Profile::Clock::time_point a, Profile::Clock::time_point b) {
  return std::chrono::duration<double, std::micro>(b - a).count();
}

std::string key_of(const Trace& t, Profile::By by, int step) {
  switch (by) {
    case Profile::By::op:
      return t.op;
    case Profile::By::scope:
      return t.scope.empty() ? "(no layer)" : t.scope;
    case Profile::By::kernel:
      return t.kernel;
    default:
      return fmt::format("{:3} {} {}", step, t.kernel, t.scope);
  }
}

/// Time no implementation can beat: arithmetic at peak or memory at full speed.
double floor_us(double flops, double bytes, const Machine& m, int threads) {
  return std::max(flops / (m.gflops_per_thread * threads * 1e3),
                  bytes / (m.gbytes_per_second * 1e3));
}

}  // namespace

void Profile::begin_run(const Plan& plan) {
  run_start_ = Clock::now();
  if (plans_.empty() || plans_.back().first != &plan) {
    auto at =
        std::find_if(plans_.begin(), plans_.end(), [&](const auto& p) { return p.first == &plan; });
    if (at == plans_.end())
      plans_.push_back({&plan, std::vector<Sums>(plan.steps.size())});
    else
      std::swap(*at, plans_.back());
  }
}

void Profile::step_done(const Plan& plan, int32_t step, Clock::time_point start,
                        Clock::time_point end) {
  const double us = us_between(start, end);
  Sums& s = plans_.back().second[step];
  s.us += us;
  ++s.calls;
  steps_us_ += us;
  if (events_.size() < capacity_) events_.push_back({&plan, step, us_between(origin_, start), us});
}

void Profile::end_run() {
  total_us_ += us_between(run_start_, Clock::now());
  ++runs_;
}

std::vector<Profile::Row> Profile::rows(By by) const {
  std::map<std::string, Row> sums;
  for (const auto& [plan, steps] : plans_)
    for (size_t i = 0; i < steps.size(); ++i) {
      if (!steps[i].calls) continue;  // of a prologue that was not needed
      const Trace& t = plan->traces[plan->steps[i].trace];
      Row& row = sums[key_of(t, by, static_cast<int>(i))];
      row.total_us += steps[i].us;
      row.calls += steps[i].calls;
      row.flops += t.flops * steps[i].calls;
      row.bytes += t.bytes * steps[i].calls;
      row.predicted_us += t.predicted_us * steps[i].calls;
    }
  std::vector<Row> out;
  for (auto& [key, row] : sums) {
    row.key = key;
    out.push_back(row);
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Row& a, const Row& b) { return a.total_us > b.total_us; });
  return out;
}

std::string Profile::table(By by, const Machine& machine, int threads) const {
  std::string out = fmt::format("{:40} {:>8} {:>10} {:>7} {:>9} {:>8} {:>9}\n", "what", "calls",
                                "us/call", "share", "GFLOP/s", "GB/s", "roofline");
  for (const Row& r : rows(by)) {
    const double us = std::max(r.total_us, 1e-9);
    out += fmt::format("{:40} {:8} {:10.1f} {:6.1f}% {:9.1f} {:8.1f} {:8.0f}%\n",
                       r.key.substr(0, 40), r.calls, us / std::max<int64_t>(r.calls, 1),
                       100 * us / std::max(total_us_, 1e-9), r.flops / us / 1e3, r.bytes / us / 1e3,
                       100 * floor_us(r.flops, r.bytes, machine, threads) / us);
  }
  return out;
}

std::string Profile::chrome_trace() const {
  nlohmann::json events = nlohmann::json::array();
  for (const Event& e : events_) {
    const Trace& t = e.plan->traces[e.plan->steps[e.step].trace];
    events.push_back(
        {{"name", t.kernel},
         {"cat", t.op},
         {"ph", "X"},
         {"ts", e.start_us},
         {"dur", e.elapsed_us},
         {"pid", 1},
         {"tid", 1},
         {"args", {{"layer", t.scope}, {"gflops", t.flops / std::max(e.elapsed_us, 1e-3) / 1e3}}}});
  }
  return nlohmann::json{{"traceEvents", events}, {"displayTimeUnit", "ms"}}.dump();
}

}  // namespace trivium::run
