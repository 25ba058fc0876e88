// A UserError that already names the layer and its line.
#pragma once

#include "trivium/engine/core/error.h"

namespace trivium::caffe {

class LayerError : public UserError {
 public:
  using UserError::UserError;
};

}  // namespace trivium::caffe
