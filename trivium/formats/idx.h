// IDX, the files of MNIST and its relatives: a big-endian header (type, rank, sizes), then the
// elements. Plain or gzip-compressed, recognised by content.
#pragma once

#include <string>

#include "trivium/engine/core/array.h"
#include "trivium/formats/file.h"

namespace trivium::formats {

struct IdxFile {
  Array array;  ///< shape and dtype as in the header: u8, i8, i16, i32, f32 or f64
};

/// Reads an IDX file. The sizes in the header must describe the file exactly: a short or long file
/// is a UserError with both lengths. At most `max_bytes` are taken for the elements.
IdxFile read_idx(const std::string& path, uint64_t max_bytes = uint64_t{1} << 32);
/// The same from memory; `name` stands for the file in errors.
IdxFile parse_idx(Bytes bytes, const std::string& name, uint64_t max_bytes = uint64_t{1} << 32);
/// Writes a plain IDX file (atomically). UserError for a dtype that IDX lacks.
void write_idx(const std::string& path, const Array& array);

}  // namespace trivium::formats
