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

namespace {

const Ints& axes_of_permute(Value x) { return x.graph->node(x.node).attrs->integers("perm"); }

}  // namespace

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

std::optional<Turned> turning_of(Value x) {
  const Node& node = x.graph->node(x.node);
  const bool reshaped = node.op && node.op->name() == "reshape";
  const Value permuted = reshaped ? x.graph->value(node.inputs[0]) : x;
  const Value source = source_of_permute(permuted);
  if (!source.defined()) return std::nullopt;
  return Turned{source, axes_of_permute(permuted), x.shape()};
}

Value Turned::again(Value other) const {
  const Value permuted = ops::permute(other, axes);
  return permuted.shape() == shape ? permuted : ops::reshape(permuted, shape);
}

bool Turned::alike(const Turned& other) const {
  return axes == other.axes && shape == other.shape && source.shape() == other.source.shape();
}

bool Turned::only_axes() const {
  if (shape.rank() != static_cast<int>(axes.size())) return false;
  for (int i = 0; i < shape.rank(); ++i)
    if (shape[i] != source.shape()[static_cast<int>(axes[static_cast<size_t>(i)])]) return false;
  return true;
}

Value elements_of(Value x) {
  const auto t = turning_of(x);
  return t ? t->source : x;
}

namespace {

/// What broadcasts beside t.source as b does beside t; undefined where that takes more than a
/// reshape.
Value beside(const Turned& t, Value b) {
  const Shape& own = b.shape();
  const int rank = t.shape.rank(), first = rank - own.rank();
  if (first < 0) return {};
  if (own.count() == 1) return ops::reshape(b, {});
  if (!t.only_axes()) return {};
  Ints sizes(t.axes.size(), 1);
  int longer = 0;  // axes of b
  for (int i = 0; i < own.rank(); ++i) {
    if (own[i] == 1) continue;
    if (own[i] != t.shape[first + i] || ++longer > 1) return {};
    sizes[static_cast<size_t>(t.axes[static_cast<size_t>(first + i)])] = own[i];
  }
  return ops::reshape(b, Shape(sizes));
}

}  // namespace

Value before_permute(Value x, const std::function<Value(Value)>& fn) {
  const auto t = turning_of(x);
  return t ? t->again(fn(t->source)) : fn(x);
}

Value before_permute(Value a, Value b, const std::function<Value(Value, Value)>& fn) {
  const auto x = turning_of(a), y = turning_of(b);
  if (x && y && x->alike(*y)) return x->again(fn(x->source, y->source));
  if (const Value other = x ? beside(*x, b) : Value(); other.defined())
    return x->again(fn(x->source, other));
  if (const Value other = y ? beside(*y, a) : Value(); other.defined())
    return y->again(fn(other, y->source));
  return fn(a, b);
}

}  // namespace trivium::tf
