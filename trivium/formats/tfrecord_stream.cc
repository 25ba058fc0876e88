// A plain source reads a file or memory; an unpacking one stands on top of it.
#include "trivium/formats/tfrecord_stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "trivium/engine/core/error.h"
#include "trivium/formats/crc32c.h"

namespace trivium::formats {
namespace {

using Source = TFRecordReader::Source;
constexpr size_t kChunk = size_t{1} << 18, kHeader = 12;
constexpr int kGzip = 16 + MAX_WBITS, kZlib = MAX_WBITS;

class MemorySource : public Source {
 public:
  MemorySource(Bytes bytes, std::string name) : Source(std::move(name)), bytes_(bytes) {}
  size_t read(char* to, size_t count) override {
    count = std::min(count, bytes_.size());
    if (count > 0) std::memcpy(to, bytes_.data(), count);
    bytes_ = bytes_.subspan(count);
    return count;
  }
  uint64_t remaining() const override { return bytes_.size(); }

 private:
  Bytes bytes_;
};

/// A file that may grow while it is read.
class FileSource : public Source {
 public:
  explicit FileSource(const std::string& path)
      : Source(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat info;
    if (fd_ < 0) environment_error("{}: cannot open: {}", path, std::strerror(errno));
    if (::fstat(fd_, &info) == 0 && S_ISDIR(info.st_mode)) {
      ::close(fd_);
      environment_error("{}: a file is expected, this is a directory", path);
    }
    buffer_.resize(kChunk);
  }
  ~FileSource() override { ::close(fd_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  size_t read(char* to, size_t count) override {
    size_t done = 0;
    while (done < count) {
      if (begin_ == end_ && !refill()) break;
      const size_t part = std::min(count - done, end_ - begin_);
      std::memcpy(to + done, buffer_.data() + begin_, part);
      begin_ += part;
      done += part;
    }
    return done;
  }

 private:
  bool refill() {
    ssize_t got;
    do got = ::read(fd_, buffer_.data(), buffer_.size());
    while (got < 0 && errno == EINTR);
    if (got < 0) environment_error("{}: reading: {}", name(), std::strerror(errno));
    begin_ = 0;
    end_ = static_cast<size_t>(got);
    return got > 0;
  }

  int fd_;
  std::string buffer_;
  size_t begin_ = 0, end_ = 0;
};

class InflatingSource : public Source {
 public:
  InflatingSource(std::unique_ptr<Source> packed, int window_bits)
      : Source(packed->name()), packed_(std::move(packed)) {
    std::memset(&stream_, 0, sizeof stream_);
    if (inflateInit2(&stream_, window_bits) != Z_OK) environment_error("zlib: no memory");
    buffer_.resize(kChunk);
  }
  ~InflatingSource() override { inflateEnd(&stream_); }
  InflatingSource(const InflatingSource&) = delete;
  InflatingSource& operator=(const InflatingSource&) = delete;

  size_t read(char* to, size_t count) override {
    size_t done = 0;
    while (done < count && !ended_) {
      if (stream_.avail_in == 0) refill();
      stream_.next_out = reinterpret_cast<Bytef*>(to + done);
      const size_t room = std::min(count - done, kChunk);
      stream_.avail_out = static_cast<uInt>(room);
      step(&done, room);
    }
    return done;
  }
  bool cut_short() const override { return cut_short_; }

 private:
  void refill() {
    stream_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
    stream_.avail_in = static_cast<uInt>(packed_->read(buffer_.data(), buffer_.size()));
    exhausted_ = stream_.avail_in == 0;
  }

  void step(size_t* done, size_t room) {
    const int code = exhausted_ && at_member_start_ ? Z_STREAM_END : inflate(&stream_, Z_NO_FLUSH);
    const size_t made = room - stream_.avail_out;
    *done += made;
    if (code == Z_STREAM_END) return end_member();
    at_member_start_ = false;
    if (code == Z_BUF_ERROR && exhausted_) {
      ended_ = cut_short_ = true;  // the records before are whole
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      user_error("{}: the compressed data is broken ({})", name(),
                 stream_.msg ? stream_.msg : "zlib");
    }
  }

  /// Several packed files one after the other unpack as one.
  void end_member() {
    if (stream_.avail_in == 0) refill();
    ended_ = exhausted_;
    at_member_start_ = true;
    if (!ended_) inflateReset(&stream_);
  }

  std::unique_ptr<Source> packed_;
  std::string buffer_;
  z_stream stream_;
  bool exhausted_ = false, ended_ = false, cut_short_ = false, at_member_start_ = true;
};

/// A plain file starts with a length and its checksum; what does not may be packed.
RecordCompression detect(Bytes start) {
  if (start.size() < kHeader) return RecordCompression::none;
  uint32_t stored;
  std::memcpy(&stored, start.data() + 8, 4);
  if (masked_crc32c(start.first(8)) == stored) return RecordCompression::none;
  if (start[0] == 0x1f && start[1] == 0x8b) return RecordCompression::gzip;
  // The first two bytes of zlib data, as a number, are a multiple of 31; the method is 8.
  if ((start[0] & 0x8f) == 8 && (start[0] * 256 + start[1]) % 31 == 0)
    return RecordCompression::zlib;
  return RecordCompression::none;
}

std::unique_ptr<Source> unpacked(std::unique_ptr<Source> source, RecordCompression compression) {
  switch (compression) {
    case RecordCompression::gzip:
      return std::make_unique<InflatingSource>(std::move(source), kGzip);
    case RecordCompression::zlib:
      return std::make_unique<InflatingSource>(std::move(source), kZlib);
    default:
      return source;
  }
}

}  // namespace

std::unique_ptr<Source> open_records(const std::string& path, RecordCompression compression) {
  if (compression == RecordCompression::detect)
    compression = detect(as_bytes(read_file_start(path, kHeader)));
  return unpacked(std::make_unique<FileSource>(path), compression);
}

std::unique_ptr<Source> open_records(Bytes bytes, const std::string& name,
                                     RecordCompression compression) {
  if (compression == RecordCompression::detect)
    compression = detect(bytes.first(std::min(bytes.size(), kHeader)));
  return unpacked(std::make_unique<MemorySource>(bytes, name), compression);
}

struct Packer::State {
  z_stream stream;
};

Packer::Packer(RecordCompression compression) {
  if (compression == RecordCompression::detect)
    user_error("record compression: none, gzip or zlib expected for writing");
  if (compression == RecordCompression::none) return;
  state_ = std::make_unique<State>();
  std::memset(&state_->stream, 0, sizeof state_->stream);
  if (deflateInit2(&state_->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                   compression == RecordCompression::gzip ? kGzip : kZlib, 8,
                   Z_DEFAULT_STRATEGY) != Z_OK)
    environment_error("zlib: no memory");
}

Packer::~Packer() {
  if (state_) deflateEnd(&state_->stream);
}

void Packer::pack(Bytes bytes, int how, std::string* out) {
  if (!state_) {
    out->append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return;
  }
  z_stream& stream = state_->stream;
  do {  // avail_in is 32 bits wide
    const size_t part = std::min(bytes.size(), size_t{1} << 30);
    stream.next_in = const_cast<Bytef*>(bytes.data());
    stream.avail_in = static_cast<uInt>(part);
    bytes = bytes.subspan(part);
    const int flush = bytes.empty() ? how : Z_NO_FLUSH;
    do {
      const size_t before = out->size();
      out->resize(before + 65536);
      stream.next_out = reinterpret_cast<Bytef*>(out->data() + before);
      stream.avail_out = 65536;
      deflate(&stream, flush);
      out->resize(before + 65536 - stream.avail_out);
    } while (stream.avail_out == 0);
  } while (!bytes.empty());
}

}  // namespace trivium::formats
