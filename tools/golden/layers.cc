// Sections layers and refusals: one layer fed by Input layers, forward and backward, over several
// passes; and the definitions that the original refuses.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/golden/caffe_case.h"
#include "tools/golden/golden.h"
#include "trivium/formats/file.h"
#include "trivium/formats/npy.h"

namespace trivium::golden {
namespace {

using caffe::Net;
using caffe::Recording;

/// Cases where Caffe is wrong, or differs for a reason, and Trivium deliberately does not follow.
struct Mended {
  const char* type;
  const char* name;
  bool forward;  // the recorded forward is right and is compared
  const char* reason;
};

const Mended kMended[] = {
    {"BNLL", "in_place", true, "the gradient uses the layer's input also in place"},
    {"Clip", "in_place", true, "the gradient uses the layer's input also in place"},
    {"Power", "in_place", true, "the gradient uses the layer's input also in place"},
    {"Power", "in_place_linear", true, "the gradient uses the layer's input also in place"},
    {"Power", "in_place_cube", true, "the gradient uses the layer's input also in place"},
    {"Power", "cube_no_shift_zero", true, "the gradient at 0 is its limit 0, not 0/0"},
    {"Power", "frac_negative", true, "the gradient at 0 is its limit, not 0/0"},
    {"Log", "in_place", true, "the gradient uses the layer's input also in place"},
    {"ELU", "in_place_negative_alpha", true, "the sign is that of the input also in place"},
    {"ReLU", "in_place_negative_slope", true, "the sign is that of the input also in place"},
    {"ReLU", "chain", true, "a later layer in place does not disturb the gradient"},
    {"MVN", "in_place", true, "the gradient uses the layer's input also in place"},
    {"LRN", "across_in_place", false, "in place computes what it computes elsewhere"},
    {"Eltwise", "sum_in_place", false, "in place computes what it computes elsewhere"},
    {"Eltwise", "sum_coeff_in_place", false, "in place computes what it computes elsewhere"},
    {"Eltwise", "prod_in_place", false, "in place computes what it computes elsewhere"},
    {"Eltwise", "max_in_place", false, "in place computes what it computes elsewhere"},
    {"Eltwise", "prod_zero_unstable", true, "products have the stable gradient, never 0/0"},
    {"Scale", "twice_full", true,
     "a scale of the bottom's size accumulates its gradient as others do"},
    {"Scale", "twice_full_bias", true,
     "a scale of the bottom's size accumulates its gradient as others do"},
    {"Parameter", "twice", true, "the gradient accumulates like that of other parameters"},
    {"Pooling", "max_empty_window", false, "windows that see no image are left out"},
    {"Pooling", "ave_empty_window", false, "windows that see no image are left out"},
    {"Pooling", "ave_empty_nan", false, "windows that see no image are left out"},
    {"Accuracy", "nan", false, "a NaN score counts as wrong"},
};

const Mended* mended(const std::string& type, const std::string& name) {
  for (const Mended& m : kMended)
    if (type == m.type && name == m.name) return &m;
  return nullptr;
}

/// Arrays of one case: "<kind><pass>/<rest>" → array.
struct Case {
  const formats::NpzFile& file;
  std::string name;

  std::string text(const std::string& key) const {
    const Array a = file.read(name + "/" + key);
    return {static_cast<const char*>(a.raw()), a.bytes()};
  }
  /// The arrays of `kind` in pass `pass`, by what follows the kind.
  std::vector<std::pair<std::string, Array>> all(const std::string& kind, int pass) const {
    const std::string prefix =
        name + "/" + kind + (pass > 1 ? std::to_string(pass) : std::string()) + "/";
    std::vector<std::pair<std::string, Array>> found;
    for (const std::string& key : file.names())
      if (key.compare(0, prefix.size(), prefix) == 0)
        found.push_back({key.substr(prefix.size()), file.read(key)});
    return found;
  }
};

/// Parameter of "layer/index".
int param_id(const Net& net, const std::string& path) {
  const size_t slash = path.rfind('/');
  const int layer = net.layer_index(path.substr(0, slash));
  return net.layers().at(layer).params.at(std::stoi(path.substr(slash + 1)));
}

/// The first version of a blob: what the layer that makes it gave.
Value first_version(const Net& net, const Recording& recording, const std::string& name) {
  for (size_t l = 0; l < net.layers().size(); ++l)
    for (size_t t = 0; t < net.layers()[l].tops.size(); ++t)
      if (net.blobs()[net.layers()[l].tops[t]].name == name) return recording.tops[l][t];
  user_error("no layer makes the blob \"{}\"", name);
}

struct Comparison {
  Report& report;
  std::string group;
  std::string problem;  // first one

