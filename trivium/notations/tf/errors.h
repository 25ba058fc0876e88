// What the tf notation throws. Mistakes found while a graph is described carry the class Python's
// TensorFlow raises there; mistakes found while it runs are OpErrors with TensorFlow's code.
#pragma once

#include <string>

#include "trivium/engine/core/error.h"

namespace trivium::tf {

/// An argument has the right type but an impossible value or shape.
class ValueError : public UserError {
 public:
  using UserError::UserError;
};
/// An argument has a type or dtype that is not taken there.
class TypeError : public UserError {
 public:
  using UserError::UserError;
};
/// A name that is not in the graph.
class KeyError : public UserError {
 public:
  using UserError::UserError;
};
/// An op on the way of a gradient has none.
class LookupError : public UserError {
 public:
  using UserError::UserError;
};
/// The object is not in a state that allows the call (a closed session, a finalized graph).
class RuntimeError : public UserError {
 public:
  using UserError::UserError;
};
/// Something TensorFlow has and this notation does not.
class NotImplementedError : public UserError {
 public:
  using UserError::UserError;
};

/// TensorFlow's codes, by its numbers.
enum class Code {
  cancelled = 1,
  unknown = 2,
  invalid_argument = 3,
  deadline_exceeded = 4,
  not_found = 5,
  already_exists = 6,
  permission_denied = 7,
  resource_exhausted = 8,
  failed_precondition = 9,
  aborted = 10,
  out_of_range = 11,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  data_loss = 15,
  unauthenticated = 16
};

/// A failure of a run: TensorFlow's code, and the name of the node ("" when no node is at fault).
class OpError : public UserError {
 public:
  OpError(Code code, const std::string& message, std::string node = "")
      : UserError(message), code_(code), node_(std::move(node)) {}
  Code code() const { return code_; }
  const std::string& node() const { return node_; }

 private:
  Code code_;
  std::string node_;
};

template <typename E, typename... Args>
[[noreturn]] void raise(fmt::format_string<Args...> format, Args&&... args) {
  throw E(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace trivium::tf
