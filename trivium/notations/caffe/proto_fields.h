// Moving values between fields of different messages: the upgrades are tables of "this field goes
// there".
#pragma once

#include <google/protobuf/message.h>

namespace trivium::caffe {

/// Copies the set values of `source` in `from` to `target` in `to`: appended when the target is
/// repeated, else the last value replaces it. Numbers convert, enums go by number, messages must be
/// of one type.
void copy_field(const google::protobuf::Message& from,
                const google::protobuf::FieldDescriptor* source, google::protobuf::Message* to,
                const google::protobuf::FieldDescriptor* target);

/// Copies every set field of `from` for which `to` has a field of the same name and type.
void copy_common_fields(const google::protobuf::Message& from, google::protobuf::Message* to);

}  // namespace trivium::caffe
