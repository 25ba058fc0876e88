// trivium explain: the plan of a net, or of a solver's whole training step, with what the compiler
// did.
#include <fmt/format.h>

#include "tools/model_file.h"
#include "tools/solver_files.h"
#include "tools/verbs.h"
#include "trivium/engine/compile/compile.h"
#include "trivium/notations/caffe/update_rule.h"

namespace trivium::tools {
namespace {

struct ExplainOptions {
  ModelOptions model;
  bool forward_only = false;
};

/// Forward, backward and, for a solver, the update of the parameters, recorded as the solver
/// records them.
compile::Prepared prepare_step(caffe::Net& net, caffe::Recording& recording,
                               const ExplainOptions& options) {
  std::vector<Value> fetches = {recording.loss};
  for (int blob : net.outputs()) fetches.push_back(recording.blobs[blob]);
  if (!options.forward_only && net.phase() == caffe::proto::TRAIN) {
    const std::vector<Value> gradients = net.param_gradients(recording);
    if (is_solver_file(options.model.path)) {
      const caffe::UpdateRule rule(read_solver(options.model.path, nullptr).solver);
      std::vector<caffe::UpdateParam> params;
      for (size_t i = 0; i < gradients.size(); ++i) {
        const caffe::NetParam& p = net.params()[net.learnable()[i]];
        caffe::UpdateParam update{p.cell, gradients[i], {}, p.lr_mult, p.decay_mult, nullptr};
        for (int slot = 0; slot < rule.slots(); ++slot)
          update.history.push_back(
              std::make_shared<Cell>("history", Array::zeros(p.cell->shape())));
        params.push_back(std::move(update));
      }
      const Value norm = rule.record(recording.graph, params);
      if (norm.defined()) fetches.push_back(norm);
    } else {
      for (const Value& g : gradients)
        if (g.defined()) fetches.push_back(g);
    }
  }
  return compile::prepare(recording.graph, {}, fetches, true, net.options().compile);
}

void run_explain(const ExplainOptions& options) {
  const std::unique_ptr<caffe::Net> net = open_model(options.model);
  const std::unique_ptr<caffe::Recording> recording = net->record();
  fmt::print("{}", compile::explain(*prepare_step(*net, *recording, options).plan));
}

}  // namespace

void add_explain(CLI::App& program) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* verb =
      program.add_subcommand("explain", "show the plan of a net or of a solver's training step");
  verb->add_option("file", options->model.path, "the net's or the solver's prototxt")->required();
  verb->add_option("--phase", options->model.phase, "TRAIN (default) or TEST");
  verb->add_option("--input-shape", options->model.input_shapes,
                   "BLOB=SIZES in place of a data layer; may be repeated");
  verb->add_flag("--forward-only", options->forward_only, "leave out the backward pass");
  add_threads_option(*verb);
  verb->footer(
      "Steps with their kernels, memory formats and layers, reorders, fusions done and refused, "
      "and memory.\n"
      "example: trivium explain examples/mnist/lenet_solver.prototxt --input-shape "
      "data=64,1,28,28");
  verb->callback([options] { run_explain(*options); });
}

}  // namespace trivium::tools
