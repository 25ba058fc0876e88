// Inner parts of tf_tensor.h: checks that its two halves share.
#pragma once

#include <string>

#include "trivium/formats/tf_tensor.h"

namespace trivium::formats {

/// The type without the mark of a reference.
int tf_base_type(int type);
/// Bytes of all elements; UserError when they pass 2^64.
uint64_t tf_bytes_of(const Shape& shape, size_t element_bytes, const std::string& where);
/// dtype_of_tf; UserError when there is none.
DType tf_array_type(int type, const std::string& where);

}  // namespace trivium::formats
