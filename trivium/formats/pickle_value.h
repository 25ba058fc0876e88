// PickleValue: what a pickle holds, as plain data. Nothing in it can run: a class that is not plain
// data is a record, its name next to its arguments and state.
//
//   PickleValue checkpoint = load_torch("model.pth");
//   int64_t epoch = checkpoint.at("epoch").as_int();
//   Array weight = checkpoint.at("state_dict").at("fc.weight").array();
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "trivium/formats/pickle_tensor.h"

namespace trivium::formats {

/// A value or a handle to one: copies of a container share its contents, as in Python.
class PickleValue {
 public:
  enum class Kind : uint8_t {
    none,
    boolean,
    integer,
    big_integer,
    real,
    string,
    bytes,
    tuple,
    list,
    set,
    dict,
    tensor,
    storage,
    dtype,
    device,
    global,
    record
  };
  using Entry = std::pair<PickleValue, PickleValue>;

  PickleValue() = default;
  PickleValue(bool value) : kind_(Kind::boolean), data_(value) {}       // NOLINT: values convert
  PickleValue(int value) : PickleValue(static_cast<int64_t>(value)) {}  // NOLINT
  PickleValue(int64_t value) : kind_(Kind::integer), data_(value) {}    // NOLINT
  PickleValue(double value) : kind_(Kind::real), data_(value) {}        // NOLINT
  PickleValue(const char* text) : PickleValue(std::string(text)) {}     // NOLINT
  PickleValue(std::string text) : PickleValue(Kind::string, std::move(text)) {}  // NOLINT
  PickleValue(const Array& array) : PickleValue(tensor_of(array)) {}             // NOLINT
  PickleValue(TorchTensor tensor);                                               // NOLINT
  PickleValue(ElementType dtype);                                                // NOLINT

  static PickleValue bytes(std::string raw) { return {Kind::bytes, std::move(raw)}; }
  /// Two's complement, least significant byte first.
  static PickleValue big_integer(std::string raw) { return {Kind::big_integer, std::move(raw)}; }
  static PickleValue device(std::string name) { return {Kind::device, std::move(name)}; }
  static PickleValue global(std::string name) { return {Kind::global, std::move(name)}; }
  static PickleValue storage(std::shared_ptr<TorchStorage> storage);
  static PickleValue tuple(std::vector<PickleValue> items = {});
  static PickleValue list(std::vector<PickleValue> items = {});
  static PickleValue set(std::vector<PickleValue> items = {});
  static PickleValue dict();
  /// A dict that is written as collections.OrderedDict; state dicts are.
  static PickleValue ordered_dict();
  static PickleValue record(std::string name, PickleValue args);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_none() const { return kind_ == Kind::none; }
  /// "dict of 3", "float32[64, 10]", "record torch.nn.modules.linear.Linear": for messages.
  std::string describe() const;

  // Each throws UserError, saying what was found, when the value is of another kind.
  bool as_bool() const;
  int64_t as_int() const;
  double as_double() const;  ///< integers too
  const std::string& as_string() const;
  const std::string& as_bytes() const;  ///< a string too: Python 2 did not tell them apart
  ElementType as_dtype() const;
  TorchTensor& as_tensor() const;
  const std::shared_ptr<TorchStorage>& as_storage() const;
  /// The text of a string, bytes, big_integer, device or global.
  const std::string& text() const;
  Array array() const { return array_of(as_tensor()); }

  /// Elements of a tuple, list or set; of a record, what was appended to it.
  std::vector<PickleValue>& items() const;
  /// Entries of a dict, in order; of a record, what was stored under keys.
  const std::vector<Entry>& entries() const;
  size_t size() const;

  /// The entry of a dict under a string key, or null.
  const PickleValue* find(std::string_view key) const;
  /// The same; UserError naming the nearest key when there is none.
  const PickleValue& at(std::string_view key) const;
  /// Adds or replaces an entry of a dict; UserError when the key is a list, dict or set.
  void set_entry(const PickleValue& key, PickleValue value) const;
  bool ordered() const;
  /// What BUILD attached to a dict (`_metadata` of state dicts): a dict, or none.
  const PickleValue& attributes() const;
  void set_attributes(PickleValue attributes) const;

  // Of a record.
  const std::string& name() const;
  const PickleValue& args() const;
  const PickleValue& state() const;
  void set_state(PickleValue state) const;

  /// The same object, not merely an equal one; null for what is stored inline.
  const void* identity() const;
  /// Empties a container, so that a ring of containers can be taken apart.
  void clear() const;

 private:
  struct Text;
  struct Items;
  struct Dict;
  struct Record;
  PickleValue(Kind kind, std::string text);
  [[noreturn]] void wrong_kind(const char* expected) const;
  const Dict& dict_of() const;
  static bool hash_key(const PickleValue& key, int* budget, uint64_t* hash);
  static bool same_key(const PickleValue& a, const PickleValue& b, int* budget);

  Kind kind_ = Kind::none;
  std::variant<std::monostate, bool, int64_t, double, ElementType, std::shared_ptr<Text>,
               std::shared_ptr<Items>, std::shared_ptr<Dict>, std::shared_ptr<Record>,
               std::shared_ptr<TorchTensor>, std::shared_ptr<TorchStorage>>
      data_;
};

using TorchValue = PickleValue;

}  // namespace trivium::formats
