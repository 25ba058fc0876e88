// The list of all ops: what is not named here does not exist.
#include <string_view>

#include "trivium/engine/graph/op.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

/// Ops whose results need more than half precision on the way; each between two spaces.
constexpr std::string_view kHalfThroughFloat =
    " "
    "sum mean prod reduce_max reduce_min sum_to argmax argmin top_k sort cumsum cumprod "
    "cummax cummin matmul conv conv_bwd_data conv_bwd_weights max_pool max_pool_grad "
    "avg_pool avg_pool_grad lrn lrn_grad batch_norm batch_norm_grad layer_norm "
    "layer_norm_grad softmax log_softmax softmax_cross_entropy softmax_cross_entropy_grad "
    "scatter_add scatter_elements index_update one_hot in_top_k ";

bool needs_float(const OpDef& op) {
  return kHalfThroughFloat.find(" " + op.name() + " ") != std::string_view::npos;
}

}  // namespace

void register_all() {
  [[maybe_unused]] static const bool once = [] {
    OpRegistry& ops = OpRegistry::instance();
    for (auto define : {define_leaves,  define_elementwise, define_elementwise_functions,
                        define_group,   define_reduce,      define_select_along,
                        define_matmul,  define_conv,        define_pool,
                        define_lrn,     define_norm,        define_layer_norm,
                        define_softmax, define_loss,        define_shape,
                        define_index,   define_scatter,     define_scan,
                        define_random,  define_control})
      define(ops);
    for (const auto& op : ops.all())
      if (needs_float(*op)) op->decompose(half_through_float(*op, op->decompose()));
    return true;
  }();
}

}  // namespace trivium::ops
