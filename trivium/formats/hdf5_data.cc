// Gathers the elements of a dataset: one piece, or chunks found through a B-tree and unpacked by
// their filters. The work is bounded by the chunks the sizes call for, each taken once.
#include <algorithm>

#include "trivium/formats/hdf5_dataset.h"
#include "trivium/formats/inflate.h"

namespace trivium::formats::h5 {
namespace {

enum FilterId : uint16_t { kDeflate = 1, kShuffle = 2, kFletcher32 = 3 };

/// Fletcher's checksum over big-endian 16-bit words, as HDF5 defines it.
uint32_t fletcher32(Bytes bytes) {
  uint32_t low = 0, high = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    const uint32_t word =
        static_cast<uint32_t>(bytes[i]) << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0u);
    low = (low + word) % 65535;
    high = (high + low) % 65535;
  }
  return high << 16 | low;
}

std::vector<uint8_t> unshuffle(const std::vector<uint8_t>& in, size_t element) {
  if (element < 2 || in.size() < element) return in;
  const size_t count = in.size() / element;
  std::vector<uint8_t> out(in.size());
  for (size_t byte = 0; byte < element; ++byte)
    for (size_t i = 0; i < count; ++i) out[i * element + byte] = in[byte * count + i];
  std::copy(in.begin() + static_cast<std::ptrdiff_t>(count * element), in.end(),
            out.begin() + static_cast<std::ptrdiff_t>(count * element));
  return out;
}

class ChunkReader {
 public:
  ChunkReader(const Image& image, const Dataset& d, std::vector<uint8_t>* out)
      : image_(image), d_(d), out_(out), rank_(d.shape.rank()) {
    chunk_bytes_ = d.type.bytes;
    uint64_t grid = 1;
    bool fits = true;
    for (int i = 0; i < rank_; ++i) {
      const uint64_t chunk = d.layout.chunk[static_cast<size_t>(i)];
      fits = fits && checked_multiply(chunk_bytes_, chunk, &chunk_bytes_);
      grid *= (static_cast<uint64_t>(d.shape[i]) + chunk - 1) / chunk;
    }
    uint64_t total = 0;
    // Chunks at the edges reach beyond the dataset; more than this no writer leaves unused.
    if (!fits || !checked_multiply(chunk_bytes_, grid, &total) ||
        total / 64 > d.data_bytes + (uint64_t{1} << 26))
      user_error("{}: byte {}: chunks of {} bytes are out of proportion to {} bytes of data",
                 image.name(), d.at, chunk_bytes_, d.data_bytes);
  }

  void read_all() { read_node(d_.layout.address, -1); }

 private:
  void read_node(uint64_t address, int level) {
    ByteReader r = image_.at(address, "chunk tree");
    uint16_t entries = 0;
    const int own = tree_node(image_, r, 1, level, address, &seen_, &entries);
    for (uint16_t i = 0; i < entries; ++i) {
      const uint32_t stored = r.u32("chunk size");
      const uint32_t skipped = r.u32("filter mask");
      std::array<uint64_t, Shape::kMaxRank> origin{};
      for (int axis = 0; axis < rank_; ++axis)
        origin[static_cast<size_t>(axis)] = r.u64("chunk origin");
      r.u64("chunk origin");
      const uint64_t child = image_.address(r, "chunk address");
      if (own > 0)
        read_node(child, own);
      else
        read_chunk(r, child, stored, skipped, origin);
    }
  }

  void read_chunk(const ByteReader& node, uint64_t address, uint32_t stored, uint32_t skipped,
                  const std::array<uint64_t, Shape::kMaxRank>& origin) {
    uint64_t place = 0;
    for (int axis = 0; axis < rank_; ++axis) {
      const auto i = static_cast<size_t>(axis);
      const auto size = static_cast<uint64_t>(d_.shape[axis]);
      if (origin[i] % d_.layout.chunk[i] != 0) node.fail("a chunk between the places of chunks");
      if (origin[i] >= size) return;  // left over from a dataset that was shortened
      place = place * size + origin[i];
    }
    if (!taken_.insert(place).second) node.fail("a chunk comes twice");
    ByteReader r = image_.at(address, "chunk");
    const Bytes packed = r.take(stored, "chunk");
    std::vector<uint8_t> data = unpack(r, packed, skipped);
    if (data.size() != chunk_bytes_)
      r.fail("a chunk of {} bytes expected, received {}", chunk_bytes_, data.size());
    scatter(data, origin);
  }

  /// Undoes the filters, last one first.
  std::vector<uint8_t> unpack(const ByteReader& r, Bytes packed, uint32_t skipped) const {
    if (packed.size() > chunk_bytes_ + chunk_bytes_ / 8 + 1024)
      r.fail("a chunk of {} bytes stored in {}", chunk_bytes_, packed.size());
    std::vector<uint8_t> data(packed.begin(), packed.end());
    for (size_t i = d_.filters.size(); i-- > 0;) {
      const Filter& filter = d_.filters[i];
      if (i < 32 && (skipped >> i & 1)) continue;
      if (filter.id == kFletcher32) check_sum(r, &data);
      if (filter.id == kShuffle) data = unshuffle(data, filter.value);
      if (filter.id == kDeflate) data = inflate_chunk(r, data, checks_before(i));
    }
    return data;
  }

