// .npz: a ZIP archive of .npy files. Sizes come from the central directory (local headers of NumPy
// hold placeholders) and every one is checked against the file before memory is taken.
#include <zlib.h>

#include <algorithm>
#include <set>

#include "trivium/formats/inflate.h"
#include "trivium/formats/npy.h"
#include "trivium/formats/npy_header.h"

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
      ByteReader in(bytes, name);
      in.seek(at, "end record");
      if (in.u32("end record") != kEnd) continue;
      in.seek(at + 20, "comment length");
      if (in.u16("comment length") == last - at) return at;
    }
  }
  user_error("{}: byte {}: no ZIP directory at the end: not an .npz file, or cut short", name,
             bytes.size());
}

Directory read_end(Bytes bytes, const std::string& name) {
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

struct Entry {
  std::string name;
  uint16_t flags = 0, method = 0;
  uint32_t crc = 0;
  uint64_t stored = 0, bytes = 0, offset = 0;
};

/// The ZIP64 extra field replaces, in this order, each value that is all ones.
void read_zip64(ByteReader extra, Entry* entry) {
  while (extra.remaining() >= 4) {
    const uint16_t id = extra.u16("extra field");
    const uint16_t length = extra.u16("extra field length");
    if (id != 1) {
      extra.take(length, "extra field");
      continue;
    }
    for (uint64_t* value : {&entry->bytes, &entry->stored, &entry->offset})
      if (*value == 0xffffffff) *value = extra.u64("ZIP64 size");
    return;
  }
}

Entry read_entry(ByteReader& in) {
  if (in.u32("directory entry") != kCentral) in.fail("a ZIP directory entry expected");
  Entry entry;
  in.u32("versions");
  entry.flags = in.u16("flags");
  entry.method = in.u16("method");
  in.u32("time");
  entry.crc = in.u32("checksum");
  entry.stored = in.u32("stored size");
  entry.bytes = in.u32("size");
  const uint16_t name_bytes = in.u16("name length"), extra_bytes = in.u16("extra length"),
                 comment_bytes = in.u16("comment length");
  in.take(8, "attributes");
  entry.offset = in.u32("offset");
  const Bytes name = in.take(name_bytes, "member name");
  entry.name.assign(name.begin(), name.end());
  const uint64_t extra_at = in.offset();
  read_zip64(ByteReader(in.take(extra_bytes, "extra field"), in.name(), extra_at), &entry);
  in.take(comment_bytes, "comment");
  return entry;
}

uint32_t crc_of(Bytes bytes, uint32_t crc = 0) {
  return static_cast<uint32_t>(crc32_z(crc, bytes.data(), bytes.size()));
}

}  // namespace

NpzFile::NpzFile(const std::string& path, uint64_t max_bytes)
    : file_(std::make_shared<MappedFile>(path)),
      bytes_(file_->bytes()),
      name_(path),
      max_bytes_(max_bytes) {
  index();
}

NpzFile::NpzFile(Bytes bytes, std::string name, uint64_t max_bytes)
    : bytes_(bytes), name_(std::move(name)), max_bytes_(max_bytes) {
  index();
}

void NpzFile::index() {
  const Directory directory = read_end(bytes_, name_);
  ByteReader in(bytes_, name_);
  in.seek(directory.offset, "ZIP directory");
  if (directory.entries > in.remaining() / kCentralBytes)
    in.fail("{} entries do not fit in the {} bytes left", directory.entries, in.remaining());
  for (uint64_t i = 0; i < directory.entries; ++i) {
    const Entry entry = read_entry(in);
    std::string name = entry.name;
    if (!name.ends_with(".npy")) continue;
    name.resize(name.size() - 4);
    if (entry.flags & kEncrypted) in.fail("member \"{}\" is encrypted", entry.name);
    if (entry.method != 0 && entry.method != 8)
      in.fail("member \"{}\": stored or deflated expected, method {} received", entry.name,
              entry.method);
    if (!members_
             .emplace(name,
                      Member{entry.offset, entry.stored, entry.bytes, entry.crc, entry.method})
             .second)
      in.fail("member \"{}\" is there twice", entry.name);
    names_.push_back(name);
  }
}

