// The sentences of the prototxt parser's errors: what a field expects, and the remedy when one is
// known.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>

#include "trivium/notations/caffe/prototxt_lexer.h"

namespace trivium::caffe {

/// `no field "botom" in LayerParameter; did you mean "bottom"?`
std::string unknown_field_message(const google::protobuf::Descriptor& type,
                                  const std::string& name);

/// `num_output expects an integer from 0 to 4294967295, received the text "ten"`, with a remedy for
/// quotes too many or too few.
std::string wrong_type_message(const google::protobuf::FieldDescriptor& field,
                               const Token& received, bool negative);

/// `pool expects one of MAX, AVE, STOCHASTIC (or 0, 1, 2), received AVG; did you mean AVE?`
std::string bad_enum_message(const google::protobuf::FieldDescriptor& field,
                             const std::string& received);

}  // namespace trivium::caffe
