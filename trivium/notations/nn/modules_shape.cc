// Padding, resizing and rearranging layers.
#include "trivium/notations/nn/modules_shape.h"

namespace trivium::nn {

namespace F = functional;

namespace {

std::string upsample_text(const UpsampleOptions& o) {
  std::string out;
  if (!o.scale_factor.empty()) {
    out = "scale_factor=" + (o.scale_factor.size() == 1 ? python_text(o.scale_factor[0]) : "(");
    for (size_t i = 0; o.scale_factor.size() > 1 && i < o.scale_factor.size(); ++i)
      out += (i ? ", " : "") + python_text(o.scale_factor[i]);
    if (o.scale_factor.size() > 1) out += ")";
  } else {
    out = "size=" + (o.size.size() == 1 ? std::to_string(o.size[0]) : python_text(o.size));
  }
  return out + ", mode='" + o.mode + "'";
}

std::function<Tensor(const Tensor&)> resizing(const UpsampleOptions& o) {
  return [o](const Tensor& x) {
    return F::interpolate(x, o.size, o.scale_factor, o.mode, o.align_corners,
                          o.recompute_scale_factor);
  };
}

UpsampleOptions with_mode(UpsampleOptions o, const char* mode, std::optional<bool> align) {
  o.mode = mode;
  o.align_corners = align;
  return o;
}

Dims all_sides(const Dims& padding, int spatial) {
  if (padding.size() == 2 * spatial) return padding;
  if (padding.size() != 1)
    raise<ValueError>("padding: expected 1 or {} numbers, received {}", 2 * spatial,
                      padding.text());
  Dims out;
  for (int i = 0; i < 2 * spatial; ++i) out.push_back(padding[0]);
  return out;
}

}  // namespace

Upsample::Upsample(const UpsampleOptions& o) : FunctionModule(upsample_text(o), resizing(o)) {}
UpsamplingNearest2d::UpsamplingNearest2d(const UpsampleOptions& o)
    : FunctionModule(upsample_text(with_mode(o, "nearest", {})),
                     resizing(with_mode(o, "nearest", {}))) {}
UpsamplingBilinear2d::UpsamplingBilinear2d(const UpsampleOptions& o)
    : FunctionModule(upsample_text(with_mode(o, "bilinear", true)),
                     resizing(with_mode(o, "bilinear", true))) {}

PixelShuffle::PixelShuffle(int64_t r)
    : FunctionModule("upscale_factor=" + std::to_string(r),
                     [r](const Tensor& x) { return F::pixel_shuffle(x, r); }) {}
PixelUnshuffle::PixelUnshuffle(int64_t r)
    : FunctionModule("downscale_factor=" + std::to_string(r),
                     [r](const Tensor& x) { return F::pixel_unshuffle(x, r); }) {}
ChannelShuffle::ChannelShuffle(int64_t groups)
    : FunctionModule("groups=" + std::to_string(groups),
                     [groups](const Tensor& x) { return F::channel_shuffle(x, groups); }) {}

PadNd::PadNd(int spatial, const Dims& padding, const std::string& mode, std::optional<double> value)
    : FunctionModule((value ? "padding=" : "") + python_text(all_sides(padding, spatial)) +
                         (value ? ", value=" + python_text(*value) : ""),
                     [sides = all_sides(padding, spatial), mode, fill = value.value_or(0)](
                         const Tensor& x) { return F::pad(x, sides, mode, fill); }) {}

}  // namespace trivium::nn
