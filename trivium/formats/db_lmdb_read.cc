// Reads LMDB's data.mdb: pages of a B+tree in one file, two meta pages in front of which the newer
// counts. Every page number, node offset and length is checked when it is used, so opening stays
// instant for any size of database.
#include <vector>

#include "trivium/formats/bytes.h"
#include "trivium/formats/db_backends.h"

namespace trivium::formats {
namespace {

constexpr uint32_t kMagic = 0xBEEFC0DE;
constexpr uint32_t kVersion = 1;
constexpr uint64_t kPageHeader = 16, kNodeHeader = 8;
constexpr uint64_t kTxnIdAt = kPageHeader + 128;
constexpr uint64_t kNoPage = ~uint64_t{0};
constexpr uint64_t kMaxDepth = 32;
enum PageFlag : uint16_t { kBranch = 1, kLeaf = 2, kOverflow = 4, kMeta = 8, kFixedLeaf = 0x20 };
enum NodeFlag : uint16_t { kBigData = 1, kSubDatabase = 2, kDuplicates = 4 };
constexpr uint16_t kSortedDuplicates = 4;

struct Meta {
  uint64_t page_bytes = 0, depth = 0, entries = 0, root = kNoPage, txn_id = 0;
  uint16_t flags = 0;
};

uint64_t load(Bytes bytes, uint64_t at, int count) {
  uint64_t value = 0;
  std::memcpy(&value, bytes.data() + at, static_cast<size_t>(count));
  return value;
}

/// Pages of records long passed count as the process's memory until they are given back.
constexpr uint64_t kForgetBytes = uint64_t{8} << 20;

class LmdbCursor : public Database {
 public:
  LmdbCursor(Bytes bytes, std::string name, std::shared_ptr<MappedFile> keeper)
      : keeper_(std::move(keeper)), bytes_(bytes), name_(std::move(name)) {
    meta_ = newest_meta();
    check_meta();
    rewind();
  }

  bool valid() const override { return !path_.empty(); }

  void rewind() override {
    check_unchanged();
    path_.clear();
    visited_ = 0;
    if (meta_.root == kNoPage) return;
    descend(meta_.root);
    load_record();
  }

  bool next() override {
    if (!valid()) return false;
    check_unchanged();
    walked_ += key_.size() + value_.size();
    if (walked_ > kForgetBytes && keeper_) {
      keeper_->forget_pages();
      walked_ = 0;
    }
    while (!path_.empty() && ++path_.back().index == path_.back().nodes) path_.pop_back();
    if (path_.empty()) {
      if (visited_ != meta_.entries)
        fail(0, "{} records expected, the tree holds {}", meta_.entries, visited_);
      return false;
    }
    if (path_.size() < meta_.depth) descend(child(path_.back()));
    load_record();
    return true;
  }

  std::string_view key() const override { return key_; }
  std::string_view value() const override { return value_; }
  int64_t count() override { return static_cast<int64_t>(meta_.entries); }

 private:
  struct Level {
    uint64_t page = 0;  // byte offset in the file
    uint64_t nodes = 0, index = 0;
  };
  struct Node {
    uint64_t at = 0;  // byte offset in the file
    uint64_t low = 0, high = 0, flags = 0, key_bytes = 0;
  };

  template <typename... Args>
  [[noreturn]] void fail(uint64_t at, fmt::format_string<Args...> format, Args&&... args) const {
    user_error("{}: byte {}: broken LMDB database: {}", name_, at,
               fmt::format(format, std::forward<Args>(args)...));
  }

  Meta read_meta(uint64_t at) const {
    ByteReader in(bytes_, name_);
    in.seek(at, "LMDB meta page");
    in.take(10, "page header");
    const uint16_t flags = in.u16("page flags");
    in.take(4, "page header");
    if (in.u32("LMDB magic") != kMagic || !(flags & kMeta))
      in.fail("an LMDB meta page expected; this is no LMDB database");
    if (const uint32_t version = in.u32("LMDB version"); version != kVersion)
      in.fail("LMDB format version {} expected, received {}", kVersion, version);
    in.take(16, "map address and size");
    Meta meta;
    meta.page_bytes = in.u32("page size");
    in.take(44, "free list");
    in.u32("padding");
    meta.flags = in.u16("database flags");
    meta.depth = in.u16("depth");
    in.take(24, "page counts");
    meta.entries = in.u64("entries");
    meta.root = in.u64("root page");
    in.u64("last page");
    meta.txn_id = in.u64("transaction");
    return meta;
  }

  Meta newest_meta() const {
    const Meta first = read_meta(0);
    if (first.page_bytes < 256 || first.page_bytes > 65536 ||
        (first.page_bytes & (first.page_bytes - 1)) != 0)
      fail(kPageHeader + 24, "page size {}", first.page_bytes);
    const Meta second = read_meta(first.page_bytes);
    if (second.page_bytes != first.page_bytes)
      fail(first.page_bytes, "page sizes {} and {}", first.page_bytes, second.page_bytes);
    return second.txn_id > first.txn_id ? second : first;
  }

