// reshape, permute, broadcast_to, slice, concat, pad, flip, stop_gradient: strided copies of bytes,
// in plain memory or over the memory of a batch-blocked tensor when the batch axis stays whole.
#include <cstring>

#include "trivium/engine/backends/cpu/strided_copy.h"
#include "trivium/engine/backends/cpu/support.h"
#include "trivium/engine/core/array.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::cpu {
namespace {

bool blocked(const TensorDesc& t) { return t.format.kind == Format::nblock; }

std::vector<int64_t> memory_strides(const TensorDesc& t) {
  const Shape memory = t.physical();
  const auto strides = strides_of(memory);
  return {strides.begin(), strides.begin() + memory.rank()};
}

/// Copies the whole of `out`'s memory; the read side is to be filled in.
StridedCopy onto(const TensorDesc& out) {
  StridedCopy c;
  c.sizes = out.physical().vec();
  c.to_strides = memory_strides(out);
  c.element_bytes = size_of(out.dtype);
  return c;
}

struct Copies {
  std::vector<StridedCopy> copies;  // copy i reads operand i
  std::vector<char> fill;           // bytes of one element that fills the result first; empty: none
  size_t out_bytes = 0;

  void run(const KernelArgs& a) const {
    if (!fill.empty()) fill_output(static_cast<char*>(a.out[0]));
    for (size_t i = 0; i < copies.size(); ++i) copies[i].run(a.in[i], a.out[0]);
  }
  void fill_output(char* out) const {
    for (size_t i = 0; i < fill.size() && i < out_bytes; ++i) out[i] = fill[i];
    for (size_t done = std::min(fill.size(), out_bytes);
         done < out_bytes;) {  // doubles what is there
      const size_t n = std::min(done, out_bytes - done);
      std::memcpy(out + done, out, n);
      done += n;
    }
  }
};

Kernel finished(const KernelRequest& r, Copies state) {
  for (StridedCopy& c : state.copies) c.finish();
  return kernel_of(r.op, std::move(state));
}

Kernel build_permute(const KernelRequest& r) {
  StridedCopy c = onto(r.out[0]);
  const auto own = memory_strides(r.in[0]);
  const int rank = r.in[0].shape.rank();
  for (int64_t axis : r.attrs->integers("perm"))
    c.from_strides.push_back(own[normalized_axis(axis, rank)]);
  if (blocked(r.out[0])) c.from_strides.push_back(1);
  return finished(r, {{c}, {}, 0});
}

Kernel build_broadcast(const KernelRequest& r) {
  StridedCopy c = onto(r.out[0]);
  c.from_strides = walk_strides(r.in[0], r.out[0]);
  return finished(r, {{c}, {}, 0});
}

Kernel build_slice(const KernelRequest& r) {
  StridedCopy c = onto(r.out[0]);
  c.from_strides = memory_strides(r.in[0]);
  const int rank = r.in[0].shape.rank();
  const Ints starts = ints_or(*r.attrs, "starts", Ints(rank, 0)),
             steps = ints_or(*r.attrs, "steps", Ints(rank, 1));
  for (int i = 0; i < rank; ++i) {
    c.from_offset += starts[i] * c.from_strides[i];
    c.from_strides[i] *= steps[i];
  }
  return finished(r, {{c}, {}, 0});
}

Kernel build_flip(const KernelRequest& r) {
  StridedCopy c = onto(r.out[0]);
  c.from_strides = memory_strides(r.in[0]);
  const Shape& x = r.in[0].shape;
  const Ints axes = ops::normal_axes(r.attrs->integers("axes"), x.rank()).value();
  for (int64_t axis : axes) {
    c.from_offset += (x[static_cast<int>(axis)] - 1) * c.from_strides[axis];
    c.from_strides[axis] = -c.from_strides[axis];
  }
  return finished(r, {{c}, {}, 0});
}

Kernel build_concat(const KernelRequest& r) {
  Copies state;
  const int axis = normalized_axis(r.attrs->integer("axis"), r.out[0].shape.rank());
  int64_t at = 0;
  for (const TensorDesc& x : r.in) {
    StridedCopy c = onto(r.out[0]);
    c.sizes = x.physical().vec();
    c.from_strides = memory_strides(x);
    c.to_offset = at * c.to_strides[axis];
    at += x.shape[axis];
    state.copies.push_back(c);
  }
  return finished(r, std::move(state));
}

/// The bytes of `value` as one element.
std::vector<char> element_of(double value, DType dtype) {
  std::vector<char> bytes(size_of(dtype), 0);
  Array element = Array::full({}, value, dtype);
  std::memcpy(bytes.data(), element.raw(), bytes.size());
  return bytes;
}

Kernel build_pad(const KernelRequest& r) {
  StridedCopy c = onto(r.out[0]);
  c.sizes = r.in[0].physical().vec();
  c.from_strides = memory_strides(r.in[0]);
  const Ints& before = r.attrs->integers("before");
  for (size_t i = 0; i < before.size(); ++i) c.to_offset += before[i] * c.to_strides[i];
  return finished(
      r, {{c}, element_of(real_or(*r.attrs, "value", 0), r.out[0].dtype), r.out[0].bytes()});
}

struct Same {
  size_t bytes;
  void run(const KernelArgs& a) const {
    if (a.in[0] != a.out[0]) std::memcpy(a.out[0], a.in[0], bytes);
  }
};
Kernel build_same(const KernelRequest& r) { return kernel_of(r.op, Same{r.out[0].bytes()}); }

// ---- placement
// -----------------------------------------------------------------------------------

/// "" when the op leaves a blocked batch axis whole.
std::string keeps_batch(const KernelRequest& r) {
  const Shape &x = r.in[0].shape, &y = r.out[0].shape;
  const char* moves = "the batch axis changes";
  if (y.rank() < 1 || y.rank() >= Shape::kMaxRank || x.rank() >= Shape::kMaxRank)
    return "no batch axis to block";
  if (r.op == "broadcast_to") return "";
  if (x.rank() < 1 || x[0] != y[0]) return moves;
  if (r.op == "permute")
    return normalized_axis(r.attrs->integers("perm")[0], x.rank()) == 0 ? "" : moves;
  if (r.op == "concat")
    return normalized_axis(r.attrs->integer("axis"), x.rank()) == 0 ? moves : "";
  if (r.op == "slice")
    return r.attrs->integers("starts")[0] == 0 &&
                   ints_or(*r.attrs, "steps", Ints(x.rank(), 1))[0] == 1
               ? ""
               : moves;
  if (r.op == "pad")
    return r.attrs->integers("before")[0] == 0 && r.attrs->integers("after")[0] == 0 ? "" : moves;
  if (r.op != "flip") return "";
  const Ints axes = ops::normal_axes(r.attrs->integers("axes"), x.rank()).value();  // sorted
  return axes.empty() || axes[0] != 0 ? "" : moves;
}

std::optional<Placement> place(const KernelRequest& r, Format family, std::string& reason) {
  if (family.kind == Format::channels)
    reason = "plain or batch-blocked operands only";
  else if (family.kind == Format::nblock)
    reason = keeps_batch(r);
  if (!reason.empty()) return std::nullopt;
  Placement p = plain_placement(r, predict_us(r, static_cast<double>(r.out[0].shape.count()),
                                              r.op == "permute" ? 0.025 : 0.07));
  if (r.op == "reshape" || r.op == "stop_gradient") p.microseconds = predict_us(r, 0, 1);
  if (family.kind == Format::nblock) {
    p.out[0] = family;
    const Shape& y = r.out[0].shape;
    for (size_t i = 0; i < r.in.size(); ++i) {
      const Shape& x = r.in[i].shape;
      if (r.op != "broadcast_to" || (x.rank() == y.rank() && x[0] == y[0])) p.in[i] = family;
    }
  }
  return p;
}

}  // namespace

void register_shape(KernelTable& table) {
  table.add({"permute", "permute", place, build_permute, {}});
  table.add({"broadcast_to", "broadcast_to", place, build_broadcast, {}});
  table.add({"slice", "slice", place, build_slice, {}});
  table.add({"flip", "flip", place, build_flip, {}});
  table.add({"concat", "concat", place, build_concat, {}});
  table.add({"pad", "pad", place, build_pad, {}});
  table.add({"reshape", "reshape", place, build_same, {{0, 0}}});
  table.add({"stop_gradient", "stop_gradient", place, build_same, {{0, 0}}});
}

}  // namespace trivium::cpu
