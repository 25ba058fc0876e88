#include "tools/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "tools/solver_files.h"

namespace trivium::tools {
namespace {

double seconds_between(std::chrono::steady_clock::time_point a,
                       std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

size_t terminal_columns(std::FILE* out) {
  winsize size{};
  return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 100;
}

}  // namespace

std::string duration_text(double seconds) {
  const int64_t s = static_cast<int64_t>(std::max(0.0, seconds) + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
}

double Progress::seconds() const { return seconds_between(start_, Clock::now()); }

void Progress::step(const caffe::StepInfo& info) {
  const Clock::time_point now = Clock::now();
  if (first_iter_ < 0) first_iter_ = info.iter - 1;
  // The step after a test or at the start took more than a step: it is left out of the speed.
  if (!after_test_) {
    step_seconds_ += seconds_between(step_end_, now);
    if (++steps_timed_ && step_seconds_ > 0) speed_ = steps_timed_ / step_seconds_;
    if (step_seconds_ > 10) {  // the speed of the last seconds, not of the whole run
      step_seconds_ /= 2;
      steps_timed_ /= 2;
    }
  }
  after_test_ = false;
  step_end_ = now;
  if (options_.quiet) return;
  const bool last = info.iter >= info.max_iter;
  if (options_.terminal) {
    if (!last && seconds_between(shown_, now) < 0.1) return;
    shown_ = now;
    show(text(info));
  } else if (last || info.iter % std::max(options_.every, 1) == 0) {
    fmt::print(options_.out, "{}\n", text(info));
    std::fflush(options_.out);
  }
}

std::string Progress::text(const caffe::StepInfo& info) const {
  const double elapsed = seconds();
  const int done = std::max(info.iter - first_iter_, 1),
            left = std::max(info.max_iter - info.iter, 0);
  std::string line;
  if (options_.terminal) {
    constexpr int kCells = 20;
    const int filled =
        info.max_iter ? static_cast<int>(int64_t{kCells} * info.iter / info.max_iter) : kCells;
    line = fmt::format("[{}{}] ", std::string(filled, '#'), std::string(kCells - filled, '.'));
  }
  line += fmt::format("{}/{}  loss {:.4f}", info.iter, info.max_iter, info.smoothed_loss);
  if (!last_test_.empty()) line += "  " + last_test_;
  line += fmt::format("  lr {:.4g}", info.rate);
  if (speed_ > 0 && options_.batch)
    line += fmt::format("  {:.0f} img/s", examples_per_second());
  else if (speed_ > 0)
    line += fmt::format("  {:.1f} steps/s", speed_);
  return line + fmt::format("  {} left", duration_text(elapsed / done * left));
}

void Progress::show(const std::string& line) {
  const std::string cut = line.substr(0, terminal_columns(options_.out) - 1);
  fmt::print(options_.out, "\r{}{}", cut,
             std::string(width_ > cut.size() ? width_ - cut.size() : 0, ' '));
  std::fflush(options_.out);
  width_ = cut.size();
}

void Progress::test(const caffe::TestResult& result) {
  after_test_ = true;
  std::string text;
  for (const auto& [name, value] : result.outputs) {
    if (name == options_.accuracy) last_test_ = fmt::format("test {:.2f} %", 100 * value);
    if (text.size() < 60) text += fmt::format("  {} {}", name, number_text(value));
  }
  if (options_.quiet || options_.terminal) return;
  fmt::print(options_.out, "{}  test{}\n", result.iter, text);
  std::fflush(options_.out);
}

void Progress::note(const std::string& text) {
  if (options_.quiet) return;
  if (options_.terminal && width_) show("");
  fmt::print(options_.out, "{}{}\n", options_.terminal && width_ ? "\r" : "", text);
  std::fflush(options_.out);
  width_ = 0;
}

void Progress::finish() {
  if (!options_.quiet && options_.terminal && width_) fmt::print(options_.out, "\n");
  std::fflush(options_.out);
  width_ = 0;
}

}  // namespace trivium::tools
