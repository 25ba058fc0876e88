// How fast each core computes right now: arithmetic in registers, the same on every core at once,
// against the fastest it was in this process. On a shared machine other programs work on the same
// physical cores unseen: no load shows, yet arithmetic runs at half speed for tenths of a second to
// seconds at a time, on one core or on all. bench/compare runs this between the turns.
//
//     bench_machine [--seconds 1]        a line of JSON:
//     {"threads": 2, "fastest_ms": 4.8, "median": [1.05, 1.06], "slow": [0.31, 0.12]}
//
// "median" is each core's middle time over the fastest, "slow" the part of its probes that took
// more than 1.3 times the fastest.
#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

/// Eight independent chains keep the floating-point units full; nothing leaves the registers.
double probe_ms() {
  const Clock::time_point start = Clock::now();
  double chain[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  for (int i = 0; i < 1'000'000; ++i)
    for (double& x : chain) x = x * 0.999 + 0.001;
  volatile double sink = 0;
  for (const double x : chain) sink = sink + x;
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

int main(int count, char** arguments) {
  double seconds = 1;
  for (int i = 1; i + 1 < count; i += 2)
    if (std::strcmp(arguments[i], "--seconds") == 0) seconds = std::atof(arguments[i + 1]);
  if (count % 2 == 0 || !(seconds > 0)) {
    std::fputs("usage: bench_machine [--seconds 1]\n", stderr);
    return 1;
  }
  const int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  std::vector<std::vector<double>> times(static_cast<size_t>(threads));
  bool over = false;
  const Clock::time_point start = Clock::now();
  std::barrier together(threads, [&]() noexcept {
    over = std::chrono::duration<double>(Clock::now() - start).count() > seconds;
  });
  std::vector<std::thread> team;
  for (std::vector<double>& mine : times)
    team.emplace_back([&] {
      do {
        mine.push_back(probe_ms());
        together.arrive_and_wait();
      } while (!over);
    });
  for (std::thread& thread : team) thread.join();

  double fastest = times[0][0];
  for (std::vector<double>& mine : times) {
    std::sort(mine.begin(), mine.end());
    fastest = std::min(fastest, mine[0]);
  }
  std::printf("{\"threads\": %d, \"fastest_ms\": %.3f, \"median\": [", threads, fastest);
  for (size_t i = 0; i < times.size(); ++i)
    std::printf("%s%.2f", i ? ", " : "", times[i][times[i].size() / 2] / fastest);
  std::printf("], \"slow\": [");
  for (size_t i = 0; i < times.size(); ++i) {
    const auto slow = std::count_if(times[i].begin(), times[i].end(),
                                    [&](double ms) { return ms > 1.3 * fastest; });
    std::printf("%s%.2f", i ? ", " : "",
                static_cast<double>(slow) / static_cast<double>(times[i].size()));
  }
  std::printf("]}\n");
}
