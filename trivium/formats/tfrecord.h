// TFRecord files: byte strings one after the other, each with its length and checksums; the whole
// file may be compressed. Read and written as streams.
//
//   TFRecordReader records("train.tfrecord");
//   for (std::string record; records.next(&record);) { … parse_example(as_bytes(record)) … }
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "trivium/formats/file.h"

namespace trivium::formats {

enum class RecordCompression {
  none,
  gzip,
  zlib,
  detect  ///< reading only: by the first bytes; a plain file never starts like the others
};

struct TFRecordOptions {
  RecordCompression compression = RecordCompression::detect;
  /// A file that ends inside a record: true gives the records before it (files that are still being
  /// written end so), false is an error.
  bool partial_tail = false;
  /// The longest record that is read.
  uint64_t max_record_bytes = uint64_t{1} << 31;
};

class TFRecordReader {
 public:
  /// EnvironmentError when the file cannot be opened.
  explicit TFRecordReader(const std::string& path, const TFRecordOptions& options = {});
  /// From memory that outlives the object.
  TFRecordReader(Bytes bytes, const std::string& name, const TFRecordOptions& options = {});
  ~TFRecordReader();
  TFRecordReader(TFRecordReader&&) noexcept;

  /// The next record; false at the end. UserError "corrupted record at N" when a checksum is wrong
  /// and "truncated record at N" when the file ends inside a record, N being the position in the
  /// uncompressed file. Memory grows with the bytes that are there, not with a stated length.
  bool next(std::string* record);
  /// Where the next record starts in the uncompressed file.
  uint64_t position() const { return position_; }

  class Source;  ///< gives uncompressed bytes

 private:
  bool header(uint64_t* length);
  std::unique_ptr<Source> source_;
  TFRecordOptions options_;
  uint64_t position_ = 0;
};

/// All records of a file. UserError as above, and when they take more than `max_bytes`.
std::vector<std::string> read_tfrecords(const std::string& path,
                                        const TFRecordOptions& options = {},
                                        uint64_t max_bytes = uint64_t{1} << 32);

/// One record as it stands in a file.
std::string frame_record(Bytes record);

/// Writes records to a file as they come; what is flushed can be read by others. The file is
/// created, or emptied when it is there.
class TFRecordWriter {
 public:
  /// EnvironmentError when the file cannot be created.
  explicit TFRecordWriter(const std::string& path,
                          RecordCompression compression = RecordCompression::none);
  /// Closes; errors are lost then, so call close().
  ~TFRecordWriter();
  TFRecordWriter(TFRecordWriter&&) noexcept;

  /// EnvironmentError when the disk refuses; UserError after close().
  void write(Bytes record);
  void write(const std::string& record) { write(as_bytes(record)); }
  void flush();
  void close();
  const std::string& path() const { return path_; }

 private:
  class Sink;
  Sink& sink();
  std::string path_;
  std::unique_ptr<Sink> sink_;
};

/// Writes all records in one step: the old file or the complete new one is there.
void write_tfrecords(const std::string& path, const std::vector<std::string>& records,
                     RecordCompression compression = RecordCompression::none);

}  // namespace trivium::formats
