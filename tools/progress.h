// What a person sees of a training run: on a terminal one line that is written over and over,
// elsewhere a plain line now and then.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include "trivium/notations/caffe/solver.h"

namespace trivium::tools {

class Progress {
 public:
  struct Options {
    std::FILE* out = stdout;
    bool terminal = false;  ///< rewrite one line
    bool quiet = false;     ///< show nothing
    int every = 100;        ///< plain lines: iterations between two
    int64_t batch = 0;      ///< examples a step
    std::string accuracy;   ///< name of the test output that is the accuracy; "" when there is none
  };
  explicit Progress(Options options) : options_(std::move(options)) {}

  void step(const caffe::StepInfo& info);
  void test(const caffe::TestResult& result);
  /// A line of its own, above the progress line.
  void note(const std::string& text);
  /// Ends the progress line.
  void finish();
  double examples_per_second() const { return speed_ * static_cast<double>(options_.batch); }
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  std::string text(const caffe::StepInfo& info) const;
  void show(const std::string& line);

  Options options_;
  Clock::time_point start_ = Clock::now(), shown_{}, step_end_ = start_;
  int first_iter_ = -1;
  int steps_timed_ = 0;
  double step_seconds_ = 0;  // tests and snapshots left out
  double speed_ = 0;         // steps a second
  bool after_test_ = true;
  std::string last_test_;
  size_t width_ = 0;  // of the line on the terminal
};

/// "1 h 02 min", "3 min 05 s", "12 s".
std::string duration_text(double seconds);

}  // namespace trivium::tools
