// Running a net: inputs and batches are bound to the leaves of its recording, then plan and
// execute.
#include <algorithm>

#include "trivium/notations/caffe/layer_error.h"
#include "trivium/notations/caffe/net.h"

namespace trivium::caffe {
namespace {

int position_of(const std::vector<int>& list, int value) {
  const auto at = std::find(list.begin(), list.end(), value);
  return at == list.end() ? -1 : static_cast<int>(at - list.begin());
}

}  // namespace

void throw_with_line(const Net& net, const UserError& error) {
  const std::string text = error.what();
  for (size_t l = 0; l < net.layers().size(); ++l) {
    const std::string where = fmt::format(", in layer \"{}\"", net.layers()[l].name());
    if (text.ends_with(where))
      throw LayerError(net.describe(static_cast<int>(l)) + ": " +
                       text.substr(0, text.size() - where.size()));
  }
  throw error;
}

const Array& Net::input(const std::string& name) const {
  const int at = position_of(inputs_, blob_index(name));
  if (at >= 0) return input_values_[at];
  std::vector<std::string> names;
  for (int i : inputs_) names.push_back(blobs_[i].name);
  user_error("net \"{}\" has no input \"{}\"; its inputs are: {}", name_, name,
             names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

void Net::set_input(const std::string& name, const Array& value) {
  const Array values = value.dtype() == DType::f32 ? value : value.cast(DType::f32);
  if (input(name).shape() != values.shape()) reshape_input(name, values.shape());
  const_cast<Array&>(input(name)).copy_from(values);
}

void Net::reshape_input(const std::string& name, const Shape& shape) {
  if (input(name).shape() == shape) return;
  Array& slot = input_values_[position_of(inputs_, blob_index(name))];
  const Array before = slot;
  slot = Array::zeros(shape);
  try {
    record_again();
  } catch (...) {
    slot = before;
    throw;
  }
}

bool Net::advance() {
  for (size_t s = 0; s < sources_.size(); ++s) {
    try {
      batches_[s] = &sources_[s]->next();
    } catch (const UserError& error) {
      throw UserError(describe(source_layers_[s]) + ": " + error.what());
    } catch (const EnvironmentError& error) {
      throw EnvironmentError(describe(source_layers_[s]) + ": " + error.what());
    }
    for (const LogLine& line : batches_[s]->log) log(line.text, line.level);
  }
  bool changed = false;
  for (size_t i = 0; i < recording_->feeds.size(); ++i) {
    const Recording::Feed& feed = recording_->feeds[i];
    if (feed.source < 0) continue;
    const Value leaf = recording_->graph.value(recording_->graph.inputs()[i].value);
    changed |= batches_[feed.source]->tops[feed.top].shape() != leaf.shape();
  }
  if (changed) record_again();
  return changed;
}

void Net::feed(const Recording& recording, const compile::Prepared& prepared,
               run::Bindings& bindings) const {
  bindings.inputs.resize(prepared.inputs.size());
  bindings.scalars.resize(prepared.scalars.size());
  bindings.cells = prepared.cells;
  for (size_t slot = 0; slot < prepared.inputs.size(); ++slot) {
    const size_t leaf = prepared.inputs[slot];
    if (leaf >= recording.feeds.size()) continue;
    const Recording::Feed& feed = recording.feeds[leaf];
    if (feed.input >= 0) {
      bindings.inputs[slot] = input_values_[feed.input];
    } else if (batches_[feed.source]) {
      bindings.inputs[slot] = batches_[feed.source]->tops[feed.top];
    } else {
      user_error("net \"{}\": advance() takes the first batch; call it before running", name_);
    }
  }
}

std::vector<Array> Net::run(Recording& recording, const std::vector<Value>& fetches) {
  std::vector<Edge> key;
  for (const Value& v : fetches) key.push_back({v.node, v.output});
  auto at = recording.prepared.find(key);
  if (at == recording.prepared.end())
    at = recording.prepared
             .emplace(key, compile::prepare(recording.graph, {}, fetches, true, options_.compile))
             .first;
  run::Bindings bindings;
  feed(recording, at->second, bindings);
  std::vector<Array> outputs;
  try {
    run::execute(*at->second.plan, bindings, outputs);
  } catch (const UserError& error) {
    throw_with_line(*this, error);
  }
  return outputs;
}

std::vector<Array> Net::forward(const std::vector<std::string>& fetches) {
  advance();
  std::vector<Value> values;
  for (const std::string& name : fetches) values.push_back(blob(name));
  return run(*recording_, values);
}

std::vector<Array> Net::forward_outputs(double* loss) {
  advance();
  std::vector<Value> values;
  for (int output : outputs_) values.push_back(recording_->blobs[output]);
  values.push_back(recording_->loss);
  std::vector<Array> results = run(*recording_, values);
  if (loss) *loss = results.back().item();
  results.pop_back();
  return results;
}

Net::Pass Net::forward_backward(const std::vector<std::string>& fetches) {
  advance();
  const std::vector<Value> gradients = param_gradients();
  std::vector<Value> values = {recording_->loss};
  for (const std::string& name : fetches) values.push_back(blob(name));
  for (const Value& g : gradients)
    if (g.defined()) values.push_back(g);
  const std::vector<Array> results = run(*recording_, values);
  Pass pass;
  pass.loss = results[0].item();
  pass.blobs.assign(results.begin() + 1, results.begin() + 1 + fetches.size());
  size_t next = 1 + fetches.size();
  for (const Value& g : gradients)
    pass.gradients.push_back(g.defined() ? results[next++] : Array{});
  return pass;
}

DataSource* Net::source(const std::string& layer) const {
  const int at = position_of(source_layers_, layer_index(layer));
  return at < 0 ? nullptr : sources_[at].get();
}

std::vector<int64_t> Net::data_positions() const {
  std::vector<int64_t> positions;
  for (const auto& source : sources_) positions.push_back(source->position());
  return positions;
}

void Net::skip_to(const std::vector<int64_t>& positions) {
  if (positions.size() != sources_.size())
    user_error("net \"{}\": expected {} data positions, received {}", name_, sources_.size(),
               positions.size());
  for (size_t i = 0; i < positions.size(); ++i) sources_[i]->skip_to(positions[i]);
}

std::string Net::save_state() const {
  std::string bytes;
  for (const auto& source : sources_) {
    const std::string state = source->save_state();
    const uint64_t size = state.size();
    bytes.append(reinterpret_cast<const char*>(&size), sizeof size).append(state);
  }
  return bytes;
}

void Net::restore_state(const std::string& bytes) {
  std::vector<std::string> states;
  for (size_t at = 0; at < bytes.size();) {
    uint64_t size = 0;
    if (bytes.size() - at < sizeof size) user_error("net \"{}\": the data state is cut off", name_);
    std::memcpy(&size, bytes.data() + at, sizeof size);
    at += sizeof size;
    if (bytes.size() - at < size) user_error("net \"{}\": the data state is cut off", name_);
    states.push_back(bytes.substr(at, size));
    at += size;
  }
  if (states.size() != sources_.size())
    user_error("net \"{}\": the data state is of a net with {} data layers, this one has {}", name_,
               states.size(), sources_.size());
  for (size_t i = 0; i < states.size(); ++i) sources_[i]->restore_state(states[i]);
}

}  // namespace trivium::caffe
