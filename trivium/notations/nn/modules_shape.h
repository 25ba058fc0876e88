// Layers without parameters that pad, resize or rearrange.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trivium/notations/nn/modules_activation.h"

namespace trivium::nn {

struct UpsampleOptions {
  Dims size{};
  std::vector<double> scale_factor{};
  std::string mode = "nearest";
  std::optional<bool> align_corners{};
  bool recompute_scale_factor = false;
};
/// Exactly one of size and scale_factor.
class Upsample : public FunctionModule {
 public:
  explicit Upsample(const UpsampleOptions& options);
};
class UpsamplingNearest2d : public FunctionModule {
 public:
  explicit UpsamplingNearest2d(const UpsampleOptions& options);
};
class UpsamplingBilinear2d : public FunctionModule {
 public:
  explicit UpsamplingBilinear2d(const UpsampleOptions& options);
};

class PixelShuffle : public FunctionModule {
 public:
  explicit PixelShuffle(int64_t upscale_factor);
};
class PixelUnshuffle : public FunctionModule {
 public:
  explicit PixelUnshuffle(int64_t downscale_factor);
};
class ChannelShuffle : public FunctionModule {
 public:
  explicit ChannelShuffle(int64_t groups);
};

/// Padding of the last axes: one number for all sides, or (left, right, top, bottom, …).
class PadNd : public FunctionModule {
 public:
  PadNd(int spatial, const Dims& padding, const std::string& mode, std::optional<double> value);
};
template <int spatial>
class ZeroPad : public PadNd {
 public:
  explicit ZeroPad(const Dims& padding) : PadNd(spatial, padding, "constant", {}) {}
  std::string type_name() const override { return "ZeroPad" + std::to_string(spatial) + "d"; }
};
template <int spatial>
class ConstantPad : public PadNd {
 public:
  ConstantPad(const Dims& padding, double value) : PadNd(spatial, padding, "constant", value) {}
  std::string type_name() const override { return "ConstantPad" + std::to_string(spatial) + "d"; }
};
template <int spatial>
class ReflectionPad : public PadNd {
 public:
  explicit ReflectionPad(const Dims& padding) : PadNd(spatial, padding, "reflect", {}) {}
  std::string type_name() const override { return "ReflectionPad" + std::to_string(spatial) + "d"; }
};
template <int spatial>
class ReplicationPad : public PadNd {
 public:
  explicit ReplicationPad(const Dims& padding) : PadNd(spatial, padding, "replicate", {}) {}
  std::string type_name() const override {
    return "ReplicationPad" + std::to_string(spatial) + "d";
  }
};
using ZeroPad1d = ZeroPad<1>;
using ZeroPad2d = ZeroPad<2>;
using ZeroPad3d = ZeroPad<3>;
using ConstantPad1d = ConstantPad<1>;
using ConstantPad2d = ConstantPad<2>;
using ConstantPad3d = ConstantPad<3>;
using ReflectionPad1d = ReflectionPad<1>;
using ReflectionPad2d = ReflectionPad<2>;
using ReflectionPad3d = ReflectionPad<3>;
using ReplicationPad1d = ReplicationPad<1>;
using ReplicationPad2d = ReplicationPad<2>;
using ReplicationPad3d = ReplicationPad<3>;

}  // namespace trivium::nn
