// Reading weights of each format, and the grouping of names into modules.
#include "tools/weights_file.h"

#include <fmt/format.h>

#include <map>

#include "trivium/engine/core/error.h"
#include "trivium/formats/hdf5.h"
#include "trivium/formats/npy.h"
#include "trivium/formats/safetensors.h"
#include "trivium/formats/torch_file.h"

namespace trivium::tools {
namespace {

/// The name of a ZIP's first member, which tells NumPy's archives from PyTorch's.
std::string first_member(const std::string& start) {
  if (start.size() < 30) return "";
  const size_t length = static_cast<uint8_t>(start[26]) + 256u * static_cast<uint8_t>(start[27]);
  return start.substr(30, length);
}

bool is_layer_index(const std::string& text) {
  return !text.empty() && text.size() <= 3 &&
         text.find_first_not_of("0123456789") == std::string::npos;
}

formats::WeightsFile weights_from_npz(const std::string& path) {
  const formats::NpzFile file(path);
  formats::WeightsFile weights;
  std::map<std::string, size_t> places;
  for (const std::string& name : file.names()) {
    const size_t slash = name.rfind('/');
    const std::string index = slash == std::string::npos ? "" : name.substr(slash + 1);
    if (!is_layer_index(index))
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

}  // namespace

WeightsFormat weights_format(const std::string& path) {
  const std::string start = formats::read_file_start(path, 1024);
  if (start.starts_with(std::string_view("PK\x03\x04", 4)))
    return first_member(start).ends_with(".npy") ? WeightsFormat::npz : WeightsFormat::torch;
  if (formats::is_hdf5(formats::as_bytes(start))) return WeightsFormat::hdf5;
  if (start.size() >= 2 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5)
    return WeightsFormat::torch;
  const bool small_header = start.size() > 8 && start[5] == 0 && start[6] == 0 && start[7] == 0;
  if (small_header && start[8] == '{') return WeightsFormat::safetensors;
  return WeightsFormat::caffe;
}

const WeightTensor* WeightModule::find(const std::string& role) const {
  for (const WeightTensor& t : tensors)
    if (t.role == role) return &t;
  return nullptr;
}

std::string WeightModule::full_name(const WeightTensor& tensor) const {
  return tensor.role.empty() ? name : name + "." + tensor.role;
}

NamedArrays read_named_arrays(const std::string& path) {
  if (weights_format(path) == WeightsFormat::safetensors) return formats::load_safetensors(path);
  return formats::state_dict_of(formats::load_torch(path, formats::PickleMode::inspect));
}

formats::WeightsFile read_layer_weights(const std::string& path) {
  if (weights_format(path) == WeightsFormat::npz) return weights_from_npz(path);
  return formats::load_weights(path);
}

WeightModules modules_of(const NamedArrays& arrays) {
  WeightModules modules;
  std::map<std::string, size_t> places;
  for (const auto& [key, array] : arrays) {
    const size_t dot = key.rfind('.');
    const bool dotted = dot != std::string::npos && dot > 0 && dot + 1 < key.size();
    const std::string name = dotted ? key.substr(0, dot) : key;
    const std::string role = dotted ? key.substr(dot + 1) : "";
    // A name without a role is a module of its own, whatever else has this name.
    const auto [place, is_new] = places.emplace(dotted ? name + "." : name, modules.size());
    if (is_new) modules.push_back({name, {}});
    modules[place->second].tensors.push_back(
        {role, array, array.shape(), role == "num_batches_tracked"});
  }
  return modules;
}

void write_npz_weights(const std::string& path, const formats::WeightsFile& weights) {
  NamedArrays members;
  for (const formats::LayerWeights& layer : weights.layers)
    for (size_t i = 0; i < layer.blobs.size(); ++i)
      if (layer.blobs[i].defined())
        members.emplace_back(fmt::format("{}/{}", layer.name, i), layer.blobs[i]);
  formats::write_npz(path, members);
}

}  // namespace trivium::tools
