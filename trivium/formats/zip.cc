#include "trivium/formats/zip.h"

#include <zlib.h>

#include <algorithm>

#include "trivium/formats/inflate.h"

namespace trivium::formats {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50,
                   kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint64_t kEndBytes = 22, kLocatorBytes = 20, kCentralBytes = 46;
constexpr uint16_t kEncrypted = 1;

struct Directory {
  uint64_t entries = 0, bytes = 0, offset = 0;
};

/// The end record is the last one whose comment reaches exactly to the end of the file.
uint64_t find_end(Bytes bytes, const std::string& name) {
  if (bytes.size() >= kEndBytes) {
    const uint64_t last = bytes.size() - kEndBytes;
    const uint64_t first = last > 0xffff ? last - 0xffff : 0;
    for (uint64_t at = last + 1; at-- > first;) {
      ByteReader in(bytes.subspan(at), name, at);
      if (in.u32("end record") != kEnd) continue;
      in.seek(20, "comment length");
      if (in.u16("comment length") == last - at) return at;
    }
  }
  user_error("{}: byte {}: no ZIP directory at the end: the archive is cut short", name,
             bytes.size());
}

Directory read_directory(Bytes bytes, const std::string& name) {
  const uint64_t at = find_end(bytes, name);
  ByteReader in(bytes, name);
  in.seek(at + 4, "end record");
  const uint32_t disks = in.u32("disk numbers");
  in.u16("entries on this disk");
  Directory directory;
  directory.entries = in.u16("entries");
  directory.bytes = in.u32("directory size");
  directory.offset = in.u32("directory offset");
  if (disks != 0 && disks != 0xffffffff) in.fail("archives in several parts are refused");
  if (at < kLocatorBytes) return directory;
  in.seek(at - kLocatorBytes, "ZIP64 locator");
  if (in.u32("ZIP64 locator") != kLocator64) return directory;
  in.u32("disk");
  in.seek(in.u64("ZIP64 record offset"), "ZIP64 end record");
  if (in.u32("ZIP64 end record") != kEnd64) in.fail("the ZIP64 end record is missing");
  in.take(28, "ZIP64 end record");
  directory.entries = in.u64("entries");
  directory.bytes = in.u64("directory size");
  directory.offset = in.u64("directory offset");
  return directory;
}

/// The ZIP64 extra field replaces, in this order, each value that is all ones.
void read_zip64(ByteReader extra, ZipEntry* entry) {
  while (extra.remaining() >= 4) {
    const uint16_t id = extra.u16("extra field");
    const uint16_t length = extra.u16("extra field length");
    if (id != 1) {
      extra.take(length, "extra field");
      continue;
    }
    for (uint64_t* value : {&entry->bytes, &entry->stored_bytes, &entry->header_offset})
      if (*value == 0xffffffff) *value = extra.u64("ZIP64 size");
    return;
  }
}

ZipEntry read_entry(ByteReader& in) {
  if (in.u32("directory entry") != kCentral) in.fail("a ZIP directory entry expected");
  ZipEntry entry;
  in.u32("versions");
  entry.flags = in.u16("flags");
  entry.method = in.u16("method");
  in.u32("time");
  entry.crc = in.u32("checksum");
  entry.stored_bytes = in.u32("stored size");
  entry.bytes = in.u32("size");
  const uint16_t name_bytes = in.u16("name length"), extra_bytes = in.u16("extra length"),
                 comment_bytes = in.u16("comment length");
  in.take(8, "attributes");
  entry.header_offset = in.u32("offset");
  const Bytes name = in.take(name_bytes, "member name");
  entry.name.assign(name.begin(), name.end());
  const uint64_t extra_at = in.offset();
  read_zip64(ByteReader(in.take(extra_bytes, "extra field"), in.name(), extra_at), &entry);
  in.take(comment_bytes, "comment");
  return entry;
}

/// Names are keys here and never become paths; one that tries to be a path elsewhere is no honest
/// archive.
bool is_plain_name(const std::string& name) {
  if (name.empty() || name[0] == '/' || name.find('\0') != std::string::npos) return false;
  size_t from = 0;
  while (from <= name.size()) {
    const size_t slash = std::min(name.find('/', from), name.size());
    if (name.compare(from, slash - from, "..") == 0) return false;
    from = slash + 1;
  }
  return true;
}

}  // namespace

