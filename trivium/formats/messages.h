// Protocol Buffers messages <-> files, with the limits a file from outside needs.
#pragma once

#include <google/protobuf/message_lite.h>

#include <string>

#include "trivium/formats/file.h"

namespace trivium::formats {

/// A message has at most 2^31 - 1 bytes, and nests at most 100 deep.
inline constexpr uint64_t kMaxMessageBytes = 0x7fffffff;

/// Parses `bytes` into `message`. UserError naming `name` and the byte where parsing stopped;
/// `what` says what was expected ("a NetParameter"). Required fields must be there.
void parse_message(Bytes bytes, const std::string& name, const char* what,
                   google::protobuf::MessageLite* message);
void read_message(const std::string& path, const char* what,
                  google::protobuf::MessageLite* message);
/// Writes a message atomically; UserError when it passes 2^31 - 1 bytes.
void write_message(const std::string& path, const google::protobuf::MessageLite& message);

}  // namespace trivium::formats
