// Reading: footer -> index block -> data blocks. Blocks may not overlap and keys must increase, so
// a small hostile file cannot stand for much work.
#include "trivium/formats/table.h"

#include <algorithm>

#include "trivium/formats/crc32c.h"
#include "trivium/formats/snappy.h"
#include "trivium/formats/table_coding.h"

namespace trivium::formats {
namespace {

constexpr uint64_t kMagic = 0xdb4775248b80fb57u;
constexpr uint64_t kFooterBytes = 48, kTrailerBytes = 5;
constexpr uint64_t kFreeKeyBytes = uint64_t{1} << 20, kMaxKeyRatio = 64;

std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Walks the entries of a block. `f` returns false to stop.
template <typename F>
void walk(Bytes block, const std::string& name, uint64_t* key_budget, F&& f) {
  ByteReader tail(block, name);
  if (block.size() < 4) tail.fail("a block of at least 4 bytes expected, it has {}", block.size());
  tail.seek(block.size() - 4, "restart count");
  const uint64_t restarts = tail.u32("restart count");
  if (restarts > (block.size() - 4) / 4)
    tail.fail("{} restarts in a block of {} bytes", restarts, block.size());
  ByteReader in(block.first(block.size() - 4 - 4 * restarts), name);
  std::string key;
  while (in.remaining() > 0) {
    const uint64_t shared = read_varint(&in, "shared key length");
    const uint64_t unshared = read_varint(&in, "key length");
    const uint64_t size = read_varint(&in, "value length");
    if (shared > key.size())
      in.fail("a key shares {} bytes with one of {} bytes", shared, key.size());
    key.resize(shared);
    key += text_of(in.take(unshared, "key"));
    const std::string_view value = text_of(in.take(size, "value"));
    if (key.size() > *key_budget) in.fail("the keys of this table take too much memory");
    *key_budget -= key.size();
    if (!f(std::string_view(key), value)) return;
  }
}

}  // namespace

bool is_table(Bytes bytes) {
  uint64_t magic = 0;
  if (bytes.size() < kFooterBytes) return false;
  std::memcpy(&magic, bytes.data() + bytes.size() - 8, 8);
  return magic == kMagic;
}

TableReader::TableReader(Bytes bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {
  if (bytes_.size() < kFooterBytes || !is_table(bytes_))
    user_error(
        "{}: a sorted string table (a checkpoint's index) expected; the mark at the end of the {} "
        "bytes is missing: another kind of file, or cut short",
        name_, bytes_.size());
  read_index();
}

Bytes TableReader::contents(uint64_t offset, uint64_t size, std::string* unpacked) const {
  ByteReader in(bytes_, name_);
  in.seek(offset, "block");
  const Bytes block = in.take(size, "block");
  const uint8_t kind = in.u8("block type");
  const uint32_t stored = in.u32("block checksum");
  const Bytes summed = bytes_.subspan(offset, size + 1);
  if (const uint32_t real = masked_crc32c(summed); real != stored)
    user_error("{}: block at byte {}: checksum {:08x} expected, {:08x} found: the file is damaged",
               name_, offset, stored, real);
  if (kind == 0) return block;
  if (kind != 1)
    user_error("{}: block at byte {}: type 0 (plain) or 1 (snappy) expected, it is {}", name_,
               offset, kind);
  *unpacked = unpack_snappy(block, fmt::format("{}: block at byte {}", name_, offset));
  return as_bytes(*unpacked);
}

void TableReader::read_index() {
  const uint64_t footer = bytes_.size() - kFooterBytes;
  ByteReader in(bytes_.subspan(footer), name_, footer);
  read_varint(&in, "metaindex position");
  read_varint(&in, "metaindex size");
  const uint64_t offset = read_varint(&in, "index position");
  const uint64_t size = read_varint(&in, "index size");
  if (offset > footer || size > footer - offset || footer - offset - size < kTrailerBytes)
    in.fail("the index of blocks ({} bytes at {}) lies outside the file", size, offset);
  std::string unpacked;
  const Bytes block = contents(offset, size, &unpacked);
  uint64_t end = 0, budget = kFreeKeyBytes + kMaxKeyRatio * bytes_.size();
  walk(block, name_ + ": index of blocks", &budget,
       [&](std::string_view key, std::string_view value) {
         ByteReader handle(as_bytes(value), name_ + ": index of blocks");
         Block next{std::string(key), read_varint(&handle, "block position"), 0};
         next.size = read_varint(&handle, "block size");
         if (next.offset < end || next.offset > footer || next.size > footer - next.offset ||
             footer - next.offset - next.size < kTrailerBytes)
           handle.fail("block of {} bytes at {}: blocks must follow each other inside the file",
                       next.size, next.offset);
         end = next.offset + next.size + kTrailerBytes;
         blocks_.push_back(std::move(next));
         return true;
       });
}

void TableReader::for_each(const std::function<void(std::string_view, std::string_view)>& f) const {
  std::string previous;
  bool first = true;
  uint64_t budget = kFreeKeyBytes + kMaxKeyRatio * bytes_.size();
  for (const Block& block : blocks_) {
    std::string unpacked;
    const std::string where = fmt::format("{}: block at byte {}", name_, block.offset);
    walk(contents(block.offset, block.size, &unpacked), where, &budget,
         [&](std::string_view key, std::string_view value) {
           if (!first && key <= previous)
             user_error("{}: key \"{}\" does not come after \"{}\": the file is broken", where, key,
                        previous);
           first = false;
           previous = key;
           f(key, value);
           return true;
         });
  }
}

std::optional<std::string> TableReader::find(std::string_view key) const {
  const auto block =
      std::lower_bound(blocks_.begin(), blocks_.end(), key,
                       [](const Block& b, std::string_view k) { return b.last_key < k; });
  if (block == blocks_.end()) return std::nullopt;
  std::string unpacked;
  std::optional<std::string> found;
  uint64_t budget = kFreeKeyBytes + kMaxKeyRatio * bytes_.size();
  walk(contents(block->offset, block->size, &unpacked),
       fmt::format("{}: block at byte {}", name_, block->offset), &budget,
       [&](std::string_view k, std::string_view value) {
         if (k == key) found = std::string(value);
         return k < key;
       });
  return found;
}

}  // namespace trivium::formats
