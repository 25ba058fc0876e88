// trivium convert: weights between Caffe's files (.caffemodel, HDF5, .npz), PyTorch's and
// safetensors; solver states between their two forms; old definitions to the newest format. What
// the input is shows in its content, the output in its name.
#include <fmt/format.h>

#include <map>

#include "tools/model_file.h"
#include "tools/verbs.h"
#include "tools/weights_match.h"
#include "trivium/engine/core/error.h"
#include "trivium/formats/caffemodel.h"
#include "trivium/formats/safetensors.h"
#include "trivium/formats/torch_file.h"
#include "trivium/notations/caffe/net_file.h"
#include "trivium/notations/caffe/print.h"
#include "trivium/notations/caffe/upgrade_tool.h"

namespace trivium::tools {
namespace {

struct ConvertOptions {
  std::string in, out, net, like, map;
  bool partial = false;
};

bool ends_with_any(const std::string& name, std::initializer_list<const char*> endings) {
  for (const char* ending : endings)
    if (name.ends_with(ending)) return true;
  return false;
}

bool holds_named_arrays(WeightsFormat format) {
  return format == WeightsFormat::torch || format == WeightsFormat::safetensors;
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

void write_layer_weights(const std::string& path, const formats::proto::NetParameter& net) {
  if (ends_with_any(path, {".npz"}))
    write_npz_weights(path, formats::weights_of(net));
  else if (ends_with_any(path, {".h5", ".hdf5"}))
    formats::save_weights_hdf5(path, formats::weights_of(net));
  else
    formats::write_net(path, net);
}

/// Between Caffe's own files: names and shapes stay.
void convert_layers(const ConvertOptions& options, WeightsFormat format) {
  const formats::WeightsFile weights = read_layer_weights(options.in);
  bool any = false;
  for (const auto& layer : weights.layers) any |= !layer.blobs.empty();
  if (!any) user_error("{}: the file holds no weights", options.in);
  if (ends_with_any(options.out, {".npz"})) {
    write_npz_weights(options.out, weights);
  } else if (ends_with_any(options.out, {".h5", ".hdf5"})) {
    formats::save_weights_hdf5(options.out, weights);
  } else if (options.net.empty() && format == WeightsFormat::caffe) {
    formats::write_net(options.out,
                       caffe::read_net_file(options.in).net);  // keeps the definition inside
  } else {
    formats::write_net(options.out, net_with(weights, options.net));
  }
  show(weights);
}

/// The input as modules, under the names that the pairs of --map give.
WeightModules read_source(const ConvertOptions& options, WeightsFormat format) {
  WeightModules source;
  if (holds_named_arrays(format)) {
    source = modules_of(read_named_arrays(options.in));
  } else {
    formats::proto::NetParameter definition;
    if (!options.net.empty())
      definition = caffe::read_net_file(options.net).net;
    else if (format == WeightsFormat::caffe)
      definition = caffe::read_net_file(options.in).net;
    source = modules_of(read_layer_weights(options.in), definition);
  }
  if (source.empty()) user_error("{}: the file holds no weights", options.in);
  if (!options.map.empty()) rename(&source, read_name_pairs(options.map), options.map);
  return source;
}

/// The match that is written. UserError with the table inside when it is not complete.
Match matched(const WeightModules& source, WeightModules target, const ConvertOptions& options) {
  Match result = match(source, std::move(target));
  const bool any = result.count(MatchRow::Kind::name) + result.count(MatchRow::Kind::order) > 0;
  if (!any || !(result.complete() || options.partial))
    user_error(
        "{}: the weights do not fill {}\n{}nothing was written; name what belongs together with "
        "--map{}",
        options.in, options.like.empty() ? options.net : options.like, match_text(result),
        any ? ", or write what fits with --partial" : "");
  for (WeightModule& module : result.modules)
    std::erase_if(module.tensors, [](const WeightTensor& t) { return !t.value.defined(); });
  std::erase_if(result.modules, [](const WeightModule& m) { return m.tensors.empty(); });
  return result;
}

NamedArrays named_arrays(const WeightModules& modules) {
  NamedArrays out;
  for (const WeightModule& module : modules)
    for (const WeightTensor& tensor : module.tensors)
      out.emplace_back(module.full_name(tensor), tensor.value);
  return out;
}

void write_named_arrays(const std::string& path, const NamedArrays& arrays) {
  if (ends_with_any(path, {".safetensors"}))
    formats::save_safetensors(path, arrays, {{"format", "pt"}});
  else
    formats::save_torch(path, formats::torch_state_dict(arrays));
}

void convert_to_layers(const ConvertOptions& options, WeightModules source) {
  drop_parallel_prefix(&source);
  if (options.net.empty()) {
    write_layer_weights(options.out, net_of(source));
    fmt::print("{}", match_text(match(source, source)));
    return;
  }
  formats::proto::NetParameter definition = caffe::read_net_file(options.net).net;
  const Match result = matched(source, layout_of(definition), options);
  write_layer_weights(options.out, net_of(result.modules, std::move(definition)));
  fmt::print("{}", match_text(result));
}

void convert_to_named(const ConvertOptions& options, WeightModules source) {
  if (options.like.empty()) {
    write_named_arrays(options.out, named_arrays(source));
    fmt::print("{}", match_text(match(source, source)));
    return;
  }
  WeightModules target = modules_of(read_named_arrays(options.like));
  if (weights_format(options.like) == WeightsFormat::safetensors) sort_naturally(&target);
  for (WeightModule& module : target)
    for (WeightTensor& tensor : module.tensors) tensor.value = Array();
  const Match result = matched(source, std::move(target), options);
  write_named_arrays(options.out, named_arrays(result.modules));
  fmt::print("{}", match_text(result));
}

void convert_weights(const ConvertOptions& options) {
  const WeightsFormat format = weights_format(options.in);
  const bool to_layers = ends_with_any(options.out, {".caffemodel", ".h5", ".hdf5", ".npz"});
  if (to_layers && !options.like.empty())
    user_error(
        "--like gives names to .pth and .safetensors files; a Caffe file takes its layers "
        "from --net");
  if (to_layers && !holds_named_arrays(format)) {
    if (!options.map.empty())
      user_error("--map renames between PyTorch and Caffe; {} and {} both hold Caffe's layers",
                 options.in, options.out);
    return convert_layers(options, format);
  }
  if (!to_layers && holds_named_arrays(format) && !options.net.empty())
    user_error("--net names a Caffe definition, but neither {} nor {} is a file of Caffe",
               options.in, options.out);
  WeightModules source = read_source(options, format);
  if (format == WeightsFormat::safetensors) sort_naturally(&source);
  if (to_layers)
    convert_to_layers(options, std::move(source));
  else
    convert_to_named(options, std::move(source));
}

void print_lines(const caffe::LogLines& lines) {
  for (const caffe::LogLine& line : lines)
    fmt::print(line.level == caffe::LogLevel::info ? stdout : stderr, "{}\n", line.text);
}

void convert_definition(const ConvertOptions& options) {
  if (weights_format(options.in) != WeightsFormat::caffe)
    user_error("{}: the file holds weights without a definition; give a .caffemodel or a prototxt",
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

/// ".pt" is PyTorch's ending and, in some Caffe projects, that of definitions.
bool wants_definition(const ConvertOptions& options) {
  if (ends_with_any(options.out, {".prototxt", ".txt"})) return true;
  return ends_with_any(options.out, {".pt"}) &&
         weights_format(options.in) == WeightsFormat::caffe &&
         !caffe::looks_binary(formats::read_file_start(options.in, 1 << 16));
}

void run_convert(const ConvertOptions& options) {
  if (wants_definition(options)) {
    convert_definition(options);
  } else if (ends_with_any(options.out, {".solverstate", ".solverstate.h5"})) {
    formats::save_solver_state(options.out, formats::load_solver_state(options.in));
  } else if (ends_with_any(options.out, {".caffemodel", ".h5", ".hdf5", ".npz", ".pth", ".pt",
                                         ".th", ".safetensors"})) {
    convert_weights(options);
  } else {
    user_error(
        "{}: the name says no known format; expected .caffemodel, .h5, .npz, .pth, .pt, "
        ".safetensors, .solverstate, .solverstate.h5 or .prototxt at its end",
        options.out);
  }
  fmt::print("wrote {}\n", options.out);
}

}  // namespace

void add_convert(CLI::App& program) {
  auto options = std::make_shared<ConvertOptions>();
  CLI::App* verb = program.add_subcommand(
      "convert", "convert weights between notations, solver states and old definitions");
  verb->add_option("in", options->in,
                   "file to read: .caffemodel, HDF5, .npz, .pth, .safetensors, .solverstate or "
                   "prototxt; its content says what it is")
      ->required();
  verb->add_option("out", options->out, "file to write; the end of its name says the format")
      ->required();
  verb->add_option("--net", options->net,
                   "the Caffe definition the weights are for: its layers are filled and go into "
                   "the .caffemodel, or tell what the layers of an HDF5 or .npz file are");
  verb->add_option("--like", options->like,
                   "a .pth or .safetensors file of the wanted net: its names and shapes are "
                   "filled (its values are not used)");
  verb->add_option("--map", options->map,
                   "text file of lines FROM TO: tensors or whole layers to rename first");
  verb->add_flag("--partial", options->partial,
                 "write what fits, although tensors are missing or left over");
  verb->footer(
      "Layers are matched by name, the others in their order and by shape. A BatchNorm with its "
      "Scale is\none batch norm of PyTorch. Weights in .npz are named layer/index. A .prototxt "
      "made from a\n.caffemodel is its definition.\n"
      "example: trivium convert lenet.pth lenet.caffemodel --net lenet_deploy.prototxt\n"
      "         trivium convert lenet_iter_10000.caffemodel lenet.safetensors\n"
      "         trivium convert old_net.prototxt new_net.prototxt");
  verb->callback([options] { run_convert(*options); });
}

}  // namespace trivium::tools
