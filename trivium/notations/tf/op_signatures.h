// What TensorFlow's graph files say of an operation: its arguments, their types, its attributes and
// their defaults. One line a type:
//
//   MatMul(a:T, b:T) -> (product:T) {transpose_a:bool=false, transpose_b:bool=false, T:type}
//
// The type of an argument is a dtype, or the attribute that names it; "N*T" is a list of N tensors
// of one dtype, "T..." a list with a dtype each, "&T" a reference to a variable.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace trivium::tf {

struct OpSignature {
  struct Arg {
    std::string name;
    std::string type;   ///< a dtype, or the attribute that names it
    std::string count;  ///< the attribute that counts a list of one dtype
    bool list = false;  ///< a list with a dtype each; `type` is the attribute that lists them
    bool reference = false;
  };
  struct Attr {
    std::string name;
    std::string kind;  ///< type, int, float, bool, string, shape, tensor, func; ints, types, …
    std::optional<std::string> fallback;
  };

  std::string type;
  std::vector<Arg> inputs, outputs;
  std::vector<Attr> attrs;

  const Attr* attr(const std::string& name) const;
};

/// Null for a type TensorFlow does not have (or whose signature is not known here).
const OpSignature* op_signature(const std::string& type);
/// Parses one line; InternalError when it is malformed.
OpSignature parse_op_signature(const std::string& line);
/// All types with a signature, sorted.
std::vector<std::string> op_signature_types();

extern const char* const kOpSignaturesAF;
extern const char* const kOpSignaturesGQ;
extern const char* const kOpSignaturesRZ;

}  // namespace trivium::tf
