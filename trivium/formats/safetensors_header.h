// The dtypes and the JSON header of safetensors. Shared by reader and writer.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "trivium/formats/pickle_tensor.h"
#include "trivium/formats/safetensors.h"

namespace trivium::formats {

struct SafetensorsType {
  const char* name;
  uint64_t bits;
  bool readable;     ///< as an Array
  ElementType type;  ///< when readable
};

/// All dtypes of the format, in the order in which writers sort them. Null for an unknown name.
const SafetensorsType* find_safetensors_type(std::string_view name);
/// The row of an Array's dtype.
const SafetensorsType& safetensors_type_of(DType dtype);

inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;
inline constexpr const char* kMetadataKey = "__metadata__";

struct SafetensorsHeader {
  std::vector<std::pair<std::string, SafetensorsInfo>> tensors;  ///< in the order of the text
  std::map<std::string, std::string> metadata;
};

/// Parses the JSON text. UserError naming `where` for anything the format does not allow; byte
/// ranges are not compared with each other here.
SafetensorsHeader parse_safetensors_header(std::string_view text, const std::string& where);

}  // namespace trivium::formats
