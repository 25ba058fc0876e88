#include "trivium/formats/safetensors_header.h"

#include <nlohmann/json.hpp>
#include <set>

#include "trivium/engine/core/error.h"

namespace trivium::formats {
namespace {

using nlohmann::json;

constexpr size_t kMaxNodes = 8'000'000;
constexpr int kMaxDepth = 64;

constexpr SafetensorsType kTypes[] = {
    {"U64", 64, true, ElementType::u64},        {"I64", 64, true, ElementType::i64},
    {"F64", 64, true, ElementType::f64},        {"C64", 64, false, ElementType::c64},
    {"F32", 32, true, ElementType::f32},        {"U32", 32, true, ElementType::u32},
    {"I32", 32, true, ElementType::i32},        {"BF16", 16, true, ElementType::bf16},
    {"F16", 16, true, ElementType::f16},        {"U16", 16, true, ElementType::u16},
    {"I16", 16, true, ElementType::i16},        {"F8_E5M2FNUZ", 8, false, ElementType::u8},
    {"F8_E4M3FNUZ", 8, false, ElementType::u8}, {"F8_E8M0", 8, false, ElementType::u8},
    {"F8_E4M3", 8, false, ElementType::u8},     {"F8_E5M2", 8, false, ElementType::u8},
    {"I8", 8, true, ElementType::i8},           {"U8", 8, true, ElementType::u8},
    {"F6_E3M2", 6, false, ElementType::u8},     {"F6_E2M3", 6, false, ElementType::u8},
    {"F4", 4, false, ElementType::u8},          {"BOOL", 8, true, ElementType::bool_},
};

/// Takes the events of the JSON parser, so that a header of millions of entries is never a tree,
/// repeated keys are seen, and a number is a plain unsigned integer or an error.
class HeaderHandler {
 public:
  HeaderHandler(SafetensorsHeader* out, const std::string& where) : out_(out), where_(where) {}

  bool null() {
    // "__metadata__": null counts as absent.
    return value(depth_ == 1 && in_metadata_, "null");
  }
  bool boolean(bool) { return value(false, "a boolean"); }
  bool number_integer(json::number_integer_t) { return value(false, "a negative number"); }
  bool number_float(json::number_float_t, const json::string_t& text) {
    return value(false, fmt::format("the number {:.40}", text));
  }
  bool number_unsigned(json::number_unsigned_t number) {
    if (skipping()) return count();
    if (depth_ != 3 || !numbers_) return value(false, fmt::format("the number {}", number));
    numbers_->push_back(number);
    return count();
  }
  bool string(json::string_t& text) {
    if (skipping()) return count();
    if (depth_ == 2 && in_metadata_)
      out_->metadata[key_] = text;
    else if (depth_ == 2 && field_ == "dtype")
      info().dtype = text;
    else
      return value(false, fmt::format("the text \"{:.40}\"", text));
    return count();
  }
  bool binary(json::binary_t&) { return value(false, "binary"); }

  bool start_object(size_t) {
    if (++depth_ > kMaxDepth) fail("nested deeper than {} levels", kMaxDepth);
    if (skipping()) return start_keys();
    if (depth_ > 2) return value(false, "an object");
    if (depth_ == 2 && !in_metadata_) {
      out_->tensors.emplace_back(name_, SafetensorsInfo());
      has_shape_ = has_offsets_ = false;
    }
    return start_keys();
  }
  bool end_object() {
    if (depth_ == 2 && !in_metadata_) {
      if (info().dtype.empty() || !has_shape_ || !has_offsets_)
        fail("tensor \"{:.80}\": dtype, shape and data_offsets expected", name_);
      if (offsets_.size() != 2)
        fail("tensor \"{:.80}\": data_offsets has {} numbers", name_, offsets_.size());
      info().begin = offsets_[0];
      info().end = offsets_[1];
    }
    if (depth_ == 2) field_.clear();
    keys_.pop_back();
    --depth_;
    return count();
  }
  bool start_array(size_t) {
    if (++depth_ > kMaxDepth) fail("nested deeper than {} levels", kMaxDepth);
    if (skipping()) return count();
    if (depth_ != 3 || in_metadata_ || (field_ != "shape" && field_ != "data_offsets"))
      return value(false, "an array");
    numbers_ = field_ == "shape" ? &info().shape : &offsets_;
    (field_ == "shape" ? has_shape_ : has_offsets_) = true;
    numbers_->clear();
    return count();
  }
  bool end_array() {
    numbers_ = nullptr;
    --depth_;
    return count();
  }

  bool key(json::string_t& text) {
    if (!keys_.back().insert(text).second) fail("the key \"{:.80}\" is there twice", text);
    if (depth_ == 1) {
      name_ = text;
      in_metadata_ = text == kMetadataKey;
    } else if (depth_ == 2 && in_metadata_) {
      key_ = text;
    } else if (depth_ == 2) {
      field_ = text.empty() ? "?" : text;
    }
    return count();
  }
  bool parse_error(size_t at, const std::string&, const json::exception&) {
    fail("byte {}: the header is not valid JSON in UTF-8", at);
  }

 private:
  SafetensorsInfo& info() { return out_->tensors.back().second; }

  /// Inside the value of a field that the format does not know.
  bool skipping() const {
    return !field_.empty() && field_ != "dtype" && field_ != "shape" && field_ != "data_offsets";
  }

  bool value(bool allowed, const std::string& what) {
    if (!allowed && !skipping())
      fail("{} where the format has none (tensor or entry \"{:.80}\")", what, name_);
    return count();
  }
  bool start_keys() {
    keys_.emplace_back();
    return count();
  }
  bool count() {
    if (++nodes_ > kMaxNodes) fail("more than {} JSON values", kMaxNodes);
    return true;
  }
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    user_error("{}: header: {}", where_, fmt::format(format, std::forward<Args>(args)...));
  }

  SafetensorsHeader* out_;
  const std::string& where_;
  int depth_ = 0;
  size_t nodes_ = 0;
  bool in_metadata_ = false, has_shape_ = false, has_offsets_ = false;
  std::string name_, field_, key_;
  std::vector<uint64_t> offsets_;
  std::vector<uint64_t>* numbers_ = nullptr;
  std::vector<std::set<std::string>> keys_;  ///< of the objects that are open
};

}  // namespace

const SafetensorsType* find_safetensors_type(std::string_view name) {
  for (const SafetensorsType& row : kTypes)
    if (name == row.name) return &row;
  return nullptr;
}

const SafetensorsType& safetensors_type_of(DType dtype) {
  for (const SafetensorsType& row : kTypes)
    if (row.readable && row.type == element_type_of(dtype)) return row;
  internal_error("dtype {} has no name in safetensors", name_of(dtype));
}

SafetensorsHeader parse_safetensors_header(std::string_view text, const std::string& where) {
  // The JSON parser would skip a byte order mark, which the format does not allow.
  if (text.substr(0, 3) == "\xef\xbb\xbf") user_error("{}: header: a byte order mark", where);
  const size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || text[start] != '{')
    user_error("{}: header: a JSON object expected: no safetensors file", where);
  SafetensorsHeader out;
  HeaderHandler handler(&out, where);
  json::sax_parse(text.begin(), text.end(), &handler);
  return out;
}

}  // namespace trivium::formats
