// Tensors by name: out of dicts, checkpoints, whole modules and C++ archives, and back into a state
// dict.
#include <set>

#include "trivium/formats/torch_file.h"

namespace trivium::formats {
namespace {

using Kind = PickleValue::Kind;

constexpr uint64_t kFreeCopies = uint64_t{1} << 30;
/// A few bytes can describe modules that share modules that share modules …
constexpr int kMaxVisits = 1 << 20;
constexpr size_t kMaxName = 4096;

class Harvest {
 public:
  NamedArrays arrays;

  void add(const std::string& name, const PickleValue& value) {
    visit(name);
    const TorchTensor& tensor = value.as_tensor();
    if (tensor.storage && seen_.insert(tensor.storage.get()).second)
      budget_ += tensor.storage->bytes();
    Array array;
    try {
      array = array_of(tensor, budget_);
    } catch (const UserError& error) {
      user_error("tensor \"{}\": {}", name, error.what());
    }
    if (needs_copy(tensor)) budget_ -= std::min<uint64_t>(budget_, array.bytes());
    arrays.emplace_back(name, std::move(array));
  }

  void add_tensors_of(const PickleValue& dict) {
    for (const PickleValue::Entry& entry : dict.entries())
      if (entry.second.is(Kind::tensor) && entry.first.is(Kind::string))
        add(entry.first.text(), entry.second);
  }

  /// Parameters and buffers of a pickled module, then those of its children.
  void add_module(const std::string& prefix, const PickleValue& record) {
    visit(prefix);
    const PickleValue& state = record.state();
    if (!state.is(Kind::dict)) return;
    const PickleValue* parameters = state.find("_parameters");
    const PickleValue* modules = state.find("_modules");
    if (!parameters && !modules) return add_attributes(prefix, state);
    add_entries(prefix, parameters, nullptr);
    add_entries(prefix, state.find("_buffers"), state.find("_non_persistent_buffers_set"));
    add_entries(prefix, modules, nullptr);
  }

 private:
  void visit(const std::string& name) {
    if (++visits_ > kMaxVisits || name.size() > kMaxName)
      user_error("more than {} tensors and modules, or a name longer than {} bytes", kMaxVisits,
                 kMaxName);
  }

  static bool contains(const PickleValue* names, const std::string& name) {
    if (!names || !names->is(Kind::set)) return false;
    for (const PickleValue& item : names->items())
      if (item.is(Kind::string) && item.text() == name) return true;
    return false;
  }

  void add_entries(const std::string& prefix, const PickleValue* dict,
                   const PickleValue* left_out) {
    if (!dict || !dict->is(Kind::dict)) return;
    for (const PickleValue::Entry& entry : dict->entries())
      if (entry.first.is(Kind::string) && !contains(left_out, entry.first.text()))
        add_child(prefix, entry);
  }

  /// A TorchScript class keeps tensors and children side by side.
  void add_attributes(const std::string& prefix, const PickleValue& state) {
    for (const PickleValue::Entry& entry : state.entries())
      if (entry.first.is(Kind::string) && entry.second.is(Kind::tensor)) add_child(prefix, entry);
    for (const PickleValue::Entry& entry : state.entries())
      if (entry.first.is(Kind::string) && entry.second.is(Kind::record)) add_child(prefix, entry);
  }

  void add_child(const std::string& prefix, const PickleValue::Entry& entry) {
    if (prefix.size() + entry.first.text().size() > kMaxName) visit(std::string(kMaxName + 1, '.'));
    const std::string name = prefix + entry.first.text();
    if (entry.second.is(Kind::tensor)) return add(name, entry.second);
    if (entry.second.is(Kind::record)) add_module(name + ".", entry.second);
  }

  uint64_t budget_ = kFreeCopies;
  int visits_ = 0;
  std::set<const TorchStorage*> seen_;
};

std::string keys_of(const PickleValue& value) {
  if (!value.is(Kind::dict)) return value.describe();
  std::string out = value.describe();
  size_t shown = 0;
  for (const PickleValue::Entry& entry : value.entries())
    if (entry.first.is(Kind::string) && shown < 8)
      out += fmt::format("{} \"{:.40}\"", shown++ ? "," : " with", entry.first.text());
  return out;
}

void harvest(const PickleValue& value, Harvest* out) {
  if (value.is(Kind::record)) return out->add_module("", value);
  if (!value.is(Kind::dict)) return;
  for (const char* key : {"state_dict", "model_state_dict", "model", "net"}) {
    const PickleValue* inner = value.find(key);
    if (inner && inner->is(Kind::dict)) out->add_tensors_of(*inner);
    if (inner && inner->is(Kind::record)) out->add_module("", *inner);
    if (!out->arrays.empty()) return;
  }
  out->add_tensors_of(value);
}

}  // namespace

NamedArrays state_dict_of(const TorchValue& value) {
  Harvest out;
  harvest(value, &out);
  const bool may_be_empty =
      value.is(Kind::record) || (value.is(Kind::dict) && value.entries().empty());
  if (out.arrays.empty() && !may_be_empty)
    user_error("a dict of tensors, a checkpoint with \"state_dict\" or a module expected, found {}",
               keys_of(value));
  return std::move(out.arrays);
}

TorchValue torch_state_dict(const NamedArrays& arrays) {
  const TorchValue dict = TorchValue::ordered_dict();
  for (const auto& entry : arrays) dict.set_entry(entry.first, entry.second);
  const TorchValue version = TorchValue::dict();
  version.set_entry("version", 1);
  const TorchValue metadata = TorchValue::ordered_dict(), attributes = TorchValue::dict();
  metadata.set_entry("", version);
  attributes.set_entry("_metadata", metadata);
  dict.set_attributes(attributes);
  return dict;
}

}  // namespace trivium::formats
