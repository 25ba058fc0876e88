// Between state dicts and the values of torch files.
#include "trivium/notations/nn/checkpoint.h"

#include <unordered_map>

#include "trivium/formats/safetensors.h"
#include "trivium/notations/nn/creation.h"

namespace trivium::nn {

using formats::TorchValue;
using Kind = TorchValue::Kind;

namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// Arrays of the entries; aliases of one tensor share one array.
formats::NamedArrays arrays_of(const StateDict& state) {
  formats::NamedArrays out;
  std::unordered_map<const void*, Array> known;
  for (const auto& [name, t] : state) {
    const auto at = known.find(t.storage_id());
    if (at != known.end() && at->second.shape() == t.shape() && at->second.dtype() == t.dtype()) {
      out.emplace_back(name, at->second);
      continue;
    }
    const Array a = t.array();
    if (!t.is_view() || t.is_contiguous()) known.emplace(t.storage_id(), a);
    out.emplace_back(name, a);
  }
  return out;
}

StateDict state_of(const formats::NamedArrays& arrays) {
  StateDict out;
  for (const auto& [name, a] : arrays) out.set(name, Tensor(a));
  return out;
}

TorchValue option_value(const optim::OptionValue& v) {
  if (const bool* b = std::get_if<bool>(&v.value())) return *b;
  if (const int64_t* i = std::get_if<int64_t>(&v.value())) return *i;
  if (const double* d = std::get_if<double>(&v.value())) return *d;
  if (const auto* p = std::get_if<std::pair<double, double>>(&v.value()))
    return TorchValue::tuple({TorchValue(p->first), TorchValue(p->second)});
  return {};
}

optim::OptionValue option_from(const TorchValue& v) {
  switch (v.kind()) {
    case Kind::boolean:
      return v.as_bool();
    case Kind::integer:
      return v.as_int();
    case Kind::real:
      return v.as_double();
    case Kind::tensor:
      return v.array().at(0);
    case Kind::tuple:
    case Kind::list:
      if (v.size() == 2)
        return std::pair<double, double>{v.items()[0].as_double(), v.items()[1].as_double()};
      return {};
    case Kind::string:
      return true;  // line_search_fn
    default:
      return {};
  }
}

TorchValue state_value(const optim::OptimizerState::Value& v) {
  if (const Tensor* t = std::get_if<Tensor>(&v)) return TorchValue(t->array());
  if (const int64_t* i = std::get_if<int64_t>(&v)) return *i;
  if (const double* d = std::get_if<double>(&v)) return *d;
  if (const Tensors* list = std::get_if<Tensors>(&v)) {
    std::vector<TorchValue> items;
    for (const Tensor& t : *list) items.emplace_back(t.array());
    return TorchValue::list(std::move(items));
  }
  return {};
}

optim::OptimizerState::Value state_from(const TorchValue& v) {
  switch (v.kind()) {
    case Kind::tensor:
      return Tensor(v.array());
    case Kind::integer:
      return v.as_int();
    case Kind::real:
      return v.as_double();
    case Kind::list: {
      Tensors list;
      for (const TorchValue& item : v.items())
        if (item.is(Kind::tensor)) list.emplace_back(item.array());
      return list;
    }
    default:
      return std::monostate();
  }
}

}  // namespace

TorchValue to_torch(const StateDict& state) {
  TorchValue out = formats::torch_state_dict(arrays_of(state));
  TorchValue versions = TorchValue::ordered_dict();
  for (const auto& [path, version] : state.versions) {
    TorchValue entry = TorchValue::dict();
    entry.set_entry("version", version);
    versions.set_entry(path, entry);
  }
  TorchValue attributes = TorchValue::dict();
  attributes.set_entry("_metadata", versions);
  out.set_attributes(attributes);
  return out;
}

