#include "trivium/formats/inflate.h"

#include <zlib.h>

#include <algorithm>

#include "trivium/engine/core/error.h"

namespace trivium::formats {
namespace {

constexpr uint64_t kStep = uint64_t{1} << 30;  // zlib counts in 32 bits

class Inflater {
 public:
  Inflater(Bytes from, Deflated kind, const std::string& name) : from_(from), name_(name) {
    const int window = kind == Deflated::raw ? -15 : kind == Deflated::zlib ? 15 : 15 + 16;
    if (inflateInit2(&stream_, window) != Z_OK)
      environment_error("{}: out of memory while starting to inflate", name_);
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Produces up to `bytes` bytes; fewer only at the end of the stream.
  uint64_t produce(uint8_t* to, uint64_t bytes) {
    uint64_t done = 0;
    while (done < bytes && !ended_) {
      const uInt room = static_cast<uInt>(std::min(bytes - done, kStep));
      stream_.next_out = to + done;
      stream_.avail_out = room;
      step();
      done += room - stream_.avail_out;
    }
    return done;
  }
  bool ended() const { return ended_; }
  uint64_t consumed() const { return next_ - stream_.avail_in; }

 private:
  void step() {
    if (stream_.avail_in == 0 && next_ < from_.size()) {
      const uint64_t bytes = std::min(from_.size() - next_, kStep);
      stream_.next_in = const_cast<uint8_t*>(from_.data() + next_);
      stream_.avail_in = static_cast<uInt>(bytes);
      next_ += bytes;
    }
    const int code = inflate(&stream_, Z_NO_FLUSH);
    if (code == Z_STREAM_END) {
      ended_ = true;
    } else if (code == Z_BUF_ERROR || (code == Z_OK && stream_.avail_in == 0 &&
                                       next_ == from_.size() && stream_.avail_out > 0)) {
      user_error("{}: compressed byte {}: the stream is cut short", name_, consumed());
    } else if (code == Z_MEM_ERROR) {
      environment_error("{}: out of memory while inflating", name_);
    } else if (code != Z_OK) {
      user_error("{}: compressed byte {}: broken deflate stream: {}", name_, consumed(),
                 stream_.msg ? stream_.msg : "dictionary or unknown error");
    }
  }

  Bytes from_;
  const std::string& name_;
  z_stream stream_{};
  uint64_t next_ = 0;
  bool ended_ = false;
};

}  // namespace

void inflate_exactly(Bytes from, Deflated kind, uint8_t* to, uint64_t to_bytes,
                     const std::string& name) {
  Inflater inflater(from, kind, name);
  const uint64_t got = inflater.produce(to, to_bytes);
  if (got < to_bytes)
    user_error("{}: {} bytes expected after inflating, the stream holds {}", name, to_bytes, got);
  uint8_t more;  // asking for one more byte also makes zlib check the trailer
  if (!inflater.ended() && inflater.produce(&more, 1) != 0)
    user_error("{}: {} bytes expected after inflating, the stream holds more", name, to_bytes);
}

std::string inflate_start(Bytes from, Deflated kind, size_t count, const std::string& name) {
  std::string start(count, '\0');
  Inflater inflater(from, kind, name);
  start.resize(inflater.produce(reinterpret_cast<uint8_t*>(start.data()), count));
  return start;
}

}  // namespace trivium::formats
