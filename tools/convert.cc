// trivium convert: weights between .caffemodel, HDF5 and .npz; solver states between their two
// forms; old definitions to the newest format. What the input is shows in its content, the output
// in its name.
#include <fmt/format.h>

#include <map>

#include "tools/model_file.h"
#include "tools/verbs.h"
#include "trivium/engine/core/error.h"
#include "trivium/formats/caffemodel.h"
#include "trivium/formats/hdf5.h"
#include "trivium/formats/npy.h"
#include "trivium/notations/caffe/net_file.h"
#include "trivium/notations/caffe/print.h"
#include "trivium/notations/caffe/upgrade_tool.h"

namespace trivium::tools {
namespace {

struct ConvertOptions {
  std::string in, out, net;
};

bool ends_with_any(const std::string& name, std::initializer_list<const char*> endings) {
  for (const char* ending : endings)
    if (name.ends_with(ending)) return true;
  return false;
}

bool is_npz(const std::string& path) {
  return formats::read_file_start(path, 4) == std::string("PK\x03\x04", 4);
}
bool is_hdf5_file(const std::string& path) {
  return formats::is_hdf5(formats::as_bytes(formats::read_file_start(path, 8)));
}

/// Members are named `layer/index`.
formats::WeightsFile weights_from_npz(const std::string& path) {
  const formats::NpzFile file(path);
  formats::WeightsFile weights;
  std::map<std::string, size_t> places;
  for (const std::string& name : file.names()) {
    const size_t slash = name.rfind('/');
    const std::string index = slash == std::string::npos ? "" : name.substr(slash + 1);
    if (index.empty() || index.size() > 3 ||
        index.find_first_not_of("0123456789") != std::string::npos)
      user_error("{}: member \"{}\" is not named layer/index, for example conv1/0", path, name);
    const auto [place, is_new] = places.emplace(name.substr(0, slash), weights.layers.size());
    if (is_new) weights.layers.push_back({place->first, {}, {}});
    formats::LayerWeights& layer = weights.layers[place->second];
    const size_t i = std::stoul(index);
    if (layer.blobs.size() <= i) layer.blobs.resize(i + 1);
    const Array array = file.read(name);
    layer.blobs[i] = array.dtype() == DType::f64 ? array : array.cast(DType::f32);
  }
  return weights;
}

formats::WeightsFile read_weights(const std::string& path) {
  return is_npz(path) ? weights_from_npz(path) : formats::load_weights(path);
}

void write_npz_weights(const std::string& path, const formats::WeightsFile& weights) {
  std::vector<std::pair<std::string, Array>> members;
  for (const formats::LayerWeights& layer : weights.layers)
    for (size_t i = 0; i < layer.blobs.size(); ++i)
      if (layer.blobs[i].defined())
        members.emplace_back(fmt::format("{}/{}", layer.name, i), layer.blobs[i]);
  formats::write_npz(path, members);
}

/// The layers of a definition (or only their names) with the weights inside.
formats::proto::NetParameter net_with(const formats::WeightsFile& weights,
                                      const std::string& definition) {
  formats::proto::NetParameter net;
  std::map<std::string, formats::proto::LayerParameter*> layers;
  if (!definition.empty()) {
    net = caffe::read_net_file(definition).net;
    for (auto& layer : *net.mutable_layer()) layers.emplace(layer.name(), &layer);
  }
  for (const formats::LayerWeights& from : weights.layers) {
    auto*& layer = layers[from.name];
    if (!layer && !definition.empty())
      user_error("{}: the net has no layer \"{}\", but the weights do", definition, from.name);
    if (!layer) layer = net.add_layer();
    layer->set_name(from.name);
    layer->clear_blobs();
    for (size_t i = 0; i < from.blobs.size(); ++i) {
      if (!from.blobs[i].defined())
        user_error(
            "layer \"{}\", parameter {}: the input leaves it out (it is shared with another "
            "layer); only a "
            "file with all parameters can become a .caffemodel",
            from.name, i);
      *layer->add_blobs() = formats::array_to_blob(from.blobs[i]);
    }
  }
  return net;
}

void show(const formats::WeightsFile& weights) {
  int64_t total = 0;
  size_t width = 5;
  for (const auto& layer : weights.layers) width = std::max(width, layer.name.size());
  for (const auto& layer : weights.layers) {
    if (layer.blobs.empty()) continue;
    std::string shapes;
    int64_t count = 0;
    for (const Array& blob : layer.blobs) {
      shapes += (shapes.empty() ? "" : " ") +
                (blob.defined() ? blob.shape().text() : std::string("(shared)"));
      count += blob.defined() ? blob.count() : 0;
    }
    total += count;
    fmt::print("{:{}}  {:40} {:>12}\n", layer.name, width, shapes, count);
  }
  fmt::print("{:{}}  {:40} {:>12}\n", "sum", width, "", total);
}

void convert_weights(const ConvertOptions& options) {
  const formats::WeightsFile weights = read_weights(options.in);
  bool any = false;
  for (const auto& layer : weights.layers) any |= !layer.blobs.empty();
  if (!any) user_error("{}: the file holds no weights", options.in);
  if (ends_with_any(options.out, {".npz"})) {
    write_npz_weights(options.out, weights);
  } else if (ends_with_any(options.out, {".h5", ".hdf5"})) {
    formats::save_weights_hdf5(options.out, weights);
  } else if (options.net.empty() && !is_npz(options.in) && !is_hdf5_file(options.in)) {
    formats::write_net(options.out,
                       caffe::read_net_file(options.in).net);  // keeps the definition inside
  } else {
    formats::write_net(options.out, net_with(weights, options.net));
  }
  show(weights);
}

void print_lines(const caffe::LogLines& lines) {
  for (const caffe::LogLine& line : lines)
    fmt::print(line.level == caffe::LogLevel::info ? stdout : stderr, "{}\n", line.text);
}

void convert_definition(const ConvertOptions& options) {
  if (is_hdf5_file(options.in) || is_npz(options.in))
    user_error(
        "{}: HDF5 and npz files hold weights without a definition; give a .caffemodel or a "
        "prototxt",
        options.in);
  caffe::LogLines lines;
  int status = 0;
  if (is_solver_file(options.in)) {
    status = caffe::upgrade_solver_text(options.in, options.out, &lines);
  } else if (caffe::looks_binary(formats::read_file_start(options.in, 1 << 16))) {
    caffe::NetFile file = caffe::read_net_file(options.in, &lines);
    for (auto& layer : *file.net.mutable_layer()) layer.clear_blobs();
    formats::write_file_atomically(options.out, caffe::to_prototxt(file.net));
  } else {
    status = caffe::upgrade_net_text(options.in, options.out, &lines);
  }
  print_lines(lines);
  if (status == 2) user_error("{}: cannot be read as a definition", options.in);
  if (status == 1)
    user_error("{}: written, but parts had no equivalent in the newest format (see above)",
               options.out);
}

void run_convert(const ConvertOptions& options) {
  if (ends_with_any(options.out, {".prototxt", ".pt", ".txt"})) {
    convert_definition(options);
  } else if (ends_with_any(options.out, {".solverstate", ".solverstate.h5"})) {
    formats::save_solver_state(options.out, formats::load_solver_state(options.in));
  } else if (ends_with_any(options.out, {".caffemodel", ".h5", ".hdf5", ".npz"})) {
    convert_weights(options);
  } else {
    user_error(
        "{}: the name says no known format; expected .caffemodel, .h5, .npz, .solverstate, "
        ".solverstate.h5 "
        "or .prototxt at its end",
        options.out);
  }
  fmt::print("wrote {}\n", options.out);
}

}  // namespace

void add_convert(CLI::App& program) {
  auto options = std::make_shared<ConvertOptions>();
  CLI::App* verb =
      program.add_subcommand("convert", "convert weights, solver states and old definitions");
  verb->add_option("in", options->in,
                   "file to read: .caffemodel, HDF5, .npz, .solverstate or prototxt")
      ->required();
  verb->add_option("out", options->out, "file to write; the end of its name says the format")
      ->required();
  verb->add_option("--net", options->net,
                   "definition to put into a .caffemodel made from HDF5 or npz");
  verb->footer(
      "Weights in .npz are named layer/index. A .prototxt made from a .caffemodel is its "
      "definition.\n"
      "example: trivium convert lenet_iter_10000.caffemodel lenet.npz\n"
      "         trivium convert old_net.prototxt new_net.prototxt");
  verb->callback([options] { run_convert(*options); });
}

}  // namespace trivium::tools
