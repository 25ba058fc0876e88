// How a net is built, in Caffe's order: filter, splits, then layer by layer wiring, setup and log,
// then one sweep back to find which layers take part in the backward pass.
#include "trivium/notations/caffe/net.h"

#include <algorithm>
#include <set>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/notations/caffe/fillers.h"
#include "trivium/notations/caffe/filter.h"
#include "trivium/notations/caffe/print.h"
#include "trivium/notations/caffe/splits.h"

namespace trivium::caffe {

/// What is known while the layers are set up one after the other.
struct Net::LayerSetup {
  std::set<std::string> available;  // blobs made and not yet read
  int64_t memory = 0;               // elements of all tops so far
  std::map<std::string, int> blob_of;
};

Net::Net(const proto::NetParameter& definition, NetOptions options)
    : options_(std::move(options)), lines_(options_.lines), random_(options_.random) {
  ops::register_all();
  cpu::register_backend();
  if (!random_) random_ = std::make_shared<RandomState>();
  filter(definition);
  name_ = definition_.name();
  force_backward_ = definition_.force_backward();
  initializer_ = std::make_unique<Initializer>(random_);
  recording_ = std::make_unique<Recording>();
  LayerSetup setup;
  for (int i = 0; i < definition_.layer_size(); ++i) set_up_layer(i, setup);
  initializer_->flush();
  initializer_.reset();
  for (proto::LayerParameter& layer : *definition_.mutable_layer()) layer.clear_blobs();
  find_backward(force_backward_);
  for (const std::string& name : setup.available) {
    log("This network produces output " + name);
    outputs_.push_back(setup.blob_of.at(name));
  }
  finish_recording(*recording_);
  log("Network initialization done.");
}

Net::~Net() = default;

void Net::log(const std::string& text, LogLevel level) const {
  if (options_.log) options_.log(level, text);
}

void Net::filter(const proto::NetParameter& definition) {
  state_ = definition.state();
  if (options_.phase) state_.set_phase(*options_.phase);
  if (options_.level) state_.set_level(*options_.level);
  for (const std::string& stage : options_.stages) state_.add_stage(stage);
  LogLines lines;
  proto::NetParameter filtered;
  try {
    filtered = filter_net(definition, state_, &lines, &lines_);
  } catch (...) {
    for (const LogLine& line : lines) log(line.text, line.level);
    throw;
  }
  for (const LogLine& line : lines) log(line.text, line.level);
  if (options_.log) log("Initializing net from parameters: \n" + to_prototxt(filtered));
  definition_ = insert_splits(filtered, &lines_);
}

std::string Net::describe(int layer, const std::string& field) const {
  return describe_layer(lines_.layers.empty() ? nullptr : &lines_, definition_.layer(layer), layer,
                        field);
}

namespace {

std::string count_text(const Count& c) {
  if (c.min == c.max) return fmt::format("{}", c.min);
  if (c.max >= Count::kAny) return fmt::format("at least {}", c.min);
  return fmt::format("{} to {}", c.min, c.max);
}

void check_count(const Count& wanted, int received, const std::string& where, const char* what) {
  if (received < wanted.min || received > wanted.max)
    user_error("{}: expected {} {}{}, received {}", where, count_text(wanted), what,
               wanted.max == 1 ? "" : "s", received);
}

[[noreturn]] void unknown_type(const std::string& where, const std::string& type) {
  if (LayerTable::is_unsupported_type(type))
    user_error("{}: Caffe has this layer; Trivium does not support it yet", where);
  const std::vector<std::string> types = LayerTable::instance().types();
  const std::string near = closest_match(type, types);
  user_error("{}: unknown layer type \"{}\"{}; known types: {}", where, type,
             near.empty() ? "" : "; did you mean \"" + near + "\"?", fmt::join(types, ", "));
}

std::string shape_line(const Shape& shape) {
  std::string text = "Top shape: ";
  for (int64_t d : shape) text += fmt::format("{} ", d);
  return text + fmt::format("({})", shape.count());
}

}  // namespace

void Net::check_counts(const LayerDef& def, const proto::LayerParameter& param, int layer) const {
  const std::string where = describe(layer);
  const int tops = static_cast<int>(layers_[layer].tops.size());
  check_count(def.bottoms, param.bottom_size(), where, "bottom");
  check_count(def.tops, tops, where, "top");
  if (def.equal_counts && param.bottom_size() != tops)
    user_error("{}: expected as many tops as bottoms, received {} bottoms and {} tops", where,
               param.bottom_size(), tops);
  for (int i = 0; !def.in_place && i < tops && i < param.bottom_size(); ++i)
    if (layers_[layer].tops[i] == layers_[layer].bottoms[i])
      user_error(
          "{}: works on a copy only, but top and bottom are both \"{}\"; give the top a name "
          "of its own",
          where, param.bottom(i));
}

void Net::connect_bottom(int layer, int position, LayerSetup& setup) {
  const proto::LayerParameter& param = layers_[layer].param;
  const std::string& name = param.bottom(position);
  if (!setup.available.erase(name))
    user_error("{}: no earlier layer makes the bottom \"{}\"", describe(layer, "bottom"), name);
  log(param.name() + " <- " + name);
  layers_[layer].bottoms.push_back(setup.blob_of.at(name));
}

void Net::connect_top(int layer, int position, LayerSetup& setup) {
  const proto::LayerParameter& param = layers_[layer].param;
  const bool automatic = position >= param.top_size();
  const std::string name = automatic ? "(automatic)" : param.top(position);
  const auto known = setup.blob_of.find(name);
  if (!automatic && position < param.bottom_size() && param.bottom(position) == name) {
    log(param.name() + " -> " + name + " (in-place)");
    layers_[layer].tops.push_back(known->second);
  } else {
    if (!automatic && known != setup.blob_of.end())
      user_error("{}: the top \"{}\" is already made by an earlier layer", describe(layer, "top"),
                 name);
    log(param.name() + " -> " + name);
    const int id = static_cast<int>(blobs_.size());
    blobs_.push_back({name});
    if (!automatic) setup.blob_of[name] = id;
    layers_[layer].tops.push_back(id);
  }
  if (!automatic) setup.available.insert(name);
}

void Net::set_up_layer(int index, LayerSetup& setup) {
  const proto::LayerParameter& written = definition_.layer(index);
  layers_.emplace_back();
  NetLayer& layer = layers_.back();
  layer.param = written;
  layer.param.clear_blobs();
  if (!layer.param.has_phase()) layer.param.set_phase(state_.phase());
  if (written.propagate_down_size() > 0 && written.propagate_down_size() != written.bottom_size())
    user_error("{}: propagate_down takes no entry or one for each of the {} bottoms, received {}",
               describe(index, "propagate_down"), written.bottom_size(),
               written.propagate_down_size());
  log("Creating layer " + layer.name());
  layer.def = LayerTable::instance().find(written.type());
  if (!layer.def) unknown_type(describe(index, "type"), written.type());
  if (layer.def->made) log(layer.def->made(written));
  log("Creating Layer " + layer.name());

  for (int i = 0; i < written.bottom_size(); ++i) connect_bottom(index, i, setup);
  const int tops =
      layer.def->loss ? std::max(written.top_size(), layer.def->tops.min) : written.top_size();
  for (int i = 0; i < tops; ++i) connect_top(index, i, setup);
  check_counts(*layer.def, written, index);
  set_loss_weights(index);
  record_layer(*recording_, index);
  log("Setting up " + layer.name());
  log_tops(index, setup);

  bool needs = finish_params(index, written);
  for (int i = 0; i < written.bottom_size(); ++i) {
    const bool from_blob = blobs_[layer.bottoms[i]].needs_backward;
    needs |= from_blob;
    layer.bottom_needs_backward.push_back(
        written.propagate_down_size() > 0 ? written.propagate_down(i) : from_blob);
  }
  layer.needs_backward = needs;
  for (int top : layer.tops) blobs_[top].needs_backward |= needs;
}

void Net::set_loss_weights(int index) {
  NetLayer& layer = layers_[index];
  const int tops = static_cast<int>(layer.tops.size());
  if (layer.param.loss_weight_size() > 0 && layer.param.loss_weight_size() != tops)
    user_error("{}: loss_weight takes no entry or one for each of the {} tops, received {}",
               describe(index, "loss_weight"), tops, layer.param.loss_weight_size());
  if (layer.def->loss && layer.param.loss_weight_size() == 0)
    for (int i = 0; i < tops; ++i) layer.param.add_loss_weight(i == 0);
  for (int i = 0; i < tops; ++i)
    layer.loss_weights.push_back(layer.param.loss_weight_size() ? layer.param.loss_weight(i) : 0);
}

void Net::log_tops(int index, LayerSetup& setup) {
  const NetLayer& layer = layers_[index];
  for (size_t i = 0; i < layer.tops.size(); ++i) {
    const Shape& shape = recording_->tops[index][i].shape();
    log(shape_line(shape));
    blobs_[layer.tops[i]].loss_weight = layer.loss_weights[i];
    if (layer.loss_weights[i] != 0)
      log(fmt::format("    with loss weight {:g}", layer.loss_weights[i]));
    setup.memory += shape.count();
  }
  log(fmt::format("Memory required for data: {}", setup.memory * 4));
}

bool Net::finish_params(int index, const proto::LayerParameter& written) {
  NetLayer& layer = layers_[index];
  const int count = static_cast<int>(layer.params.size());
  if (written.param_size() > count)
    user_error("{}: expected at most {} param entries, one for each parameter blob, received {}",
               describe(index, "param"), count, written.param_size());
  bool needs = false;
  // As in Caffe, an entry that is not written counts as lr_mult 1, even for BatchNorm's statistics.
  for (int i = 0; i < count; ++i)
    needs |= i >= written.param_size() || written.param(i).lr_mult() != 0;
  if (layer.def->fixed_params) {
    for (const proto::ParamSpec& spec : written.param())
      if (spec.lr_mult() != 0)
        user_error(
            "{}: the parameters are statistics, not learned: each param entry needs lr_mult: 0",
            describe(index, "param"));
    while (layer.param.param_size() < count) layer.param.add_param()->set_lr_mult(0);
  }
  for (const std::string& line : sharing_log_) log(line);
  sharing_log_.clear();
  return needs;
}

void Net::find_backward(bool force) {
  std::set<std::string> under_loss, skipped;  // by name, as Caffe: all versions of a blob together
  for (int l = static_cast<int>(layers_.size()) - 1; l >= 0; --l) {
    NetLayer& layer = layers_[l];
    bool contributes = false, skip = true;
    for (size_t t = 0; t < layer.tops.size(); ++t) {
      const std::string& name = blobs_[layer.tops[t]].name;
      contributes |= layer.loss_weights[t] != 0 || under_loss.count(name) > 0;
      skip &= skipped.count(name) > 0;
    }
    if (layer.needs_backward && skip) {
      layer.needs_backward = false;
      layer.bottom_needs_backward.assign(layer.bottoms.size(), false);
    }
    if (!contributes) layer.needs_backward = false;
    log(layer.name() + (layer.needs_backward ? " needs backward computation."
                                             : " does not need backward computation."));
    for (size_t b = 0; b < layer.bottoms.size(); ++b) {
      const std::string& name = blobs_[layer.bottoms[b]].name;
      if (contributes)
        under_loss.insert(name);
      else
        layer.bottom_needs_backward[b] = false;
      if (!layer.bottom_needs_backward[b]) skipped.insert(name);
    }
  }
  if (!force) return;
  for (NetLayer& layer : layers_) {
    layer.needs_backward = true;
    const std::vector<int>& refused = layer.def->refuses_force;
    for (size_t b = 0; b < layer.bottoms.size(); ++b) {
      if (std::find(refused.begin(), refused.end(), static_cast<int>(b)) == refused.end())
        layer.bottom_needs_backward[b] = true;
      blobs_[layer.bottoms[b]].needs_backward |= layer.bottom_needs_backward[b];
    }
  }
}

int Net::layer_index(const std::string& name) const {
  for (size_t i = 0; i < layers_.size(); ++i)
    if (layers_[i].name() == name) return static_cast<int>(i);
  return -1;
}

int Net::blob_index(const std::string& name) const {
  for (int i = static_cast<int>(blobs_.size()) - 1; i >= 0; --i)
    if (blobs_[i].name == name) return i;
  return -1;
}

}  // namespace trivium::caffe
