// Sizes of windows, and permutes that cancel.
#include "trivium/notations/tf/windows.h"

#include <algorithm>

#include "trivium/engine/graph/op.h"
#include "trivium/engine/ops/build.h"

namespace trivium::tf {

using Ints = ops::Ints;

Window window_of(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, bool same) {
  const int64_t reach = (kernel - 1) * dilation + 1;
  if (!same) return {(in - reach + stride) / stride, 0, 0};
  const int64_t out = (in + stride - 1) / stride;
  const int64_t total = std::max<int64_t>((out - 1) * stride + reach - in, 0);
  return {out, total / 2, total - total / 2};
}

const Ints& axes_of_permute(Value x) { return x.graph->node(x.node).attrs->integers("perm"); }

Ints inverse_of(const Ints& perm) {
  Ints out(perm.size());
  for (size_t i = 0; i < perm.size(); ++i)
    out[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  return out;
}

Value turned(Value x, const Ints& perm) {
  const Value source = source_of_permute(x);
  if (source.defined() && inverse_of(axes_of_permute(x)) == perm) return source;
  return ops::permute(x, perm);
}

Value to_channels_first(Value x) {
  const int rank = x.shape().rank();
  Ints perm{0, rank - 1};
  for (int i = 1; i + 1 < rank; ++i) perm.push_back(i);
  return turned(x, perm);
}

Value to_channels_last(Value x) {
  const int rank = x.shape().rank();
  Ints perm{0};
  for (int i = 2; i < rank; ++i) perm.push_back(i);
  perm.push_back(1);
  return turned(x, perm);
}

Value source_of_permute(Value x) {
  const Node& node = x.graph->node(x.node);
  if (!node.op || node.op->name() != "permute") return {};
  return x.graph->value(node.inputs[0]);
}

Value before_permute(Value x, const std::function<Value(Value)>& fn) {
  const Value source = source_of_permute(x);
  if (!source.defined()) return fn(x);
  const Ints perm = axes_of_permute(x);
  return ops::permute(fn(source), perm);
}

Value before_permute(Value a, Value b, const std::function<Value(Value, Value)>& fn) {
  const Value x = source_of_permute(a), y = source_of_permute(b);
  if (!x.defined() || !y.defined() || axes_of_permute(a) != axes_of_permute(b) ||
      x.shape() != y.shape())
    return fn(a, b);
  const Ints perm = axes_of_permute(a);
  return ops::permute(fn(x, y), perm);
}

}  // namespace trivium::tf
