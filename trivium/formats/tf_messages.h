// TensorFlow's messages <-> bytes, text and files. Bytes come out the same for equal messages (maps
// are written in the order of their keys).
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

#include "trivium/formats/file.h"
#include "trivium/formats/messages.h"

namespace trivium::formats {

enum class TfForm { binary, text };

/// UserError when the message passes 2^31 - 1 bytes; `name` stands for it.
std::string serialize_tf(const google::protobuf::MessageLite& message, const std::string& name);
/// Protocol Buffers' text format, with one field a line.
std::string text_of_tf(const google::protobuf::Message& message);

/// Parses the text format: comments, short lists, enum names or numbers, escaped bytes. UserError
/// naming `name`, line and column. The fields debug_info, object_graph_def and type_state, whose
/// schema is not known here, are skipped; `what` says what was expected ("a GraphDef").
void parse_tf_text(std::string_view text, const std::string& name, const char* what,
                   google::protobuf::Message* message);
/// Parses the binary form: parse_message, and UserError for more than kMaxTfParts messages and
/// strings inside each other, which small files could stand for.
void parse_tf_binary(Bytes bytes, const std::string& name, const char* what,
                     google::protobuf::Message* message);
/// An empty message takes two bytes in a file and a hundred or more in memory.
inline constexpr uint64_t kMaxTfParts = uint64_t{1} << 24;
/// Parses either form, recognised by the bytes. Gives back which it was.
TfForm parse_tf(Bytes bytes, const std::string& name, const char* what,
                google::protobuf::Message* message);
/// Reads either form.
TfForm read_tf(const std::string& path, const char* what, google::protobuf::Message* message);
/// Writes a message atomically.
void write_tf(const std::string& path, const google::protobuf::Message& message, TfForm form);

}  // namespace trivium::formats
