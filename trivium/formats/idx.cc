#include "trivium/formats/idx.h"

#include "trivium/formats/bytes.h"
#include "trivium/formats/inflate.h"

namespace trivium::formats {
namespace {

struct TypeRow {
  uint8_t code;
  DType dtype;
};
constexpr TypeRow kTypes[] = {{0x08, DType::u8},  {0x09, DType::i8},  {0x0B, DType::i16},
                              {0x0C, DType::i32}, {0x0D, DType::f32}, {0x0E, DType::f64}};
constexpr size_t kMaxHeader = 4 + 4 * Shape::kMaxRank;

struct Header {
  DType dtype = DType::u8;
  Shape shape;
  uint64_t header_bytes = 0;
  uint64_t data_bytes = 0;
};

DType type_of(const ByteReader& in, uint8_t code) {
  for (const TypeRow& row : kTypes)
    if (row.code == code) return row.dtype;
  in.fail("IDX type 0x08, 0x09, 0x0B, 0x0C, 0x0D or 0x0E expected, received {:#04x}", code);
}

Header parse_header(ByteReader& in, uint64_t max_bytes) {
  Header header;
  if (in.u16("IDX magic") != 0)
    in.fail("an IDX file begins with two zero bytes (as in train-images-idx3-ubyte)");
  header.dtype = type_of(in, in.u8("IDX type"));
  const int rank = in.u8("IDX rank");
  if (rank < 1 || rank > Shape::kMaxRank)
    in.fail("a rank of 1 to {} expected, received {}", Shape::kMaxRank, rank);
  header.data_bytes = size_of(header.dtype);
  for (int i = 0; i < rank; ++i) {
    const uint32_t size = in.u32_be("IDX size");
    header.shape.push_back(size);
    if (!checked_multiply(header.data_bytes, size, &header.data_bytes) ||
        header.data_bytes > max_bytes)
      in.fail("the sizes {} ask for more than the limit of {} bytes", header.shape.text(),
              max_bytes);
  }
  header.header_bytes = in.offset();
  return header;
}

void to_native(const Array& array) {
  const size_t element = size_of(array.dtype());
  if (element > 1) swap_bytes(array.raw(), static_cast<size_t>(array.count()), element);
}

IdxFile parse_gzip(Bytes bytes, const std::string& name, uint64_t max_bytes) {
  const std::string start = inflate_start(bytes, Deflated::gzip, kMaxHeader, name);
  ByteReader in(as_bytes(start), name + " (inside gzip)");
  const Header header = parse_header(in, max_bytes);
  if (header.data_bytes / kMaxDeflateRatio > bytes.size())
    in.fail("{}{} cannot come from {} compressed bytes", name_of(header.dtype), header.shape.text(),
            bytes.size());
  // One buffer for header and data; the Array looks past the header when that keeps it aligned.
  std::string whole(header.header_bytes + header.data_bytes, '\0');
  inflate_exactly(bytes, Deflated::gzip, reinterpret_cast<uint8_t*>(whole.data()), whole.size(),
                  name);
  Array array(header.shape, header.dtype);
  std::memcpy(array.raw(), whole.data() + header.header_bytes, header.data_bytes);
  to_native(array);
  return {array};
}

}  // namespace

IdxFile parse_idx(Bytes bytes, const std::string& name, uint64_t max_bytes) {
  if (is_gzip(bytes)) return parse_gzip(bytes, name, max_bytes);
  ByteReader in(bytes, name);
  const Header header = parse_header(in, max_bytes);
  if (in.remaining() != header.data_bytes)
    in.fail("{}{} needs {} bytes of data, the file has {}", name_of(header.dtype),
            header.shape.text(), header.data_bytes, in.remaining());
  Array array(header.shape, header.dtype);
  std::memcpy(array.raw(), in.take(header.data_bytes, "IDX data").data(), header.data_bytes);
  to_native(array);
  return {array};
}

IdxFile read_idx(const std::string& path, uint64_t max_bytes) {
  const MappedFile file(path);
  return parse_idx(file.bytes(), path, max_bytes);
}

void write_idx(const std::string& path, const Array& array) {
  uint8_t code = 0;
  for (const TypeRow& row : kTypes)
    if (row.dtype == array.dtype()) code = row.code;
  if (code == 0 || array.shape().rank() == 0)
    user_error(
        "{}: IDX holds uint8, int8, int16, int32, float32 or float64 of rank 1 or more, "
        "received {}",
        path, array.text());
  std::string header{'\0', '\0', static_cast<char>(code), static_cast<char>(array.shape().rank())};
  for (int64_t size : array.shape()) {
    if (size > UINT32_MAX) user_error("{}: {} has a size beyond 32 bits", path, array.text());
    const uint32_t big = __builtin_bswap32(static_cast<uint32_t>(size));
    header.append(reinterpret_cast<const char*>(&big), 4);
  }
  const Array copy = array.clone();
  to_native(copy);
  write_file_atomically(path, [&](FileSink& sink) {
    sink.write(header);
    sink.write(copy.raw(), copy.bytes());
  });
}

}  // namespace trivium::formats
