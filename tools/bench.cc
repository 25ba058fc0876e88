// trivium bench: milliseconds per step of the workloads that peers are timed on, in one line of
// JSON each, and an account of where a step's time goes. bench/compare runs it in turn with other
// programs.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <sstream>

#include "tools/verbs.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/engine/run/backend.h"
#include "trivium/formats/file.h"
#include "trivium/notations/caffe/net_file.h"
#include "trivium/notations/caffe/solver.h"

namespace trivium::tools {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Workload {
  const char* name;
  bool train;
  int classes;
};
constexpr Workload kWorkloads[] = {
    {"lenet_train_b64", true, 10},         {"cifar_quick_train_b100", true, 10},
    {"alexnet_train_b16", true, 1000},     {"vgg16_train_b4", true, 1000},
    {"resnet18_train_b8", true, 1000},     {"resnet50_train_b8", true, 1000},
    {"alexnet_infer_b16", false, 1000},    {"vgg16_infer_b1", false, 1000},
    {"resnet18_infer_b1", false, 1000},    {"resnet50_infer_b1", false, 1000},
    {"mobilenet_v2_infer_b1", false, 1000}};

struct BenchOptions {
  std::vector<std::string> names;
  std::string folder;
  int rounds = 5;
  double seconds = 2;
  bool json = false, explain_gap = false;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Seconds since this process was started, to a hundredth: loading the program counts.
double process_age() {
  std::ifstream stat("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), std::istreambuf_iterator<char>());
  const size_t behind_name = text.rfind(')');
  if (behind_name == std::string::npos) return NAN;
  std::istringstream fields(text.substr(behind_name + 2));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;  // field 22: start time in ticks since boot
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9 -
         std::stod(field) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

/// bench/NAME.prototxt under --nets, the working directory, or the tree this program was built in.
std::string net_file(const std::string& folder, const std::string& name) {
  std::vector<fs::path> places;
  if (!folder.empty()) {
    places = {folder};
  } else {
    std::error_code ignored;
    places = {"bench", fs::read_symlink("/proc/self/exe", ignored).parent_path() / "../../bench"};
  }
  for (const fs::path& place : places)
    if (fs::exists(place / (name + ".prototxt"))) return (place / (name + ".prototxt")).string();
  environment_error(
      "bench: {}.prototxt is not in {}; run from the root of the repository, or give --nets FOLDER",
      name, places[0].string());
}

void fill_inputs(caffe::Net& net, int classes) {
  std::mt19937 random(0);
  std::normal_distribution<float> normal;
  for (int blob : net.inputs()) {
    const std::string& name = net.blobs()[blob].name;
    Array values(net.blob_shape(blob), DType::f32);
    for (float& v : values.span<float>())
      v = name == "label" ? static_cast<float>(random() % static_cast<unsigned>(classes))
                          : normal(random);
    net.set_input(name, values);
  }
}

/// A workload ready to run: `steps(n)` runs n steps.
struct Runner {
  std::function<void(int)> steps;
  std::unique_ptr<run::Profile> profile;  // with --explain-gap
  // What steps() works on.
  std::unique_ptr<caffe::Solver> solver;
  std::unique_ptr<caffe::Net> net;
  compile::Prepared prepared;
  run::Bindings bindings;
  std::vector<Array> outputs;
};

/// Plain SGD with momentum 0.9 and weight decay, as the peers train.
void make_training(Runner& r, const std::string& file, const Workload& workload) {
  caffe::SolverFile solver;
  solver.solver.set_net(file);
  solver.solver.set_base_lr(0.01F);
  solver.solver.set_lr_policy("fixed");
  solver.solver.set_momentum(0.9F);
  solver.solver.set_weight_decay(5e-4F);
  solver.solver.set_max_iter(1 << 30);
  solver.solver.set_random_seed(0);
  solver.solver.set_snapshot_after_train(false);
  caffe::SolverOptions options;
  options.profile = r.profile.get();
  r.solver = std::make_unique<caffe::Solver>(solver, std::move(options));
  fill_inputs(r.solver->net(), workload.classes);
  r.steps = [&r](int n) { r.solver->step(n); };
}

void make_inference(Runner& r, const std::string& file, const Workload& workload) {
  caffe::NetOptions options;
  options.phase = caffe::proto::TEST;
  options.random = std::make_shared<caffe::RandomState>(0u);
  r.net = std::make_unique<caffe::Net>(caffe::read_net_file(file).net, std::move(options));
  fill_inputs(*r.net, workload.classes);
  std::vector<Value> fetches;
  for (int blob : r.net->outputs()) fetches.push_back(r.net->recording().blobs[blob]);
  r.prepared = compile::prepare(r.net->graph(), {}, fetches);
  r.net->feed(r.net->recording(), r.prepared, r.bindings);
  r.steps = [&r](int n) {
    for (int i = 0; i < n; ++i)
      run::execute(*r.prepared.plan, r.bindings, r.outputs, r.profile.get());
  };
}

struct Result {
  double median_ms = 0, min_ms = 0, max_ms = 0, mean_ms = 0, first_s = 0;
};

Result measure(Runner& runner, const BenchOptions& options) {
  runner.steps(2);
  if (runner.profile) *runner.profile = run::Profile(0);
  Clock::time_point start = Clock::now();
  runner.steps(1);
  const double one = std::max(seconds_since(start), 1e-6);
  const int steps = std::max(1, static_cast<int>(options.seconds / options.rounds / one));
  std::vector<double> rounds;
  if (runner.profile) *runner.profile = run::Profile(0);
  for (int i = 0; i < options.rounds; ++i) {
    start = Clock::now();
    runner.steps(steps);
    rounds.push_back(seconds_since(start) / steps * 1e3);
  }
  std::sort(rounds.begin(), rounds.end());
  const size_t n = rounds.size();
  const double mean = std::accumulate(rounds.begin(), rounds.end(), 0.0) / static_cast<double>(n);
  return {n % 2 ? rounds[n / 2] : (rounds[n / 2 - 1] + rounds[n / 2]) / 2, rounds.front(),
          rounds.back(), mean, 0};
}

/// Parts of a step that add up to it: floor + kernels above it + reorders + dispatch + outside =
/// step.
struct Gap {
  double step_ms = 0, floor_ms = 0, above_ms = 0, reorder_ms = 0, dispatch_ms = 0, outside_ms = 0;
  struct Part {
    std::string step;
    double ms, floor_ms;
  };
  std::vector<Part> parts;  // single steps, largest distance from their floor first
};

Gap gap_of(const run::Profile& profile, double step_ms, double steps) {
  const run::Machine& machine = run::backend("cpu").machine();
  Gap gap;
  gap.step_ms = step_ms;
  double kernels = 0;
  for (const run::Profile::Row& row : profile.rows(run::Profile::By::op))
    (row.key == "reorder" ? gap.reorder_ms : kernels) += row.total_us / steps / 1e3;
  for (const run::Profile::Row& row : profile.rows(run::Profile::By::step)) {
    if (row.key.find("reorder") != std::string::npos) continue;
    const double us = row.total_us / steps;
    const double bound = std::max(row.flops / steps / (machine.gflops_per_thread * threads() * 1e3),
                                  row.bytes / steps / (machine.gbytes_per_second * 1e3));
    const double floor = std::min(us, bound);  // a step in cache may beat the memory's speed
    gap.floor_ms += floor / 1e3;
    gap.parts.push_back({row.key, us / 1e3, floor / 1e3});
  }
  gap.above_ms = kernels - gap.floor_ms;
  gap.dispatch_ms = (profile.total_us() - profile.steps_us()) / steps / 1e3;
  gap.outside_ms = step_ms - profile.total_us() / steps / 1e3;
  std::stable_sort(gap.parts.begin(), gap.parts.end(), [](const auto& a, const auto& b) {
    return a.ms - a.floor_ms > b.ms - b.floor_ms;
  });
  return gap;
}

void show_gap(const Gap& gap) {
  const auto line = [&](const char* what, double ms, const char* doc) {
    fmt::print("  {:22} {:9.3f} ms {:6.1f} %   {}\n", what, ms, 100 * ms / gap.step_ms, doc);
  };
  line("floor", gap.floor_ms,
       "arithmetic at peak or memory at full speed, whichever is slower, for each step");
  line("kernels above floor", gap.above_ms, "");
  line("reorders", gap.reorder_ms, "values brought from one memory format to another");
  line("dispatch", gap.dispatch_ms, "inside execute, between steps");
  line("outside", gap.outside_ms, "solver, binding, clock: the plan is idle");
  line("step", gap.step_ms, "the sum of the above");
  fmt::print("  farthest from their floor:\n");
  for (size_t i = 0; i < std::min<size_t>(gap.parts.size(), 10); ++i)
    fmt::print("    {:52} {:8.3f} ms, floor {:8.3f}\n", gap.parts[i].step.substr(0, 52),
               gap.parts[i].ms, gap.parts[i].floor_ms);
}

const Workload& workload_named(const std::string& name) {
  std::vector<std::string> names;
  for (const Workload& w : kWorkloads) {
    if (name == w.name) return w;
    names.push_back(w.name);
  }
  const std::string near = closest_match(name, names);
  user_error("bench: no workload \"{}\"{}; there are: {}", name,
             near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near),
             fmt::join(names, ", "));
}

void run_one(const Workload& workload, const BenchOptions& options, bool first) {
  const Clock::time_point start = Clock::now();
  const std::string file = net_file(options.folder, workload.name);
  Runner runner;
  if (options.explain_gap) runner.profile = std::make_unique<run::Profile>(0);
  workload.train ? make_training(runner, file, workload) : make_inference(runner, file, workload);
  runner.steps(1);
  const double first_s = first ? process_age() : seconds_since(start);
  Result result = measure(runner, options);
  result.first_s = first_s;
  const auto rounded = [](double v, double parts) { return std::round(v * parts) / parts; };
  if (options.json) {
    nlohmann::ordered_json line = {{"peer", "trivium"},
                                   {"workload", workload.name},
                                   {"ms", rounded(result.median_ms, 1e4)},
                                   {"min", rounded(result.min_ms, 1e4)},
                                   {"max", rounded(result.max_ms, 1e4)},
                                   {"first_s", rounded(result.first_s, 1e2)},
                                   {"threads", threads()}};
    fmt::print("{}\n", line.dump());
  } else {
    fmt::print(
        "{:24} {:9.3f} ms a step ({:.3f} to {:.3f}), first step after {:.2f} s, {} threads\n",
        workload.name, result.median_ms, result.min_ms, result.max_ms, result.first_s, threads());
  }
  if (runner.profile) {
    const double steps = static_cast<double>(runner.profile->runs());
    // The mean, not the median, is what the profile's sums belong to.
    show_gap(gap_of(*runner.profile, result.mean_ms, steps));
  }
  std::fflush(stdout);
}

void run_bench(const BenchOptions& options) {
  std::vector<std::string> names = options.names;
  if (names.empty())
    for (const Workload& w : kWorkloads) names.push_back(w.name);
  for (const std::string& name : names) workload_named(name);
  for (size_t i = 0; i < names.size(); ++i) run_one(workload_named(names[i]), options, i == 0);
}

}  // namespace

void add_bench(CLI::App& program) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* verb =
      program.add_subcommand("bench", "time the workloads that Trivium is compared by");
  verb->add_option("workloads", options->names, "names (default: all)");
  verb->add_option("--rounds", options->rounds,
                   "rounds; the median of their means is shown (default 5)")
      ->check(CLI::Range(1, 1000));
  verb->add_option("--seconds", options->seconds, "length of all rounds together (default 2)")
      ->check(CLI::PositiveNumber);
  verb->add_option("--nets", options->folder, "folder of the workloads' nets (default: bench)");
  verb->add_flag("--json", options->json, "one line of JSON for each workload");
  verb->add_flag("--explain-gap", options->explain_gap, "show where the time of a step goes");
  add_threads_option(*verb);
  verb->footer("example: trivium bench lenet_train_b64 --threads 2 --explain-gap");
  verb->callback([options] { run_bench(*options); });
}

}  // namespace trivium::tools
