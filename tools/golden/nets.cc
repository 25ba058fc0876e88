// Section nets: what the original finds when it builds a net (layers after splits, shapes, sharing,
// inputs, outputs, loss weights, who runs backward) and what it logs meanwhile.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tools/golden/caffe_case.h"
#include "tools/golden/golden.h"
#include "tools/golden/net_facts.h"
#include "trivium/formats/file.h"

namespace trivium::golden {
namespace {

using caffe::Net;
using nlohmann::json;

/// "TRAIN level 0 stages a,b" (stages "-": none).
caffe::NetOptions options_of(const std::string& run) {
  std::istringstream words(run);
  std::string phase, word, level, stages;
  words >> phase >> word >> level >> word >> stages;
  caffe::NetOptions options;
  options.phase = phase_of(phase);
  if (!level.empty()) options.level = std::stoi(level);
  std::istringstream list(stages == "-" ? "" : stages);
  for (std::string stage; std::getline(list, stage, ',');) options.stages.push_back(stage);
  return options;
}

json layers_of(const Net& net) {
  json layers = json::array();
  for (const caffe::NetLayer& layer : net.layers()) {
    json bottoms = json::array(), tops = json::array();
    for (int b : layer.bottoms) bottoms.push_back(net.blobs()[b].name);
    for (int t : layer.tops) tops.push_back(net.blobs()[t].name);
    layers.push_back({layer.name(), layer.type(), bottoms, tops});
  }
  return layers;
}

/// Of duplicate layer names the recording knows the wiring of the last one only.
json as_recorded(json layers) {
  for (json& layer : layers)
    for (const json& later : layers)
      if (later[0] == layer[0]) {
        layer[2] = later[2];
        layer[3] = later[3];
      }
  return layers;
}

json blobs_of(Net& net) {
  json blobs = json::object();
  for (size_t i = 0; i < net.blobs().size(); ++i)
    blobs[net.blobs()[i].name] = net.blob_shape(static_cast<int>(i)).vec();
  return blobs;
}

json params_of(const Net& net) {
  json params = json::object();
  for (const caffe::NetLayer& layer : net.layers()) {
    if (layer.params.empty()) continue;
    json list = json::array();
    for (int id : layer.params) {
      const caffe::NetParam& p = net.params()[id];
      json entry = {{"shape", p.shape.vec()}};
      if (p.owner != id) {
        const caffe::NetParam& owner = net.params()[p.owner];
        entry["shared_with"] = fmt::format("{}/{}", net.layers()[owner.layer].name(), owner.index);
      }
      list.push_back(entry);
    }
    params[layer.name()] = list;
  }
  return params;
}

json names_of(const Net& net, const std::vector<int>& blobs) {
  json names = json::array();
  for (int b : blobs) names.push_back(net.blobs()[b].name);
  return names;
}

json loss_weights_of(const Net& net) {
  json weights = json::object();
  for (const caffe::NetBlob& blob : net.blobs())
    if (blob.loss_weight != 0) weights[blob.name] = blob.loss_weight;
  return weights;
}

std::string differs(const char* what, const json& got, const json& want) {
  return got == want ? ""
                     : fmt::format("{}: {} received, {} expected", what, got.dump(), want.dump());
}

/// `upgrade` are lines that came before the net was built; the recording has some of them among the
/// net's.
std::string log_difference(const caffe::LogLines& lines, const caffe::LogLines& upgrade,
                           const json& want) {
  std::vector<std::string> got;
  for (const caffe::LogLine& line : lines)
    if (line.text.compare(0, 28, "Initializing net from parame") != 0) got.push_back(line.text);
  std::vector<std::string> expected;
  for (const json& line : want) {
    const std::string text = line.get<std::string>();
    const auto before = [&](const caffe::LogLine& line) { return line.text == text; };
    if (std::none_of(upgrade.begin(), upgrade.end(), before)) expected.push_back(text);
  }
  for (size_t i = 0; i < std::max(got.size(), expected.size()); ++i)
    if (i >= got.size() || i >= expected.size() || got[i] != expected[i])
      return fmt::format("log line {}: \"{}\" received, \"{}\" expected", i + 1,
                         i < got.size() ? got[i] : "", i < expected.size() ? expected[i] : "");
  return "";
}

const char* mended_net(const std::string& name) {
  if (name == "split_loss_weight_two_tops")
    return "splitting a weighted top leaves the loss weights of the other tops alone";
  return nullptr;
}

void run_one(const std::string& name, const std::string& prototxt, const std::string& run,
             const json& want, Report& report) {
  const std::string label = name + " (" + run + ")";
  caffe::LogLines log, upgrade;
  caffe::NetOptions options = options_of(run);
  options.log = [&](caffe::LogLevel level, const std::string& text) {
    log.push_back({level, text});
  };
  std::string problem;
  try {
    const auto net = build_net(prototxt, name + ".prototxt", std::move(options), &upgrade);
    problem = want.contains("dies") ? "expected a refusal: " + want["dies"].get<std::string>()
                                    : net_difference(*net, want);
    if (problem.empty() && want.contains("net_log"))
      problem = log_difference(log, upgrade, want["net_log"]);
  } catch (const Error& error) {
    if (says_unsupported(error.what())) return report.unsupported("nets", label);
    if (!want.contains("dies")) problem = error.what();
  }
  if (mended_net(name)) return report.mended("nets", label, mended_net(name));
  if (problem.empty())
    report.pass("nets");
  else
    report.fail("nets", label, problem);
}

}  // namespace

std::string net_difference(Net& net, const json& want) {
  json needs = json::array();
  for (const caffe::NetLayer& layer : net.layers())
    if (layer.needs_backward) needs.push_back(layer.name());
  std::vector<std::string> found;
  found.push_back(differs("layers", as_recorded(layers_of(net)), want["layers"]));
  found.push_back(differs("blobs", blobs_of(net), want["blobs"]));
  found.push_back(differs("params", params_of(net), want["params"]));
  found.push_back(differs("inputs", names_of(net, net.inputs()), want["inputs"]));
  found.push_back(differs("outputs", names_of(net, net.outputs()), want["outputs"]));
  found.push_back(differs("loss weights", loss_weights_of(net), want["loss_weights"]));
  // The recording is of the log, which does not show what force_backward adds.
  if (!net.forced_backward())
    found.push_back(differs("needs backward", needs, want["needs_backward"]));
  for (const std::string& text : found)
    if (!text.empty()) return text;
  return "";
}

void run_nets(const std::string& folder, Report& report) {
  const json nets = json::parse(formats::read_file(folder + "/nets.json"));
  for (const auto& [name, net] : nets.items())
    for (const auto& [run, want] : net["runs"].items())
      run_one(name, net["prototxt"].get<std::string>(), run, want, report);
}

}  // namespace trivium::golden
