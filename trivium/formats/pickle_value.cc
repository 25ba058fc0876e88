#include "trivium/formats/pickle_value.h"

#include <cmath>
#include <functional>

#include "trivium/engine/core/error.h"

namespace trivium::formats {
namespace {

/// How many parts of one tuple are looked at when it is a key.
constexpr int kKeyParts = 64;

uint64_t mix(uint64_t a, uint64_t b) {
  return (a ^ (b + 0x9e3779b97f4a7c15u)) * 0xff51afd7ed558ccdu;
}

}  // namespace

struct PickleValue::Text {
  std::string text;
  uint64_t hash = 0;  ///< 0: not asked for yet. A long string may be the key of many dicts.
};

struct PickleValue::Items {
  std::vector<PickleValue> items;
};

struct PickleValue::Dict {
  std::vector<Entry> entries;
  std::unordered_multimap<uint64_t, size_t> index;  ///< hash of the key to its entry
  bool ordered = false;
  std::unique_ptr<PickleValue> attributes;
};

struct PickleValue::Record {
  std::string name;
  PickleValue args, state;
  std::vector<PickleValue> items;
  std::vector<Entry> entries;
};

PickleValue::PickleValue(Kind kind, std::string text) : kind_(kind) {
  auto node = std::make_shared<Text>();
  node->text = std::move(text);
  data_ = std::move(node);
}

PickleValue::PickleValue(TorchTensor tensor)
    : kind_(Kind::tensor), data_(std::make_shared<TorchTensor>(std::move(tensor))) {}

PickleValue::PickleValue(ElementType dtype) : kind_(Kind::dtype), data_(dtype) {}

PickleValue PickleValue::storage(std::shared_ptr<TorchStorage> storage) {
  PickleValue v;
  v.kind_ = Kind::storage;
  v.data_ = std::move(storage);
  return v;
}

PickleValue PickleValue::tuple(std::vector<PickleValue> items) {
  PickleValue v = list(std::move(items));
  v.kind_ = Kind::tuple;
  return v;
}

PickleValue PickleValue::list(std::vector<PickleValue> items) {
  PickleValue v;
  v.kind_ = Kind::list;
  auto node = std::make_shared<Items>();
  node->items = std::move(items);
  v.data_ = std::move(node);
  return v;
}

PickleValue PickleValue::set(std::vector<PickleValue> items) {
  PickleValue v = list(std::move(items));
  v.kind_ = Kind::set;
  return v;
}

PickleValue PickleValue::dict() {
  PickleValue v;
  v.kind_ = Kind::dict;
  v.data_ = std::make_shared<Dict>();
  return v;
}

PickleValue PickleValue::ordered_dict() {
  PickleValue v = dict();
  std::get<std::shared_ptr<Dict>>(v.data_)->ordered = true;
  return v;
}

PickleValue PickleValue::record(std::string name, PickleValue args) {
  PickleValue v;
  v.kind_ = Kind::record;
  auto node = std::make_shared<Record>();
  node->name = std::move(name);
  node->args = std::move(args);
  v.data_ = std::move(node);
  return v;
}

std::string PickleValue::describe() const {
  switch (kind_) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return as_bool() ? "True" : "False";
    case Kind::integer:
      return fmt::format("the integer {}", as_int());
    case Kind::big_integer:
      return fmt::format("an integer of {} bytes", text().size());
    case Kind::real:
      return fmt::format("the number {}", as_double());
    case Kind::string:
      return fmt::format("the string \"{:.60}\"", text());
    case Kind::bytes:
      return fmt::format("{} bytes", text().size());
    case Kind::tuple:
      return fmt::format("a tuple of {}", size());
    case Kind::list:
      return fmt::format("a list of {}", size());
    case Kind::set:
      return fmt::format("a set of {}", size());
    case Kind::dict:
      return fmt::format("a dict of {}", size());
    case Kind::tensor:
      return "a tensor " + as_tensor().text();
    case Kind::storage:
      return fmt::format("a storage of {} {}", as_storage()->count, name_of(as_storage()->type));
    case Kind::dtype:
      return fmt::format("the dtype {}", name_of(as_dtype()));
    case Kind::device:
      return fmt::format("the device {:.60}", text());
    case Kind::global:
      return fmt::format("the global {:.80}", text());
    case Kind::record:
      return fmt::format("a record of class {:.80}", name());
  }
  return "";
}

void PickleValue::wrong_kind(const char* expected) const {
  user_error("{} expected, {} found", expected, describe());
}

bool PickleValue::as_bool() const {
  if (kind_ != Kind::boolean) wrong_kind("a boolean");
  return std::get<bool>(data_);
}

