// reorder: between plain and the blocked formats. float-sized batch blocks go through the
// transposes of nblock_transform; everything else is a strided copy of the full blocks and one of
// the last block.
#include <cstring>

#include "trivium/engine/backends/cpu/nblock_transform.h"
#include "trivium/engine/backends/cpu/strided_copy.h"
#include "trivium/engine/backends/cpu/support.h"

namespace trivium::cpu {
namespace {

struct FloatBlocks {
  int64_t batch, per_item;
  int lanes;
  bool to_blocks;
  void run(const KernelArgs& a) const {
    if (to_blocks)
      nblock::plain_to_nblock(input<float>(a, 0), batch, per_item, lanes, output<float>(a));
    else
      nblock::nblock_to_plain(input<float>(a, 0), batch, per_item, lanes, output<float>(a));
  }
};

struct Moves {
  std::vector<StridedCopy> copies;
  size_t clear_bytes = 0;  // of the result, before copying: padding must be zero
  void run(const KernelArgs& a) const {
    if (clear_bytes) std::memset(a.out[0], 0, clear_bytes);
    for (const StridedCopy& c : copies) c.run(a.in[0], a.out[0]);
  }
};

/// Blocks [first, first + blocks) of axis `axis`, each with `valid` of its lanes. The walk is
/// [outer, blocks, inner, lanes] with outer the axes before `axis`.
StridedCopy block_move(const Shape& shape, int axis, int64_t lanes, int64_t first, int64_t blocks,
                       int64_t valid, bool to_blocks, size_t element_bytes) {
  const int64_t outer = shape.count(0, axis), size = shape[axis], inner = shape.count(axis + 1);
  const int64_t padded = ceil_div(size, lanes) * lanes;
  StridedCopy c;
  c.element_bytes = element_bytes;
  c.sizes = {outer, blocks, inner, valid};
  const Ints plain{size * inner, lanes * inner, 1, inner},
      blocked{padded * inner, lanes * inner, lanes, 1};
  c.from_strides = to_blocks ? plain : blocked;
  c.to_strides = to_blocks ? blocked : plain;
  c.from_offset = c.to_offset = first * lanes * inner;
  // The walk ends in the axis that the written side is contiguous in.
  if (!to_blocks)
    for (auto* list : {&c.sizes, &c.from_strides, &c.to_strides}) std::swap((*list)[2], (*list)[3]);
  c.finish();
  return c;
}

const Format& blocked_format(const KernelRequest& r) {
  return r.in[0].format.kind == Format::plain ? r.out[0].format : r.in[0].format;
}

Kernel build(const KernelRequest& r) {
  const Format f = blocked_format(r);
  const Shape& shape = r.in[0].shape;
  const size_t bytes = size_of(r.in[0].dtype);
  const bool to_blocks = r.out[0].format.kind != Format::plain;
  const std::string name =
      fmt::format("reorder:{}->{}", r.in[0].format.text(), r.out[0].format.text());
  if (f.kind == Format::plain) {
    Moves same;
    StridedCopy c;
    c.sizes = {shape.count()}, c.from_strides = {1}, c.to_strides = {1}, c.element_bytes = bytes;
    c.finish();
    same.copies.push_back(c);
    return kernel_of(name, std::move(same));
  }
  const bool transposes = f.lanes == 4 || f.lanes == 8 || f.lanes == 16;
  if (f.kind == Format::nblock && bytes == 4 && transposes)
    return kernel_of(name, FloatBlocks{shape[0], shape.count(1), f.lanes, to_blocks});
  const int axis = f.kind == Format::nblock ? 0 : 1;
  const int64_t full = shape[axis] / f.lanes, tail = shape[axis] % f.lanes;
  Moves moves;
  if (full > 0)
    moves.copies.push_back(block_move(shape, axis, f.lanes, 0, full, f.lanes, to_blocks, bytes));
  if (tail > 0)
    moves.copies.push_back(block_move(shape, axis, f.lanes, full, 1, tail, to_blocks, bytes));
  if (tail > 0 && to_blocks) moves.clear_bytes = r.out[0].bytes();
  return kernel_of(name, std::move(moves));
}

/// Formats are those of the request: a reorder is asked for, not chosen.
std::optional<Placement> place(const KernelRequest& r, Format, std::string& reason) {
  const Format &from = r.in[0].format, &to = r.out[0].format;
  if (from.kind != Format::plain && to.kind != Format::plain && from != to) {
    reason = fmt::format("{} to {} goes through plain", from.text(), to.text());
    return std::nullopt;
  }
  return Placement{{from}, {to}, 1.3 * predict_us(r, 0, 1)};
}

}  // namespace

void register_reorder(KernelTable& table) { table.add({"reorder", "reorder", place, build, {}}); }

}  // namespace trivium::cpu
