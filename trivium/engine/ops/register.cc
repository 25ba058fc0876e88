// The list of all ops: what is not named here does not exist.
#include "trivium/engine/graph/op.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/ops/families.h"

namespace trivium::ops {

void register_all() {
  [[maybe_unused]] static const bool once = [] {
    OpRegistry& ops = OpRegistry::instance();
    for (auto define :
         {define_leaves, define_elementwise, define_elementwise_functions, define_group,
          define_reduce, define_select_along, define_matmul, define_conv, define_pool, define_lrn,
          define_norm, define_layer_norm, define_softmax, define_loss, define_shape, define_index,
          define_scatter, define_scan, define_random})
      define(ops);
    return true;
  }();
}

}  // namespace trivium::ops