Bytes NpzFile::stored(const std::string& name, const Member& member) const {
  ByteReader in(bytes_, fmt::format("{} [{}.npy]", name_, name));
  in.seek(member.offset, "member");
  if (in.u32("local header") != kLocal) in.fail("a ZIP local header expected");
  in.take(22, "local header");
  const uint16_t name_bytes = in.u16("name length"), extra_bytes = in.u16("extra length");
  in.take(uint64_t{name_bytes} + extra_bytes, "member name");
  return in.take(member.stored_bytes, "member data");
}

Array NpzFile::read(const std::string& name) const {
  const auto found = members_.find(name);
  if (found == members_.end()) {
    const std::string near = closest_match(name, names_);
    user_error("{}: no array \"{}\" in the archive of {} arrays{}", name_, name, names_.size(),
               near.empty() ? "" : "; did you mean \"" + near + "\"?");
  }
  const Member& member = found->second;
  const std::string where = fmt::format("{} [{}.npy]", name_, name);
  const Bytes packed = stored(name, member);
  if (member.bytes > max_bytes_)
    user_error("{}: {} bytes are more than the limit of {}", where, member.bytes, max_bytes_);
  std::string unpacked;
  Bytes data = packed;
  if (member.method == 8) {
    if (member.bytes / kMaxDeflateRatio > packed.size())
      user_error("{}: {} bytes cannot come from {} deflated ones", where, member.bytes,
                 packed.size());
    unpacked.resize(member.bytes);
    inflate_exactly(packed, Deflated::raw, reinterpret_cast<uint8_t*>(unpacked.data()),
                    member.bytes, where);
    data = as_bytes(unpacked);
  }
  if (data.size() != member.bytes)
    user_error("{}: {} bytes expected, {} stored", where, member.bytes, data.size());
  if (crc_of(data) != member.crc)
    user_error("{}: checksum {:08x} expected, the data gives {:08x}: the file is damaged", where,
               member.crc, crc_of(data));
  return parse_npy(data, where, max_bytes_);
}

std::map<std::string, Array> read_npz(const std::string& path, uint64_t max_bytes) {
  const NpzFile file(path, max_bytes);
  std::map<std::string, Array> arrays;
  uint64_t total = 0;
  for (const std::string& name : file.names()) {
    arrays[name] = file.read(name);
    total += arrays[name].bytes();
    if (total > max_bytes)
      user_error("{}: the arrays together pass the limit of {} bytes; read them one by one", path,
                 max_bytes);
  }
  return arrays;
}

