// Transforms of pictures, with the names, defaults and random draws of torchvision. A picture is an
// Array in one of two layouts, told apart by its dtype:
//   image   uint8 [height, width, channels], red first: what datasets read, PIL's rules apply
//   tensor  float32 [channels, height, width]: what ToTensor makes and networks take
// Crops, flips and Pad take both; each class says what else it takes. A wrong layout is a
// UserError.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/engine/core/torch_random.h"

namespace trivium::data {

/// What a run of ToTensor and Normalize does to each value of a channel: row c holds the 256
/// results of channel c.
struct PixelTable {
  int64_t channels = 0;
  std::vector<float> values;  // empty before ToTensor
};

/// Something that turns a picture into a picture. Random ones draw from the generator given.
class TransformStep {
 public:
  virtual ~TransformStep() = default;
  virtual Array apply(const Array& picture, random::TorchGenerator& rng) const = 0;
  /// Writes its effect into a table of pixel values; false when it does more than that.
  virtual bool tabulate(PixelTable& table) const { return false; }
};

/// Any transform, by value: a step of the list below, a function Array(Array), or a function
/// Array(Array, TorchGenerator&).
class Transform {
 public:
  Transform() = default;
  template <typename T>
  requires(!std::is_same_v<std::remove_cvref_t<T>, Transform>)
      Transform(T&& step) {  // NOLINT: conversion intended
    using D = std::remove_cvref_t<T>;
    if constexpr (std::is_base_of_v<TransformStep, D>) {
      step_ = std::make_shared<D>(std::forward<T>(step));
    } else {
      step_ = std::make_shared<FunctionStep<D>>(std::forward<T>(step));
    }
  }
  explicit operator bool() const { return step_ != nullptr; }
  /// UserError when empty.
  Array operator()(const Array& picture, random::TorchGenerator& rng) const;
  /// Draws from sample_generator().
  Array operator()(const Array& picture) const;
  const TransformStep* step() const { return step_.get(); }

 private:
  template <typename F>
  struct FunctionStep : TransformStep {
    explicit FunctionStep(F f) : function(std::move(f)) {}
    Array apply(const Array& picture, random::TorchGenerator& rng) const override {
      if constexpr (std::is_invocable_v<const F&, const Array&, random::TorchGenerator&>) {
        return function(picture, rng);
      } else {
        return function(picture);
      }
    }
    F function;
  };
  std::shared_ptr<const TransformStep> step_;
};

/// One after the other.
class Compose : public TransformStep {
 public:
  explicit Compose(std::vector<Transform> parts);
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;
  bool tabulate(PixelTable& table) const override;
  const std::vector<Transform>& parts() const { return parts_; }

 private:
  std::vector<Transform> parts_;
};

/// A transform cut in two: what needs each picture, then what a table of values does. Lets a
/// dataset write a batch in one go.
struct TabulatedTransform {
  std::vector<Transform> head;
  std::vector<Transform> tail;  // ToTensor and Normalizes; empty when the end is something else

  explicit TabulatedTransform(const Transform& transform);
  /// The table of the tail for images of so many channels.
  PixelTable table(int64_t channels) const;
};
/// Writes uint8 [height, width, channels] as float32 [channels, height, width] through a table.
void write_through(const PixelTable& table, const Array& image, float* out);

/// Image to tensor, values / 255.
struct ToTensor : TransformStep {
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;
  bool tabulate(PixelTable& table) const override;
};

/// Tensors: (x - mean[c]) / std[c]; one value serves all channels. UserError for a std of 0 and for
/// images.
class Normalize : public TransformStep {
 public:
  Normalize(std::vector<double> mean, std::vector<double> std);
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;
  bool tabulate(PixelTable& table) const override;

 private:
  std::pair<float, float> channel(int64_t c) const;
  std::vector<double> mean_, std_;
};

/// Tensor to image: values * 255, cut to whole numbers.
struct ToImage : TransformStep {
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;
};

/// Applies the transforms with probability p: draws rand(1).
class RandomApply : public TransformStep {
 public:
  explicit RandomApply(std::vector<Transform> parts, double p = .5);
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;

