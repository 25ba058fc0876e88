// Layers that move values without changing them: Concat, Slice, Split, Reshape, Flatten, Tile,
// Crop, BatchReindex, Silence.
#include "trivium/notations/caffe/layer.h"

namespace trivium::caffe {
namespace {

/// `axis`, or the older unsigned spelling of it; both at once are refused.
int axis_of(const LayerCtx& ctx, const char* field, bool has_axis, int axis, bool has_old, int old,
            const char* old_name) {
  ctx.require(!(has_axis && has_old), field,
              fmt::format("give either axis or {}, not both", old_name));
  return ctx.axis(has_old ? old : axis, ctx.shape().rank(), has_old ? old_name : "axis");
}

void concat(LayerCtx& ctx) {
  const proto::ConcatParameter& p = ctx.param().concat_param();
  const int axis = axis_of(ctx, "concat_param", p.has_axis(), p.axis(), p.has_concat_dim(),
                           static_cast<int>(p.concat_dim()), "concat_dim");
  std::vector<Value> parts;
  for (int i = 0; i < ctx.bottoms(); ++i) {
    bool fits = ctx.shape(i).rank() == ctx.shape().rank();
    for (int d = 0; fits && d < ctx.shape().rank(); ++d)
      fits = d == axis || ctx.shape(i)[d] == ctx.shape()[d];
    ctx.require(fits, "bottom",
                fmt::format("all bottoms need equal sizes except on axis {}, received {} and {}",
                            axis, ctx.shape().text(), ctx.shape(i).text()));
    parts.push_back(ctx.bottom(i));
  }
  ctx.top(0, parts.size() == 1 ? parts[0] : ops::concat(parts, axis));
}

Value cut(Value x, int axis, int64_t from, int64_t to) {
  ops::Ints starts(x.shape().rank(), 0), stops = x.shape().vec();
  starts[axis] = from;
  stops[axis] = to;
  return ops::slice(x, starts, stops);
}

void slice(LayerCtx& ctx) {
  const proto::SliceParameter& p = ctx.param().slice_param();
  const int axis = axis_of(ctx, "slice_param", p.has_axis(), p.axis(), p.has_slice_dim(),
                           static_cast<int>(p.slice_dim()), "slice_dim");
  const int64_t size = ctx.shape()[axis];
  const int tops = ctx.tops();
  ops::Ints points = {0};
  if (p.slice_point_size() > 0) {
    ctx.require(p.slice_point_size() == tops - 1, "slice_param",
                fmt::format("{} tops need {} slice_point entries, received {}", tops, tops - 1,
                            p.slice_point_size()));
    points.insert(points.end(), p.slice_point().begin(), p.slice_point().end());
  } else {
    ctx.require(
        size % tops == 0, "slice_param",
        fmt::format("axis {} of size {} cannot be cut into {} equal tops", axis, size, tops));
    for (int i = 1; i < tops; ++i) points.push_back(size / tops * i);
  }
  points.push_back(size);
  for (int i = 0; i < tops; ++i) {
    ctx.require(points[i] < points[i + 1], "slice_param",
                fmt::format("slice points must grow and stay below {}, received {} then {}", size,
                            points[i], points[i + 1]));
    ctx.top(i, tops == 1 ? ctx.bottom() : cut(ctx.bottom(), axis, points[i], points[i + 1]));
  }
}

// Each top is a Value of its own, whose gradient can be asked for alone; compiling removes the
// views.
void split(LayerCtx& ctx) {
  const Attrs same = {{"shape", ctx.shape().vec()}};
  for (int i = 0; i < ctx.tops(); ++i) ctx.top(i, ctx.graph().op("reshape", {ctx.bottom()}, same));
}

void silence(LayerCtx&) {}

void flatten(LayerCtx& ctx) {
  const proto::FlattenParameter& p = ctx.param().flatten_param();
  const Shape& shape = ctx.shape();
  const int first = ctx.axis(p.axis(), shape.rank(), "axis");
  const int last = ctx.axis(p.end_axis(), shape.rank(), "end_axis");
  ctx.require(first <= last + 1, "flatten_param",
              fmt::format("axis {} lies behind end_axis {}", first, last));
  Shape result;
  for (int i = 0; i < first; ++i) result.push_back(shape[i]);
  result.push_back(shape.count(first, last + 1));
  for (int i = last + 1; i < shape.rank(); ++i) result.push_back(shape[i]);
  ctx.top(0, ops::reshape(ctx.bottom(), result));
}

/// Replaces axes [axis, axis + num_axes): 0 copies the bottom's size there, one -1 takes what is
/// left.
void reshape(LayerCtx& ctx) {
  const proto::ReshapeParameter& p = ctx.param().reshape_param();
  const Shape& shape = ctx.shape();
  const int rank = shape.rank();
  const int first = p.axis() >= 0 ? p.axis() : rank + p.axis() + 1;
  ctx.require(first >= 0 && first <= rank, "reshape_param",
              fmt::format("axis {} is out of range for {} axes", p.axis(), rank));
  ctx.require(p.num_axes() >= -1, "reshape_param", "num_axes must be at least -1");
  const int end = p.num_axes() == -1 ? rank : first + p.num_axes();
  ctx.require(end <= rank, "reshape_param",
              fmt::format("axis {} and num_axes {} go past the {} axes of the bottom", p.axis(),
                          p.num_axes(), rank));
  ops::Ints sizes;
  int open = -1;
  for (int i = 0; i < first; ++i) sizes.push_back(shape[i]);
  for (int i = 0; i < p.shape().dim_size(); ++i) {
    int64_t size = p.shape().dim(i);
    if (size == 0) {
      ctx.require(first + i < rank, "reshape_param",
                  fmt::format("dim 0 at position {} copies axis {}, which the bottom {} lacks", i,
                              first + i, shape.text()));
      size = shape[first + i];
    } else if (size == -1) {
      ctx.require(open < 0, "reshape_param", "only one dim may be -1");
      open = static_cast<int>(sizes.size());
      size = 1;
    }
    ctx.require(size >= 0, "reshape_param", fmt::format("dim {} is negative", size));
    sizes.push_back(size);
  }
  for (int i = end; i < rank; ++i) sizes.push_back(shape[i]);
  Shape result(sizes);
  if (open >= 0 && result.count() > 0 && shape.count() % result.count() == 0)
    result.set(open, shape.count() / result.count());
  ctx.require(result.count() == shape.count(), "reshape_param",
              fmt::format("the bottom {} holds {} values, the new shape {} {}", shape.text(),
                          shape.count(), result.text(), result.count()));
  ctx.top(0, ops::reshape(ctx.bottom(), result));
}

void tile(LayerCtx& ctx) {
  const proto::TileParameter& p = ctx.param().tile_param();
  const int axis = ctx.axis(p.axis(), ctx.shape().rank(), "axis");
  ctx.require(p.tiles() > 0, "tile_param", "tiles must be at least 1");
  const std::vector<Value> copies(p.tiles(), ctx.bottom());
  ctx.top(0, copies.size() == 1 ? copies[0] : ops::concat(copies, axis));
}

void crop(LayerCtx& ctx) {
  const proto::CropParameter& p = ctx.param().crop_param();
  const Shape &shape = ctx.shape(0), &wanted = ctx.shape(1);
  const int rank = shape.rank(), axis = ctx.axis(p.axis(), rank, "axis");
  ctx.require(wanted.rank() >= rank, "bottom",
              fmt::format("expected two bottoms with as many axes, received {} and {}",
                          shape.text(), wanted.text()));
  ctx.require(
      p.offset_size() <= 1 || axis + p.offset_size() == rank, "crop_param",
      fmt::format("expected no offset, one, or one for each of the {} cropped axes, received {}",
                  rank - axis, p.offset_size()));
  ops::Ints starts(rank, 0), stops = shape.vec();
  for (int i = axis; i < rank; ++i) {
    if (p.offset_size() > 0) starts[i] = p.offset(p.offset_size() == 1 ? 0 : i - axis);
    stops[i] = starts[i] + wanted[i];
    ctx.require(stops[i] <= shape[i], "crop_param",
                fmt::format("axis {}: offset {} and size {} go past the {} of the bottom", i,
                            starts[i], wanted[i], shape[i]));
  }
  ctx.top(0, ops::slice(ctx.bottom(0), starts, stops));
}

void batch_reindex(LayerCtx& ctx) {
  ctx.require(ctx.shape(1).rank() == 1, "bottom",
              "the second bottom lists items: expected one axis, received " + ctx.shape(1).text());
  ctx.top(0, ops::gather(ctx.bottom(0), ops::cast(ctx.bottom(1), DType::i32), 0));
}

}  // namespace

void add_shape_layers(LayerTable& table) {
  table.add({"Concat", at_least(1), exactly(1), concat});
  table.add({"Slice", exactly(1), at_least(1), slice});
  table.add({"Split", exactly(1), at_least(1), split});
  table.add({"Silence", at_least(1), exactly(0), silence});
  table.add({.type = "Flatten", .record = flatten, .in_place = false});
  table.add({.type = "Reshape", .record = reshape, .in_place = false});
  table.add({"Tile", exactly(1), exactly(1), tile});
  table.add({.type = "Crop", .bottoms = exactly(2), .record = crop});
  table.add(
      {.type = "BatchReindex", .bottoms = exactly(2), .record = batch_reindex, .no_gradient = {1}});
}

}  // namespace trivium::caffe
