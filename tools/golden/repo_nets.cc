// Section repo_nets: the nets of the original's own examples, by path. The definitions are not
// recorded; the ones found below this repository, or below the folder that CAFFE_ROOT names, are
// checked.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tools/golden/caffe_case.h"
#include "tools/golden/golden.h"
#include "tools/golden/net_facts.h"
#include "trivium/formats/db.h"
#include "trivium/formats/file.h"
#include "trivium/notations/caffe/net_file.h"

namespace trivium::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// One black image of the recorded size stands for the training data.
std::string small_database(const fs::path& folder, const json& shape, int index) {
  const std::string path = folder / fmt::format("db{}", index);
  caffe::proto::Datum datum;
  datum.set_channels(shape[1]);
  datum.set_height(shape[2]);
  datum.set_width(shape[3]);
  datum.set_data(
      std::string(static_cast<size_t>(datum.channels()) * datum.height() * datum.width(), 0));
  datum.set_label(0);
  const auto writer = formats::DatabaseWriter::create(path, formats::DatabaseKind::lmdb);
  writer->put("0", datum.SerializeAsString());
  writer->commit();
  return path;
}

/// Data layers read a small database of the recorded size instead of the one they name.
void replace_data(caffe::proto::NetParameter& net, const json& blobs, const fs::path& folder) {
  int index = 0;
  for (caffe::proto::LayerParameter& layer : *net.mutable_layer()) {
    if (layer.type() != "Data" || !blobs.contains(layer.top(0))) continue;
    layer.mutable_data_param()->set_source(small_database(folder, blobs[layer.top(0)], index++));
    layer.mutable_data_param()->set_backend(caffe::proto::DataParameter::LMDB);
    layer.mutable_transform_param()->clear_mean_file();
    layer.mutable_transform_param()->clear_mean_value();
  }
}

std::string check(const std::string& path, const std::string& run, const json& want) {
  caffe::NetFile file = caffe::read_net_file(path);
  std::istringstream words(run);
  std::string phase, word, stage;
  words >> phase >> word >> stage;
  const fs::path folder =
      fs::temp_directory_path() / fmt::format("trivium_golden_{}", static_cast<long>(getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder);
  replace_data(file.net, want["blobs"], folder);
  caffe::NetOptions options;
  options.phase = phase_of(phase);
  if (!stage.empty()) options.stages = {stage};
  options.lines = file.lines;
  std::string problem;
  {
    caffe::Net net(file.net, std::move(options));
    problem = net_difference(net, want);
  }
  fs::remove_all(folder);
  return problem;
}

}  // namespace

void run_repo_nets(const std::string& folder, Report& report) {
  const json nets = json::parse(formats::read_file(folder + "/repo_nets.json"));
  const char* caffe_root = std::getenv("CAFFE_ROOT");
  for (const auto& [path, runs] : nets.items()) {
    std::string found;
    for (const std::string& root :
         {std::string(caffe_root ? caffe_root : ""), folder + "/../../.."})
      if (found.empty() && !root.empty() && fs::exists(root + "/" + path))
        found = root + "/" + path;
    if (found.empty()) continue;
    for (const auto& [run, want] : runs.items()) {
      const std::string label = path + " (" + run + ")";
      try {
        const std::string problem = check(found, run, want);
        if (problem.empty())
          report.pass("repo_nets");
        else
          report.fail("repo_nets", label, problem);
      } catch (const Error& error) {
        if (says_unsupported(error.what()))
          report.unsupported("repo_nets", label);
        else
          report.fail("repo_nets", label, error.what());
      }
    }
  }
}

}  // namespace trivium::golden
