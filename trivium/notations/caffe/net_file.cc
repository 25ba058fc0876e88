// Files to messages: read the bytes, decide text or binary, parse, upgrade.
#include "trivium/notations/caffe/net_file.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "trivium/engine/core/error.h"
#include "trivium/formats/file.h"
#include "trivium/notations/caffe/upgrade.h"

namespace trivium::caffe {
namespace {

constexpr std::string_view kHdf5Signature = "\x89HDF\r\n\x1a\n";

std::string type_name(const google::protobuf::Message& message) {
  return std::string(message.GetDescriptor()->name());
}

}  // namespace

bool looks_binary(std::string_view content) {
  // A message has small lengths and tags near its start; a megabyte is more than enough to meet
  // one.
  const std::string_view head = content.substr(0, 1 << 20);
  return std::any_of(head.begin(), head.end(), [](char c) {
    return (c >= 0 && c < '\t') || (c > '\r' && c < ' ') || c == '\x7f';
  });
}

void parse_binary(std::string_view bytes, const std::string& file,
                  google::protobuf::Message* into) {
  if (bytes.starts_with(kHdf5Signature)) {
    user_error("{}: expected a serialised {}, found an HDF5 file", file, type_name(*into));
  }
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                static_cast<int>(bytes.size()));
  stream.SetTotalBytesLimit(std::numeric_limits<int>::max());
  if (!into->ParsePartialFromCodedStream(&stream) || !stream.ConsumedEntireMessage()) {
    user_error(
        "{}: the content is binary but not a serialised {}; the file is damaged, cut short or of "
        "another kind",
        file, type_name(*into));
  }
  if (!into->IsInitialized()) {
    user_error("{}: the {} lacks the required fields {}", file, type_name(*into),
               into->InitializationErrorString());
  }
}

void read_message_file(const std::string& path, google::protobuf::Message* into, NetLines* lines) {
  const std::string content = formats::read_file(path, kMaxMessageBytes);
  if (looks_binary(content)) {
    parse_binary(content, path, into);
  } else {
    parse_prototxt(content, path, into, lines);
  }
}

NetFile read_net_file(const std::string& path, LogLines* log) {
  NetFile file;
  NetLines lines;
  read_message_file(path, &file.net, &lines);
  file.lines = std::move(lines[""]);
  file.lines.file = path;
  file.net = upgrade_net(std::move(file.net), path, log ? log : &file.log, &file.lines).net;
  return file;
}

SolverFile read_solver_file(const std::string& path, LogLines* log) {
  SolverFile file;
  read_message_file(path, &file.solver, &file.nets);
  file.solver = upgrade_solver(std::move(file.solver), path, log ? log : &file.log);
  return file;
}

}  // namespace trivium::caffe
