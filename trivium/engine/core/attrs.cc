#include "trivium/engine/core/attrs.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "trivium/engine/core/error.h"

namespace trivium {
namespace {

template <typename T>
const T& typed(const Attrs& attrs, const std::string& name) {
  const AttrValue& value = attrs.at(name);
  if (const T* p = std::get_if<T>(&value)) return *p;
  internal_error("attribute \"{}\" is {}", name, attr_type_name(value));
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    out += c;
  }
  return out + "\"";
}

std::string real_text(double v) {
  std::string s = fmt::format("{}", v);
  return s.find_first_of(".eni") == std::string::npos ? s + ".0" : s;
}

}  // namespace

Attrs::Attrs(std::initializer_list<std::pair<std::string, AttrValue>> items) {
  for (const auto& [name, value] : items) set(name, value);
}

const AttrValue* Attrs::find(const std::string& name) const {
  for (const auto& item : items_)
    if (item.first == name) return &item.second;
  return nullptr;
}

void Attrs::set(const std::string& name, AttrValue value) {
  auto at = std::lower_bound(items_.begin(), items_.end(), name,
                             [](const auto& item, const std::string& n) { return item.first < n; });
  if (at != items_.end() && at->first == name)
    at->second = std::move(value);
  else
    items_.insert(at, {name, std::move(value)});
}

const AttrValue& Attrs::at(const std::string& name) const {
  if (const AttrValue* v = find(name)) return *v;
  internal_error("attribute \"{}\" is missing (there are: {})", name, text());
}

bool Attrs::flag(const std::string& name) const { return typed<bool>(*this, name); }
int64_t Attrs::integer(const std::string& name) const { return typed<int64_t>(*this, name); }
double Attrs::real(const std::string& name) const { return typed<double>(*this, name); }
const std::string& Attrs::string(const std::string& name) const {
  return typed<std::string>(*this, name);
}
const std::vector<int64_t>& Attrs::integers(const std::string& name) const {
  return typed<std::vector<int64_t>>(*this, name);
}
const std::vector<double>& Attrs::reals(const std::string& name) const {
  return typed<std::vector<double>>(*this, name);
}

uint64_t hash_bytes(const void* data, size_t bytes, uint64_t seed) {
  const auto* p = static_cast<const unsigned char*>(data);
  uint64_t h = hash_mix(seed, bytes);
  for (; bytes >= 8; bytes -= 8, p += 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    h = hash_mix(h, word);
  }
  uint64_t tail = 0;
  std::memcpy(&tail, p, bytes);
  return hash_mix(h, tail);
}

uint64_t Attrs::hash() const {
  uint64_t h = items_.size();
  for (const auto& [name, value] : items_) {
    h = hash_bytes(name.data(), name.size(), h);
    const std::string text = attr_text(value);
    h = hash_bytes(text.data(), text.size(), hash_mix(h, value.index()));
  }
  return h;
}

std::string attr_text(const AttrValue& value) {
  struct Printer {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(int64_t v) const { return fmt::format("{}", v); }
    std::string operator()(double v) const { return real_text(v); }
    std::string operator()(const std::string& v) const { return quoted(v); }
    std::string operator()(const std::vector<int64_t>& v) const {
      return fmt::format("[{}]", fmt::join(v, ", "));
    }
    std::string operator()(const std::vector<double>& v) const {
      std::string out = "<";
      for (size_t i = 0; i < v.size(); ++i) out += (i ? ", " : "") + real_text(v[i]);
      return out + ">";
    }
  };
  return std::visit(Printer{}, value);
}

const char* attr_type_name(const AttrValue& value) {
  constexpr const char* kNames[] = {"bool", "integer", "real", "string", "integers", "reals"};
  return kNames[value.index()];
}

std::string Attrs::text() const {
  std::string out;
  for (const auto& [name, value] : items_)
    out += (out.empty() ? "" : ", ") + name + "=" + attr_text(value);
  return out;
}

}  // namespace trivium
