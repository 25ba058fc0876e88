// Bytes in and out of record files, packed or not.
#pragma once

#include <memory>
#include <string>

#include "trivium/formats/tfrecord.h"

namespace trivium::formats {

/// Uncompressed bytes, in order.
class TFRecordReader::Source {
 public:
  virtual ~Source() = default;
  /// Up to `count` bytes; fewer only at the end.
  virtual size_t read(char* to, size_t count) = 0;
  /// Uncompressed bytes left, or UINT64_MAX when that is not known.
  virtual uint64_t remaining() const { return UINT64_MAX; }
  /// Whether packed bytes ended before their end mark.
  virtual bool cut_short() const { return false; }
  const std::string& name() const { return name_; }

 protected:
  explicit Source(std::string name) : name_(std::move(name)) {}

 private:
  std::string name_;
};

std::unique_ptr<TFRecordReader::Source> open_records(const std::string& path,
                                                     RecordCompression compression);
std::unique_ptr<TFRecordReader::Source> open_records(Bytes bytes, const std::string& name,
                                                     RecordCompression compression);

/// Packs bytes piece by piece.
class Packer {
 public:
  explicit Packer(RecordCompression compression);
  ~Packer();
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;
  /// Appends what `bytes` become to `out`; `how` is Z_NO_FLUSH, Z_SYNC_FLUSH or Z_FINISH.
  void pack(Bytes bytes, int how, std::string* out);

 private:
  struct State;
  std::unique_ptr<State> state_;  ///< null: bytes stay as they are
};

}  // namespace trivium::formats
