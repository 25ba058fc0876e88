#include "trivium/engine/core/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>

#include "trivium/engine/core/error.h"

namespace trivium::trace {

std::atomic<bool> detail::on{false};

namespace {

struct Event {
  const Sum* what;
  double start_us, elapsed_us;
  int thread;
};

struct Recorded {
  std::mutex lock;  // guards everything below
  size_t capacity = 0;
  Clock::time_point begin, end;
  std::map<std::pair<std::string, std::string>, Sum> sums;  // its nodes stay where they are
  std::vector<Event> events;
};

Recorded& recorded() {
  static Recorded& all = *new Recorded;
  return all;
}

/// Threads in the order in which they first say something.
int thread_number() {
  static std::atomic<int> next{1};
  thread_local const int mine = next++;
  return mine;
}

double microseconds(Clock::duration d) {
  return std::chrono::duration<double, std::micro>(d).count();
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out + "\"";
}

std::string file_at_exit;

}  // namespace

void start(size_t capacity) {
  Recorded& r = recorded();
  const std::lock_guard<std::mutex> hold(r.lock);
  r.capacity = capacity;
  r.events.clear();
  r.sums.clear();
  r.begin = Clock::now();
  r.end = {};
  detail::on = true;
}

void stop() {
  Recorded& r = recorded();
  const std::lock_guard<std::mutex> hold(r.lock);
  if (detail::on.exchange(false)) r.end = Clock::now();
}

void add(const char* kind, const std::string& name, Clock::time_point start,
         Clock::time_point end) {
  if (!on()) return;
  const int thread = thread_number();
  const double us = microseconds(end - start);
  Recorded& r = recorded();
  const std::lock_guard<std::mutex> hold(r.lock);
  if (start < r.begin) return;  // of an earlier trace
  Sum& sum = r.sums[{kind, name}];
  if (sum.calls++ == 0) {
    sum.kind = kind;
    sum.name = name;
  }
  sum.total_us += us;
  sum.longest_us = std::max(sum.longest_us, us);
  if (r.events.size() < r.capacity)
    r.events.push_back({&sum, microseconds(start - r.begin), us, thread});
}

std::vector<Sum> sums() {
  Recorded& r = recorded();
  const std::lock_guard<std::mutex> hold(r.lock);
  std::vector<Sum> out;
  for (const auto& entry : r.sums) out.push_back(entry.second);
  std::stable_sort(out.begin(), out.end(),
                   [](const Sum& a, const Sum& b) { return a.total_us > b.total_us; });
  return out;
}

double elapsed_us() {
  Recorded& r = recorded();
  const std::lock_guard<std::mutex> hold(r.lock);
  return microseconds((on() ? Clock::now() : r.end) - r.begin);
}

std::string summary() {
  const double whole = std::max(elapsed_us(), 1e-3);
  std::string out = fmt::format("{:8} {:32} {:>8} {:>11} {:>11} {:>11} {:>7}\n", "kind", "what",
                                "calls", "total ms", "ms/call", "longest ms", "share");
  for (const Sum& s : sums())
    out += fmt::format("{:8} {:32} {:8} {:11.2f} {:11.3f} {:11.3f} {:6.2f}%\n", s.kind,
                       s.name.substr(0, 32), s.calls, s.total_us / 1e3,
                       s.total_us / 1e3 / static_cast<double>(s.calls), s.longest_us / 1e3,
                       100 * s.total_us / whole);
  return out + fmt::format("traced for {:.2f} ms\n", whole / 1e3);
}

std::string chrome_json() {
  Recorded& r = recorded();
  const std::lock_guard<std::mutex> hold(r.lock);
  std::string out = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[";
  for (size_t i = 0; i < r.events.size(); ++i) {
    const Event& e = r.events[i];
    out += fmt::format(
        "{}\n{{\"ph\":\"X\",\"pid\":1,\"tid\":{},\"cat\":{},\"name\":{},\"ts\":{:.3f},"
        "\"dur\":{:.3f}}}",
        i ? "," : "", e.thread, quoted(e.what->kind), quoted(e.what->name), e.start_us,
        e.elapsed_us);
  }
  return out + "\n]}\n";
}

void write(const std::string& path) {
  std::ofstream file(path);
  file << chrome_json() << std::flush;
  if (!file) environment_error("trace: cannot write \"{}\"", path);
}

void start_from_environment() {
  const char* path = std::getenv("TRIVIUM_TRACE");
  if (!path || !*path || !file_at_exit.empty()) return;
  file_at_exit = path;
  start();
  std::atexit([] {
    stop();
    try {
      write(file_at_exit);
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}\n", error.what());
    }
  });
}

}  // namespace trivium::trace
