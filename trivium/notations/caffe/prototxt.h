// Reads protobuf text format (prototxt) into any message, with errors that say where, what and how
// to mend it. Works through reflection: the schema alone decides which fields, types and values are
// legal.
#pragma once

#include <google/protobuf/message.h>

#include <map>
#include <string>
#include <string_view>

#include "trivium/notations/caffe/source_map.h"

namespace trivium::caffe {

/// Lines of the nets found in a text, by path: "" when the message itself is a net, else
/// `net_param`, `train_net_param`, `test_net_param[0]` and so on, as in a solver.
using NetLines = std::map<std::string, SourceMap>;

/// Deepest nesting of messages a text may have.
inline constexpr int kMaxPrototxtDepth = 100;
/// Largest text or binary message, in bytes (the limit of the protobuf format itself).
inline constexpr size_t kMaxMessageBytes = 0x7FFFFFFF;

/// Replaces the content of `into` by the message written in `text`.
/// Accepts the whole text format: # comments, an optional colon before messages, { } or < >,
/// separators , and ;, both quotes with C escapes, adjacent texts joined, enum values by name or
/// number, decimal, hexadecimal and octal integers, inf, nan, the suffix f, and [a, b] lists.
/// `file` is the name errors show. With `nets`, the lines of every layer are recorded there.
/// Throws UserError "file:line:column: ..." for anything the schema does not allow; `into` is then
/// unchanged.
void parse_prototxt(std::string_view text, const std::string& file, google::protobuf::Message* into,
                    NetLines* nets = nullptr);

}  // namespace trivium::caffe