int64_t PickleValue::as_int() const {
  if (kind_ != Kind::integer) wrong_kind("an integer");
  return std::get<int64_t>(data_);
}

double PickleValue::as_double() const {
  if (kind_ == Kind::integer) return static_cast<double>(std::get<int64_t>(data_));
  if (kind_ != Kind::real) wrong_kind("a number");
  return std::get<double>(data_);
}

const std::string& PickleValue::text() const {
  if (!std::holds_alternative<std::shared_ptr<Text>>(data_)) wrong_kind("text");
  return std::get<std::shared_ptr<Text>>(data_)->text;
}

const std::string& PickleValue::as_string() const {
  if (kind_ != Kind::string) wrong_kind("a string");
  return text();
}

const std::string& PickleValue::as_bytes() const {
  if (kind_ != Kind::bytes && kind_ != Kind::string) wrong_kind("bytes");
  return text();
}

ElementType PickleValue::as_dtype() const {
  if (kind_ != Kind::dtype) wrong_kind("a dtype");
  return std::get<ElementType>(data_);
}

TorchTensor& PickleValue::as_tensor() const {
  if (kind_ != Kind::tensor) wrong_kind("a tensor");
  return *std::get<std::shared_ptr<TorchTensor>>(data_);
}

const std::shared_ptr<TorchStorage>& PickleValue::as_storage() const {
  if (kind_ != Kind::storage) wrong_kind("a storage");
  return std::get<std::shared_ptr<TorchStorage>>(data_);
}

std::vector<PickleValue>& PickleValue::items() const {
  if (kind_ == Kind::record) return std::get<std::shared_ptr<Record>>(data_)->items;
  if (!std::holds_alternative<std::shared_ptr<Items>>(data_)) wrong_kind("a tuple, list or set");
  return std::get<std::shared_ptr<Items>>(data_)->items;
}

const PickleValue::Dict& PickleValue::dict_of() const {
  if (kind_ != Kind::dict) wrong_kind("a dict");
  return *std::get<std::shared_ptr<Dict>>(data_);
}

const std::vector<PickleValue::Entry>& PickleValue::entries() const {
  if (kind_ == Kind::record) return std::get<std::shared_ptr<Record>>(data_)->entries;
  return dict_of().entries;
}

size_t PickleValue::size() const { return kind_ == Kind::dict ? entries().size() : items().size(); }

/// False for what cannot be a key. True, 1 and 1.0 are one key, as in Python.
bool PickleValue::hash_key(const PickleValue& key, int* budget, uint64_t* hash) {
  if (--*budget < 0) return false;
  switch (key.kind_) {
    case Kind::none:
      *hash = mix(*hash, 1);
      return true;
    case Kind::boolean:
    case Kind::integer:
    case Kind::real: {
      const double number = key.kind_ == Kind::boolean ? key.as_bool() : key.as_double();
      *hash = mix(*hash, std::hash<double>()(number == 0 ? 0.0 : number));
      return true;
    }
    case Kind::string:
    case Kind::bytes:
    case Kind::big_integer:
    case Kind::device:
    case Kind::global: {
      Text& node = *std::get<std::shared_ptr<Text>>(key.data_);
      if (node.hash == 0) node.hash = std::hash<std::string>()(node.text) | 1;
      *hash = mix(*hash, node.hash);
      return true;
    }
    case Kind::tuple:
      for (const PickleValue& item : key.items())
        if (!hash_key(item, budget, hash)) return false;
      *hash = mix(*hash, key.items().size());
      return true;
    case Kind::dtype:
      *hash = mix(*hash, static_cast<uint64_t>(key.as_dtype()));
      return true;
    case Kind::list:
    case Kind::dict:
    case Kind::set:
      return false;
    default:
      *hash = mix(*hash, reinterpret_cast<uintptr_t>(key.identity()));
      return true;
  }
}

bool PickleValue::same_key(const PickleValue& a, const PickleValue& b, int* budget) {
  if (--*budget < 0) return false;
  const auto numeric = [](Kind k) {
    return k == Kind::boolean || k == Kind::integer || k == Kind::real;
  };
  if (numeric(a.kind_) && numeric(b.kind_)) {
    if (a.kind_ == Kind::integer && b.kind_ == Kind::integer) return a.as_int() == b.as_int();
    const auto number = [](const PickleValue& v) {
      return v.kind_ == Kind::boolean ? v.as_bool() : v.as_double();
    };
    return number(a) == number(b);
  }
  if (a.kind_ != b.kind_) return false;
  if (a.kind_ == Kind::none) return true;
  if (a.kind_ == Kind::dtype) return a.as_dtype() == b.as_dtype();
  if (a.identity() == b.identity()) return true;
  if (std::holds_alternative<std::shared_ptr<Text>>(a.data_)) return a.text() == b.text();
  if (a.kind_ != Kind::tuple || a.items().size() != b.items().size()) return false;
  for (size_t i = 0; i < a.items().size(); ++i)
    if (!same_key(a.items()[i], b.items()[i], budget)) return false;
  return true;
}

