// Weights and single blobs as Protocol Buffers, and the choice between the two forms.
#include "trivium/formats/caffemodel.h"

#include "trivium/formats/hdf5.h"
#include "trivium/formats/messages.h"

namespace trivium::formats {
namespace {

template <typename Blobs>
LayerWeights layer_weights(const std::string& name, const Blobs& blobs, const std::string& where) {
  LayerWeights layer;
  layer.name = name;
  bool any_diff = false;
  for (int i = 0; i < blobs.size(); ++i) {
    const std::string place = fmt::format("{}: layer \"{}\", parameter {}", where, name, i);
    layer.blobs.push_back(blob_to_array(blobs[i], place));
    layer.diffs.push_back(blob_diff_to_array(blobs[i], place));
    layer.legacy.push_back(has_legacy_shape(blobs[i]));
    any_diff = any_diff || layer.diffs.back().defined();
  }
  if (!any_diff) layer.diffs.clear();
  return layer;
}

/// No bytes are a message with every field at its default: of a file, that is a copy that never
/// finished.
void parse_file(Bytes bytes, const std::string& name, const char* what,
                google::protobuf::MessageLite* message) {
  if (bytes.empty())
    user_error("{}: {} expected, the file is empty; use an earlier snapshot or copy it again", name,
               what);
  parse_message(bytes, name, what, message);
}

}  // namespace

proto::NetParameter read_net(const std::string& path) {
  const MappedFile file(path);
  return parse_net(file.bytes(), path);
}

proto::NetParameter parse_net(Bytes bytes, const std::string& name) {
  proto::NetParameter net;
  parse_file(bytes, name, "a binary NetParameter (.caffemodel)", &net);
  return net;
}

void write_net(const std::string& path, const proto::NetParameter& net) {
  write_message(path, net);
}

bool LayerWeights::fits(size_t i, const Shape& target) const {
  const Shape& shape = blobs.at(i).shape();
  return shape == target || (i < legacy.size() && legacy[i] && legacy_shape_equal(shape, target));
}

const LayerWeights* WeightsFile::find(const std::string& name) const {
  for (const LayerWeights& layer : layers)
    if (layer.name == name) return &layer;
  return nullptr;
}

WeightsFile weights_of(const proto::NetParameter& net, const std::string& where) {
  WeightsFile weights;
  for (const auto& layer : net.layer())
    weights.layers.push_back(layer_weights(layer.name(), layer.blobs(), where));
  for (const auto& layer : net.layers()) {  // definitions of 2013 and 2014
    if (layer.has_layer())
      weights.layers.push_back(layer_weights(layer.layer().name(), layer.layer().blobs(), where));
    else
      weights.layers.push_back(layer_weights(layer.name(), layer.blobs(), where));
  }
  return weights;
}

WeightsFile load_weights(const std::string& path) {
  if (is_hdf5(as_bytes(read_file_start(path, 8)))) return load_weights_hdf5(Hdf5File(path));
  return weights_of(read_net(path), path);
}

SolverStateFile parse_solver_state(Bytes bytes, const std::string& name) {
  proto::SolverState message;
  parse_file(bytes, name, "a SolverState (.solverstate)", &message);
  SolverStateFile state;
  state.iter = message.iter();
  state.learned_net = message.learned_net();
  state.current_step = message.current_step();
  state.resume = message.trivium_resume();
  if (state.iter < 0 || state.current_step < 0)
    user_error("{}: iter and current_step of 0 or more expected, received {} and {}", name,
               state.iter, state.current_step);
  for (int i = 0; i < message.history_size(); ++i)
    state.history.push_back(
        blob_to_array(message.history(i), fmt::format("{}: history {}", name, i)));
  return state;
}

Array parse_blob_file(Bytes bytes, const std::string& name) {
  proto::BlobProto blob;
  parse_file(bytes, name, "a BlobProto (.binaryproto)", &blob);
  return blob_to_array(blob, name);
}

Array read_blob_file(const std::string& path) {
  const MappedFile file(path);
  return parse_blob_file(file.bytes(), path);
}

Array read_mean_file(const std::string& path) {
  Array mean = read_blob_file(path);
  if (mean.shape().rank() == 4 && mean.shape()[0] == 1)
    mean = mean.reshaped(Shape{mean.shape()[1], mean.shape()[2], mean.shape()[3]});
  if (mean.shape().rank() != 3)
    user_error("{}: a mean image of [channels, height, width] expected, received {}", path,
               mean.text());
  return mean.dtype() == DType::f32 ? mean : mean.cast(DType::f32);
}

void write_mean_file(const std::string& path, const Array& mean) {
  const Shape& shape = mean.shape();
  if ((shape.rank() != 3 && !(shape.rank() == 4 && shape[0] == 1)))
    user_error("{}: a mean image of [channels, height, width] expected, received {}", path,
               mean.text());
  proto::BlobProto blob = array_to_blob(mean.cast(DType::f32));
  blob.clear_shape();
  blob.set_num(1);
  blob.set_channels(static_cast<int>(shape[-3]));
  blob.set_height(static_cast<int>(shape[-2]));
  blob.set_width(static_cast<int>(shape[-1]));
  write_message(path, blob);
}

}  // namespace trivium::formats