StateDict state_dict_from(const TorchValue& value) {
  StateDict out = state_of(formats::state_dict_of(value));
  TorchValue dict = value;
  for (const char* name : {"state_dict", "model_state_dict", "model", "net"})
    if (dict.is(Kind::dict) && dict.attributes().is_none())
      if (const TorchValue* inner = dict.find(name)) dict = *inner;
  if (!dict.is(Kind::dict) || !dict.attributes().is(Kind::dict)) return out;
  const TorchValue* versions = dict.attributes().find("_metadata");
  if (!versions || !versions->is(Kind::dict)) return out;
  for (const auto& [path, entry] : versions->entries()) {
    const TorchValue* version = entry.is(Kind::dict) ? entry.find("version") : nullptr;
    if (path.is(Kind::string) && version && version->is(Kind::integer))
      out.versions[path.as_string()] = version->as_int();
  }
  return out;
}

TorchValue to_torch(const optim::OptimizerState& state) {
  TorchValue states = TorchValue::dict();
  for (const auto& [index, entries] : state.state) {
    TorchValue entry = TorchValue::dict();
    for (const auto& [name, value] : entries) entry.set_entry(name, state_value(value));
    states.set_entry(index, entry);
  }
  std::vector<TorchValue> groups;
  for (const optim::OptimizerState::Group& group : state.param_groups) {
    TorchValue g = TorchValue::dict();
    for (const auto& [name, value] : group.options) {
      const bool search = name == "line_search_fn" && !value.is_none();
      g.set_entry(name, search ? TorchValue("strong_wolfe") : option_value(value));
    }
    if (!group.param_names.empty()) {
      std::vector<TorchValue> names(group.param_names.begin(), group.param_names.end());
      g.set_entry("param_names", TorchValue::list(std::move(names)));
    }
    g.set_entry("params", TorchValue::list({group.params.begin(), group.params.end()}));
    groups.push_back(g);
  }
  TorchValue out = TorchValue::dict();
  out.set_entry("state", states);
  out.set_entry("param_groups", TorchValue::list(std::move(groups)));
  return out;
}

optim::OptimizerState optimizer_state_from(const TorchValue& value) {
  optim::OptimizerState out;
  for (const auto& [index, entries] : value.at("state").entries())
    for (const auto& [name, v] : entries.entries())
      out.state[index.as_int()].emplace_back(name.as_string(), state_from(v));
  for (const TorchValue& g : value.at("param_groups").items()) {
    optim::OptimizerState::Group group;
    for (const auto& [name, v] : g.entries()) {
      if (name.as_string() == "params") {
        for (const TorchValue& p : v.items()) group.params.push_back(p.as_int());
      } else if (name.as_string() == "param_names") {
        for (const TorchValue& p : v.items()) group.param_names.push_back(p.as_string());
      } else {
        group.options.emplace_back(name.as_string(), option_from(v));
      }
    }
    out.param_groups.push_back(std::move(group));
  }
  return out;
}

void save(const StateDict& state, const std::string& path) {
  if (ends_with(path, ".safetensors"))
    formats::save_safetensors(path, arrays_of(state), {{"format", "pt"}});
  else
    formats::save_torch(path, to_torch(state));
}

StateDict load_state_dict(const std::string& path) {
  if (ends_with(path, ".safetensors")) {
    const formats::SafetensorsFile file(path);
    StateDict out;
    for (const std::string& name : file.names()) out.set(name, Tensor(file.read(name)));
    for (const auto& [alias, name] : file.metadata())
      if (file.find(name) && !out.find(alias)) out.set(alias, out[name]);
    return out;
  }
  return state_dict_from(formats::load_torch(path, formats::PickleMode::inspect));
}

void save(const optim::OptimizerState& state, const std::string& path) {
  formats::save_torch(path, to_torch(state));
}

optim::OptimizerState load_optimizer_state(const std::string& path) {
  return optimizer_state_from(formats::load_torch(path));
}

}  // namespace trivium::nn
