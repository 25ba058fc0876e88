#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "trivium/engine/core/error.h"
#include "trivium/formats/pickle.h"
#include "trivium/formats/safetensors_header.h"

namespace trivium::formats {
namespace {

using Tensors = std::vector<std::pair<std::string, Array>>;

void check_names(const std::string& path, const Tensors& tensors,
                 const std::map<std::string, std::string>& metadata) {
  std::set<std::string> seen;
  for (const auto& entry : tensors) {
    if (entry.first == kMetadataKey || !is_utf8(entry.first) || !seen.insert(entry.first).second)
      user_error("{}: tensor name \"{:.80}\": a UTF-8 name given once expected", path, entry.first);
    if (!entry.second.defined()) user_error("{}: tensor \"{:.80}\" has no data", path, entry.first);
  }
  for (const auto& entry : metadata)
    if (!is_utf8(entry.first) || !is_utf8(entry.second))
      user_error("{}: metadata \"{:.80}\" is not UTF-8", path, entry.first);
}

/// Leaves the first of the arrays that are the same memory; the others go to the metadata.
Tensors without_aliases(const std::string& path, const Tensors& tensors,
                        std::map<std::string, std::string>* metadata) {
  std::map<std::tuple<const void*, DType, std::vector<int64_t>>, std::string> kept;
  Tensors out;
  for (const auto& entry : tensors) {
    const Array& array = entry.second;
    const auto key =
        std::make_tuple(static_cast<const void*>(array.raw()), array.dtype(), array.shape().vec());
    const auto first = kept.emplace(key, entry.first);
    if (first.second || array.count() == 0) {
      out.push_back(entry);
    } else if (!metadata->emplace(entry.first, first.first->second).second) {
      user_error("{}: \"{:.80}\" is the name of a tied tensor and of a metadata entry", path,
                 entry.first);
    }
  }
  return out;
}

const SafetensorsType* row_of(const Array& array) { return &safetensors_type_of(array.dtype()); }

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

std::string header_text(const Tensors& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  const char* comma = "";
  if (!metadata.empty()) {
    text += quoted(kMetadataKey) + ":{";
    for (const auto& entry : metadata) {
      text += comma + quoted(entry.first) + ":" + quoted(entry.second);
      comma = ",";
    }
    text += "}";
  }
  comma = metadata.empty() ? "" : ",";
  uint64_t at = 0;
  for (const auto& entry : tensors) {
    const Array& array = entry.second;
    text += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", comma,
                        quoted(entry.first), row_of(array)->name,
                        fmt::join(array.shape().vec(), ","), at, at + array.bytes());
    at += array.bytes();
    comma = ",";
  }
  text += "}";
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

void save_safetensors(const std::string& path, const Tensors& tensors,
                      const std::map<std::string, std::string>& metadata) {
  check_names(path, tensors, metadata);
  std::map<std::string, std::string> all = metadata;
  Tensors order = without_aliases(path, tensors, &all);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::make_pair(row_of(a.second), a.first) < std::make_pair(row_of(b.second), b.first);
  });
  const std::string header = header_text(order, all);
  if (header.size() > kMaxSafetensorsHeader)
    user_error("{}: a header of {} bytes, at most {} are allowed", path, header.size(),
               kMaxSafetensorsHeader);
  write_file_atomically(path, [&](FileSink& sink) {
    const uint64_t bytes = header.size();
    sink.write(&bytes, sizeof(bytes));
    sink.write(header);
    for (const auto& entry : order) sink.write(entry.second.raw(), entry.second.bytes());
  });
}

}  // namespace trivium::formats
