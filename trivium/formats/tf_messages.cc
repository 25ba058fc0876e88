// The two forms of a message are told apart by control characters, which text does not have.
#include "trivium/formats/tf_messages.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <climits>

#include "trivium/engine/core/error.h"

namespace trivium::formats {
namespace {

constexpr int kMaxNesting = 100;

/// Keeps the first complaint of the text parser.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (!text.empty()) return;
    text = fmt::format("line {}, column {}: {}", line + 1, column + 1, message);
  }
  void AddWarning(int line, int column, const std::string& message) override {
    for (const char* skipped : {"\"debug_info\"", "\"object_graph_def\"", "\"type_state\""})
      if (message.find(skipped) != std::string::npos) return;
    AddError(line, column, message);
  }
  std::string text;
};

/// Text has no control characters but white space. A binary message soon has one: the key of the
/// second field of any message is 0x10 to 0x15.
bool looks_like_text(Bytes bytes) {
  return !bytes.empty() && std::all_of(bytes.begin(), bytes.end(), [](uint8_t c) {
    return (c >= 0x20 && c != 0x7f) || c == '\n' || c == '\r' || c == '\t';
  });
}

/// Counts messages, strings and unknown fields without building them. What is malformed ends the
/// count: the parser refuses it.
class PartCounter {
 public:
  uint64_t count(Bytes bytes, const google::protobuf::Descriptor* type) {
    google::protobuf::io::CodedInputStream in(bytes.data(), static_cast<int>(bytes.size()));
    in.SetTotalBytesLimit(INT_MAX);
    walk(&in, type, 0);
    return parts_;
  }

 private:
  using In = google::protobuf::io::CodedInputStream;

  bool walk(In* in, const google::protobuf::Descriptor* type, int depth) {
    while (const uint32_t tag = in->ReadTag()) {
      const auto* field = type->FindFieldByNumber(static_cast<int>(tag >> 3));
      if (!skip(in, tag & 7, field, depth)) return false;
      if (parts_ > kMaxTfParts) return false;
    }
    return true;
  }

  bool skip(In* in, uint32_t kind, const google::protobuf::FieldDescriptor* field, int depth) {
    uint64_t number = 0;
    uint32_t word = 0;
    if (!field) ++parts_;
    switch (kind) {
      case 0:
        return in->ReadVarint64(&number);
      case 1:
        return in->ReadLittleEndian64(&number);
      case 2:
        return in->ReadVarint32(&word) && word <= INT_MAX && bytes(in, word, field, depth);
      case 5:
        return in->ReadLittleEndian32(&word);
      default:  // the ends of a group, which is unknown here
        ++parts_;
        return kind <= 4;
    }
  }

  bool bytes(In* in, uint32_t length, const google::protobuf::FieldDescriptor* field, int depth) {
    using Kind = google::protobuf::FieldDescriptor;
    if (!field || field->cpp_type() != Kind::CPPTYPE_MESSAGE) {
      if (field && field->cpp_type() == Kind::CPPTYPE_STRING) ++parts_;
      return in->Skip(static_cast<int>(length));
    }
    ++parts_;
    if (depth >= kMaxNesting) return false;
    const In::Limit limit = in->PushLimit(static_cast<int>(length));
    if (!walk(in, field->message_type(), depth + 1)) return false;
    in->PopLimit(limit);
    return true;
  }

  uint64_t parts_ = 0;
};

/// Below this, even the worst file takes little.
constexpr size_t kUncountedBytes = size_t{1} << 20;

void check_parts(uint64_t parts, const std::string& name, const char* what) {
  if (parts > kMaxTfParts)
    user_error("{}: {} of at most {} parts expected, it has more", name, what, kMaxTfParts);
}

}  // namespace

std::string serialize_tf(const google::protobuf::MessageLite& message, const std::string& name) {
  const size_t bytes = message.ByteSizeLong();
  if (bytes > kMaxMessageBytes)
    user_error(
        "{}: {} bytes pass the limit of {} of this format; keep the large arrays in a checkpoint",
        name, bytes, kMaxMessageBytes);
  std::string out;
  {
    google::protobuf::io::StringOutputStream stream(&out);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeWithCachedSizes(&coded);
  }
  return out;
}

std::string text_of_tf(const google::protobuf::Message& message) {
  google::protobuf::TextFormat::Printer printer;
  std::string text;
  if (!printer.PrintToString(message, &text)) internal_error("a message could not be printed");
  return text;
}

void parse_tf_text(std::string_view text, const std::string& name, const char* what,
                   google::protobuf::Message* message) {
  if (text.size() > kMaxMessageBytes)
    user_error("{}: {} of at most {} bytes expected, it has {}", name, what, kMaxMessageBytes,
               text.size());
  check_parts(static_cast<uint64_t>(std::count(text.begin(), text.end(), '{') +
                                    std::count(text.begin(), text.end(), '<')),
              name, what);
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  parser.AllowUnknownField(true);  // they are warnings then, which FirstError judges
  parser.SetRecursionLimit(kMaxNesting);
  google::protobuf::io::ArrayInputStream in(text.data(), static_cast<int>(text.size()));
  if (!parser.Parse(&in, message) || !error.text.empty())
    user_error("{}: {} in text form expected: {}", name, what,
               error.text.empty() ? "the text is broken" : error.text);
}

void parse_tf_binary(Bytes bytes, const std::string& name, const char* what,
                     google::protobuf::Message* message) {
  if (bytes.size() > kUncountedBytes && bytes.size() <= kMaxMessageBytes)
    check_parts(PartCounter().count(bytes, message->GetDescriptor()), name, what);
  parse_message(bytes, name, what, message);
}

TfForm parse_tf(Bytes bytes, const std::string& name, const char* what,
                google::protobuf::Message* message) {
  if (!looks_like_text(bytes)) {
    parse_tf_binary(bytes, name, what, message);
    return TfForm::binary;
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  parse_tf_text(text, name, what, message);
  return TfForm::text;
}

TfForm read_tf(const std::string& path, const char* what, google::protobuf::Message* message) {
  const MappedFile file(path);
  return parse_tf(file.bytes(), path, what, message);
}

void write_tf(const std::string& path, const google::protobuf::Message& message, TfForm form) {
  write_file_atomically(path,
                        form == TfForm::text ? text_of_tf(message) : serialize_tf(message, path));
}

}  // namespace trivium::formats
