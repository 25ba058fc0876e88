#include "trivium/formats/messages.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <climits>

#include "trivium/engine/core/error.h"

namespace trivium::formats {
namespace {

constexpr int kMaxNesting = 100;

/// Lets protobuf serialise straight into a file.
class SinkStream : public google::protobuf::io::CopyingOutputStream {
 public:
  explicit SinkStream(FileSink* sink) : sink_(sink) {}
  bool Write(const void* data, int bytes) override {
    sink_->write(data, static_cast<size_t>(bytes));
    return true;
  }

 private:
  FileSink* sink_;
};

/// What a file that is no such message most likely is.
const char* look_alike(Bytes bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("version https://git-lfs"))
    return "; this is a git-lfs pointer, fetch the file itself";
  if (text.starts_with("\x1f\x8b")) return "; this is a gzip file, unpack it first";
  if (text.starts_with("\x89HDF")) return "; this is an HDF5 file";
  if (text.starts_with("PK\x03\x04")) return "; this is a zip file";
  if (text.starts_with("<!DOCTYPE") || text.starts_with("<html")) return "; this is a web page";
  return "";
}

}  // namespace

void parse_message(Bytes bytes, const std::string& name, const char* what,
                   google::protobuf::MessageLite* message) {
  if (bytes.size() > kMaxMessageBytes)
    user_error("{}: {} of at most {} bytes expected, the file has {}", name, what, kMaxMessageBytes,
               bytes.size());
  google::protobuf::io::CodedInputStream in(bytes.data(), static_cast<int>(bytes.size()));
  in.SetTotalBytesLimit(INT_MAX);
  in.SetRecursionLimit(kMaxNesting);
  message->Clear();
  if (!message->MergePartialFromCodedStream(&in) || !in.ConsumedEntireMessage())
    user_error("{}: byte {} of {}: {} expected, the bytes are none or are cut short{}", name,
               in.CurrentPosition(), bytes.size(), what, look_alike(bytes));
  if (!message->IsInitialized())
    user_error("{}: {} lacks required fields: {}", name, what,
               message->InitializationErrorString());
}

void read_message(const std::string& path, const char* what,
                  google::protobuf::MessageLite* message) {
  const MappedFile file(path);
  parse_message(file.bytes(), path, what, message);
}

void write_message(const std::string& path, const google::protobuf::MessageLite& message) {
  const size_t bytes = message.ByteSizeLong();
  if (bytes > kMaxMessageBytes)
    user_error("{}: {} bytes pass the limit of {} for this format; use snapshot_format: HDF5", path,
               bytes, kMaxMessageBytes);
  write_file_atomically(path, [&](FileSink& sink) {
    SinkStream stream(&sink);
    google::protobuf::io::CopyingOutputStreamAdaptor adaptor(&stream);
    if (!message.SerializePartialToZeroCopyStream(&adaptor) || !adaptor.Flush())
      internal_error("{}: the message could not be serialised", path);
  });
}

}  // namespace trivium::formats
