// V1 -> V2: enum types become names, the parallel lists param, blobs_lr, weight_decay become
// `param` messages, and all typed parameters move over unchanged.
#include <fmt/format.h>

#include <string>
#include <utility>

#include "trivium/engine/core/error.h"
#include "trivium/notations/caffe/proto_fields.h"
#include "trivium/notations/caffe/upgrade_steps.h"

namespace trivium::caffe {
namespace {

using V1 = proto::V1LayerParameter;

const char* v2_type(V1::LayerType type) {
  switch (type) {
    case V1::NONE:
      return "";
    case V1::ABSVAL:
      return "AbsVal";
    case V1::ACCURACY:
      return "Accuracy";
    case V1::ARGMAX:
      return "ArgMax";
    case V1::BNLL:
      return "BNLL";
    case V1::CONCAT:
      return "Concat";
    case V1::CONTRASTIVE_LOSS:
      return "ContrastiveLoss";
    case V1::CONVOLUTION:
      return "Convolution";
    case V1::DATA:
      return "Data";
    case V1::DECONVOLUTION:
      return "Deconvolution";
    case V1::DROPOUT:
      return "Dropout";
    case V1::DUMMY_DATA:
      return "DummyData";
    case V1::EUCLIDEAN_LOSS:
      return "EuclideanLoss";
    case V1::ELTWISE:
      return "Eltwise";
    case V1::EXP:
      return "Exp";
    case V1::FLATTEN:
      return "Flatten";
    case V1::HDF5_DATA:
      return "HDF5Data";
    case V1::HDF5_OUTPUT:
      return "HDF5Output";
    case V1::HINGE_LOSS:
      return "HingeLoss";
    case V1::IM2COL:
      return "Im2col";
    case V1::IMAGE_DATA:
      return "ImageData";
    case V1::INFOGAIN_LOSS:
      return "InfogainLoss";
    case V1::INNER_PRODUCT:
      return "InnerProduct";
    case V1::LRN:
      return "LRN";
    case V1::MEMORY_DATA:
      return "MemoryData";
    case V1::MULTINOMIAL_LOGISTIC_LOSS:
      return "MultinomialLogisticLoss";
    case V1::MVN:
      return "MVN";
    case V1::POOLING:
      return "Pooling";
    case V1::POWER:
      return "Power";
    case V1::RELU:
      return "ReLU";
    case V1::SIGMOID:
      return "Sigmoid";
    case V1::SIGMOID_CROSS_ENTROPY_LOSS:
      return "SigmoidCrossEntropyLoss";
    case V1::SILENCE:
      return "Silence";
    case V1::SOFTMAX:
      return "Softmax";
    case V1::SOFTMAX_LOSS:
      return "SoftmaxWithLoss";
    case V1::SPLIT:
      return "Split";
    case V1::SLICE:
      return "Slice";
    case V1::TANH:
      return "TanH";
    case V1::WINDOW_DATA:
      return "WindowData";
    case V1::THRESHOLD:
      return "Threshold";
  }
  internal_error("V1 layer type {} has no name", static_cast<int>(type));
}

proto::ParamSpec* param_at(proto::LayerParameter* layer, int i) {
  while (layer->param_size() <= i) layer->add_param();
  return layer->mutable_param(i);
}

void upgrade_params(const V1& old, proto::LayerParameter* layer) {
  for (int i = 0; i < old.param_size(); ++i) param_at(layer, i)->set_name(old.param(i));
  for (int i = 0; i < old.blob_share_mode_size(); ++i) {
    const bool strict = old.blob_share_mode(i) == V1::STRICT;
    param_at(layer, i)->set_share_mode(strict ? proto::ParamSpec::STRICT
                                              : proto::ParamSpec::PERMISSIVE);
  }
  for (int i = 0; i < old.blobs_lr_size(); ++i) param_at(layer, i)->set_lr_mult(old.blobs_lr(i));
  for (int i = 0; i < old.weight_decay_size(); ++i)
    param_at(layer, i)->set_decay_mult(old.weight_decay(i));
}

void upgrade_layer(V1* old, proto::LayerParameter* layer) {
  layer->mutable_blobs()->Swap(old->mutable_blobs());  // weights can be large: moved
  // `param` has one name and two meanings (texts in V1, messages in V2); it is not copied as a
  // common field.
  copy_common_fields(*old, layer);
  if (old->has_type()) layer->set_type(v2_type(old->type()));
  upgrade_params(*old, layer);
}

}  // namespace

bool needs_v1_upgrade(const proto::NetParameter& net) { return net.layers_size() > 0; }

void upgrade_v1(const std::string& file, proto::NetParameter* net) {
  if (net->layer_size() > 0) {
    user_error(
        "{}: the definition has {} entries of the current form, layer {{ type: \"ReLU\" }}, and {} "
        "of the old "
        "form, layers {{ type: RELU }}; write all of them in the current form",
        file, net->layer_size(), net->layers_size());
  }
  for (V1& old : *net->mutable_layers()) upgrade_layer(&old, net->add_layer());
  net->clear_layers();
}

}  // namespace trivium::caffe
