// Profile: what each step of a run took. Off, it costs one branch a step; on, two clock reads.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "trivium/engine/run/backend.h"
#include "trivium/engine/run/plan.h"

namespace trivium::run {

class Profile {
 public:
  using Clock = std::chrono::steady_clock;

  struct Event {
    const Plan* plan;
    int32_t step;
    double start_us, elapsed_us;  // since the Profile was made
  };

  /// Keeps at most `capacity` events for the trace; the sums keep counting beyond it.
  explicit Profile(size_t capacity = 200000) : capacity_(capacity) {}

  void begin_run(const Plan& plan);
  void step_done(const Plan& plan, int32_t step, Clock::time_point start, Clock::time_point end);
  void end_run();

  struct Row {
    std::string key;  // layer scope or op name
    double total_us = 0, flops = 0, bytes = 0, predicted_us = 0;
    int64_t calls = 0;
  };
  enum class By { op, scope, kernel, step };
  /// Sums by op, layer, kernel or single step, largest first.
  std::vector<Row> rows(By by) const;
  /// Table of rows with share, GFLOP/s, GB/s and percent of the machine's roofline.
  std::string table(By by, const Machine& machine, int threads) const;
  /// Chrome / Perfetto trace JSON of the recorded events.
  std::string chrome_trace() const;
  double total_us() const { return total_us_; }  // wall time inside execute
  double steps_us() const { return steps_us_; }  // of which inside steps
  int64_t runs() const { return runs_; }

 private:
  struct Sums {
    double us = 0;
    int64_t calls = 0;
  };
  size_t capacity_;
  Clock::time_point origin_ = Clock::now(), run_start_;
  std::vector<Event> events_;
  std::vector<std::pair<const Plan*, std::vector<Sums>>> plans_;
  double total_us_ = 0, steps_us_ = 0;
  int64_t runs_ = 0;
};

}  // namespace trivium::run