namespace {

struct Record {
  std::string name, header;
  Array array;
  uint64_t bytes = 0, offset = 0;
  uint32_t crc = 0;
};

template <typename T>
void put(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

/// The fields that local header and directory entry share. Sizes go to the ZIP64 field when large.
void put_common(std::string* out, const Record& r, uint16_t extra_bytes, bool large) {
  put<uint16_t>(out, 45);      // version needed: ZIP64
  put<uint16_t>(out, 0x0800);  // names are UTF-8
  put<uint16_t>(out, 0);       // stored
  put<uint16_t>(out, 0);
  put<uint16_t>(out, 0x21);  // 1980-01-01: the same arrays give the same bytes
  put<uint32_t>(out, r.crc);
  const uint32_t size = large ? 0xffffffff : static_cast<uint32_t>(r.bytes);
  put<uint32_t>(out, size);
  put<uint32_t>(out, size);
  put<uint16_t>(out, static_cast<uint16_t>(r.name.size()));
  put<uint16_t>(out, extra_bytes);
}

std::string local_header(const Record& r) {
  const bool large = r.bytes >= 0xffffffff;
  std::string out;
  put<uint32_t>(&out, kLocal);
  put_common(&out, r, large ? 20 : 0, large);
  out += r.name;
  if (large) {
    put<uint32_t>(&out, 1 | 16u << 16);
    put<uint64_t>(&out, r.bytes);
    put<uint64_t>(&out, r.bytes);
  }
  return out;
}

std::string central_entry(const Record& r) {
  const bool large = r.bytes >= 0xffffffff || r.offset >= 0xffffffff;
  std::string out;
  put<uint32_t>(&out, kCentral);
  put<uint16_t>(&out, 45);
  put_common(&out, r, large ? 28 : 0, large);
  put<uint16_t>(&out, 0);  // comment
  put<uint16_t>(&out, 0);  // disk
  put<uint16_t>(&out, 0);
  put<uint32_t>(&out, 0);
  put<uint32_t>(&out, large ? 0xffffffff : static_cast<uint32_t>(r.offset));
  out += r.name;
  if (large) {
    put<uint32_t>(&out, 1 | 24u << 16);
    put<uint64_t>(&out, r.bytes);
    put<uint64_t>(&out, r.bytes);
    put<uint64_t>(&out, r.offset);
  }
  return out;
}

std::string end_records(uint64_t entries, uint64_t directory_bytes, uint64_t directory_offset) {
  std::string out;
  const bool large = entries >= 0xffff || directory_offset + directory_bytes >= 0xffffffff;
  if (large) {
    put<uint32_t>(&out, kEnd64);
    put<uint64_t>(&out, 44);
    put<uint32_t>(&out, 45 | 45u << 16);
    put<uint64_t>(&out, 0);  // disks
    put<uint64_t>(&out, entries);
    put<uint64_t>(&out, entries);
    put<uint64_t>(&out, directory_bytes);
    put<uint64_t>(&out, directory_offset);
    put<uint32_t>(&out, kLocator64);
    put<uint32_t>(&out, 0);
    put<uint64_t>(&out, directory_offset + directory_bytes);
    put<uint32_t>(&out, 1);
  }
  put<uint32_t>(&out, kEnd);
  put<uint32_t>(&out, 0);
  put<uint16_t>(&out, large ? 0xffff : static_cast<uint16_t>(entries));
  put<uint16_t>(&out, large ? 0xffff : static_cast<uint16_t>(entries));
  put<uint32_t>(&out, large ? 0xffffffff : static_cast<uint32_t>(directory_bytes));
  put<uint32_t>(&out, large ? 0xffffffff : static_cast<uint32_t>(directory_offset));
  put<uint16_t>(&out, 0);
  return out;
}

}  // namespace

void write_npz(const std::string& path, const std::vector<std::pair<std::string, Array>>& arrays) {
  std::vector<Record> records;
  std::set<std::string> seen;
  for (const auto& [name, array] : arrays) {
    if (!seen.insert(name).second || name.size() > 60000)
      user_error("{}: array \"{:.80}\": a name given once and of at most 60000 bytes expected",
                 path, name);
    Record r{name + ".npy", npy_header(array), array};
    r.bytes = r.header.size() + array.bytes();
    const Bytes data{static_cast<const uint8_t*>(array.raw()), array.bytes()};
    r.crc = crc_of(data, crc_of(as_bytes(r.header)));
    records.push_back(std::move(r));
  }
  write_file_atomically(path, [&](FileSink& sink) {
    for (Record& r : records) {
      r.offset = sink.written();
      sink.write(local_header(r));
      sink.write(r.header);
      sink.write(r.array.raw(), r.array.bytes());
    }
    const uint64_t start = sink.written();
    for (const Record& r : records) sink.write(central_entry(r));
    sink.write(end_records(records.size(), sink.written() - start, start));
  });
}

}  // namespace trivium::formats
