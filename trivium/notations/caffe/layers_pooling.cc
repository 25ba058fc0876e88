// Layers that look at windows: Pooling, SPP (pooling at several scales) and LRN.
#include "trivium/notations/caffe/layer.h"

namespace trivium::caffe {
namespace {

void check_rank(const LayerCtx& ctx) {
  ctx.require(ctx.shape().rank() == 4, "bottom",
              "expected four axes (num, channels, height, width), received " + ctx.shape().text());
}

/// The window of pooling_param over height and width.
ops::PoolAttrs window(const LayerCtx& ctx, const proto::PoolingParameter& p) {
  const Shape& shape = ctx.shape();
  const bool sides = p.has_kernel_h() || p.has_kernel_w();
  ops::PoolAttrs a;
  a.ceil = p.round_mode() == proto::PoolingParameter::CEIL;
  if (p.global_pooling()) {
    ctx.require(
        !p.has_kernel_size() && !sides, "pooling_param",
        "global_pooling covers the whole image: leave kernel_size, kernel_h and kernel_w out");
    a.kernel = {shape[2], shape[3]};
  } else {
    ctx.require(p.has_kernel_size() != sides, "pooling_param",
                "expected either kernel_size or kernel_h and kernel_w");
    ctx.require(!sides || (p.has_kernel_h() && p.has_kernel_w()), "pooling_param",
                "kernel_h and kernel_w go together");
    a.kernel =
        sides ? ops::Ints{p.kernel_h(), p.kernel_w()} : ops::Ints{p.kernel_size(), p.kernel_size()};
  }
  const bool pads = p.has_pad_h() || p.has_pad_w(), strides = p.has_stride_h() || p.has_stride_w();
  ctx.require(!(p.has_pad() && pads), "pooling_param",
              "give either pad or pad_h and pad_w, not both");
  ctx.require(!(p.has_stride() && strides), "pooling_param",
              "give either stride or stride_h and stride_w, not both");
  a.pads_begin = pads ? ops::Ints{p.pad_h(), p.pad_w()} : ops::Ints{p.pad(), p.pad()};
  a.strides = strides ? ops::Ints{p.stride_h(), p.stride_w()} : ops::Ints{p.stride(), p.stride()};
  a.pads_end = a.pads_begin;
  const bool padded = a.pads_begin[0] > 0 || a.pads_begin[1] > 0;
  ctx.require(!(p.global_pooling() && (padded || a.strides[0] != 1 || a.strides[1] != 1)),
              "pooling_param", "global_pooling takes neither pad nor stride");
  for (int i = 0; i < 2; ++i) {
    ctx.require(a.kernel[i] > 0, "pooling_param", "every side of the kernel must be at least 1");
    ctx.require(a.strides[i] > 0, "pooling_param", "every stride must be at least 1");
    ctx.require(a.pads_begin[i] < a.kernel[i], "pooling_param",
                fmt::format("pad {} must be smaller than the kernel's side {}", a.pads_begin[i],
                            a.kernel[i]));
    const int64_t room = shape[2 + i] + 2 * a.pads_begin[i], over = a.kernel[i] - room;
    ctx.require(over <= 0 || (a.ceil && over < a.strides[i]), "pooling_param",
                fmt::format("the kernel's side {} is larger than the image with padding, {}",
                            a.kernel[i], room));
    // A window larger than everything sees everything: the same numbers come from a smaller one.
    if (over > 0) a.kernel[i] = room;
  }
  // Where windows tile the image there is nothing to round.
  bool tiles = true;
  for (int i = 0; i < 2; ++i)
    tiles &= (shape[2 + i] + 2 * a.pads_begin[i] - a.kernel[i]) % a.strides[i] == 0;
  if (tiles) a.ceil = false;
  return a;
}

void pooling(LayerCtx& ctx) {
  const proto::PoolingParameter& p = ctx.param().pooling_param();
  check_rank(ctx);
  const ops::PoolAttrs a = window(ctx, p);
  if (p.pool() == proto::PoolingParameter::STOCHASTIC)
    ctx.fail("pooling_param",
             "stochastic pooling has no CPU version in Caffe and none here; use MAX "
             "or AVE");
  if (p.pool() == proto::PoolingParameter::AVE) {
    ctx.require(ctx.tops() == 1, "top", "average pooling has one top, the mask goes with MAX");
    return ctx.top(0, ops::avg_pool(ctx.bottom(), a, true));
  }
  const ops::MaxPool pool = ops::max_pool(ctx.bottom(), a);
  ctx.top(0, pool.y);
  if (ctx.tops() == 2) {
    const Value index =
        ops::max_pool_plane_index(pool.position, a, {ctx.shape()[2], ctx.shape()[3]});
    ctx.top(1, ops::cast(index, DType::f32));
  }
}

/// Level l divides the image into 2^l bins a side; the levels are laid end to end.
void spp(LayerCtx& ctx) {
  const proto::SPPParameter& p = ctx.param().spp_param();
  check_rank(ctx);
  const Shape& shape = ctx.shape();
  ctx.require(p.pyramid_height() > 0 && p.pyramid_height() < 31, "spp_param",
              "pyramid_height must be at least 1");
  ctx.require(p.pool() != proto::SPPParameter::STOCHASTIC, "spp_param",
              "stochastic pooling has no CPU version in Caffe and none here; use MAX or AVE");
  std::vector<Value> levels;
  for (uint32_t l = 0; l < p.pyramid_height(); ++l) {
    const int64_t bins = int64_t{1} << l;
    ops::PoolAttrs a;
    a.ceil = true;
    for (int i = 0; i < 2; ++i) {
      const int64_t size = shape[2 + i], k = (size + bins - 1) / bins,
                    pad = (k * bins - size + 1) / 2;
      ctx.require(pad < k, "spp_param",
                  fmt::format("the image side {} is too small for {} bins", size, bins));
      a.kernel.push_back(k);
      a.strides.push_back(k);
      a.pads_begin.push_back(pad);
    }
    a.pads_end = a.pads_begin;
    const Value y = p.pool() == proto::SPPParameter::MAX ? ops::max_pool(ctx.bottom(), a).y
                                                         : ops::avg_pool(ctx.bottom(), a, true);
    levels.push_back(y);
  }
  if (levels.size() == 1) return ctx.top(0, levels[0]);
  for (Value& v : levels) v = ops::reshape(v, Shape{shape[0], v.shape().count(1)});
  ctx.top(0, ops::concat(levels, 1));
}

void lrn(LayerCtx& ctx) {
  const proto::LRNParameter& p = ctx.param().lrn_param();
  check_rank(ctx);
  const int64_t size = p.local_size();
  ctx.require(size % 2 == 1, "lrn_param", fmt::format("local_size must be odd, received {}", size));
  const Value x = ctx.bottom();
  if (p.norm_region() == proto::LRNParameter::ACROSS_CHANNELS)
    return ctx.top(0, ops::lrn(x, size, p.alpha(), p.beta(), p.k()));
  // Within a channel: the mean square of a size x size window; k is 1 whatever the definition says.
  const int64_t half = (size - 1) / 2;
  const ops::PoolAttrs a{{size, size}, {1, 1}, {half, half}, {half, half}, false};
  const Value mean = ops::avg_pool(ops::square(x), a, true);
  const Value base = ops::add(ops::mul(mean, static_cast<double>(p.alpha())), 1.0);
  ctx.top(0, x * ops::pow(base, -static_cast<double>(p.beta())));
}

}  // namespace

void add_pooling_layers(LayerTable& table) {
  table.add({"Pooling", exactly(1), between(1, 2), pooling});
  table.add({"SPP", exactly(1), exactly(1), spp});
  table.add({"LRN", exactly(1), exactly(1), lrn});
}

}  // namespace trivium::caffe
