// A record: length (8 bytes), masked checksum of the length, bytes, masked checksum of the bytes.
#include "trivium/formats/tfrecord.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "trivium/engine/core/error.h"
#include "trivium/formats/crc32c.h"
#include "trivium/formats/table_coding.h"
#include "trivium/formats/tfrecord_stream.h"

namespace trivium::formats {
namespace {

constexpr size_t kHeader = 12, kFooter = 4, kStep = size_t{1} << 22;

uint32_t fixed32(const char* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, 4);
  return value;
}

}  // namespace

TFRecordReader::TFRecordReader(const std::string& path, const TFRecordOptions& options)
    : source_(open_records(path, options.compression)), options_(options) {}
TFRecordReader::TFRecordReader(Bytes bytes, const std::string& name, const TFRecordOptions& options)
    : source_(open_records(bytes, name, options.compression)), options_(options) {}
TFRecordReader::~TFRecordReader() = default;
TFRecordReader::TFRecordReader(TFRecordReader&&) noexcept = default;

bool TFRecordReader::header(uint64_t* length) {
  char bytes[kHeader];
  const size_t got = source_->read(bytes, kHeader);
  if (got < kHeader && options_.partial_tail) return false;
  if (got == 0 && !source_->cut_short()) return false;
  if (got < kHeader)
    user_error("{}: truncated record at {}: {} of {} bytes of its header are there",
               source_->name(), position_, got, kHeader);
  if (masked_crc32c(as_bytes({bytes, 8})) != fixed32(bytes + 8))
    user_error("{}: corrupted record at {}: the checksum of its length is wrong", source_->name(),
               position_);
  std::memcpy(length, bytes, 8);
  if (*length > options_.max_record_bytes)
    user_error("{}: record at {}: {} bytes, at most {} are read", source_->name(), position_,
               *length, options_.max_record_bytes);
  return true;
}

bool TFRecordReader::next(std::string* record) {
  record->clear();
  uint64_t length = 0;
  if (!header(&length)) return false;
  uint64_t wanted = length + kFooter;
  if (source_->remaining() >= wanted || source_->remaining() == UINT64_MAX) {
    // A stated length is believed a step at a time.
    while (record->size() < wanted) {
      const size_t before = record->size();
      const size_t step =
          static_cast<size_t>(std::min<uint64_t>(wanted - before, std::max(kStep, before)));
      record->resize(before + step);
      const size_t got = source_->read(record->data() + before, step);
      record->resize(before + got);
      if (got < step) break;
    }
  }
  if (record->size() < wanted) {
    const size_t got = record->size();
    record->clear();
    if (options_.partial_tail) return false;
    user_error("{}: truncated record at {}: {} bytes expected, the file ends after {}",
               source_->name(), position_, length, std::min<uint64_t>(length, got));
  }
  const uint32_t stored = fixed32(record->data() + length);
  record->resize(length);
  if (masked_crc32c(as_bytes(*record)) != stored)
    user_error("{}: corrupted record at {}: the checksum of its {} bytes is wrong", source_->name(),
               position_ + kHeader, length);
  position_ += kHeader + length + kFooter;
  return true;
}

std::vector<std::string> read_tfrecords(const std::string& path, const TFRecordOptions& options,
                                        uint64_t max_bytes) {
  TFRecordReader reader(path, options);
  std::vector<std::string> records;
  uint64_t bytes = 0;
  for (std::string record; reader.next(&record);) {
    bytes += record.size() + sizeof(std::string);
    if (bytes > max_bytes)
      user_error("{}: the records take more than {} bytes; read them one at a time", path,
                 max_bytes);
    records.push_back(record);
  }
  return records;
}

std::string frame_record(Bytes record) {
  std::string out;
  put_fixed64(&out, record.size());
  put_fixed32(&out, masked_crc32c(as_bytes(out)));
  out.append(reinterpret_cast<const char*>(record.data()), record.size());
  put_fixed32(&out, masked_crc32c(record));
  return out;
}

class TFRecordWriter::Sink {
 public:
  Sink(const std::string& path, RecordCompression compression)
      : packer_(compression),
        fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)),
        file_(fd_, path) {
    if (fd_ < 0) environment_error("{}: cannot open for writing: {}", path, std::strerror(errno));
  }
  ~Sink() {
    if (fd_ >= 0) ::close(fd_);
  }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  void write(Bytes bytes, int how) {
    packed_.clear();
    packer_.pack(bytes, how, &packed_);
    file_.write(packed_);
    if (how != Z_NO_FLUSH) file_.flush();
  }

 private:
  Packer packer_;
  int fd_;
  FileSink file_;
  std::string packed_;
};

TFRecordWriter::TFRecordWriter(const std::string& path, RecordCompression compression)
    : path_(path), sink_(std::make_unique<Sink>(path, compression)) {}

TFRecordWriter::~TFRecordWriter() {
  try {
    close();
  } catch (const Error&) {  // close() tells whoever asks
  }
}

TFRecordWriter::TFRecordWriter(TFRecordWriter&&) noexcept = default;

TFRecordWriter::Sink& TFRecordWriter::sink() {
  if (!sink_) user_error("{}: the record file is closed", path_);
  return *sink_;
}

void TFRecordWriter::write(Bytes record) {
  const std::string framed = frame_record(record);
  sink().write(as_bytes(framed), Z_NO_FLUSH);
}

void TFRecordWriter::flush() { sink().write({}, Z_SYNC_FLUSH); }

void TFRecordWriter::close() {
  if (!sink_) return;
  const std::unique_ptr<Sink> last = std::move(sink_);
  last->write({}, Z_FINISH);
}

void write_tfrecords(const std::string& path, const std::vector<std::string>& records,
                     RecordCompression compression) {
  write_file_atomically(path, [&](FileSink& sink) {
    Packer packer(compression);
    std::string packed;
    const auto put = [&](Bytes bytes, int how) {
      packed.clear();
      packer.pack(bytes, how, &packed);
      sink.write(packed);
    };
    for (const std::string& record : records) {
      const std::string framed = frame_record(as_bytes(record));
      put(as_bytes(framed), Z_NO_FLUSH);
    }
    put({}, Z_FINISH);
  });
}

}  // namespace trivium::formats
