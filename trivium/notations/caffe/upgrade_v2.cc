// The small steps: transform fields of V1 data layers, input fields, and BatchNorm's params.
#include <string>

#include "trivium/engine/core/error.h"
#include "trivium/notations/caffe/upgrade_steps.h"

namespace trivium::caffe {
namespace {

using V1 = proto::V1LayerParameter;

template <typename Param>
bool has_transform(const Param& param) {
  return param.has_scale() || param.has_mean_file() || param.has_crop_size() || param.has_mirror();
}

bool has_transform_outside(const V1& layer) {
  switch (layer.type()) {
    case V1::DATA:
      return has_transform(layer.data_param());
    case V1::IMAGE_DATA:
      return has_transform(layer.image_data_param());
    case V1::WINDOW_DATA:
      return has_transform(layer.window_data_param());
    default:
      return false;
  }
}

template <typename Param>
void move_transform(Param* param, proto::TransformationParameter* transform) {
  if (param->has_scale()) transform->set_scale(param->scale());
  if (param->has_mean_file()) transform->set_mean_file(param->mean_file());
  if (param->has_crop_size()) transform->set_crop_size(param->crop_size());
  if (param->has_mirror()) transform->set_mirror(param->mirror());
  param->clear_scale();
  param->clear_mean_file();
  param->clear_crop_size();
  param->clear_mirror();
}

bool is_old_batch_norm(const proto::LayerParameter& layer) {
  return layer.type() == "BatchNorm" && layer.param_size() == 3;
}

// Each input has a shape message, or four numbers of input_dim.
void check_input_shapes(const std::string& file, const proto::NetParameter& net) {
  const int inputs = net.input_size();
  if (net.input_shape_size() > 0 && net.input_shape_size() != inputs) {
    user_error("{}: {} input fields need as many input_shape, received {}", file, inputs,
               net.input_shape_size());
  }
  if (net.input_shape_size() == 0 && net.input_dim_size() != 4 * inputs) {
    user_error(
        "{}: {} input fields need {} input_dim (4 each), received {}; or use input_shape for other "
        "ranks",
        file, inputs, 4 * inputs, net.input_dim_size());
  }
}

proto::LayerParameter input_layer(const proto::NetParameter& net) {
  proto::LayerParameter layer;
  layer.set_name("input");
  layer.set_type("Input");
  for (int i = 0; i < net.input_size(); ++i) {
    layer.add_top(net.input(i));
    proto::BlobShape* shape = layer.mutable_input_param()->add_shape();
    if (net.input_shape_size() > 0) {
      *shape = net.input_shape(i);
    } else {
      for (int axis = 0; axis < 4; ++axis) shape->add_dim(net.input_dim(4 * i + axis));
    }
  }
  return layer;
}

}  // namespace

bool needs_transform_upgrade(const proto::NetParameter& net) {
  for (const V1& layer : net.layers()) {
    if (has_transform_outside(layer)) return true;
  }
  return false;
}

void upgrade_transform(proto::NetParameter* net) {
  for (V1& layer : *net->mutable_layers()) {
    if (!has_transform_outside(layer)) continue;
    proto::TransformationParameter* transform = layer.mutable_transform_param();
    if (layer.type() == V1::DATA) move_transform(layer.mutable_data_param(), transform);
    if (layer.type() == V1::IMAGE_DATA) move_transform(layer.mutable_image_data_param(), transform);
    if (layer.type() == V1::WINDOW_DATA)
      move_transform(layer.mutable_window_data_param(), transform);
  }
}

bool needs_input_upgrade(const proto::NetParameter& net) { return net.input_size() > 0; }

void upgrade_input(const std::string& file, proto::NetParameter* net, SourceMap* lines) {
  if (net->input_shape_size() > 0 || net->input_dim_size() > 0) {
    check_input_shapes(file, *net);
    *net->add_layer() = input_layer(*net);
    for (int i = net->layer_size() - 1; i > 0; --i) net->mutable_layer()->SwapElements(i, i - 1);
    if (lines && !lines->layers.empty()) lines->layers.insert(lines->layers.begin(), LayerSource{});
  }
  net->clear_input();
  net->clear_input_shape();
  net->clear_input_dim();
}

bool needs_batch_norm_upgrade(const proto::NetParameter& net) {
  for (const proto::LayerParameter& layer : net.layer()) {
    if (is_old_batch_norm(layer)) return true;
  }
  return false;
}

void upgrade_batch_norm(proto::NetParameter* net) {
  for (proto::LayerParameter& layer : *net->mutable_layer()) {
    if (!is_old_batch_norm(layer)) continue;
    for (proto::ParamSpec& param : *layer.mutable_param()) {
      param.set_lr_mult(0);
      param.set_decay_mult(0);
    }
  }
}

}  // namespace trivium::caffe
