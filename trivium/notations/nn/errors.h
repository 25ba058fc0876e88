// The kinds of mistake PyTorch distinguishes. Programs in C++ may catch UserError alone; the Python
// binding picks Python's exception class by these.
#pragma once

#include "trivium/engine/core/error.h"

namespace trivium::nn {

/// A value no argument of the kind may have (Python: ValueError).
class ValueError : public UserError {
 public:
  using UserError::UserError;
};

/// An index or axis outside its range (Python: IndexError).
class IndexError : public UserError {
 public:
  using UserError::UserError;
};

/// An argument of the wrong kind (Python: TypeError).
class TypeError : public UserError {
 public:
  using UserError::UserError;
};

/// A dtype or mode the function has no meaning for (Python: NotImplementedError, which is a
/// RuntimeError there).
class NotImplementedError : public UserError {
 public:
  using UserError::UserError;
};

/// item() of a tensor with several or no elements (Python: an error that is both a RuntimeError and
/// a ValueError).
class ItemError : public ValueError {
 public:
  using ValueError::ValueError;
};

template <typename Kind, typename... Args>
[[noreturn]] void raise(fmt::format_string<Args...> format, Args&&... args) {
  throw Kind(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace trivium::nn
