// trivium check: what a net is before anything runs: layers, shapes, parameters, arithmetic,
// memory.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "tools/model_file.h"
#include "tools/verbs.h"
#include "trivium/engine/compile/compile.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/graph/op.h"

namespace trivium::tools {
namespace {

struct CheckOptions {
  ModelOptions model;
  bool steps = false;
};

std::string bytes_text(double bytes) {
  if (bytes < 1e4) return fmt::format("{:.0f} B", bytes);
  if (bytes < 1e7) return fmt::format("{:.1f} kB", bytes / 1e3);
  return fmt::format("{:.1f} MB", bytes / 1e6);
}

std::string flops_text(double flops) {
  if (flops <= 0) return "";
  if (flops < 1e6) return fmt::format("{:.1f} k", flops / 1e3);
  if (flops < 1e9) return fmt::format("{:.1f} M", flops / 1e6);
  return fmt::format("{:.2f} G", flops / 1e9);
}

/// Forward arithmetic of each scope, by the cost in the ops' records; elementwise ops count one an
/// element.
std::map<std::string, double> flops_by_scope(const Graph& graph) {
  std::map<std::string, double> flops;
  for (int n = 0; n < graph.size(); ++n) {
    const Node& node = graph.node(n);
    if (node.literal >= 0) continue;
    std::vector<ValueMeta> in, out;
    for (const Edge& e : node.inputs) in.push_back(graph.meta(e));
    for (int o = 0; o < node.outputs; ++o) out.push_back(graph.meta({n, o}));
    double& sum = flops[graph.scope_name(node.scope)];
    if (node.op->cost())
      sum += node.op->cost()(in, out, *node.attrs).flops;
    else if (node.op->scalar())
      sum += static_cast<double>(out[0].shape.count());
  }
  return flops;
}

std::string join_shapes(const std::vector<Value>& values) {
  std::vector<std::string> parts;
  for (const Value& v : values) parts.push_back(v.shape().text());
  return fmt::format("{}", fmt::join(parts, " "));
}

void show_layers(const caffe::Net& net, const caffe::Recording& recording,
                 const std::map<std::string, double>& flops) {
  size_t name_width = 5, top_width = 6;
  std::vector<std::string> shapes;
  for (size_t l = 0; l < net.layers().size(); ++l) {
    shapes.push_back(join_shapes(recording.tops[l]));
    name_width = std::max(name_width, net.layers()[l].name().size());
    top_width = std::max(top_width, shapes.back().size());
  }
  fmt::print("{:{}}  {:16} {:{}}  {:>12} {:>10}\n", "layer", name_width, "type", "output",
             top_width, "parameters", "FLOP");
  double all_flops = 0;
  int64_t all_parameters = 0;
  for (size_t l = 0; l < net.layers().size(); ++l) {
    const caffe::NetLayer& layer = net.layers()[l];
    int64_t parameters = 0, shared = 0;
    for (int p : layer.params)
      (net.params()[p].owner == p ? parameters : shared) += net.params()[p].shape.count();
    const auto at = flops.find(layer.name());
    const double cost = at == flops.end() ? 0 : at->second;
    all_flops += cost;
    all_parameters += parameters;
    const std::string count = parameters ? fmt::format("{}", parameters) : shared ? "shared" : "";
    fmt::print("{:{}}  {:16} {:{}}  {:>12} {:>10}\n", layer.name(), name_width, layer.type(),
               shapes[l], top_width, count, flops_text(cost));
  }
  fmt::print("{:{}}  {:16} {:{}}  {:>12} {:>10}\n", "sum", name_width, "", "", top_width,
             all_parameters, flops_text(all_flops));
}

/// What the compiled plan needs; Caffe keeps every blob (and its gradient) for the net's whole
/// life.
void show_memory(caffe::Net& net, const CheckOptions& options) {
  const std::unique_ptr<caffe::Recording> recording = net.record();
  std::vector<Value> fetches = {recording->loss};
  for (int blob : net.outputs()) fetches.push_back(recording->blobs[blob]);
  const bool train = net.phase() == caffe::proto::TRAIN;
  if (train)
    for (const Value& g : net.param_gradients(*recording))
      if (g.defined()) fetches.push_back(g);
  const compile::Prepared prepared =
      compile::prepare(recording->graph, {}, fetches, true, net.options().compile);
  const run::Plan& plan = *prepared.plan;
  double blobs = 0, cells = 0, scratch = 0, inputs = 0;
  for (size_t l = 0; l < net.layers().size(); ++l)
    for (const Value& top : net.recording().tops[l])
      blobs += static_cast<double>(top.shape().count()) * 4;
  for (const auto& d : plan.cells) cells += static_cast<double>(d.bytes());
  for (const auto& d : plan.inputs) inputs += static_cast<double>(d.bytes());
  for (const run::Step& s : plan.steps)
    scratch = std::max(scratch, static_cast<double>(s.scratch_bytes));
  fmt::print("\nmemory of the plan ({}): {} steps\n", train ? "forward and backward" : "forward",
             plan.steps.size());
  fmt::print("  {:26} {:>10}\n", "intermediate values",
             bytes_text(static_cast<double>(plan.arena_bytes)));
  fmt::print("  {:26} {:>10}   most that is alive at once\n", "  lower bound",
             bytes_text(static_cast<double>(plan.live_lower_bound)));
  fmt::print("  {:26} {:>10}   inside the above\n", "  largest scratch", bytes_text(scratch));
  fmt::print("  {:26} {:>10}\n", "parameters and states", bytes_text(cells));
  fmt::print("  {:26} {:>10}\n", "inputs", bytes_text(inputs));
  fmt::print("  {:26} {:>10}   if every blob{} were kept\n", "for comparison",
             bytes_text(blobs * (train ? 2 : 1)), train ? " and its gradient" : "");
  if (options.steps) fmt::print("\n{}", compile::plan_text(plan));
}

void run_check(const CheckOptions& options) {
  const std::unique_ptr<caffe::Net> net = open_model(options.model);
  fmt::print("{}, phase {}\n\n", net->name().empty() ? options.model.path : net->name(),
             options.model.phase);
  show_layers(*net, net->recording(), flops_by_scope(net->recording().graph));
  show_memory(*net, options);
}

}  // namespace

void add_check(CLI::App& program) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* verb = program.add_subcommand(
      "check", "show a net's layers, shapes, parameters and memory without running it");
  verb->add_option("net", options->model.path, "the net's (or a solver's) prototxt")->required();
  verb->add_option("--phase", options->model.phase, "TRAIN (default) or TEST");
  verb->add_option("--level", options->model.level, "level of the net's state");
  verb->add_option("--stage", options->model.stages, "stages of the net's state")->delimiter(',');
  verb->add_option(
      "--input-shape", options->model.input_shapes,
      "BLOB=SIZES in place of a data layer, so that no data are needed; may be repeated");
  verb->add_flag("--steps", options->steps, "show the steps of the plan too");
  add_threads_option(*verb);
  verb->footer(
      "FLOP counts a multiplication and an addition as two, for one forward pass over the batch.\n"
      "example: trivium check examples/mnist/lenet_train_test.prototxt --input-shape "
      "data=64,1,28,28");
  verb->callback([options] { run_check(*options); });
}

}  // namespace trivium::tools
