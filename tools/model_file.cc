#include "tools/model_file.h"

#include <charconv>
#include <map>
#include <regex>

#include "tools/solver_files.h"
#include "trivium/engine/core/error.h"
#include "trivium/formats/db.h"
#include "trivium/formats/file.h"
#include "trivium/notations/caffe/filter.h"

namespace trivium::tools {
namespace {

using caffe::proto::LayerParameter;
using caffe::proto::NetParameter;

std::pair<std::string, Shape> parse_input_shape(const std::string& text) {
  const size_t at = text.find_first_of("=:");
  if (at == std::string::npos || at == 0)
    user_error("--input-shape {}: expected BLOB=SIZES, for example data=64,1,28,28", text);
  std::vector<int64_t> sizes;
  for (const std::string& part : split_list(text.substr(at + 1))) {
    int64_t size = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), size);
    if (error != std::errc() || end != part.data() + part.size() || size < 1)
      user_error(
          "--input-shape {}: \"{}\" is no size; expected positive numbers separated by commas",
          text, part);
    sizes.push_back(size);
  }
  return {text.substr(0, at), Shape(sizes)};
}

/// Turns the layers that make the named blobs from files into Input layers.
void replace_data_layers(NetParameter& net, const std::vector<std::string>& input_shapes) {
  std::map<std::string, Shape> shapes;
  for (const std::string& text : input_shapes) shapes.insert(parse_input_shape(text));
  std::map<std::string, bool> used;
  for (LayerParameter& layer : *net.mutable_layer()) {
    if (layer.bottom_size() || layer.top_size() == 0 || !shapes.count(layer.top(0))) continue;
    const Shape data = shapes.at(layer.top(0));
    layer.set_type("Input");
    layer.clear_input_param();
    for (const std::string& top : layer.top()) {
      const Shape shape = shapes.count(top) ? shapes.at(top) : Shape{data[0]};
      auto* dims = layer.mutable_input_param()->add_shape();
      for (int64_t size : shape) dims->add_dim(size);
      used[top] = true;
    }
  }
  for (const auto& [name, shape] : shapes)
    if (!used[name]) {
      std::string tops;
      for (const LayerParameter& layer : net.layer())
        if (!layer.bottom_size())
          for (const std::string& top : layer.top()) tops += (tops.empty() ? "" : ", ") + top;
      user_error("--input-shape {}: no data or input layer makes this blob; they make: {}", name,
                 tops.empty() ? "nothing" : tops);
    }
}

/// The net a solver trains: from its own text or the file it names.
caffe::NetFile train_net_of(const std::string& path) {
  caffe::SolverFile file = caffe::read_solver_file(path);
  const auto& solver = file.solver;
  caffe::NetFile net;
  if (solver.has_train_net_param() || solver.has_net_param()) {
    const bool own = solver.has_train_net_param();
    net.net = own ? solver.train_net_param() : solver.net_param();
    net.lines = file.nets[own ? "train_net_param" : "net_param"];
  } else if (solver.has_train_net() || solver.has_net()) {
    net = caffe::read_net_file(solver.has_train_net() ? solver.train_net() : solver.net());
  } else {
    user_error(
        "{}: the solver names no net; give one of net, net_param, train_net, train_net_param",
        path);
  }
  net.net.mutable_state()->MergeFrom(solver.train_state());
  return net;
}

bool has_data_layer(const NetParameter& net) {
  for (const LayerParameter& layer : net.layer())
    if (layer.type() == "Data" || layer.type() == "HDF5Data" || layer.type() == "ImageData")
      return true;
  return false;
}

}  // namespace

bool is_solver_file(const std::string& path) {
  const std::string text = formats::read_file(path, uint64_t{1} << 31);
  if (caffe::looks_binary(text)) return false;
  static const std::regex kSolverField(
      R"((^|\n)[ \t]*(base_lr|lr_policy|max_iter|train_net|net|net_param|test_iter)\b)");
  static const std::regex kLayer(R"((^|\n)[ \t]*layers?[ \t]*\{)");
  const std::string head = text.substr(0, 1 << 16);
  return std::regex_search(head, kSolverField) && !std::regex_search(head, kLayer);
}

std::unique_ptr<caffe::Net> open_model(const ModelOptions& options) {
  if (options.phase != "TRAIN" && options.phase != "TEST")
    user_error("--phase {}: expected TRAIN or TEST", options.phase);
  caffe::NetFile file = is_solver_file(options.path) ? train_net_of(options.path)
                                                     : caffe::read_net_file(options.path);
  caffe::NetOptions net_options;
  net_options.phase = options.phase == "TEST" ? caffe::proto::TEST : caffe::proto::TRAIN;
  net_options.level = options.level;
  net_options.stages = options.stages;
  net_options.log = options.log;
  // Rules are applied first, so that of several layers with one top only the one of this phase is
  // replaced.
  caffe::proto::NetState state = file.net.state();
  state.set_phase(*net_options.phase);
  state.set_level(options.level);
  for (const std::string& stage : options.stages) state.add_stage(stage);
  NetParameter net = caffe::filter_net(file.net, state, nullptr, &file.lines);
  *net.mutable_state() = file.net.state();
  if (!options.input_shapes.empty()) replace_data_layers(net, options.input_shapes);
  net_options.lines = std::move(file.lines);
  try {
    return std::make_unique<caffe::Net>(net, std::move(net_options));
  } catch (const EnvironmentError& error) {
    if (!has_data_layer(net)) throw;
    throw EnvironmentError(
        std::string(error.what()) +
        "\n  to go on without the data, give its shape: --input-shape data=64,1,28,28");
  }
}

int64_t batch_size(const caffe::Net& net) {
  for (const caffe::NetLayer& layer : net.layers())
    if (layer.bottoms.empty() && !layer.tops.empty() && net.blob_shape(layer.tops[0]).rank() > 0)
      return net.blob_shape(layer.tops[0])[0];
  return 0;
}

int64_t batches_in_pass(const caffe::Net& net) {
  for (const caffe::NetLayer& layer : net.layers()) {
    if (layer.type() != "Data") continue;
    const auto& data = layer.param.data_param();
    const auto kind = data.backend() == caffe::proto::DataParameter::LMDB
                          ? formats::DatabaseKind::lmdb
                          : formats::DatabaseKind::leveldb;
    const std::string& folder = net.options().folder;
    const bool relative = !folder.empty() && !data.source().starts_with("/");
    const int64_t records =
        formats::Database::open(relative ? folder + "/" + data.source() : data.source(), kind)
            ->count();
    const int64_t batch = batch_size(net);
    return batch ? (records + batch - 1) / batch : 0;
  }
  return 0;
}

}  // namespace trivium::tools
