// caffe time: milliseconds per layer, forward and backward (layer_timer.h says how they are found).
#include <fmt/format.h>

#include <chrono>

#include "tools/caffe_commands.h"
#include "tools/layer_timer.h"
#include "tools/solver_files.h"
#include "trivium/engine/core/error.h"

namespace trivium::tools {

int caffe_time(const CaffeRun& run) {
  const Gflags& flags = run.flags;
  if (flags.text("model").empty()) user_error("Need a model definition to time: give -model FILE");
  const std::string& phase = flags.text("phase");
  if (!phase.empty() && phase != "TRAIN" && phase != "TEST")
    user_error("phase must be \"TRAIN\" or \"TEST\", received \"{}\"", phase);
  choose_device(run, gpus_of(flags.text("gpu")));
  const std::unique_ptr<caffe::Net> net =
      model_net(run, phase == "TEST" ? caffe::proto::TEST : caffe::proto::TRAIN);

  LayerTimer timer(*net);
  run.log.info("Performing Forward");
  timer.run();
  run.log.info("Initial loss: " + number_text(timer.loss()));
  run.log.info("Performing Backward");
  timer.reset();
  run.log.info("*** Benchmark begins ***");
  const int iterations = flags.integer("iterations");
  run.log.info(fmt::format("Testing for {} iterations.", iterations));
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < iterations; ++i)
    run.log.info(fmt::format("Iteration: {} forward-backward time: {} ms.", i + 1,
                             number_text(timer.run())));
  const double total =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  run.log.info("Average time per layer: ");
  for (const LayerTime& layer : timer.layers()) {
    run.log.info(fmt::format("{:>10}\tforward: {} ms.", layer.name, number_text(layer.forward_ms)));
    run.log.info(
        fmt::format("{:>10}\tbackward: {} ms.", layer.name, number_text(layer.backward_ms)));
  }
  run.log.info(fmt::format("Average Forward pass: {} ms.", number_text(timer.forward_ms())));
  run.log.info(fmt::format("Average Backward pass: {} ms.", number_text(timer.backward_ms())));
  run.log.info(fmt::format("Average Forward-Backward: {} ms.", number_text(timer.total_ms())));
  run.log.info(fmt::format("Total Time: {} ms.", number_text(total)));
  run.log.info("*** Benchmark ends ***");
  return 0;
}

}  // namespace trivium::tools
