// Weights and solver states in HDF5.
#include <algorithm>
#include <map>
#include <tuple>

#include "trivium/formats/caffemodel.h"
#include "trivium/formats/hdf5.h"
#include "trivium/formats/messages.h"

namespace trivium::formats {
namespace {

constexpr int kMaxParameters = 1024;  // of one layer; names of datasets are their numbers

/// "0", "1", … as a number; -1 for anything else.
int number_of(const std::string& text) {
  if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string::npos)
    return -1;
  return std::stoi(text);
}

/// Datasets "0", "1", … of a group, undefined where a number is missing.
std::vector<Array> numbered(const Hdf5File& file, const std::string& group, int limit) {
  std::vector<Array> arrays;
  for (const std::string& child : file.children(group)) {
    const int number = number_of(child);
    if (number < 0 || number >= limit)
      user_error("{}: \"{}/{}\": datasets named 0 to {} expected", file.name(), group, child,
                 limit - 1);
    if (arrays.size() <= static_cast<size_t>(number))
      arrays.resize(static_cast<size_t>(number) + 1);
    Array array = file.read(group + "/" + child);
    if (!is_floating(array.dtype()) || array.dtype() == DType::f16)
      user_error("{}: \"{}/{}\": float32 or float64 expected, received {}", file.name(), group,
                 child, array.text());
    arrays[static_cast<size_t>(number)] = array;
  }
  return arrays;
}

int integer_of(const Hdf5File& file, const std::string& name) {
  const Array value = file.read(name);
  if (value.count() != 1 || !is_integer(value.dtype()))
    user_error("{}: \"{}\": one integer expected, received {}", file.name(), name, value.text());
  const double number = value.item();
  if (number < 0 || number > INT32_MAX)
    user_error("{}: \"{}\": 0 to {} expected, received {}", file.name(), name, INT32_MAX, number);
  return static_cast<int>(number);
}

SolverStateFile load_state_hdf5(const Hdf5File& file) {
  SolverStateFile state;
  state.iter = integer_of(file, "iter");
  state.current_step = integer_of(file, "current_step");
  if (file.exists("learned_net")) state.learned_net = file.read_string("learned_net");
  if (file.exists("trivium_resume")) {
    const Array bytes = file.read("trivium_resume");
    state.resume.assign(static_cast<const char*>(bytes.raw()), bytes.bytes());
  }
  state.history = numbered(file, "history", 1 << 20);
  for (size_t i = 0; i < state.history.size(); ++i)
    if (!state.history[i].defined())
      user_error("{}: \"history/{}\" is missing among {} history blobs", file.name(), i,
                 state.history.size());
  return state;
}

bool is_hdf5_path(const std::string& path) { return path.ends_with(".h5"); }

}  // namespace

std::string hdf5_layer_name(const std::string& layer, int occurrence) {
  std::string name;
  for (const char c : layer) {
    if (c == '/')
      name += "%2F";
    else if (c == '%')
      name += "%25";
    else
      name += c;
  }
  if (name.empty()) name = "%00";
  if (name == "." || name == "..") name.replace(0, 1, "%2E");
  if (occurrence > 1) name += fmt::format("%~{}", occurrence);
  return name;
}

std::string layer_of_hdf5_name(const std::string& group, int* occurrence) {
  *occurrence = 1;
  std::string name = group;
  if (const size_t mark = name.rfind("%~"); mark != std::string::npos)
    if (const int number = number_of(name.substr(mark + 2)); number > 1) {
      *occurrence = number;
      name.resize(mark);
    }
  if (name == "%00") return "";
  std::string layer;
  for (size_t i = 0; i < name.size(); ++i) {
    const std::string_view code = std::string_view(name).substr(i, 3);
    const char c = code == "%2F" ? '/' : code == "%25" ? '%' : code == "%2E" ? '.' : '\0';
    layer += c ? c : name[i];
    if (c) i += 2;
  }
  return layer;
}

WeightsFile load_weights_hdf5(const Hdf5File& file) {
  WeightsFile weights;
  weights.hdf5 = true;
  if (!file.is_group("data"))
    user_error("{}: no group \"data\": not a weight file of Caffe", file.name());
  const bool diffs = file.is_group("diff");
  std::vector<std::tuple<std::string, int, std::string>> groups;
  for (const std::string& group : file.children("data")) {
    int occurrence = 1;
    const std::string layer = layer_of_hdf5_name(group, &occurrence);
    groups.emplace_back(layer, occurrence, group);
  }
  std::sort(groups.begin(), groups.end());
  for (const auto& [layer, occurrence, group] : groups) {
    LayerWeights entry;
    entry.name = layer;
    entry.blobs = numbered(file, "data/" + group, kMaxParameters);
    if (diffs && file.is_group("diff/" + group))
      entry.diffs = numbered(file, "diff/" + group, kMaxParameters);
    if (!entry.diffs.empty()) entry.diffs.resize(std::max(entry.blobs.size(), entry.diffs.size()));
    entry.blobs.resize(std::max(entry.blobs.size(), entry.diffs.size()));
    entry.legacy.assign(entry.blobs.size(), false);
    weights.layers.push_back(std::move(entry));
  }
  return weights;
}

void save_weights_hdf5(const std::string& path, const WeightsFile& weights) {
  bool diffs = false;
  for (const LayerWeights& layer : weights.layers) diffs = diffs || !layer.diffs.empty();
  write_hdf5(path, [&](Hdf5Writer& out) {
    out.group("/data");
    if (diffs) out.group("/diff");
    std::map<std::string, int> seen;
    for (const LayerWeights& layer : weights.layers) {
      const std::string name = hdf5_layer_name(layer.name, ++seen[layer.name]);
      out.group("/data/" + name);
      for (size_t i = 0; i < layer.blobs.size(); ++i)
        if (layer.blobs[i].defined())
          out.dataset(fmt::format("/data/{}/{}", name, i), layer.blobs[i]);
      if (diffs) out.group("/diff/" + name);
      for (size_t i = 0; i < layer.diffs.size(); ++i)
        if (layer.diffs[i].defined())
          out.dataset(fmt::format("/diff/{}/{}", name, i), layer.diffs[i]);
    }
  });
}

SolverStateFile load_solver_state(const std::string& path) {
  if (is_hdf5(as_bytes(read_file_start(path, 8)))) return load_state_hdf5(Hdf5File(path));
  const MappedFile file(path);
  return parse_solver_state(file.bytes(), path);
}

void save_solver_state(const std::string& path, const SolverStateFile& state) {
  if (!is_hdf5_path(path)) {
    proto::SolverState message;
    message.set_iter(state.iter);
    message.set_learned_net(state.learned_net);
    message.set_current_step(state.current_step);
    if (!state.resume.empty()) message.set_trivium_resume(state.resume);
    for (const Array& array : state.history) *message.add_history() = array_to_blob(array);
    return write_message(path, message);
  }
  write_hdf5(path, [&](Hdf5Writer& out) {
    out.integer("/iter", state.iter);
    out.string("/learned_net", state.learned_net);
    out.integer("/current_step", state.current_step);
    if (!state.resume.empty())
      out.dataset("/trivium_resume",
                  Array::from(std::vector<uint8_t>(state.resume.begin(), state.resume.end()),
                              Shape{static_cast<int64_t>(state.resume.size())}));
    out.group("/history");
    for (size_t i = 0; i < state.history.size(); ++i)
      out.dataset(fmt::format("/history/{}", i), state.history[i]);
  });
}

}  // namespace trivium::formats
