// The upper half of the HDF5 reader: what a dataset is (type, sizes, layout, filters) and its
// values.
#pragma once

#include "trivium/formats/hdf5_objects.h"

namespace trivium::formats::h5 {

struct Datatype {
  enum Kind { integer, floating, fixed_string, variable_string } kind = integer;
  uint64_t bytes = 0;  ///< of one element in the file
  bool is_signed = false, big_endian = false;
};

struct Layout {
  enum Kind { compact, contiguous, chunked } kind = contiguous;
  Bytes inline_data;              ///< compact
  uint64_t address = kUndefined;  ///< of the data, or of the chunk tree
  std::vector<uint64_t> chunk;    ///< sizes in elements, rank of the dataset
};

struct Filter {
  uint16_t id = 0;
  uint32_t value = 0;  ///< first client value: the element size for shuffle
};

struct Dataset {
  Datatype type;
  Shape shape;
  Layout layout;
  std::vector<Filter> filters;
  Bytes fill;
  uint64_t at = 0;          ///< byte of its layout message, for errors
  uint64_t data_bytes = 0;  ///< elements times element size
};

/// Parses the messages of a dataset; data_bytes <= max_bytes and never beyond what the file, even
/// perfectly compressed, could hold.
Dataset describe(const Image& image, const Messages& messages, uint64_t max_bytes);
/// The elements in row-major order as they are in the file.
std::vector<uint8_t> raw_data(const Image& image, const Dataset& dataset);
/// Integers and floats as an Array.
Array to_array(const Image& image, const Dataset& dataset);
/// The text of a dataset with one element.
std::string to_string(const Image& image, const Dataset& dataset);

}  // namespace trivium::formats::h5
