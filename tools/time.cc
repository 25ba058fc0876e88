// trivium time: where the time of a step goes, by layer, op, kernel or single step.
#include <fmt/format.h>

#include <algorithm>

#include "tools/layer_timer.h"
#include "tools/model_file.h"
#include "tools/verbs.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/engine/run/backend.h"
#include "trivium/formats/file.h"

namespace trivium::tools {
namespace {

struct TimeOptions {
  ModelOptions model;
  int iterations = 50;
  bool forward_only = false;
  std::string by = "layer", trace;
};

void show_layers(const LayerTimer& timer) {
  const std::vector<LayerTime> layers = timer.layers();
  size_t width = 5;
  for (const LayerTime& layer : layers) width = std::max(width, layer.name.size());
  fmt::print("{:{}}  {:16} {:>11} {:>12} {:>7} {:>8}\n", "layer", width, "type", "forward ms",
             "backward ms", "share", "GFLOP/s");
  double attributed = 0;
  for (const LayerTime& l : layers) {
    const double ms = l.forward_ms + l.backward_ms;
    attributed += ms;
    fmt::print("{:{}}  {:16} {:11.3f} {:12.3f} {:6.1f}% {:>8}\n", l.name, width, l.type,
               l.forward_ms, l.backward_ms, 100 * ms / timer.total_ms(),
               l.gflops > 0.05 ? fmt::format("{:.1f}", l.gflops) : "");
  }
  fmt::print("{:{}}  {:16} {:11.3f} {:12.3f}\n", "sum", width, "", timer.forward_ms(),
             timer.backward_ms());
  fmt::print("a pass takes {:.3f} ms, {:.3f} ms of it between steps\n", timer.total_ms(),
             timer.total_ms() - attributed);
}

void run_time(const TimeOptions& options) {
  if (options.iterations < 1)
    user_error("--iterations {}: at least 1 expected", options.iterations);
  const std::unique_ptr<caffe::Net> net = open_model(options.model);
  LayerTimer timer(*net, !options.forward_only);
  timer.run();
  timer.run();
  timer.reset();
  for (int i = 0; i < options.iterations; ++i) timer.run();
  fmt::print("{}, batches of {}, {} passes, {} threads\n", options.model.phase, batch_size(*net),
             timer.runs(), threads());
  if (options.by == "layer") {
    show_layers(timer);
  } else {
    const auto by = options.by == "op"       ? run::Profile::By::op
                    : options.by == "kernel" ? run::Profile::By::kernel
                                             : run::Profile::By::step;
    fmt::print("{}", timer.profile().table(by, run::backend("cpu").machine(), threads()));
  }
  if (!options.trace.empty())
    formats::write_file_atomically(options.trace, timer.profile().chrome_trace());
}

}  // namespace

void add_time(CLI::App& program) {
  auto options = std::make_shared<TimeOptions>();
  CLI::App* verb = program.add_subcommand("time", "time a net, layer by layer");
  verb->add_option("--model", options->model.path, "the net's (or a solver's) prototxt")
      ->required();
  verb->add_option("--iterations", options->iterations, "passes to average over (default 50)");
  verb->add_option("--phase", options->model.phase, "TRAIN (default) or TEST");
  verb->add_option("--input-shape", options->model.input_shapes,
                   "BLOB=SIZES in place of a data layer; may be repeated");
  verb->add_flag("--forward-only", options->forward_only, "leave out the backward pass");
  verb->add_option("--by", options->by, "layer (default), op, kernel or step")
      ->check(CLI::IsMember({"layer", "op", "kernel", "step"}));
  verb->add_option("--trace", options->trace,
                   "write every step for chrome://tracing or ui.perfetto.dev");
  add_threads_option(*verb);
  verb->footer(std::string(kLayerTimerMethod) +
               "\nexample: trivium time --model examples/mnist/lenet_train_test.prototxt");
  verb->callback([options] { run_time(*options); });
}

}  // namespace trivium::tools