  void operator()(const std::string& what, const Array& got, const Array& want) {
    double worst = 0;
    const std::string text = compare(got, want, {}, &worst);
    if (text.empty())
      report.difference(group, worst);
    else if (problem.empty())
      problem = what + ": " + text;
  }
};

/// One pass: inputs set, outputs, changed parameters and gradients compared. `sums` holds the
/// parameter gradients accumulated over passes.
void run_pass(Net& net, const Case& c, int pass, bool backward, bool gradients_too,
              std::map<std::string, Array>& sums, Comparison& check) {
  for (const auto& [blob, value] : c.all("in", pass)) net.set_input(blob, value);
  const std::unique_ptr<Recording> recording = net.record();
  std::vector<std::pair<std::string, Array>> wanted;
  std::vector<Value> fetches;
  for (const auto& [blob, value] : c.all("out", pass)) {
    wanted.push_back({"out/" + blob, value});
    fetches.push_back(recording->blobs[net.blob_index(blob)]);
  }
  std::vector<Value> found;
  std::vector<std::pair<std::string, Array>> gradients;
  if (backward && gradients_too) {
    std::vector<Net::Seed> seeds;
    for (const auto& [blob, value] : c.all("top_diff", pass))
      seeds.push_back({net.blob_index(blob), recording->graph.constant(value)});
    std::vector<Value> xs;
    for (const auto& [blob, value] : c.all("in_diff", pass)) {
      gradients.push_back({"in_diff/" + blob, value});
      xs.push_back(first_version(net, *recording, blob));
    }
    for (const auto& [path, value] : c.all("param_diff", pass)) {
      gradients.push_back({"param_diff/" + path, value});
      xs.push_back(recording->params[param_id(net, path)]);
    }
    found = net.gradients(*recording, seeds, xs);
    for (const Value& g : found)
      if (g.defined()) fetches.push_back(g);
  }
  const std::vector<Array> results = net.run(*recording, fetches);
  for (size_t i = 0; i < wanted.size(); ++i) check(wanted[i].first, results[i], wanted[i].second);
  for (const auto& [path, value] : c.all("param_after", pass)) {
    const caffe::NetParam& p = net.params()[param_id(net, path)];
    check("param_after/" + path, p.cell->value().reshaped(p.shape), value);
  }
  size_t next = wanted.size();
  for (size_t i = 0; i < gradients.size(); ++i) {
    const auto& [what, value] = gradients[i];
    Array got = found[i].defined() ? results[next++] : Array::zeros(value.shape());
    if (what.compare(0, 11, "param_diff/") == 0) {
      Array& sum = sums[what];
      got = got.reshaped(value.shape());
      if (!sum.defined()) sum = Array::zeros(value.shape());
      for (int64_t k = 0; k < sum.count(); ++k) sum.set(k, sum.at(k) + got.at(k));
      got = sum;
    }
    check(what, got, value);
  }
}

void run_case(const Row& row, const Case& c, Report& report) {
  const std::string& type = row.at("type");
  const std::string& name = row.at("case");
  const Mended* difference = mended(type, name);
  if (!difference && row.at("note").compare(0, 5, "[BUG]") == 0 && type != "LSTM")
    report.fail(type, name, "marked as a defect of the original, but not listed as mended");
  Comparison check{report, type, ""};
  try {
    caffe::NetOptions options;
    options.phase = phase_of(row.at("phase"));
    const auto net = build_net(c.text("prototxt"), type + "/" + name, options);
    for (const auto& [path, value] : c.all("param", 1)) {
      const CellRef& cell = net->params()[param_id(*net, path)].cell;
      cell->set(value.reshaped(cell->shape()));
    }
    std::map<std::string, Array> sums;
    const int passes = std::stoi(row.at("passes"));
    for (int pass = 1; pass <= passes && (!difference || difference->forward); ++pass)
      run_pass(*net, c, pass, row.at("backward") == "yes", !difference, sums, check);
  } catch (const Error& error) {
    if (says_unsupported(error.what())) return report.unsupported(type, name);
    check.problem = error.what();
  }
  if (!check.problem.empty())
    report.fail(type, name, check.problem);
  else if (difference)
    report.mended(type, name, difference->reason);
  else
    report.pass(type);
}

/// Refusals of the original that are mended: Trivium runs these nets.
const char* mended_refusal(const std::string& name) {
  if (name == "BatchNorm/rank1") return "rank 1 is one channel";
  if (name == "SoftmaxWithLoss/two_tops" || name == "SoftmaxWithLoss/two_tops_weights" ||
      name == "InfogainLoss/two_tops_no_weight")
    return "the second top holds the probabilities; its loss weight is 0 unless given";
  return nullptr;
}

}  // namespace

void run_layers(const std::string& folder, Report& report) {
  std::map<std::string, std::unique_ptr<formats::NpzFile>> files;
  for (const Row& row : read_tsv(folder + "/layers.tsv")) {
    auto& file = files[row.at("type")];
    if (!file)
      file = std::make_unique<formats::NpzFile>(folder + "/layers/" + row.at("type") + ".npz");
    run_case(row, {*file, row.at("case")}, report);
  }
}

void run_layer_refusals(const std::string& folder, Report& report) {
  const auto cases = nlohmann::json::parse(formats::read_file(folder + "/dies.json"));
  const std::string group = "refusals";
  for (const auto& c : cases) {
    const std::string name = c["type"].get<std::string>() + "/" + c["case"].get<std::string>();
    std::string message;
    try {
      caffe::NetOptions options;
      options.phase = phase_of(c["phase"].get<std::string>());
      const auto net = build_net(c["prototxt"].get<std::string>(), name, options);
      if (name == "BatchReindex/range")  // the recorded run feeds an index past the end
        for (int i : net->inputs()) {
          const std::string& blob = net->blobs()[i].name;
          net->set_input(blob, Array::full(net->input(blob).shape(), 3));
        }
      if (c["when"] == "backward") {
        std::vector<Value> xs;
        for (int i : net->inputs()) xs.push_back(net->recording().blobs[i]);
        net->gradients(net->recording(), {}, xs);
      }
      net->forward_outputs();
    } catch (const Error& error) {
      message = error.what();
    }
    const char* mend = mended_refusal(name);
    if (says_unsupported(message))
      report.unsupported(group, name);
    else if (mend && message.empty())
      report.mended(group, name, mend);
    else if (mend)
      report.fail(group, name, "expected to run, refused: " + message);
    else if (message.empty())
      report.fail(group, name, "expected a refusal: " + c["message"].get<std::string>());
    else if (message.find("layer") == std::string::npos)
      report.fail(group, name, "the refusal does not name the layer: " + message);
    else
      report.pass(group);
  }
}

}  // namespace trivium::golden
