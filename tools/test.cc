// trivium test: the outputs of a net with trained weights, averaged over a pass of its test data.
#include <fmt/format.h>

#include "tools/evaluation.h"
#include "tools/model_file.h"
#include "tools/solver_files.h"
#include "tools/verbs.h"
#include "trivium/engine/core/error.h"

namespace trivium::tools {
namespace {

struct TestOptions {
  ModelOptions model;
  std::string weights;
  int iterations = 0;
};

void show_means(caffe::Net& net, int64_t batches) {
  std::vector<double> sums;
  double loss_sum = 0;
  for (int64_t b = 0; b < batches; ++b) {
    double loss = 0;
    size_t k = 0;
    for (const Array& output : net.forward_outputs(&loss))
      for (int64_t e = 0; e < output.count(); ++e, ++k) {
        if (k == sums.size()) sums.push_back(0);
        sums[k] += output.at(e);
      }
    loss_sum += loss;
  }
  size_t k = 0;
  for (int blob : net.outputs()) {
    const int64_t elements = net.blob_shape(blob).count();
    for (int64_t e = 0; e < elements && k < sums.size(); ++e, ++k)
      if (e < 20)
        fmt::print("{}{} = {}\n", net.blobs()[blob].name,
                   elements > 1 ? fmt::format("[{}]", e) : "", number_text(sums[k] / batches));
    if (elements > 20) fmt::print("  … {} more elements\n", elements - 20);
  }
  fmt::print("loss = {}\n", number_text(loss_sum / batches));
}

void run_test(const TestOptions& options) {
  if (options.iterations < 0)
    user_error("--iterations {}: at least 1 expected", options.iterations);
  const std::unique_ptr<caffe::Net> net = open_model(options.model);
  net->copy_trained_from(options.weights);
  const int64_t pass = batches_in_pass(*net);
  const int64_t batches = options.iterations ? options.iterations : pass ? pass : 50;
  fmt::print("{} batches of {}\n", batches, batch_size(*net));
  show_means(*net, batches);
}

}  // namespace

void add_test(CLI::App& program) {
  auto options = std::make_shared<TestOptions>();
  options->model.phase = "TEST";
  CLI::App* verb = program.add_subcommand("test", "score a net with trained weights");
  verb->add_option("--model", options->model.path, "the net's (or a solver's) prototxt")
      ->required();
  verb->add_option("--weights", options->weights, "trained weights (.caffemodel or .h5)")
      ->required();
  verb->add_option("--iterations", options->iterations,
                   "batches to run (default: one pass over the database)");
  verb->add_option("--phase", options->model.phase, "TRAIN or TEST (default)");
  add_threads_option(*verb);
  verb->footer(
      "example: trivium test --model examples/mnist/lenet_train_test.prototxt\n"
      "         --weights examples/mnist/lenet_iter_10000.caffemodel");
  verb->callback([options] { run_test(*options); });
}

}  // namespace trivium::tools
