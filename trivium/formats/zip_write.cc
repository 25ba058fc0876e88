#include "trivium/engine/core/error.h"
#include "trivium/formats/zip.h"

namespace trivium::formats {
namespace {

constexpr uint64_t kAlignment = 64, kLocalBytes = 30;

template <typename T>
void put(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

bool is_large(uint64_t value) { return value >= 0xffffffff; }

/// The fields that local header and directory entry share. Sizes go to the ZIP64 field when large.
void put_common(std::string* out, const ZipEntry& e, size_t extra_bytes) {
  put<uint16_t>(out, 45);      // version needed: ZIP64
  put<uint16_t>(out, 0x0800);  // names are UTF-8
  put<uint16_t>(out, 0);       // stored
  put<uint16_t>(out, 0);
  put<uint16_t>(out, 0x21);  // 1980-01-01: the same values give the same bytes
  put<uint32_t>(out, e.crc);
  const uint32_t size = is_large(e.bytes) ? 0xffffffff : static_cast<uint32_t>(e.bytes);
  put<uint32_t>(out, size);
  put<uint32_t>(out, size);
  put<uint16_t>(out, static_cast<uint16_t>(e.name.size()));
  put<uint16_t>(out, static_cast<uint16_t>(extra_bytes));
}

std::string local_header(const ZipEntry& e) {
  std::string extra;
  if (is_large(e.bytes)) {
    put<uint32_t>(&extra, 1 | 16u << 16);
    put<uint64_t>(&extra, e.bytes);
    put<uint64_t>(&extra, e.bytes);
  }
  // A field "FB" of padding moves the data to the next multiple of 64.
  const uint64_t data = e.header_offset + kLocalBytes + e.name.size() + extra.size() + 4;
  const auto padding = static_cast<uint16_t>((kAlignment - data % kAlignment) % kAlignment);
  extra += "FB";
  put<uint16_t>(&extra, padding);
  extra.append(padding, 'Z');
  std::string out("PK\x03\x04", 4);
  put_common(&out, e, extra.size());
  return out + e.name + extra;
}

std::string central_entry(const ZipEntry& e) {
  std::string extra;
  if (is_large(e.bytes) || is_large(e.header_offset)) {
    std::string values;
    if (is_large(e.bytes)) {
      put<uint64_t>(&values, e.bytes);
      put<uint64_t>(&values, e.bytes);
    }
    if (is_large(e.header_offset)) put<uint64_t>(&values, e.header_offset);
    put<uint16_t>(&extra, 1);
    put<uint16_t>(&extra, static_cast<uint16_t>(values.size()));
    extra += values;
  }
  std::string out("PK\x01\x02", 4);
  put<uint16_t>(&out, 45);
  put_common(&out, e, extra.size());
  put<uint16_t>(&out, 0);  // comment
  put<uint16_t>(&out, 0);  // disk
  put<uint16_t>(&out, 0);
  put<uint32_t>(&out, 0);
  put<uint32_t>(&out,
                is_large(e.header_offset) ? 0xffffffff : static_cast<uint32_t>(e.header_offset));
  return out + e.name + extra;
}

std::string end_records(uint64_t entries, uint64_t directory_bytes, uint64_t directory_offset) {
  std::string out("PK\x06\x06", 4);
  put<uint64_t>(&out, 44);
  put<uint32_t>(&out, 45 | 45u << 16);
  put<uint64_t>(&out, 0);  // disks
  put<uint64_t>(&out, entries);
  put<uint64_t>(&out, entries);
  put<uint64_t>(&out, directory_bytes);
  put<uint64_t>(&out, directory_offset);
  out += std::string("PK\x06\x07", 4);
  put<uint32_t>(&out, 0);
  put<uint64_t>(&out, directory_offset + directory_bytes);
  put<uint32_t>(&out, 1);
  out += std::string("PK\x05\x06", 4);
  put<uint32_t>(&out, 0);
  const auto shown = static_cast<uint16_t>(std::min<uint64_t>(entries, 0xffff));
  put<uint16_t>(&out, shown);
  put<uint16_t>(&out, shown);
  put<uint32_t>(&out, static_cast<uint32_t>(std::min<uint64_t>(directory_bytes, 0xffffffff)));
  put<uint32_t>(&out, static_cast<uint32_t>(std::min<uint64_t>(directory_offset, 0xffffffff)));
  put<uint16_t>(&out, 0);
  return out;
}

}  // namespace

void ZipWriter::add(const std::string& name, Bytes head, Bytes data) {
  if (name.size() > 60000) user_error("a ZIP member with a name of {} bytes", name.size());
  ZipEntry entry;
  entry.name = name;
  entry.bytes = entry.stored_bytes = head.size() + data.size();
  entry.crc = crc32_of(data, crc32_of(head));
  entry.header_offset = sink_.written();
  const std::string header = local_header(entry);
  sink_.write(header);
  sink_.write(head.data(), head.size());
  sink_.write(data.data(), data.size());
  combined_ = crc32_of({reinterpret_cast<const uint8_t*>(&entry.crc), 4}, combined_);
  entries_.push_back(std::move(entry));
}

void ZipWriter::finish() {
  const uint64_t start = sink_.written();
  for (const ZipEntry& entry : entries_) sink_.write(central_entry(entry));
  sink_.write(end_records(entries_.size(), sink_.written() - start, start));
}

}  // namespace trivium::formats
