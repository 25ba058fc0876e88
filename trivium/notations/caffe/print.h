// Writes a message as prototxt, byte for byte as Caffe prints it in its log and its upgraded files.
#pragma once

#include <google/protobuf/message.h>

#include <string>

namespace trivium::caffe {

/// The message in protobuf text format: two-space indent, set fields only, in field number order,
/// one value a line. Floats take the fewest of 6 or 9 digits (doubles 15 or 17) that give the same
/// value back; bytes outside printable ASCII become octal escapes. Does not depend on the locale or
/// the protobuf release.
std::string to_prototxt(const google::protobuf::Message& message);

}  // namespace trivium::caffe