uint32_t crc32_of(Bytes bytes, uint32_t crc) {
  return static_cast<uint32_t>(crc32_z(crc, bytes.data(), bytes.size()));
}

ZipReader::ZipReader(Bytes bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {
  const Directory directory = read_directory(bytes_, name_);
  ByteReader in(bytes_, name_);
  in.seek(directory.offset, "ZIP directory");
  if (directory.entries > in.remaining() / kCentralBytes)
    in.fail("{} entries do not fit in the {} bytes left", directory.entries, in.remaining());
  for (uint64_t i = 0; i < directory.entries; ++i) {
    ZipEntry entry = read_entry(in);
    if (!is_plain_name(entry.name))
      in.fail("a member named \"{:.80}\": a relative name without \"..\" expected", entry.name);
    if (!index_.emplace(entry.name, entries_.size()).second)
      in.fail("member \"{:.80}\" is there twice", entry.name);
    locate(&entry);
    entries_.push_back(std::move(entry));
  }
  check_overlaps(directory.offset);
}

void ZipReader::locate(ZipEntry* entry) const {
  ByteReader in(bytes_, fmt::format("{} [{:.80}]", name_, entry->name));
  in.seek(entry->header_offset, "member");
  if (in.u32("local header") != kLocal) in.fail("a ZIP local header expected");
  in.take(22, "local header");
  const uint16_t name_bytes = in.u16("name length"), extra_bytes = in.u16("extra length");
  in.take(uint64_t{name_bytes} + extra_bytes, "member name");
  entry->data_offset = in.offset();
  in.take(entry->stored_bytes, "member data");
}

void ZipReader::check_overlaps(uint64_t directory_offset) const {
  std::vector<const ZipEntry*> order;
  for (const ZipEntry& entry : entries_) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const ZipEntry* a, const ZipEntry* b) {
    return a->header_offset < b->header_offset;
  });
  for (size_t i = 0; i < order.size(); ++i) {
    const uint64_t end = order[i]->data_offset + order[i]->stored_bytes;
    const uint64_t next = i + 1 < order.size() ? order[i + 1]->header_offset : directory_offset;
    if (end > next)
      user_error("{}: byte {}: member \"{:.80}\" overlaps what follows: refused as an attack",
                 name_, order[i]->header_offset, order[i]->name);
  }
}

const ZipEntry* ZipReader::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

Bytes ZipReader::read(const ZipEntry& entry) const {
  const std::string where = fmt::format("{} [{:.80}]", name_, entry.name);
  if (entry.flags & kEncrypted) user_error("{}: the member is encrypted", where);
  if (entry.method != 0)
    user_error("{}: a stored member expected, compression method {} found", where, entry.method);
  if (entry.bytes != entry.stored_bytes)
    user_error("{}: {} bytes expected, {} stored", where, entry.bytes, entry.stored_bytes);
  const Bytes data = bytes_.subspan(entry.data_offset, entry.stored_bytes);
  check_sum(entry, data);
  return data;
}

Bytes ZipReader::read(const ZipEntry& entry, uint64_t max_bytes, std::string* unpacked) const {
  const std::string where = fmt::format("{} [{:.80}]", name_, entry.name);
  if (entry.bytes > max_bytes)
    user_error("{}: {} bytes are more than the limit of {}", where, entry.bytes, max_bytes);
  if (entry.method != 8 || entry.flags & kEncrypted) return read(entry);
  if (entry.bytes / kMaxDeflateRatio > entry.stored_bytes)
    user_error("{}: {} bytes cannot come from {} deflated ones", where, entry.bytes,
               entry.stored_bytes);
  unpacked->resize(entry.bytes);
  inflate_exactly(bytes_.subspan(entry.data_offset, entry.stored_bytes), Deflated::raw,
                  reinterpret_cast<uint8_t*>(unpacked->data()), entry.bytes, where);
  check_sum(entry, as_bytes(*unpacked));
  return as_bytes(*unpacked);
}

void ZipReader::check_sum(const ZipEntry& entry, Bytes data) const {
  if (entry.crc != 0 && crc32_of(data) != entry.crc)
    user_error("{} [{:.80}]: checksum {:08x} expected, the data gives {:08x}: the file is damaged",
               name_, entry.name, entry.crc, crc32_of(data));
}

}  // namespace trivium::formats
