// Parses the header messages of a dataset, and turns its bytes into an Array or a text.
#include "trivium/formats/hdf5_dataset.h"

#include "trivium/formats/inflate.h"

namespace trivium::formats::h5 {
namespace {

/// A message that must be there and must hold its own data.
const Message& required(const Image& image, const Messages& messages, uint16_t type,
                        const char* what) {
  const Message* m = find(messages, type);
  if (!m) user_error("{}: a dataset without {}: the file is broken", image.name(), what);
  if (m->flags & 2) image.in(*m).fail("a shared {} (named type) is not read", what);
  return *m;
}

void check_float(ByteReader& r, uint64_t bytes) {
  const uint16_t offset = r.u16("bit offset"), precision = r.u16("precision");
  r.u8("exponent place");
  const uint8_t exponent = r.u8("exponent size");
  const int expected = bytes == 2 ? 5 : bytes == 4 ? 8 : 11;
  if ((bytes != 2 && bytes != 4 && bytes != 8) || offset != 0 || precision != 8 * bytes ||
      exponent != expected)
    r.fail("an IEEE float of 2, 4 or 8 bytes expected, received {} bits with an exponent of {}",
           precision, exponent);
}

void check_integer(ByteReader& r, uint64_t bytes) {
  const uint16_t offset = r.u16("bit offset"), precision = r.u16("precision");
  if ((bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) || offset != 0 ||
      precision != 8 * bytes)
    r.fail("an integer of 1, 2, 4 or 8 bytes expected, received {} bits in {} bytes", precision,
           bytes);
}

Datatype parse_type(ByteReader& r, int depth = 0) {
  Datatype type;
  const uint8_t head = r.u8("datatype");
  const uint64_t bits = r.le(3, "datatype");
  type.bytes = r.u32("element size");
  if (type.bytes == 0) r.fail("elements of 0 bytes");
  type.big_endian = bits & 1;
  switch (head & 15) {
    case 0:
      type.kind = Datatype::integer;
      type.is_signed = bits & 8;
      check_integer(r, type.bytes);
      return type;
    case 1:
      type.kind = Datatype::floating;
      if (bits & 0x40) r.fail("floats in VAX byte order are not read");
      check_float(r, type.bytes);
      return type;
    case 3:
      type.kind = Datatype::fixed_string;
      return type;
    case 8:  // an enumeration, as h5py stores bool: read as its integers
      if (depth > 0) r.fail("an enumeration of enumerations");
      return parse_type(r, depth + 1);
    case 9:
      if ((bits & 15) != 1) r.fail("sequences of variable length are not read, only texts");
      type.kind = Datatype::variable_string;
      return type;
    default:
      r.fail("integers, floats or texts expected, received datatype class {}", head & 15);
  }
}

Shape parse_space(const Image& image, ByteReader& r) {
  const int version = r.u8("dataspace version");
  if (version != 1 && version != 2)
    r.fail("dataspace version 1 or 2 expected, received {}", version);
  const int rank = r.u8("rank");
  r.u8("flags");
  if (version == 1)
    r.take(5, "dataspace");
  else if (r.u8("dataspace kind") == 2)
    r.fail("an empty (null) dataset holds nothing to read");
  if (rank > Shape::kMaxRank)
    r.fail("a rank of at most {} expected, received {}", Shape::kMaxRank, rank);
  Shape shape;
  for (int i = 0; i < rank; ++i) {
    const uint64_t size = image.length(r, "size");
    if (size > INT64_MAX) r.fail("a size of {}", size);
    shape.push_back(static_cast<int64_t>(size));
  }
  return shape;
}

void parse_chunk(ByteReader& r, int stored_rank, int rank, Layout* layout) {
  if (stored_rank != rank + 1)
    r.fail("chunks of rank {} for a dataset of rank {}", stored_rank - 1, rank);
  for (int i = 0; i < rank; ++i) layout->chunk.push_back(r.u32("chunk size"));
  r.u32("element size");
  for (uint64_t size : layout->chunk)
    if (size == 0) r.fail("a chunk of size 0");
}

Layout parse_layout(const Image& image, ByteReader& r, int rank) {
  Layout layout;
  const int version = r.u8("layout version");
  if (version < 1 || version > 4) r.fail("layout version 1 to 4 expected, received {}", version);
  const int stored_rank = version < 3 ? r.u8("rank") : 0;
  const int kind = r.u8("layout kind");
  if (kind > 2) r.fail("compact, contiguous or chunked storage expected, received kind {}", kind);
  layout.kind = static_cast<Layout::Kind>(kind);
  if (version < 3) r.take(5, "layout");
  if (version == 4 && kind == Layout::chunked)
    r.fail(
        "chunks of the newest file format are not read; copy the file with h5py, "
        "h5py.File(name, \"w\", libver=\"earliest\")");
  if (kind == Layout::compact && version >= 3) {
    layout.inline_data = r.take(r.u16("compact size"), "compact data");
    return layout;
  }
  if (version < 3) {
    if (kind != Layout::compact) layout.address = image.address(r, "data");
    if (kind == Layout::chunked)
      parse_chunk(r, stored_rank, rank, &layout);
    else
      r.take(4 * static_cast<uint64_t>(stored_rank), "sizes");
    if (kind == Layout::compact) layout.inline_data = r.take(r.u32("compact size"), "compact data");
    return layout;
  }
  const int chunk_rank = kind == Layout::chunked ? r.u8("chunk rank") : 0;
  layout.address = image.address(r, "data");
  if (kind == Layout::chunked) parse_chunk(r, chunk_rank, rank, &layout);
  return layout;
}

std::vector<Filter> parse_filters(ByteReader& r) {
  std::vector<Filter> filters;
  const int version = r.u8("filter version");
  if (version != 1 && version != 2) r.fail("filter version 1 or 2 expected, received {}", version);
  const int count = r.u8("filters");
  if (version == 1) r.take(6, "filters");
  for (int i = 0; i < count; ++i) {
    Filter filter;
    filter.id = r.u16("filter");
    const bool named = version == 1 || filter.id >= 256;
    const uint16_t name_bytes = named ? r.u16("filter name length") : 0;
    r.u16("filter flags");
    const uint16_t values = r.u16("filter values");
    r.take(name_bytes, "filter name");
    for (uint16_t v = 0; v < values; ++v) {
      const uint32_t value = r.u32("filter value");
      if (v == 0) filter.value = value;
    }
    if (version == 1 && values % 2) r.take(4, "padding");
    if (filter.id < 1 || filter.id > 3)
      r.fail(
          "the filters deflate, shuffle and fletcher32 are read, received filter {}; rewrite "
          "the file with h5repack -f GZIP=4",
          filter.id);
    filters.push_back(filter);
  }
  return filters;
}

Bytes parse_fill(const Image& image, const Messages& messages, uint64_t element_bytes) {
  Bytes fill;
  if (const Message* m = find(messages, kFill)) {
    ByteReader r = image.in(*m);
    const int version = r.u8("fill version");
    bool defined = true;
    if (version <= 2) {
      r.take(2, "fill times");
      defined = r.u8("fill defined") || version == 1;
    } else {
      defined = r.u8("fill flags") & 0x20;
    }
    if (defined && r.remaining() >= 4) fill = r.take(r.u32("fill size"), "fill value");
  } else if (const Message* old = find(messages, kOldFill)) {
    ByteReader r = image.in(*old);
    fill = r.take(r.u32("fill size"), "fill value");
  }
  return fill.size() == element_bytes ? fill : Bytes{};
}

DType dtype_of_file(const Datatype& t) {
  if (t.kind == Datatype::floating)
    return t.bytes == 2 ? DType::f16 : t.bytes == 4 ? DType::f32 : DType::f64;
  if (t.bytes == 1) return t.is_signed ? DType::i8 : DType::u8;
  if (t.bytes == 2) return t.is_signed ? DType::i16 : DType::i32;
  if (t.bytes == 4) return t.is_signed ? DType::i32 : DType::i64;
  return DType::i64;
}

template <typename From, typename To>
void widen(const uint8_t* from, const Array& out) {
  To* to = out.data<To>();
  for (int64_t i = 0, n = out.count(); i < n; ++i) {
    From value;
    std::memcpy(&value, from + static_cast<size_t>(i) * sizeof(From), sizeof(From));
    to[i] = static_cast<To>(value);
  }
}

/// The object of a global heap that an element of a variable text points to.
Bytes global_heap_object(const Image& image, uint64_t address, uint32_t index) {
  ByteReader r = image.at(address, "global heap");
  r.expect("GCOL", "a global heap");
  r.take(4, "heap version");
  const uint64_t start = r.offset() - 8;
  const uint64_t bytes = image.length(r, "heap size");
  if (bytes > r.size() - start) r.fail("a heap of {} bytes", bytes);
  while (r.offset() + 16 <= start + bytes) {
    const uint16_t id = r.u16("heap object");
    r.take(6, "heap object");
    const uint64_t size = image.length(r, "heap object size");
    if (id == 0) break;  // the free space at the end
    const Bytes data = r.take(size, "heap object");
    if (id == index) return data;
    r.take(std::min((8 - size % 8) % 8, r.remaining()), "padding");
  }
  r.fail("no object {} in the global heap", index);
}

}  // namespace

Dataset describe(const Image& image, const Messages& messages, uint64_t max_bytes) {
  Dataset d;
  ByteReader type = image.in(required(image, messages, kDatatype, "datatype"));
  d.type = parse_type(type);
  ByteReader space = image.in(required(image, messages, kDataspace, "dataspace"));
  d.shape = parse_space(image, space);
  const Message& layout = required(image, messages, kLayout, "layout");
  ByteReader r = image.in(layout);
  d.at = layout.at;
  d.layout = parse_layout(image, r, d.shape.rank());
  if (const Message* m = find(messages, kFilters)) {
    ByteReader filters = image.in(*m);
    d.filters = parse_filters(filters);
  }
  d.fill = parse_fill(image, messages, d.type.bytes);
  d.data_bytes = d.type.bytes;
  uint64_t widest = 8;  // bytes of an element of the Array at most
  for (int64_t size : d.shape)
    if (!checked_multiply(d.data_bytes, static_cast<uint64_t>(size), &d.data_bytes) ||
        !checked_multiply(widest, static_cast<uint64_t>(size), &widest) || d.data_bytes > max_bytes)
      r.fail("{} elements of {} bytes pass the limit of {} bytes", d.shape.text(), d.type.bytes,
             max_bytes);
  if (d.data_bytes / kMaxDeflateRatio > image.size())
    r.fail("{} bytes of data cannot come from a file of {}", d.data_bytes, image.size());
  return d;
}

Array to_array(const Image& image, const Dataset& d) {
  if (d.type.kind != Datatype::integer && d.type.kind != Datatype::floating)
    user_error("{}: byte {}: numbers expected, the dataset holds texts", image.name(), d.at);
  std::vector<uint8_t> raw = raw_data(image, d);
  const DType dtype = dtype_of_file(d.type);
  Array out(d.shape, dtype);
  if (d.type.big_endian && d.type.bytes > 1)
    swap_bytes(raw.data(), static_cast<size_t>(out.count()), d.type.bytes);
  if (size_of(dtype) == d.type.bytes) {
    if (!raw.empty()) std::memcpy(out.raw(), raw.data(), raw.size());
  } else if (d.type.bytes == 2) {
    widen<uint16_t, int32_t>(raw.data(), out);
  } else {
    widen<uint32_t, int64_t>(raw.data(), out);
  }
  if (d.type.kind == Datatype::integer && d.type.bytes == 8 && !d.type.is_signed)
    for (const int64_t value : out.span<int64_t>())
      if (value < 0)
        user_error("{}: byte {}: a uint64 value above 2^63-1 does not fit in int64", image.name(),
                   d.at);
  return out;
}

std::string to_string(const Image& image, const Dataset& d) {
  if (d.type.kind == Datatype::integer || d.type.kind == Datatype::floating || d.shape.count() != 1)
    user_error("{}: byte {}: a single text expected", image.name(), d.at);
  const std::vector<uint8_t> raw = raw_data(image, d);
  std::string text(raw.begin(), raw.end());
  if (d.type.kind == Datatype::variable_string) {
    ByteReader r(raw, image.name());
    const uint32_t bytes = r.u32("text length");
    const uint64_t address = image.address(r, "text address");
    const uint32_t index = r.u32("text index");
    const Bytes data = bytes == 0 ? Bytes{} : global_heap_object(image, address, index);
    text.assign(data.begin(),
                data.begin() + static_cast<std::ptrdiff_t>(std::min<uint64_t>(bytes, data.size())));
  }
  return text.substr(0, text.find('\0'));
}

}  // namespace trivium::formats::h5
