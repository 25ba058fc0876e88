// Datasets of pictures with labels, with torchvision's folders, orders and class names. A sample is
// {picture, int64[]}; the picture is uint8 [height, width, channels], red first, or what the
// transform makes of it. Nothing is ever downloaded.
//
//   data::MNIST train({.root = "data", .transform = data::Compose({data::ToTensor(),
//                      data::Normalize({.1307}, {.3081})})});
#pragma once

#include <array>
#include <map>
#include <string>

#include "trivium/data/dataset.h"
#include "trivium/data/transform.h"

namespace trivium::data {

/// Pictures by number. A transform that ends in ToTensor and Normalizes is written straight into
/// the batch.
class ImageDataset : public Dataset {
 public:
  using TargetTransform = std::function<int64_t(int64_t)>;

  Sample get(int64_t index) const override;
  Batch get_batch(std::span<const int64_t> indices) const override;
  /// Picture and label before the transforms; `index` counts from 0.
  virtual Array image(int64_t index) const = 0;
  virtual int64_t target(int64_t index) const = 0;

 protected:
  ImageDataset(Transform transform, TargetTransform target_transform)
      : transform_(std::move(transform)),
        parts_(transform_),
        target_transform_(std::move(target_transform)) {}

 private:
  Array transformed(int64_t index) const;
  int64_t label(int64_t index) const;
  Transform transform_;
  TabulatedTransform parts_;
  TargetTransform target_transform_;
};

struct VisionOptions {
  std::string root;
  bool train = true;
  Transform transform = {};
  ImageDataset::TargetTransform target_transform = nullptr;
};

/// Pictures that are all in memory.
class ImagesInMemory : public ImageDataset {
 public:
  int64_t size() const override { return data_.shape()[0]; }
  Array image(int64_t index) const override;
  int64_t target(int64_t index) const override { return targets_.data<int64_t>()[index]; }
  /// uint8 [n, height, width, channels] and int64 [n].
  const Array& data() const { return data_; }
  const Array& targets() const { return targets_; }
  const std::vector<std::string>& classes() const { return classes_; }

 protected:
  ImagesInMemory(const VisionOptions& options)
      : ImageDataset(options.transform, options.target_transform) {}
  Array data_, targets_;
  std::vector<std::string> classes_;
};

/// IDX files, plain or .gz, in <root>/MNIST/raw, <root>/raw or <root>. EnvironmentError naming the
/// places looked at when they are not there, UserError when images and labels do not belong
/// together.
class MNIST : public ImagesInMemory {
 public:
  explicit MNIST(const VisionOptions& options);

 protected:
  MNIST(const VisionOptions& options, const std::string& name, std::vector<std::string> classes);
};
class FashionMNIST : public MNIST {
 public:
  explicit FashionMNIST(const VisionOptions& options);
};
class KMNIST : public MNIST {
 public:
  explicit KMNIST(const VisionOptions& options);
};

/// The Python batches in <root>/cifar-10-batches-py, the binary ones in
/// <root>/cifar-10-batches-bin, or either in <root>. Errors as MNIST.
class CIFAR10 : public ImagesInMemory {
 public:
  explicit CIFAR10(const VisionOptions& options);
};
/// cifar-100-python or cifar-100-binary; the fine labels.
class CIFAR100 : public ImagesInMemory {
 public:
  explicit CIFAR100(const VisionOptions& options);
};

struct ImageFolderOptions {
  std::string root;
  Transform transform = {};
  ImageDataset::TargetTransform target_transform = nullptr;
  bool allow_empty = false;  ///< classes without pictures
};
/// <root>/<class>/…/<picture>: a class for each folder, in the order of their names; JPEG, PNG and
/// binary PPM and PGM, read as RGB. EnvironmentError for no class folder or an empty class.
class ImageFolder : public ImageDataset {
 public:
  explicit ImageFolder(const ImageFolderOptions& options);
  int64_t size() const override { return static_cast<int64_t>(samples_.size()); }
  Array image(int64_t index) const override;
  int64_t target(int64_t index) const override {
    return samples_[static_cast<size_t>(index)].second;
  }
  const std::vector<std::string>& classes() const { return classes_; }
  const std::map<std::string, int64_t>& class_to_idx() const { return class_to_idx_; }
  /// Path and class of every picture.
  const std::vector<std::pair<std::string, int64_t>>& samples() const { return samples_; }

 private:
  std::vector<std::string> classes_;
  std::map<std::string, int64_t> class_to_idx_;
  std::vector<std::pair<std::string, int64_t>> samples_;
};

/// A JPEG, PNG or binary PPM or PGM file as uint8 [height, width, 3], red first; alpha is dropped,
/// EXIF orientation ignored.
Array read_rgb(const std::string& path);

struct FakeDataOptions {
  int64_t size = 1000;
  std::array<int64_t, 3> image_size = {3, 224, 224};  ///< channels, height, width
  int64_t classes = 10;
  Transform transform = {};
  ImageDataset::TargetTransform target_transform = nullptr;
  int64_t random_offset = 0;
};
/// Noise: picture i is randn from a generator seeded with i + random_offset, cut to 8 bits.
class FakeData : public ImageDataset {
 public:
  explicit FakeData(const FakeDataOptions& options);
  int64_t size() const override { return options_.size; }
  Array image(int64_t index) const override { return drawn(index).first; }
  int64_t target(int64_t index) const override { return drawn(index).second; }

 private:
  std::pair<Array, int64_t> drawn(int64_t index) const;
  FakeDataOptions options_;
};

}  // namespace trivium::data
