// Weights of any notation as one list of modules: what `trivium convert` and `trivium inspect` see
// of a file. A module is what PyTorch calls one: a name and its tensors by role; a Caffe layer
// becomes one, and a BatchNorm with the Scale behind it becomes one together.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/formats/caffemodel.h"

namespace trivium::tools {

enum class WeightsFormat : uint8_t { caffe, hdf5, npz, torch, safetensors };

/// By content, never by name; anything unknown counts as Caffe's, whose reader says what is wrong.
WeightsFormat weights_format(const std::string& path);

struct WeightTensor {
  std::string role;  ///< "weight", "running_mean", …; "" when the module's name is all of it
  Array value;       ///< undefined in a layout
  Shape shape;
  bool optional = false;  ///< may be missing and may be left over: a counter of batches
  bool open = false;      ///< in a layout: a size of 0 stands for any
};

struct WeightModule {
  std::string name;
  std::vector<WeightTensor> tensors;
  int layer = -1, scale = -1;  ///< in a Caffe definition: the layer, and the Scale behind it

  const WeightTensor* find(const std::string& role) const;
  std::string full_name(const WeightTensor& tensor) const;
};
using WeightModules = std::vector<WeightModule>;

using NamedArrays = std::vector<std::pair<std::string, Array>>;

/// The tensors of a .pth, .pt (zip or legacy; whole modules too) or safetensors file.
NamedArrays read_named_arrays(const std::string& path);
/// The parameters of a .caffemodel, HDF5 or .npz file; npz members are named layer/index.
formats::WeightsFile read_layer_weights(const std::string& path);

/// Groups tensors by the part of their name before the last dot, in order of appearance.
WeightModules modules_of(const NamedArrays& arrays);

/// The modules of Caffe weights, in PyTorch's terms: running averages divided by their factor,
/// legacy shapes brought to their rank, transposed InnerProduct weights turned round. `definition`
/// says the layers' types. UserError where a layer's blobs cannot be told apart without one.
WeightModules modules_of(const formats::WeightsFile& weights,
                         const formats::proto::NetParameter& definition);

/// What a definition has room for, without values. Shapes are complete when the net can be built
/// without data, else as far as the definition tells.
WeightModules layout_of(const formats::proto::NetParameter& definition);

/// The definition with the modules' values as blobs; each module names its layers.
formats::proto::NetParameter net_of(const WeightModules& modules,
                                    formats::proto::NetParameter definition);
/// Layers of the modules' names without a definition: only batch norms get types (BatchNorm, and
/// Scale under the name with "/scale" behind it).
formats::proto::NetParameter net_of(const WeightModules& modules);

void write_npz_weights(const std::string& path, const formats::WeightsFile& weights);

}  // namespace trivium::tools