 private:
  Compose parts_;
  double p_;
};

enum class Interpolation { nearest, box, bilinear, bicubic, lanczos };

/// How large: one number is the shorter side, or height and width for crops.
struct Size {
  int64_t height = 0, width = 0;      // width 0: only one number was given
  Size(int64_t one) : height(one) {}  // NOLINT: conversion intended
  Size(int64_t height, int64_t width) : height(height), width(width) {}
};

/// Images with PIL's filters, bit for bit; tensors with the same filters in float32 (bilinear and
/// bicubic antialiased). One number: the shorter side gets it, the other keeps the proportion; with
/// max_size, the longer side gets at most that.
class Resize : public TransformStep {
 public:
  explicit Resize(Size size, Interpolation interpolation = Interpolation::bilinear,
                  std::optional<int64_t> max_size = std::nullopt);
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;

 private:
  Size size_;
  Interpolation interpolation_;
  std::optional<int64_t> max_size_;
};

/// The middle; smaller pictures are padded with 0.
class CenterCrop : public TransformStep {
 public:
  explicit CenterCrop(Size size);
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;

 private:
  Size size_;
};

enum class PadMode { constant, edge, reflect, symmetric };

/// {all}, {left and right, top and bottom} or {left, top, right, bottom}.
class Pad : public TransformStep {
 public:
  explicit Pad(std::vector<int64_t> padding, double fill = 0, PadMode mode = PadMode::constant);
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;

 private:
  std::vector<int64_t> padding_;
  double fill_;
  PadMode mode_;
};

struct RandomCropOptions {
  std::vector<int64_t> padding = {};
  bool pad_if_needed = false;
  double fill = 0;
  PadMode mode = PadMode::constant;
};
/// Draws randint of the top, then of the left; nothing when the size is already right. UserError
/// when the picture is smaller.
class RandomCrop : public TransformStep {
 public:
  explicit RandomCrop(Size size, RandomCropOptions options = {});
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;

 private:
  Size size_;
  RandomCropOptions options_;
};

/// Mirrors when rand(1) < p.
class RandomHorizontalFlip : public TransformStep {
 public:
  explicit RandomHorizontalFlip(double p = .5);
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;

 private:
  double p_;
};

class RandomVerticalFlip : public TransformStep {
 public:
  explicit RandomVerticalFlip(double p = .5);
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;

 private:
  double p_;
};

struct RandomResizedCropOptions {
  std::pair<double, double> scale = {.08, 1.0};  ///< of the picture's area
  std::pair<double, double> ratio = {3.0 / 4, 4.0 / 3};
  Interpolation interpolation = Interpolation::bilinear;
};
/// A random part, resized. Ten tries, then the largest part in the middle within the ratios.
class RandomResizedCrop : public TransformStep {
 public:
  explicit RandomResizedCrop(Size size, RandomResizedCropOptions options = {});
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;

 private:
  Size size_;
  RandomResizedCropOptions options_;
};

/// Images: PIL's luma, to 1 or 3 channels. Tensors: .2989 R + .587 G + .114 B.
class Grayscale : public TransformStep {
 public:
  explicit Grayscale(int64_t channels = 1);
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;

 private:
  int64_t channels_;
};

struct ColorJitterOptions {
  double brightness = 0, contrast = 0, saturation = 0;  ///< factors in [max(0, 1 - v), 1 + v]
  double hue = 0;                                       ///< turns in [-v, v], v at most .5
};
/// RGB images, with PIL's arithmetic: randperm(4) for the order, then a factor for each of
/// brightness, contrast, saturation and hue that is not 0.
class ColorJitter : public TransformStep {
 public:
  explicit ColorJitter(ColorJitterOptions options);
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;

 private:
  ColorJitterOptions options_;
};

struct RandomErasingOptions {
  double p = .5;
  std::pair<double, double> scale = {.02, .33};
  std::pair<double, double> ratio = {.3, 3.3};
  std::vector<double> value = {0};  ///< one, or one a channel
  bool random_value = false;        ///< normals instead of value
};
/// Tensors: overwrites a random rectangle. Draws rand(1), then per try area, ratio, (normals), top,
/// left.
class RandomErasing : public TransformStep {
 public:
  explicit RandomErasing(RandomErasingOptions options = {});
  Array apply(const Array& picture, random::TorchGenerator& rng) const override;

 private:
  RandomErasingOptions options_;
};

}  // namespace trivium::data