const PickleValue* PickleValue::find(std::string_view key) const {
  const Dict& dict = dict_of();
  const uint64_t hash = mix(0, std::hash<std::string_view>()(key) | 1);
  const auto range = dict.index.equal_range(hash);
  for (auto it = range.first; it != range.second; ++it) {
    const Entry& entry = dict.entries[it->second];
    if (entry.first.kind_ == Kind::string && entry.first.text() == key) return &entry.second;
  }
  return nullptr;
}

const PickleValue& PickleValue::at(std::string_view key) const {
  if (const PickleValue* found = find(key)) return *found;
  std::vector<std::string> names;
  for (const Entry& entry : entries())
    if (entry.first.is(Kind::string) && names.size() < 1000) names.push_back(entry.first.text());
  const std::string near = closest_match(std::string(key), names);
  user_error("no entry \"{:.80}\" in {}{}", key, describe(),
             near.empty() ? "" : "; did you mean \"" + near + "\"?");
}

void PickleValue::set_entry(const PickleValue& key, PickleValue value) const {
  if (kind_ == Kind::record) {
    std::get<std::shared_ptr<Record>>(data_)->entries.emplace_back(key, std::move(value));
    return;
  }
  dict_of();  // of the right kind
  Dict& dict = *std::get<std::shared_ptr<Dict>>(data_);
  int budget = kKeyParts;
  uint64_t hash = 0;
  if (!hash_key(key, &budget, &hash))
    user_error("{} cannot be the key of a dict (a tuple may have {} parts)", key.describe(),
               kKeyParts);
  const auto range = dict.index.equal_range(hash);
  for (auto it = range.first; it != range.second; ++it) {
    int parts = kKeyParts;
    if (!same_key(dict.entries[it->second].first, key, &parts)) continue;
    dict.entries[it->second].second = std::move(value);
    return;
  }
  dict.index.emplace(hash, dict.entries.size());
  dict.entries.emplace_back(key, std::move(value));
}

bool PickleValue::ordered() const { return dict_of().ordered; }

const PickleValue& PickleValue::attributes() const {
  static const PickleValue nothing;
  const Dict& dict = dict_of();
  return dict.attributes ? *dict.attributes : nothing;
}

void PickleValue::set_attributes(PickleValue attributes) const {
  dict_of();  // of the right kind
  std::get<std::shared_ptr<Dict>>(data_)->attributes =
      std::make_unique<PickleValue>(std::move(attributes));
}

const std::string& PickleValue::name() const {
  if (kind_ != Kind::record) wrong_kind("a record");
  return std::get<std::shared_ptr<Record>>(data_)->name;
}

const PickleValue& PickleValue::args() const {
  if (kind_ != Kind::record) wrong_kind("a record");
  return std::get<std::shared_ptr<Record>>(data_)->args;
}

const PickleValue& PickleValue::state() const {
  if (kind_ != Kind::record) wrong_kind("a record");
  return std::get<std::shared_ptr<Record>>(data_)->state;
}

void PickleValue::set_state(PickleValue state) const {
  if (kind_ != Kind::record) wrong_kind("a record");
  std::get<std::shared_ptr<Record>>(data_)->state = std::move(state);
}

const void* PickleValue::identity() const {
  return std::visit(
      [](const auto& held) -> const void* {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_scalar_v<T> || std::is_same_v<T, std::monostate>)
          return nullptr;
        else
          return held.get();
      },
      data_);
}

void PickleValue::clear() const {
  if (kind_ == Kind::record) {
    Record& record = *std::get<std::shared_ptr<Record>>(data_);
    record.args = record.state = PickleValue();
    record.items.clear();
    record.entries.clear();
  } else if (kind_ == Kind::dict) {
    Dict& dict = *std::get<std::shared_ptr<Dict>>(data_);
    dict.entries.clear();
    dict.index.clear();
    dict.attributes.reset();
  } else if (std::holds_alternative<std::shared_ptr<Items>>(data_)) {
    std::get<std::shared_ptr<Items>>(data_)->items.clear();
  }
}

}  // namespace trivium::formats
