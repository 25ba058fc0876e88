// Caffe's weight and snapshot files, in both of their forms: Protocol Buffers (.caffemodel,
// .solverstate, .binaryproto) and HDF5 (.caffemodel.h5, .solverstate.h5).
//
// In HDF5 a layer is the group /data/<name>. Names that cannot be a group, or that come twice
// (Caffe dies on both), are escaped: "%" is written %25, "/" is %2F, a name of one or two dots has
// its first dot as %2E, the empty name is %00, and the second, third … layer of a name has %~2, %~3
// … behind it. Every other name is written as it is, so usual files are Caffe's own. Reading undoes
// this; other percent signs are taken as they are.
#pragma once

#include <string>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/formats/blob.h"
#include "trivium/formats/file.h"

namespace trivium::formats {

/// A binary NetParameter (old layer definitions as they are). EnvironmentError when it cannot be
/// read; UserError naming the byte when it is no such message. At most 2^31 - 1 bytes.
proto::NetParameter read_net(const std::string& path);
proto::NetParameter parse_net(Bytes bytes, const std::string& name);
void write_net(const std::string& path, const proto::NetParameter& net);

/// The parameters of one layer.
struct LayerWeights {
  std::string name;
  std::vector<Array> blobs;  ///< float32 or float64; undefined where a file leaves one out (shared)
  std::vector<Array> diffs;  ///< empty, or as many as blobs, undefined where there is none
  std::vector<bool> legacy = {};  ///< per blob: its four sizes stand for a shape of lower rank

  /// Whether blob `i` may be copied into a parameter of this shape (see legacy_shape_equal).
  bool fits(size_t i, const Shape& target) const;
};

struct WeightsFile {
  std::vector<LayerWeights> layers;
  bool hdf5 = false;  ///< what it was read from: HDF5 files may leave shared parameters out

  /// The first layer of this name, or null.
  const LayerWeights* find(const std::string& name) const;
};

/// The weights in a NetParameter, old layer definitions included; layers without blobs are kept.
WeightsFile weights_of(const proto::NetParameter& net, const std::string& where = "net");
/// Reads either form, recognised by content. Errors name file, layer and parameter.
WeightsFile load_weights(const std::string& path);
WeightsFile load_weights_hdf5(const class Hdf5File& file);
/// Writes /data/<layer>/<i> (every layer gets a group) and, where there are diffs,
/// /diff/<layer>/<i>.
void save_weights_hdf5(const std::string& path, const WeightsFile& weights);

/// The name of a layer's group, and back.
std::string hdf5_layer_name(const std::string& layer, int occurrence = 1);
std::string layer_of_hdf5_name(const std::string& group, int* occurrence);

struct SolverStateFile {
  int iter = 0;
  std::string learned_net;     ///< path of the weights exactly as written by the solver
  std::vector<Array> history;  ///< in order of the learnable parameters; one or two slots each
  int current_step = 0;
  /// Random generator and data position, opaque; empty in files of Caffe, which ignores it when
  /// reading.
  std::string resume;
};

/// Reads either form, recognised by content. UserError when a part is missing or broken.
SolverStateFile load_solver_state(const std::string& path);
SolverStateFile parse_solver_state(Bytes bytes, const std::string& name);
/// Writes HDF5 when the path ends in ".h5", Protocol Buffers otherwise; atomically.
void save_solver_state(const std::string& path, const SolverStateFile& state);

/// A file of one BlobProto, such as the infogain matrix.
Array read_blob_file(const std::string& path);
Array parse_blob_file(Bytes bytes, const std::string& name);
/// A mean image as float32 [channels, height, width]; the file may say 1 x channels x height x
/// width.
Array read_mean_file(const std::string& path);
/// Writes [channels, height, width] (or with a leading 1) as compute_image_mean does: legacy sizes.
void write_mean_file(const std::string& path, const Array& mean);

}  // namespace trivium::formats
