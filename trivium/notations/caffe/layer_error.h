// A UserError that already names the layer and its line.
#pragma once

#include "trivium/engine/core/error.h"

namespace trivium::caffe {

class LayerError : public UserError {
 public:
  using UserError::UserError;
};

class Net;

/// Throws `error` of a run anew with the line of the layer whose op failed, when it names one.
[[noreturn]] void throw_with_line(const Net& net, const UserError& error);

}  // namespace trivium::caffe
