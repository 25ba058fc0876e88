#include "trivium/notations/caffe/layer.h"

#include <algorithm>

#include "trivium/notations/caffe/data_source.h"
#include "trivium/notations/caffe/fillers.h"
#include "trivium/notations/caffe/layer_error.h"
#include "trivium/notations/caffe/net.h"

namespace trivium::caffe {

const LayerTable& LayerTable::instance() {
  static const LayerTable table = [] {
    LayerTable t;
    add_input_layers(t);
    add_data_layers(t);
    add_activation_layers(t);
    add_convolution_layers(t);
    add_pooling_layers(t);
    add_dense_layers(t);
    add_norm_layers(t);
    add_shape_layers(t);
    add_reduce_layers(t);
    add_loss_layers(t);
    add_regression_layers(t);
    return t;
  }();
  return table;
}

const LayerDef* LayerTable::find(const std::string& type) const {
  for (const LayerDef& def : defs_)
    if (def.type == type) return &def;
  return nullptr;
}

bool LayerTable::is_unsupported_type(const std::string& type) {
  static const std::vector<std::string> types = {"Filter", "HDF5Output", "LSTM",      "LSTMUnit",
                                                 "Python", "RNN",        "WindowData"};
  return std::find(types.begin(), types.end(), type) != types.end();
}

std::vector<std::string> LayerTable::types() const {
  std::vector<std::string> names;
  for (const LayerDef& def : defs_) names.push_back(def.type);
  std::sort(names.begin(), names.end());
  return names;
}

LayerCtx::LayerCtx(Net& net, Recording& recording, int layer)
    : net_(net), recording_(recording), layer_(layer), bottoms_(recording.bottoms[layer]) {
  const NetLayer& l = net_.layers_[layer_];
  const std::vector<int>& none = l.def->no_gradient;
  for (size_t i = 0; i < bottoms_.size(); ++i) {
    const bool stopped = l.param.propagate_down_size() > 0 &&
                         !l.param.propagate_down(static_cast<int>(i)) && !net_.force_backward_;
    if (stopped || std::find(none.begin(), none.end(), static_cast<int>(i)) != none.end())
      bottoms_[i] = ops::stop_gradient(bottoms_[i]);
  }
}

const proto::LayerParameter& LayerCtx::param() const { return net_.layers_[layer_].param; }
bool LayerCtx::training() const { return param().phase() == proto::TRAIN; }
bool LayerCtx::setup() const { return net_.initializer_ != nullptr; }
Graph& LayerCtx::graph() const { return recording_.graph; }
int LayerCtx::tops() const { return static_cast<int>(net_.layers_[layer_].tops.size()); }
void LayerCtx::top(int i, Value value) { recording_.tops[layer_].at(i) = value; }

Value LayerCtx::weight(int index, const Shape& shape, const proto::FillerParameter& filler) {
  net_.add_param(layer_, index, shape, filler);
  return net_.use_param(recording_, layer_, index);
}

const CellRef& LayerCtx::cell(int index) const {
  return net_.params_[net_.layers_[layer_].params.at(index)].cell;
}

CellRef LayerCtx::state(int index, const Array& initial) {
  CellRef& cell = net_.states_[{layer_, index}];
  if (!cell)
    cell =
        std::make_shared<Cell>(fmt::format("{}.state{}", param().name(), index), initial.clone());
  return cell;
}

Value LayerCtx::fill(const Shape& shape, const proto::FillerParameter& filler) {
  return record_filler(graph(), net_.random_->cell(), shape, filler);
}

Value LayerCtx::bernoulli(const Shape& shape, double keep) {
  const CellRef& generator = net_.random_->cell();
  const ops::Draw draw = ops::mt19937_bernoulli(graph().read(generator), shape, keep);
  graph().assign(generator, draw.state);
  return draw.value;
}

uint32_t LayerCtx::random_word() {
  if (!setup()) internal_error("layer {}: host words are drawn at setup only", param().name());
  return net_.initializer_->word();
}

Value LayerCtx::input(int top, const Shape& shape) {
  const int blob = net_.layers_[layer_].tops[top];
  auto at = std::find(net_.inputs_.begin(), net_.inputs_.end(), blob);
  if (at == net_.inputs_.end()) {
    net_.inputs_.push_back(blob);
    net_.input_values_.push_back(Array::zeros(shape));
    at = net_.inputs_.end() - 1;
  }
  const int index = static_cast<int>(at - net_.inputs_.begin());
  recording_.feeds.push_back({-1, 0, index});
  return graph().input(net_.blobs_[blob].name, net_.input_values_[index].shape());
}

DataSource& LayerCtx::source(const std::function<std::unique_ptr<DataSource>()>& make) {
  for (size_t i = 0; i < net_.sources_.size(); ++i)
    if (net_.source_layers_[i] == layer_) return *net_.sources_[i];
  net_.sources_.push_back(make());
  net_.source_layers_.push_back(layer_);
  net_.batches_.push_back(nullptr);
  return *net_.sources_.back();
}

std::vector<Value> LayerCtx::batch() {
  size_t s = 0;
  while (net_.source_layers_.at(s) != layer_) ++s;
  const Batch* batch = net_.batches_[s];
  const std::vector<Shape> first = batch ? std::vector<Shape>{} : net_.sources_[s]->shapes();
  std::vector<Value> values;
  for (int t = 0; t < tops(); ++t) {
    recording_.feeds.push_back({static_cast<int>(s), t, -1});
    values.push_back(graph().input(net_.blobs_[net_.layers_[layer_].tops[t]].name,
                                   batch ? batch->tops.at(t).shape() : first.at(t)));
  }
  return values;
}

void LayerCtx::log(const std::string& text) {
  if (setup()) net_.log(text);
}

const RandomRef& LayerCtx::random() const { return net_.random_; }

const std::string& LayerCtx::folder() const { return net_.options_.folder; }

std::string LayerCtx::path(const std::string& written) const {
  const std::string& folder = net_.options_.folder;
  return folder.empty() || written.empty() || written[0] == '/' ? written : folder + "/" + written;
}

int LayerCtx::axis(int value, int rank, const char* field) const {
  if (value < -rank || value >= rank)
    fail(field, fmt::format("{} {} is out of range for {} axes", field, value, rank));
  return value < 0 ? value + rank : value;
}

void LayerCtx::fail(const std::string& field, const std::string& message) const {
  throw LayerError(net_.describe(layer_, field) + ": " + message);
}

}  // namespace trivium::caffe
