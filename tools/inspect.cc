// trivium inspect: the names, dtypes and shapes of what a file of weights holds, and their sums;
// the graphs of TensorFlow are shown by inspect_graph.h.
#include <fmt/format.h>

#include <map>
#include <set>

#include "tools/inspect_graph.h"
#include "tools/verbs.h"
#include "tools/weights_file.h"
#include "trivium/engine/core/error.h"
#include "trivium/formats/safetensors.h"
#include "trivium/notations/caffe/net_file.h"

namespace trivium::tools {
namespace {

struct InspectOptions {
  std::string path;
  GraphPictures pictures;
};

struct Row {
  std::string name, dtype, shape;
  int64_t count = 0, bytes = 0;
};

Row row_of(const std::string& name, const Array& array) {
  if (!array.defined()) return {name, "-", "(shared)", 0, 0};
  return {name, name_of(array.dtype()), array.shape().text(), array.count(),
          static_cast<int64_t>(array.bytes())};
}

/// Tensors on the same memory are counted once.
std::vector<Row> rows_of(const NamedArrays& arrays) {
  std::vector<Row> rows;
  std::set<std::pair<const void*, int64_t>> seen;
  for (const auto& [name, array] : arrays) {
    rows.push_back(row_of(name, array));
    if (array.count() == 0 || seen.emplace(array.raw(), array.count()).second) continue;
    rows.back().shape += " (shared)";
    rows.back().count = rows.back().bytes = 0;
  }
  return rows;
}

std::vector<Row> rows_of(const formats::WeightsFile& weights,
                         const std::map<std::string, std::string>& types) {
  std::vector<Row> rows;
  for (const formats::LayerWeights& layer : weights.layers)
    for (size_t i = 0; i < layer.blobs.size(); ++i) {
      const auto type = types.find(layer.name);
      rows.push_back(row_of(fmt::format("{}/{}", layer.name, i), layer.blobs[i]));
      if (type != types.end() && i == 0) rows.back().shape += "  " + type->second;
    }
  return rows;
}

std::vector<Row> safetensors_rows(const std::string& path) {
  const formats::SafetensorsFile file(path);
  std::vector<Row> rows;
  for (const std::string& name : file.names()) {
    const formats::SafetensorsInfo& info = *file.find(name);
    const auto bytes = static_cast<int64_t>(info.end - info.begin);
    Row row{name, info.dtype, fmt::format("[{}]", fmt::join(info.shape, ", ")), 1, bytes};
    for (const uint64_t size : info.shape) row.count *= static_cast<int64_t>(size);
    rows.push_back(row);
  }
  for (const auto& [key, value] : file.metadata()) fmt::print("metadata {}: {}\n", key, value);
  return rows;
}

std::vector<Row> layer_rows(const std::string& path, WeightsFormat format) {
  std::map<std::string, std::string> types;
  if (format == WeightsFormat::caffe) {
    const caffe::NetFile file = caffe::read_net_file(path);
    for (const auto& layer : file.net.layer()) types.emplace(layer.name(), layer.type());
  }
  return rows_of(read_layer_weights(path), types);
}

const char* description(WeightsFormat format) {
  switch (format) {
    case WeightsFormat::caffe:
      return "Caffe net";
    case WeightsFormat::hdf5:
      return "Caffe weights in HDF5";
    case WeightsFormat::npz:
      return "NumPy archive";
    case WeightsFormat::torch:
      return "PyTorch file";
    case WeightsFormat::safetensors:
      return "safetensors";
  }
  return "";
}

void show(const std::vector<Row>& rows) {
  size_t name = 4, dtype = 5, shape = 5;
  Row sum;
  for (const Row& row : rows) {
    name = std::max(name, row.name.size());
    dtype = std::max(dtype, row.dtype.size());
    shape = std::max(shape, row.shape.size());
    sum.count += row.count;
    sum.bytes += row.bytes;
  }
  const auto line = [&](const std::string& a, const std::string& b, const std::string& c,
                        const std::string& count) {
    fmt::print("{:{}}  {:{}}  {:{}}  {:>12}\n", a, name, b, dtype, c, shape, count);
  };
  line("name", "dtype", "shape", "numbers");
  for (const Row& row : rows) line(row.name, row.dtype, row.shape, std::to_string(row.count));
  line("sum", "", fmt::format("{} tensors, {} bytes", rows.size(), sum.bytes),
       std::to_string(sum.count));
}

void run_inspect(const InspectOptions& options) {
  if (inspect_tensorflow(options.path, options.pictures)) return;
  if (!options.pictures.dot.empty() || !options.pictures.svg.empty())
    user_error(
        "{}: --dot and --svg draw graphs; a .pb, .pbtxt or .meta file or a SavedModel "
        "directory expected",
        options.path);
  const WeightsFormat format = weights_format(options.path);
  std::vector<Row> rows;
  if (format == WeightsFormat::safetensors)
    rows = safetensors_rows(options.path);
  else if (format == WeightsFormat::torch)
    rows = rows_of(read_named_arrays(options.path));
  else
    rows = layer_rows(options.path, format);
  if (rows.empty()) user_error("{}: the file holds no weights", options.path);
  fmt::print("{}: {}\n", options.path, description(format));
  show(rows);
}

}  // namespace

void add_inspect(CLI::App& program) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* verb = program.add_subcommand(
      "inspect", "list the weights in a file, or the operations, inputs and outputs of a graph");
  verb->add_option(
          "file", options->path,
          "a .pth, .pt, .safetensors, .caffemodel, HDF5 or .npz file; of TensorFlow a graph "
          "(.pb, .pbtxt), a .meta file, a SavedModel directory or a checkpoint")
      ->required();
  verb->add_option("--dot", options->pictures.dot, "write the graph for Graphviz to this file");
  verb->add_option("--svg", options->pictures.svg, "draw the graph into this file");
  verb->footer(
      "Nothing in a file is run. Layers of Caffe are shown as layer/parameter.\n"
      "example: trivium inspect resnet18.pth\n"
      "         trivium inspect frozen.pb --svg frozen.svg");
  verb->callback([options] { run_inspect(*options); });
}

}  // namespace trivium::tools
