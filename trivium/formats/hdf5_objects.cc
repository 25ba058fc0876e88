#include "trivium/formats/hdf5_objects.h"

namespace trivium::formats::h5 {
namespace {

constexpr std::string_view kSignature("\x89HDF\r\n\x1a\n", 8);
constexpr size_t kMaxMessages = 65536;
constexpr uint64_t kMaxNameBytes = 4096;

/// The superblock may follow a user block of 512, 1024, 2048 … bytes.
uint64_t find_superblock(Bytes bytes, const std::string& name) {
  for (uint64_t at = 0; at + kSignature.size() <= bytes.size(); at = at == 0 ? 512 : at * 2)
    if (std::memcmp(bytes.data() + at, kSignature.data(), kSignature.size()) == 0) return at;
  user_error("{}: byte 0: no HDF5 signature: not an HDF5 file", name);
}

void check_width(const ByteReader& r, int bytes) {
  if (bytes != 2 && bytes != 4 && bytes != 8)
    r.fail("addresses and lengths of 2, 4 or 8 bytes expected, received {}", bytes);
}

void add_link(const ByteReader& r, const Image& image, const std::string& name, uint64_t address,
              Links* out) {
  if (name.empty() || name.find('/') != std::string::npos)
    r.fail("a name without slashes expected in a group");
  if (out->size() * 8 > image.size() || !out->emplace(name, address).second)
    r.fail("the name \"{:.60}\" comes twice in a group", name);
}

}  // namespace

Image::Image(Bytes bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {
  read_superblock();
}

uint64_t Image::widened(ByteReader& r, int bytes, const char* what) {
  const uint64_t value = r.le(bytes, what);
  const uint64_t ones = bytes == 8 ? kUndefined : (uint64_t{1} << (8 * bytes)) - 1;
  return value == ones ? kUndefined : value;
}

void Image::read_superblock() {
  const uint64_t start = find_superblock(bytes_, name_);
  ByteReader r(bytes_, name_);
  r.seek(start + kSignature.size(), "superblock");
  const int version = r.u8("superblock version");
  if (version > 3) r.fail("superblock version 0 to 3 expected, received {}", version);
  if (version < 2) r.take(4, "versions");
  offset_bytes_ = r.u8("width of addresses");
  length_bytes_ = r.u8("width of lengths");
  check_width(r, offset_bytes_);
  check_width(r, length_bytes_);
  r.take(version < 2 ? 1 + 4 + 4 + (version == 1 ? 4 : 0) : 1, "superblock");
  base_ = address(r, "base address");
  if (base_ == kUndefined || base_ > bytes_.size())
    r.fail("base address {} outside the file", base_);
  if (base_ == 0) base_ = start;
  address(r, "free space or extension");
  const uint64_t end = address(r, "end of file");
  if (end != kUndefined && end > bytes_.size())
    r.fail("{} bytes expected in the file, {} are there: it is cut short", end, bytes_.size());
  if (version < 2) {
    address(r, "driver information");
    length(r, "root name");
  }
  root_ = address(r, "root group");
}

ByteReader Image::at(uint64_t address, const char* what) const {
  ByteReader r(bytes_, name_);
  uint64_t place = 0;
  if (address == kUndefined || __builtin_add_overflow(base_, address, &place))
    r.fail("{} has no valid address", what);
  r.seek(place, what);
  return r;
}

Messages Image::messages(uint64_t address) const {
  Messages out;
  std::set<uint64_t> seen;
  ByteReader r = at(address, "object header");
  const uint8_t version = r.u8("object header");
  if (version == 1) {
    r.take(1 + 2 + 4, "object header");
    const uint32_t bytes = r.u32("object header size");
    r.take(4, "object header");
    const uint64_t end = r.offset() + bytes;
    messages_v1(r, end, &out, &seen);
    return out;
  }
  r = at(address, "object header");
  r.expect("OHDR", "object header");
  if (const int v = r.u8("version"); v != 2)
    r.fail("object header version 2 expected, received {}", v);
  const uint8_t flags = r.u8("flags");
  if (flags & 0x20) r.take(16, "times");
  if (flags & 0x10) r.take(4, "attribute limits");
  const uint64_t bytes = r.le(1 << (flags & 3), "object header size");
  if (bytes > r.remaining()) r.fail("an object header of {} bytes in {}", bytes, r.remaining());
  messages_v2(r, r.offset() + bytes, flags & 4, &out, &seen);
  return out;
}

void Image::messages_v1(ByteReader block, uint64_t end, Messages* out,
                        std::set<uint64_t>* seen) const {
  if (end > block.size()) block.fail("an object header that ends at byte {}", end);
  while (block.offset() + 8 <= end) {
    Message m;
    m.type = block.u16("message type");
    const uint16_t bytes = block.u16("message size");
    m.flags = block.u8("message flags");
    block.take(3, "message");
    m.at = block.offset();
    if (bytes > end - m.at) block.fail("a message of {} bytes beyond its header", bytes);
    m.data = block.take(bytes, "message");
    if (m.type == kContinuation)
      continue_at(m, false, false, out, seen);
    else
      out->push_back(m);
    if (out->size() > kMaxMessages) block.fail("more than {} messages in a header", kMaxMessages);
  }
}

void Image::messages_v2(ByteReader block, uint64_t end, bool ordered, Messages* out,
                        std::set<uint64_t>* seen) const {
  const uint64_t head = ordered ? 6 : 4;
  while (block.offset() + head <= end) {
    Message m;
    m.type = block.u8("message type");
    const uint16_t bytes = block.u16("message size");
    m.flags = block.u8("message flags");
    if (ordered) block.u16("creation order");
    m.at = block.offset();
    if (bytes > end - m.at) block.fail("a message of {} bytes beyond its header", bytes);
    m.data = block.take(bytes, "message");
    if (m.type == kContinuation)
      continue_at(m, true, ordered, out, seen);
    else
      out->push_back(m);
    if (out->size() > kMaxMessages) block.fail("more than {} messages in a header", kMaxMessages);
  }
}

void Image::continue_at(const Message& message, bool second, bool ordered, Messages* out,
                        std::set<uint64_t>* seen) const {
  ByteReader r = in(message);
  const uint64_t address = this->address(r, "continuation");
  const uint64_t bytes = length(r, "continuation");
  if (!seen->insert(address).second || seen->size() > 1024)
    r.fail("header continuations run in a circle");
  ByteReader block = at(address, "header continuation");
  if (bytes > block.remaining()) block.fail("a continuation of {} bytes", bytes);
  const uint64_t end = block.offset() + bytes;
  if (!second) return messages_v1(block, end, out, seen);
  if (bytes < 8) block.fail("a continuation of {} bytes", bytes);
  block.expect("OCHK", "header continuation");
  messages_v2(block, end - 4, ordered, out, seen);
}

int tree_node(const Image& image, ByteReader& r, int type, int level, uint64_t address,
              std::set<uint64_t>* seen, uint16_t* entries) {
  if (!seen->insert(address).second) r.fail("a tree node comes twice");
  r.expect("TREE", "a tree node");
  if (const int t = r.u8("tree type"); t != type) r.fail("a tree of type {}, received {}", type, t);
  const int own = r.u8("tree level");
  if (level < 0 ? own > 32 : own != level - 1) r.fail("tree level {} is out of order", own);
  *entries = r.u16("tree entries");
  image.address(r, "left sibling");
  image.address(r, "right sibling");
  return own;
}

Links Image::links(const Messages& group) const {
  Links out;
  if (const Message* info = find(group, kLinkInfo)) {
    ByteReader r = in(*info);
    r.u8("version");
    if (r.u8("flags") & 1) r.u64("creation index");
    if (address(r, "dense links") != kUndefined)
      r.fail(
          "a group in dense storage is not read; copy the file with h5py, "
          "h5py.File(name, \"w\", libver=\"earliest\")");
  }
  for (const Message& m : group)
    if (m.type == kLink) read_link(m, &out);
  if (const Message* table = find(group, kSymbolTable)) {
    ByteReader r = in(*table);
    const uint64_t tree = address(r, "group tree");
    std::set<uint64_t> seen;
    const Bytes names = local_heap(address(r, "local heap"));
    read_tree(tree, -1, names, &seen, &out);
  }
  return out;
}

Bytes Image::local_heap(uint64_t address) const {
  ByteReader r = at(address, "local heap");
  r.expect("HEAP", "a local heap");
  r.take(4, "heap version");
  const uint64_t bytes = length(r, "heap size");
  length(r, "free list");
  ByteReader data = at(this->address(r, "heap data"), "heap data");
  return data.take(bytes, "heap data");
}

void Image::read_tree(uint64_t address, int level, Bytes names, std::set<uint64_t>* seen,
                      Links* out) const {
  ByteReader r = at(address, "group tree");
  uint16_t entries = 0;
  const int own = tree_node(*this, r, 0, level, address, seen, &entries);
  for (uint16_t i = 0; i < entries; ++i) {
    length(r, "tree key");
    const uint64_t child = this->address(r, "tree child");
    if (own > 0)
      read_tree(child, own, names, seen, out);
    else
      read_symbols(child, names, seen, out);
  }
}

void Image::read_symbols(uint64_t address, Bytes names, std::set<uint64_t>* seen,
                         Links* out) const {
  ByteReader r = at(address, "symbol node");
  if (!seen->insert(address).second) r.fail("a symbol node comes twice");
  r.expect("SNOD", "a symbol node");
  r.take(2, "symbol node version");
  const uint16_t count = r.u16("symbols");
  for (uint16_t i = 0; i < count; ++i) {
    const uint64_t name_at = widened(r, offset_bytes_, "symbol name");
    const uint64_t object = this->address(r, "symbol object");
    const uint32_t cache = r.u32("symbol kind");
    r.take(20, "symbol");
    if (cache == 2) continue;  // a soft link
    if (name_at >= names.size()) r.fail("a name at byte {} of a heap of {}", name_at, names.size());
    const Bytes tail = names.subspan(name_at, std::min(names.size() - name_at, kMaxNameBytes));
    const void* end = std::memchr(tail.data(), 0, tail.size());
    if (!end) r.fail("a name without an end, or of more than {} bytes", kMaxNameBytes);
    const char* start = reinterpret_cast<const char*>(tail.data());
    add_link(r, *this, {start, static_cast<const char*>(end)}, object, out);
  }
}

void Image::read_link(const Message& message, Links* out) const {
  ByteReader r = in(message);
  if (const int v = r.u8("link version"); v != 1) r.fail("link version 1 expected, received {}", v);
  const uint8_t flags = r.u8("link flags");
  const uint8_t kind = flags & 8 ? r.u8("link kind") : 0;
  if (flags & 4) r.u64("creation order");
  if (flags & 0x10) r.u8("character set");
  const uint64_t bytes = r.le(1 << (flags & 3), "name length");
  if (bytes > kMaxNameBytes) r.fail("a name of {} bytes", bytes);
  const Bytes name = r.take(bytes, "link name");
  if (kind != 0) return;  // soft or external
  add_link(r, *this, {name.begin(), name.end()}, address(r, "link target"), out);
}

const Message* find(const Messages& messages, uint16_t type) {
  for (const Message& m : messages)
    if (m.type == type) return &m;
  return nullptr;
}

bool is_group(const Messages& m) {
  return find(m, kSymbolTable) || find(m, kLinkInfo) || find(m, kLink) || find(m, kGroupInfo);
}

bool is_dataset(const Messages& m) { return find(m, kLayout) && find(m, kDataspace); }

}  // namespace trivium::formats::h5