  /// Bytes that checksums applied before filter `i` added to the chunk.
  uint64_t checks_before(size_t i) const {
    uint64_t bytes = 0;
    for (size_t k = 0; k < i; ++k) bytes += d_.filters[k].id == kFletcher32 ? 4 : 0;
    return bytes;
  }

  std::vector<uint8_t> inflate_chunk(const ByteReader& r, const std::vector<uint8_t>& packed,
                                     uint64_t more) const {
    const uint64_t bytes = chunk_bytes_ + more;
    if (bytes / kMaxDeflateRatio > packed.size())
      r.fail("{} bytes cannot come from {} deflated ones", bytes, packed.size());
    std::vector<uint8_t> data(bytes);
    inflate_exactly(packed, Deflated::zlib, data.data(), bytes,
                    fmt::format("{}: chunk before byte {}", image_.name(), r.offset()));
    return data;
  }

  static void check_sum(const ByteReader& r, std::vector<uint8_t>* data) {
    if (data->size() < 4) r.fail("a chunk of {} bytes has no checksum", data->size());
    uint32_t stored = 0;
    std::memcpy(&stored, data->data() + data->size() - 4, 4);
    data->resize(data->size() - 4);
    const uint32_t sum = fletcher32(*data);
    // Old writers stored the two bytes of each half the other way round.
    const uint32_t old = (sum & 0x00ff00ffu) << 8 | (sum >> 8 & 0x00ff00ffu);
    if (stored != sum && stored != old)
      r.fail("chunk checksum {:08x} expected, the data gives {:08x}", stored, sum);
  }

  /// Copies the rows of a chunk that lie inside the dataset.
  void scatter(const std::vector<uint8_t>& data,
               const std::array<uint64_t, Shape::kMaxRank>& origin) {
    const uint64_t element = d_.type.bytes;
    if (rank_ == 0) {
      std::copy(data.begin(), data.end(), out_->begin());
      return;
    }
    std::array<uint64_t, Shape::kMaxRank> index{}, extent{};
    for (size_t i = 0; i < static_cast<size_t>(rank_); ++i)
      extent[i] = std::min(d_.layout.chunk[i],
                           static_cast<uint64_t>(d_.shape[static_cast<int>(i)]) - origin[i]);
    const size_t last = static_cast<size_t>(rank_) - 1;
    for (;;) {
      uint64_t from = 0, to = 0;
      for (size_t i = 0; i <= last; ++i) {
        from = from * d_.layout.chunk[i] + index[i];
        to = to * static_cast<uint64_t>(d_.shape[static_cast<int>(i)]) + origin[i] + index[i];
      }
      std::memcpy(out_->data() + to * element, data.data() + from * element,
                  extent[last] * element);
      size_t axis = last;
      while (axis > 0 && ++index[axis - 1] == extent[axis - 1]) index[--axis] = 0;
      if (axis == 0) return;
    }
  }

  const Image& image_;
  const Dataset& d_;
  std::vector<uint8_t>* out_;
  int rank_;
  uint64_t chunk_bytes_ = 0;
  std::set<uint64_t> seen_, taken_;
};

/// Where nothing is stored, the fill value stands.
std::vector<uint8_t> filled(const Dataset& d) {
  std::vector<uint8_t> out(d.data_bytes);
  if (!d.fill.empty())
    for (uint64_t at = 0; at < out.size(); at += d.fill.size())
      std::memcpy(out.data() + at, d.fill.data(), d.fill.size());
  return out;
}

}  // namespace

std::vector<uint8_t> raw_data(const Image& image, const Dataset& d) {
  if (d.data_bytes == 0) return {};
  if (d.layout.kind == Layout::compact) {
    if (d.layout.inline_data.size() < d.data_bytes)
      user_error("{}: byte {}: {} bytes of data expected, {} are stored", image.name(), d.at,
                 d.data_bytes, d.layout.inline_data.size());
    return {d.layout.inline_data.begin(),
            d.layout.inline_data.begin() + static_cast<std::ptrdiff_t>(d.data_bytes)};
  }
  if (d.layout.address == kUndefined) return filled(d);
  if (d.layout.kind == Layout::contiguous) {
    ByteReader r = image.at(d.layout.address, "dataset");
    const Bytes data = r.take(d.data_bytes, "dataset");
    return {data.begin(), data.end()};
  }
  std::vector<uint8_t> out = filled(d);
  ChunkReader(image, d, &out).read_all();
  return out;
}

}  // namespace trivium::formats::h5
