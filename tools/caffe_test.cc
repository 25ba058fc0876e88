// caffe test: forward passes of a net with trained weights; every output element of every batch,
// then means.
#include <fmt/format.h>

#include "tools/caffe_commands.h"
#include "tools/solver_files.h"
#include "trivium/engine/core/error.h"

namespace trivium::tools {

int caffe_test(const CaffeRun& run) {
  const Gflags& flags = run.flags;
  if (flags.text("model").empty()) user_error("Need a model definition to score: give -model FILE");
  if (flags.text("weights").empty()) user_error("Need model weights to score: give -weights FILE");
  choose_device(run, gpus_of(flags.text("gpu")));
  const std::unique_ptr<caffe::Net> net = model_net(run, caffe::proto::TEST);
  net->copy_trained_from(flags.text("weights"));
  const int iterations = flags.integer("iterations");
  run.log.info(fmt::format("Running for {} iterations.", iterations));

  std::vector<int> blobs;    // per element of the outputs: its blob
  std::vector<double> sums;  // and its sum over the batches
  double loss_sum = 0;
  for (int i = 0; i < iterations; ++i) {
    double loss = 0;
    const std::vector<Array> outputs = net->forward_outputs(&loss);
    loss_sum += loss;
    size_t k = 0;
    for (size_t o = 0; o < outputs.size(); ++o)
      for (int64_t e = 0; e < outputs[o].count(); ++e, ++k) {
        const int blob = net->outputs()[o];
        if (k == sums.size()) {
          sums.push_back(0);
          blobs.push_back(blob);
        }
        sums[k] += outputs[o].at(e);
        run.log.info(fmt::format("Batch {}, {} = {}", i, net->blobs()[blob].name,
                                 number_text(outputs[o].at(e))));
      }
  }
  const int count = std::max(iterations, 1);
  run.log.info("Loss: " + number_text(loss_sum / count));
  for (size_t k = 0; k < sums.size(); ++k) {
    const caffe::NetBlob& blob = net->blobs()[blobs[k]];
    const double mean = sums[k] / count;
    const std::string weighted =
        blob.loss_weight == 0 ? ""
                              : fmt::format(" (* {} = {} loss)", number_text(blob.loss_weight),
                                            number_text(blob.loss_weight * mean));
    run.log.info(fmt::format("{} = {}{}", blob.name, number_text(mean), weighted));
  }
  return 0;
}

}  // namespace trivium::tools
