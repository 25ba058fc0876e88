// The text header of a .npy file, parsed and checked. Shared by npy.cc and npz.cc.
#pragma once

#include "trivium/formats/bytes.h"

namespace trivium::formats {

struct NpyHeader {
  char kind = 0;          ///< b i u f
  int element_bytes = 0;  ///< of the file's type
  bool big_endian = false, fortran_order = false;
  Shape shape;
  uint64_t data_offset = 0, data_bytes = 0;
};

/// Parses magic, version and header; `in` stands behind them afterwards. data_bytes <= max_bytes.
NpyHeader parse_npy_header(ByteReader& in, uint64_t max_bytes);

}  // namespace trivium::formats
