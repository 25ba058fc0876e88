#include "trivium/formats/npy.h"

#include "trivium/formats/npy_header.h"

namespace trivium::formats {
namespace {

DType stored_dtype(const NpyHeader& h) {
  switch (h.kind) {
    case 'b':
      return DType::bool_;
    case 'f':
      return h.element_bytes == 2 ? DType::f16 : h.element_bytes == 4 ? DType::f32 : DType::f64;
    case 'u':
      return h.element_bytes == 1   ? DType::u8
             : h.element_bytes == 2 ? DType::i16
             : h.element_bytes == 4 ? DType::i32
                                    : DType::i64;  // the bits; widened below
    default:
      return h.element_bytes == 1   ? DType::i8
             : h.element_bytes == 2 ? DType::i16
             : h.element_bytes == 4 ? DType::i32
                                    : DType::i64;
  }
}

/// Row-major copy of data in Fortran order.
Array from_fortran(const Array& a) {
  const int rank = a.shape().rank();
  if (rank < 2 || a.count() == 0) return a;
  Array out(a.shape(), a.dtype());
  const size_t element = size_of(a.dtype());
  const char* from = static_cast<const char*>(a.raw());
  char* to = static_cast<char*>(out.raw());
  std::array<int64_t, Shape::kMaxRank> index{};
  for (int64_t i = 0; i < a.count(); ++i) {
    int64_t source = 0;
    for (int axis = rank - 1; axis >= 0; --axis) source = source * a.shape()[axis] + index[axis];
    std::memcpy(to + static_cast<size_t>(i) * element, from + static_cast<size_t>(source) * element,
                element);
    for (int axis = rank - 1; axis >= 0 && ++index[axis] == a.shape()[axis]; --axis)
      index[axis] = 0;
  }
  return out;
}

template <typename From, typename To>
Array widen(const Array& bits) {
  Array out(bits.shape(), dtype_of<To>);
  const From* from = static_cast<const From*>(bits.raw());
  To* to = out.data<To>();
  for (int64_t i = 0, n = bits.count(); i < n; ++i) to[i] = static_cast<To>(from[i]);
  return out;
}

/// Unsigned types that Array lacks go to the next larger signed one.
Array unsigned_to_signed(const Array& bits, int element_bytes, const std::string& name) {
  if (element_bytes == 2) return widen<uint16_t, int32_t>(bits);
  if (element_bytes == 4) return widen<uint32_t, int64_t>(bits);
  for (const int64_t value : bits.span<int64_t>())
    if (value < 0) user_error("{}: a uint64 value above 2^63-1 does not fit in int64", name);
  return bits;
}

void normalise_bools(const Array& a) {
  uint8_t* bytes = static_cast<uint8_t*>(a.raw());
  for (int64_t i = 0, n = a.count(); i < n; ++i) bytes[i] = bytes[i] != 0;
}

const char* descr_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "<f4";
    case DType::f64:
      return "<f8";
    case DType::f16:
      return "<f2";
    case DType::i8:
      return "|i1";
    case DType::u8:
      return "|u1";
    case DType::i16:
      return "<i2";
    case DType::i32:
      return "<i4";
    case DType::i64:
      return "<i8";
    case DType::bool_:
      return "|b1";
    default:
      user_error("npy has no type for {}; cast to float32 first", name_of(dtype));
  }
}

}  // namespace

Array parse_npy(Bytes bytes, const std::string& name, uint64_t max_bytes) {
  ByteReader in(bytes, name);
  const NpyHeader header = parse_npy_header(in, max_bytes);
  const Bytes data = in.take(header.data_bytes, "npy data");
  Array array(header.shape, stored_dtype(header));
  if (!data.empty()) std::memcpy(array.raw(), data.data(), data.size());
  if (header.big_endian && header.element_bytes > 1)
    swap_bytes(array.raw(), static_cast<size_t>(array.count()), size_of(array.dtype()));
  if (header.kind == 'b') normalise_bools(array);
  if (header.fortran_order) array = from_fortran(array);
  if (header.kind == 'u' && header.element_bytes > 1)
    array = unsigned_to_signed(array, header.element_bytes, name);
  return array;
}

Array read_npy(const std::string& path, uint64_t max_bytes) {
  const MappedFile file(path);
  return parse_npy(file.bytes(), path, max_bytes);
}

std::string npy_header(const Array& array) {
  std::string shape;
  for (int64_t size : array.shape()) shape += fmt::format("{}, ", size);
  if (array.shape().rank() > 1) shape.resize(shape.size() - 2);
  if (array.shape().rank() == 1) shape.pop_back();
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
                                 descr_of(array.dtype()), shape);
  const size_t unpadded = 10 + text.size() + 1;
  text.append((64 - unpadded % 64) % 64, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

void write_npy(const std::string& path, const Array& array) {
  const std::string header = npy_header(array);
  write_file_atomically(path, [&](FileSink& sink) {
    sink.write(header);
    sink.write(array.raw(), array.bytes());
  });
}

}  // namespace trivium::formats
