// A value is read as one of four kinds (number, text, message, enum number) and written as the
// target wants it.
#include "trivium/notations/caffe/proto_fields.h"

#include <string>
#include <vector>

#include "trivium/engine/core/error.h"

namespace trivium::caffe {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// A double holds every value of the 32-bit and float fields that the old formats have.
double read_number(const Message& from, const FieldDescriptor* field, int i) {
  const Reflection& r = *from.GetReflection();
  const bool many = field->is_repeated();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return many ? r.GetRepeatedInt32(from, field, i) : r.GetInt32(from, field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return many ? r.GetRepeatedUInt32(from, field, i) : r.GetUInt32(from, field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return many ? r.GetRepeatedFloat(from, field, i) : r.GetFloat(from, field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return many ? r.GetRepeatedBool(from, field, i) : r.GetBool(from, field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return many ? r.GetRepeatedEnumValue(from, field, i) : r.GetEnumValue(from, field);
    default:
      internal_error("field {} has no number to move", std::string(field->full_name()));
  }
}

void write_number(double value, Message* to, const FieldDescriptor* field) {
  const Reflection& r = *to->GetReflection();
  const bool many = field->is_repeated();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return many ? r.AddInt32(to, field, static_cast<int32_t>(value))
                  : r.SetInt32(to, field, static_cast<int32_t>(value));
    case FieldDescriptor::CPPTYPE_UINT32: {
      // Through int64: a negative int32 wraps, as it does when C++ assigns it.
      const auto number = static_cast<uint32_t>(static_cast<int64_t>(value));
      return many ? r.AddUInt32(to, field, number) : r.SetUInt32(to, field, number);
    }
    case FieldDescriptor::CPPTYPE_FLOAT:
      return many ? r.AddFloat(to, field, static_cast<float>(value))
                  : r.SetFloat(to, field, static_cast<float>(value));
    case FieldDescriptor::CPPTYPE_BOOL:
      return many ? r.AddBool(to, field, value != 0) : r.SetBool(to, field, value != 0);
    case FieldDescriptor::CPPTYPE_ENUM:
      return many ? r.AddEnumValue(to, field, static_cast<int>(value))
                  : r.SetEnumValue(to, field, static_cast<int>(value));
    default:
      internal_error("field {} takes no number", std::string(field->full_name()));
  }
}

void copy_value(const Message& from, const FieldDescriptor* source, int i, Message* to,
                const FieldDescriptor* target) {
  const Reflection& in = *from.GetReflection();
  const Reflection& out = *to->GetReflection();
  if (target->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    Message* child =
        target->is_repeated() ? out.AddMessage(to, target) : out.MutableMessage(to, target);
    child->CopyFrom(source->is_repeated() ? in.GetRepeatedMessage(from, source, i)
                                          : in.GetMessage(from, source));
  } else if (target->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    std::string text =
        source->is_repeated() ? in.GetRepeatedString(from, source, i) : in.GetString(from, source);
    if (target->is_repeated()) {
      out.AddString(to, target, std::move(text));
    } else {
      out.SetString(to, target, std::move(text));
    }
  } else {
    write_number(read_number(from, source, i), to, target);
  }
}

bool same_type(const FieldDescriptor* a, const FieldDescriptor* b) {
  return a->cpp_type() == b->cpp_type() && a->message_type() == b->message_type() &&
         a->enum_type() == b->enum_type() && a->is_repeated() == b->is_repeated();
}

}  // namespace

void copy_field(const Message& from, const FieldDescriptor* source, Message* to,
                const FieldDescriptor* target) {
  const Reflection& in = *from.GetReflection();
  const int count = source->is_repeated() ? in.FieldSize(from, source) : in.HasField(from, source);
  for (int i = 0; i < count; ++i) copy_value(from, source, i, to, target);
}

void copy_common_fields(const Message& from, Message* to) {
  std::vector<const FieldDescriptor*> fields;
  from.GetReflection()->ListFields(from, &fields);
  for (const FieldDescriptor* source : fields) {
    const FieldDescriptor* target =
        to->GetDescriptor()->FindFieldByName(std::string(source->name()));
    if (target && same_type(source, target)) copy_field(from, source, to, target);
  }
}

}  // namespace trivium::caffe
