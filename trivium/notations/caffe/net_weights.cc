// Weights in and out of a net.
#include "trivium/formats/blob.h"
#include "trivium/notations/caffe/net.h"

namespace trivium::caffe {
namespace {

/// The remedy Caffe suggests when a layer of equal name has another shape.
constexpr const char* kRename =
    "to learn the layer's parameters from scratch rather than copying them, rename the layer";

Array as_float(const Array& values, const Shape& shape) {
  return (values.dtype() == DType::f32 ? values : values.cast(DType::f32)).reshaped(shape);
}

}  // namespace

void Net::copy_trained_from(const std::string& path) {
  copy_trained_from(formats::load_weights(path), path);
}

void Net::copy_trained_from(const formats::WeightsFile& weights, const std::string& file) {
  struct Copy {
    CellRef cell;
    Array value;
  };
  std::vector<Copy> copies;  // nothing changes before all of it was checked
  for (const formats::LayerWeights& source : weights.layers) {
    const int at = layer_index(source.name);
    if (at < 0) {
      log("Ignoring source layer " + source.name);
      continue;
    }
    const NetLayer& target = layers_[at];
    const size_t have = source.blobs.size(), want = target.params.size();
    if (weights.hdf5 ? have > want : have != want)
      user_error("{}: layer \"{}\" holds {} parameter blobs, the net's layer has {} ({}); {}", file,
                 source.name, have, want, describe(at), kRename);
    for (size_t i = 0; i < want; ++i) {
      const NetParam& param = params_[target.params[i]];
      if (i >= have || !source.blobs[i].defined()) {
        if (param.owner != target.params[i]) continue;  // the owner's layer brings it
        user_error("{}: layer \"{}\" lacks parameter {} ({})", file, source.name, i, describe(at));
      }
      if (!source.fits(i, param.shape))
        user_error("{}: layer \"{}\": parameter {} has the shape {}, the net needs {} ({}); {}",
                   file, source.name, i, source.blobs[i].shape().text(), param.shape.text(),
                   describe(at), kRename);
      copies.push_back({param.cell, source.blobs[i]});
    }
  }
  for (const Copy& copy : copies) copy.cell->set(as_float(copy.value, copy.cell->shape()));
}

namespace {

/// The gradient to store beside a parameter: zeros where the net has none.
Array diff_of(const std::vector<Array>& gradients, int learnable, const Shape& shape) {
  const Array& g = gradients.at(learnable);
  return g.defined() ? g.reshaped(shape) : Array::zeros(shape);
}

}  // namespace

proto::NetParameter Net::to_weights(const std::vector<Array>* gradients) const {
  proto::NetParameter net;
  net.set_name(name_);
  for (const NetLayer& layer : layers_) {
    proto::LayerParameter* out = net.add_layer();
    *out = layer.param;
    for (int id : layer.params) {
      const NetParam& param = params_[id];
      const Array value = param.cell->value().reshaped(param.shape);
      const int learnable = params_[param.owner].learnable;
      *out->add_blobs() =
          gradients ? formats::array_to_blob(value, diff_of(*gradients, learnable, param.shape))
                    : formats::array_to_blob(value);
    }
  }
  return net;
}

formats::WeightsFile Net::weights(const std::vector<Array>* gradients) const {
  formats::WeightsFile file;
  for (const NetLayer& layer : layers_) {
    formats::LayerWeights out{layer.name()};
    for (int id : layer.params) {
      const NetParam& param = params_[id];
      // HDF5 keeps the values of owners only, but the gradients of all.
      out.blobs.push_back(param.owner == id ? param.cell->value() : Array{});
      if (gradients)
        out.diffs.push_back(diff_of(*gradients, params_[param.owner].learnable, param.shape));
    }
    file.layers.push_back(std::move(out));
  }
  return file;
}

}  // namespace trivium::caffe
