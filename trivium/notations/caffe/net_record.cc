// Recording: each layer writes its ops into one graph, and the loss is their weighted sum. Also the
// gradients a net has, and the refusal of those it has not.
#include <algorithm>

#include "trivium/engine/graph/gradient.h"
#include "trivium/notations/caffe/layer_error.h"
#include "trivium/notations/caffe/net.h"

namespace trivium::caffe {

void Net::record_layer(Recording& recording, int l) {
  const NetLayer& layer = layers_[l];
  recording.graph.set_scope(layer.name());
  recording.bottoms.resize(l + 1);
  recording.tops.resize(l + 1);
  recording.blobs.resize(blobs_.size());
  for (int bottom : layer.bottoms) recording.bottoms[l].push_back(recording.blobs[bottom]);
  recording.tops[l].resize(layer.tops.size());
  try {
    LayerCtx ctx(*this, recording, l);
    layer.def->record(ctx);
  } catch (const LayerError&) {
    throw;
  } catch (const UserError& error) {
    throw LayerError(describe(l) + ": " + error.what());
  } catch (const EnvironmentError& error) {
    throw EnvironmentError(describe(l) + ": " + error.what());
  }
  for (size_t t = 0; t < layer.tops.size(); ++t) {
    const Value top = recording.tops[l][t];
    if (!top.defined() || top.dtype() != DType::f32)
      internal_error("layer type {} left top {} without a float32 value", layer.type(), t);
    recording.blobs[layer.tops[t]] = top;
  }
}

void Net::finish_recording(Recording& recording) const {
  Graph& graph = recording.graph;
  graph.set_scope("loss");
  Value loss;
  for (size_t l = 0; l < layers_.size(); ++l)
    for (size_t t = 0; t < layers_[l].tops.size(); ++t) {
      const float weight = layers_[l].loss_weights[t];
      if (weight == 0) continue;
      Value term = recording.tops[l][t];
      if (term.shape().rank() > 0) term = ops::sum(term);
      if (weight != 1) term = ops::mul(term, static_cast<double>(weight));
      loss = loss.defined() ? ops::add(loss, term) : term;
    }
  recording.loss = loss.defined() ? loss : graph.constant(0.0);
  recording.params.resize(params_.size());
  graph.set_scope("");
}

std::unique_ptr<Recording> Net::record() {
  auto recording = std::make_unique<Recording>();
  for (size_t l = 0; l < layers_.size(); ++l) record_layer(*recording, static_cast<int>(l));
  finish_recording(*recording);
  return recording;
}

void Net::record_again() {
  recording_ = record();
  ++generation_;
}

Value Net::blob(const std::string& name) const {
  const int index = blob_index(name);
  if (index >= 0) return recording_->blobs[index];
  std::vector<std::string> names;
  for (const NetBlob& blob : blobs_) names.push_back(blob.name);
  const std::string near = closest_match(name, names);
  user_error("net \"{}\" has no blob \"{}\"{}; it has {}", name_, name,
             near.empty() ? "" : "; did you mean \"" + near + "\"?", fmt::join(names, ", "));
}

void Net::check_gradients_exist() const {
  for (size_t l = 0; l < layers_.size(); ++l) {
    const NetLayer& layer = layers_[l];
    if (!layer.needs_backward) continue;
    for (int b : layer.def->no_gradient)
      if (b < static_cast<int>(layer.bottoms.size()) && layer.bottom_needs_backward[b])
        user_error(
            "{}: expected no gradient to be asked for bottom {} \"{}\", which the layer cannot "
            "give one; write propagate_down: false for it, or let no learned parameter come "
            "before it",
            describe(static_cast<int>(l)), b, layer.param.bottom(b));
  }
}

std::vector<Value> Net::gradients(Recording& recording, const std::vector<Seed>& seeds,
                                  const std::vector<Value>& xs) const {
  check_gradients_exist();
  std::vector<Value> ys, weights;
  std::vector<int> seeded;
  for (const Seed& seed : seeds) {
    const bool last = blobs_[seed.blob].name == "(automatic)" ||
                      std::find(outputs_.begin(), outputs_.end(), seed.blob) != outputs_.end();
    if (!last) continue;  // a reader of the blob would overwrite it
    seeded.push_back(seed.blob);
    ys.push_back(recording.blobs[seed.blob]);
    weights.push_back(seed.value);
  }
  for (size_t l = 0; l < layers_.size(); ++l)
    for (size_t t = 0; t < layers_[l].tops.size(); ++t) {
      const float weight = layers_[l].loss_weights[t];
      const int blob = layers_[l].tops[t];
      if (weight == 0 || std::find(seeded.begin(), seeded.end(), blob) != seeded.end()) continue;
      const Value top = recording.tops[l][t];
      ys.push_back(top);
      weights.push_back(ops::broadcast_to(recording.graph.constant(weight), top.shape()));
    }
  return trivium::gradients(ys, xs, weights);
}

std::vector<Value> Net::param_gradients(Recording& recording) const {
  if (recording.param_gradients) return *recording.param_gradients;
  std::vector<bool> wanted(learnable_.size(), false);
  for (const NetParam& param : params_)
    if (param.gradient) wanted[params_[param.owner].learnable] = true;
  std::vector<Value> xs;
  for (size_t i = 0; i < learnable_.size(); ++i)
    if (wanted[i]) xs.push_back(recording.params[learnable_[i]]);
  const std::vector<Value> found = gradients(recording, {}, xs);
  std::vector<Value> result(learnable_.size());
  for (size_t i = 0, k = 0; i < learnable_.size(); ++i) {
    if (!wanted[i]) continue;
    result[i] = found[k++];
    if (!result[i].defined())
      result[i] = ops::broadcast_to(recording.graph.constant(0.0), params_[learnable_[i]].shape);
  }
  recording.param_gradients = result;
  return result;
}

}  // namespace trivium::caffe
