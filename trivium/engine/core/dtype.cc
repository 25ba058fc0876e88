#include "trivium/engine/core/dtype.h"

#include "trivium/engine/core/error.h"

namespace trivium {
namespace {
struct Row {
  const char* name;
  size_t bytes;
};
constexpr Row kRows[] = {{"float32", 4}, {"float64", 8}, {"float16", 2}, {"bfloat16", 2},
                         {"int8", 1},    {"uint8", 1},   {"int16", 2},   {"int32", 4},
                         {"int64", 8},   {"bool", 1}};
}  // namespace

size_t size_of(DType dtype) { return kRows[static_cast<int>(dtype)].bytes; }
const char* name_of(DType dtype) { return kRows[static_cast<int>(dtype)].name; }

DType parse_dtype(const std::string& name) {
  for (size_t i = 0; i < std::size(kRows); ++i)
    if (name == kRows[i].name) return static_cast<DType>(i);
  user_error("unknown dtype \"{}\"; expected one of float32 float64 int32 int64 uint8 bool …",
             name);
}

}  // namespace trivium
