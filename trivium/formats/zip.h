// ZIP archives: members found through the central directory (local headers may hold placeholders)
// and read as they are stored. The writer aligns every member so that it can be mapped.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "trivium/formats/bytes.h"

namespace trivium::formats {

struct ZipEntry {
  std::string name;
  uint16_t flags = 0, method = 0;
  uint32_t crc = 0;
  uint64_t stored_bytes = 0, bytes = 0;
  uint64_t header_offset = 0, data_offset = 0;
};

/// The directory of an archive in memory that outlives the object.
class ZipReader {
 public:
  /// UserError when the directory is broken, a name is there twice, absolute or holds "..", two
  /// members overlap, or one lies outside the file. ZIP64 is read.
  ZipReader(Bytes bytes, std::string name);

  const std::vector<ZipEntry>& entries() const { return entries_; }
  /// Null when there is no such member.
  const ZipEntry* find(const std::string& name) const;
  /// The bytes of a stored member, checked against its CRC-32 (a CRC of 0 means that the writer
  /// computed none). UserError when it is deflated, encrypted or damaged.
  Bytes read(const ZipEntry& entry) const;
  /// The same for stored and deflated members: a view of the archive, or of `unpacked`, which then
  /// holds the bytes. UserError also when there are more than `max_bytes`.
  Bytes read(const ZipEntry& entry, uint64_t max_bytes, std::string* unpacked) const;
  const std::string& name() const { return name_; }

 private:
  void locate(ZipEntry* entry) const;
  void check_sum(const ZipEntry& entry, Bytes data) const;
  void check_overlaps(uint64_t directory_offset) const;

  Bytes bytes_;
  std::string name_;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string, size_t> index_;
};

uint32_t crc32_of(Bytes bytes, uint32_t crc = 0);

/// Writes members one after the other into a sink: stored, with checksums and sizes in the local
/// headers, data aligned to 64 bytes, ZIP64 end records always there (as PyTorch writes them).
class ZipWriter {
 public:
  explicit ZipWriter(FileSink& sink) : sink_(sink) {}
  void add(const std::string& name, Bytes data) { add(name, {}, data); }
  /// A member of two parts, one after the other.
  void add(const std::string& name, Bytes head, Bytes data);
  /// The central directory; nothing may be added afterwards.
  void finish();
  /// A checksum over the checksums of all members so far.
  uint32_t combined_crc() const { return combined_; }

 private:
  FileSink& sink_;
  std::vector<ZipEntry> entries_;
  uint32_t combined_ = 0;
};

}  // namespace trivium::formats