  void check_meta() const {
    if (meta_.flags & kSortedDuplicates)
      user_error("{}: an LMDB database with several values a key is not a database of records",
                 name_);
    if (meta_.root == kNoPage ? meta_.entries != 0 : meta_.depth < 1 || meta_.depth > kMaxDepth)
      fail(kPageHeader, "a tree of depth {} with {} records", meta_.depth, meta_.entries);
    if (meta_.entries > bytes_.size() / (kNodeHeader + 2))
      fail(kPageHeader, "{} records cannot fit in {} bytes", meta_.entries, bytes_.size());
  }

  /// A writer's commit changes the transaction number; two commits on, our pages may be reused.
  void check_unchanged() const {
    const uint64_t a = load(bytes_, kTxnIdAt, 8);
    const uint64_t b = load(bytes_, meta_.page_bytes + kTxnIdAt, 8);
    if (std::max(a, b) != meta_.txn_id)
      user_error("{}: the database was written to while it was being read; open it again", name_);
  }

  Level open_page(uint64_t number, uint16_t kind) const {
    if (number >= bytes_.size() / meta_.page_bytes)
      fail(0, "page {} lies outside the {} bytes of the file", number, bytes_.size());
    const uint64_t at = number * meta_.page_bytes;
    const uint64_t flags = load(bytes_, at + 10, 2);
    if (!(flags & kind) || (flags & kFixedLeaf))
      fail(at, "page {} is not of the expected kind (flags {:#x})", number, flags);
    const uint64_t lower = load(bytes_, at + 12, 2);
    if (lower <= kPageHeader || lower > meta_.page_bytes)
      fail(at, "page {} holds no nodes", number);
    return {at, (lower - kPageHeader) / 2, 0};
  }

  Node node(const Level& level) const {
    const uint64_t place = load(bytes_, level.page + kPageHeader + 2 * level.index, 2);
    Node n;
    n.at = level.page + place;
    if (place < kPageHeader || place + kNodeHeader > meta_.page_bytes)
      fail(n.at, "a node outside its page");
    n.low = load(bytes_, n.at, 2);
    n.high = load(bytes_, n.at + 2, 2);
    n.flags = load(bytes_, n.at + 4, 2);
    n.key_bytes = load(bytes_, n.at + 6, 2);
    if (place + kNodeHeader + n.key_bytes > meta_.page_bytes) fail(n.at, "a key outside its page");
    return n;
  }

  uint64_t child(const Level& level) const {
    const Node n = node(level);
    return n.low | n.high << 16 | n.flags << 32;
  }

  /// From `number`, the page below the current path, down to the leftmost leaf.
  void descend(uint64_t number) {
    while (path_.size() + 1 < meta_.depth) {
      path_.push_back(open_page(number, kBranch));
      number = child(path_.back());
    }
    path_.push_back(open_page(number, kLeaf));
  }

  void load_record() {
    if (++visited_ > meta_.entries) fail(path_.back().page, "more than {} records", meta_.entries);
    const Node n = node(path_.back());
    if (n.flags & (kSubDatabase | kDuplicates))
      user_error("{}: byte {}: a named sub-database where a record is expected", name_, n.at);
    const uint64_t key_at = n.at + kNodeHeader, bytes = n.low | n.high << 16;
    uint64_t value_at = key_at + n.key_bytes;
    const uint64_t page_end = path_.back().page + meta_.page_bytes;
    if (n.flags & kBigData) {
      if (value_at + 8 > page_end) fail(n.at, "a page number outside its page");
      value_at = overflow_data(load(bytes_, value_at, 8), bytes);
    } else if (bytes > page_end - value_at) {
      fail(n.at, "a value of {} bytes outside its page", bytes);
    }
    key_ = text(key_at, n.key_bytes);
    value_ = text(value_at, bytes);
  }

  uint64_t overflow_data(uint64_t number, uint64_t bytes) const {
    if (number >= bytes_.size() / meta_.page_bytes)
      fail(0, "overflow page {} lies outside the file", number);
    const uint64_t at = number * meta_.page_bytes;
    if (!(load(bytes_, at + 10, 2) & kOverflow)) fail(at, "an overflow page expected");
    if (bytes > bytes_.size() - at - kPageHeader)
      fail(at, "a value of {} bytes reaches beyond the end of the file", bytes);
    return at + kPageHeader;
  }

  std::string_view text(uint64_t at, uint64_t bytes) const {
    return {reinterpret_cast<const char*>(bytes_.data() + at), bytes};
  }

  std::shared_ptr<MappedFile> keeper_;
  Bytes bytes_;
  std::string name_;
  Meta meta_;
  std::vector<Level> path_;  // from the root to the leaf
  uint64_t visited_ = 0;
  uint64_t walked_ = 0;  // bytes of records since pages were given back
  std::string_view key_, value_;
};

}  // namespace

std::unique_ptr<Database> open_lmdb(const std::string& data_file) {
  auto file = std::make_shared<MappedFile>(data_file);
  return std::make_unique<LmdbCursor>(file->bytes(), data_file, file);
}

std::unique_ptr<Database> open_lmdb(Bytes bytes, const std::string& name) {
  return std::make_unique<LmdbCursor>(bytes, name, nullptr);
}

}  // namespace trivium::formats
