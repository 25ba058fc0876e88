// Parameters of a net: where each lives, who shares it, what fills it.
#include "trivium/formats/blob.h"
#include "trivium/notations/caffe/fillers.h"
#include "trivium/notations/caffe/net.h"

namespace trivium::caffe {

void Net::add_param(int l, int index, const Shape& shape, const proto::FillerParameter& filler) {
  NetLayer& layer = layers_[l];
  if (index < static_cast<int>(layer.params.size())) {
    const NetParam& known = params_[layer.params[index]];
    if (known.shape != shape)
      user_error(
          "parameter {} has the shape {} since the net was built, but the bottoms now ask for {}",
          index, known.shape.text(), shape.text());
    return;
  }
  if (index != static_cast<int>(layer.params.size()))
    internal_error("layer {}: parameter {} recorded before its predecessors", layer.name(), index);
  const proto::ParamSpec& spec = index < layer.param.param_size()
                                     ? layer.param.param(index)
                                     : proto::ParamSpec::default_instance();
  NetParam param;
  param.name = spec.name();
  param.layer = l;
  param.index = index;
  param.owner = static_cast<int>(params_.size());
  param.shape = shape;
  param.filler = filler;
  param.gradient = !layer.def->fixed_params && (spec.lr_mult() != 0 || force_backward_);
  param.lr_mult = layer.def->fixed_params ? 0 : spec.lr_mult();
  param.decay_mult = spec.decay_mult();

  const auto owner = spec.name().empty() ? owners_.end() : owners_.find(spec.name());
  const proto::LayerParameter& written = definition_.layer(l);
  const bool given = written.blobs_size() > 0;
  explicit_mult_.push_back({spec.has_lr_mult(), spec.has_decay_mult()});
  if (owner != owners_.end()) {
    param.owner = owner->second;
    share_param(param, spec);
  } else {
    if (!spec.name().empty()) owners_[spec.name()] = param.owner;
    param.cell = shared_cell(l, index, shape);
    param.learnable = static_cast<int>(learnable_.size());
    learnable_.push_back(param.owner);
  }
  const bool fresh = !param.cell;
  if (fresh)
    param.cell =
        std::make_shared<Cell>(fmt::format("{}/{}", layer.name(), index), Array::zeros(shape));
  if (!given) {
    initializer_->fill(fresh ? param.cell : nullptr, shape, filler);
  } else {
    if (index >= written.blobs_size())
      user_error("the definition brings {} blobs, but the layer has more parameters",
                 written.blobs_size());
    const Array blob = formats::blob_to_array(written.blobs(index));
    if (!formats::legacy_shape_equal(written.blobs(index), shape))
      user_error("blob {} of the definition has the shape {}, expected {}", index,
                 blob.shape().text(), shape.text());
    if (fresh)
      param.cell->set((blob.dtype() == DType::f32 ? blob : blob.cast(DType::f32)).reshaped(shape));
  }
  layer.params.push_back(static_cast<int>(params_.size()));
  params_.push_back(std::move(param));
}

void Net::share_param(NetParam& param, const proto::ParamSpec& spec) {
  NetParam& owner = params_[param.owner];
  const std::string& owner_layer = layers_[owner.layer].name();
  sharing_log_.push_back(fmt::format("Sharing parameters '{}' owned by layer '{}', param index {}",
                                     spec.name(), owner_layer, owner.index));
  const bool permissive = spec.share_mode() == proto::ParamSpec::PERMISSIVE;
  if (permissive ? owner.shape.count() != param.shape.count() : owner.shape != param.shape)
    user_error(
        "cannot share the parameter \"{}\" of layer \"{}\": its shape is {}, this layer needs {}{}",
        spec.name(), owner_layer, owner.shape.text(), param.shape.text(),
        permissive || owner.shape.count() != param.shape.count()
            ? ""
            : " (share_mode: PERMISSIVE compares the sizes only)");
  param.cell = owner.cell;
  adopt_multipliers(param, spec);
}

void Net::adopt_multipliers(NetParam& param, const proto::ParamSpec& spec) {
  NetParam& owner = params_[param.owner];
  const auto merge = [&](bool given, float value, bool& known, float& kept, const char* what) {
    if (!given) return;
    if (known && kept != value)
      user_error("the parameter \"{}\" has {} {} here and {} in layer \"{}\"; they must agree",
                 spec.name(), what, value, kept, layers_[owner.layer].name());
    known = true;
    kept = value;
  };
  auto& [lr, decay] = explicit_mult_[param.owner];
  merge(spec.has_lr_mult(), spec.lr_mult(), lr, owner.lr_mult, "lr_mult");
  merge(spec.has_decay_mult(), spec.decay_mult(), decay, owner.decay_mult, "decay_mult");
  param.lr_mult = owner.lr_mult;
  param.decay_mult = owner.decay_mult;
}

CellRef Net::shared_cell(int l, int index, const Shape& shape) const {
  if (!options_.share_with) return nullptr;
  const Net& other = *options_.share_with;
  const int at = other.layer_index(layers_[l].name());
  if (at < 0) return nullptr;
  const std::vector<int>& params = other.layers_[at].params;
  if (index >= static_cast<int>(params.size()))
    user_error(
        "the net it shares with has {} parameters in this layer; both nets must have the same",
        params.size());
  const NetParam& param = other.params_[params[index]];
  if (param.cell->shape() != shape)
    user_error("parameter {} has the shape {} here and {} in the net it shares with", index,
               shape.text(), param.shape.text());
  return param.cell;
}

Value Net::use_param(Recording& recording, int l, int index) {
  const int id = layers_[l].params[index];
  const NetParam& param = params_[id];
  recording.params.resize(std::max<size_t>(recording.params.size(), params_.size()));
  Value& base = recording.params[param.owner];
  if (!base.defined()) base = recording.graph.read(param.cell);
  recording.params[id] = base;
  Value value = base;
  if (value.shape() != param.shape) value = ops::reshape(value, param.shape);
  return param.gradient ? value : ops::stop_gradient(value);
}

}  // namespace trivium::caffe
