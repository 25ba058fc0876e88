// Attrs: the structural numbers of an op (axis, strides, eps, …) by name. Part of a plan's key, so
// nothing that changes from step to step belongs here: such numbers are scalar inputs.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace trivium {

using AttrValue =
    std::variant<bool, int64_t, double, std::string, std::vector<int64_t>, std::vector<double>>;

class Attrs {
 public:
  Attrs() = default;
  Attrs(std::initializer_list<std::pair<std::string, AttrValue>> items);

  bool has(const std::string& name) const { return find(name) != nullptr; }
  const AttrValue* find(const std::string& name) const;
  void set(const std::string& name, AttrValue value);
  /// InternalError when absent or of another type.
  const AttrValue& at(const std::string& name) const;
  bool flag(const std::string& name) const;
  int64_t integer(const std::string& name) const;
  double real(const std::string& name) const;
  const std::string& string(const std::string& name) const;
  const std::vector<int64_t>& integers(const std::string& name) const;
  const std::vector<double>& reals(const std::string& name) const;

  const std::vector<std::pair<std::string, AttrValue>>& items() const {
    return items_;
  }  // sorted by name
  bool empty() const { return items_.empty(); }
  uint64_t hash() const;
  /// "axis=1, strides=[2, 2]"; doubles print so that they parse back to the same bits.
  std::string text() const;
  friend bool operator==(const Attrs& a, const Attrs& b) { return a.items_ == b.items_; }

 private:
  std::vector<std::pair<std::string, AttrValue>> items_;
};

std::string attr_text(const AttrValue& value);
const char* attr_type_name(const AttrValue& value);

/// Order-dependent mixing of two 64-bit hashes.
inline uint64_t hash_mix(uint64_t seed, uint64_t value) {
  uint64_t x = seed ^ (value + 0x9e3779b97f4a7c15ull + (seed << 6) + (seed >> 2));
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdull;
  x ^= x >> 33;
  return x;
}
uint64_t hash_bytes(const void* data, size_t bytes, uint64_t seed = 0);

}  // namespace trivium
