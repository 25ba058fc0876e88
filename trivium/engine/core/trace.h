// Spans of time as they pass: what ran, who waited, on which thread. Off, a span costs one branch.
//
//   TRIVIUM_TRACE=epoch.json ./train          the whole run; written when the process ends
//   trace::start();  …  trace::write("epoch.json");  fmt::print("{}", trace::summary());
//
// The file opens in Perfetto (ui.perfetto.dev) and in chrome://tracing.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace trivium::trace {

using Clock = std::chrono::steady_clock;

namespace detail {
extern std::atomic<bool> on;
}  // namespace detail

inline bool on() { return detail::on.load(std::memory_order_relaxed); }
/// Begins a trace, empty. Keeps at most `capacity` spans for the file; the sums count all.
void start(size_t capacity = 1000000);
/// Ends it; what was seen stays for sums and write.
void stop();
/// Adds a span of the calling thread, `kind` being a category ("run", "wait"). Nothing while off.
void add(const char* kind, const std::string& name, Clock::time_point start, Clock::time_point end);

/// The span of a scope.
class Span {
 public:
  Span(const char* kind, const char* name)
      : kind_(on() ? kind : nullptr),
        name_(name),
        start_(kind_ ? Clock::now() : Clock::time_point()) {}
  ~Span() {
    if (kind_) add(kind_, name_, start_, Clock::now());
  }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

 private:
  const char *kind_, *name_;
  Clock::time_point start_;
};

struct Sum {
  std::string kind, name;
  int64_t calls = 0;
  double total_us = 0, longest_us = 0;
};
/// By kind and name, largest first.
std::vector<Sum> sums();
/// Time from start to stop, or to now.
double elapsed_us();
/// Table of the sums with their share of the elapsed time.
std::string summary();
/// Chrome's trace format.
std::string chrome_json();
/// EnvironmentError when the file cannot be written.
void write(const std::string& path);
/// Starts a trace and has it written at the end of the process when TRIVIUM_TRACE names a file.
void start_from_environment();

}  // namespace trivium::trace
