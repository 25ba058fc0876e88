// What all picture datasets do, the IDX family and FakeData.
#include "trivium/data/vision.h"

#include "trivium/formats/file.h"
#include "trivium/formats/idx.h"

namespace trivium::data {
namespace {

/// The first of the folders that has `file` or `file`.gz.
std::string find_file(const std::vector<std::string>& folders, const std::string& file) {
  std::string looked;
  for (const std::string& folder : folders) {
    for (const char* ending : {"", ".gz"}) {
      const std::string path = fmt::format("{}/{}{}", folder, file, ending);
      if (formats::file_exists(path)) return path;
    }
    looked += (looked.empty() ? "" : ", ") + folder;
  }
  environment_error("{} (plain or .gz) is in none of {}; put the files into the first", file,
                    looked);
}

const std::vector<std::string> kDigits = {"0 - zero",  "1 - one",  "2 - two", "3 - three",
                                          "4 - four",  "5 - five", "6 - six", "7 - seven",
                                          "8 - eight", "9 - nine"};
const std::vector<std::string> kClothes = {"T-shirt/top", "Trouser",   "Pullover", "Dress",
                                           "Coat",        "Sandal",    "Shirt",    "Sneaker",
                                           "Bag",         "Ankle boot"};
const std::vector<std::string> kKana = {"o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"};

}  // namespace

int64_t ImageDataset::label(int64_t index) const {
  const int64_t value = target(index);
  return target_transform_ ? target_transform_(value) : value;
}

Array ImageDataset::transformed(int64_t index) const {
  const Array picture = image(index);
  return transform_ ? transform_(picture) : picture;
}

Sample ImageDataset::get(int64_t index) const {
  const int64_t i = checked(index, "dataset");
  Array picture = transformed(i);
  return {std::move(picture), Array::scalar<int64_t>(label(i))};
}

Batch ImageDataset::get_batch(std::span<const int64_t> indices) const {
  if (parts_.tail.empty() || indices.empty()) return Dataset::get_batch(indices);
  const int64_t n = static_cast<int64_t>(indices.size());
  Array pictures, labels({n}, DType::i64);
  Shape shape;
  PixelTable table;
  for (int64_t i = 0; i < n; ++i) {
    with_item(indices[i], [&] {
      const int64_t index = checked(indices[i], "dataset");
      Array picture = image(index);
      for (const Transform& step : parts_.head) picture = step(picture);
      if (i == 0) {
        shape = picture.shape();
        if (shape.rank() != 3 || picture.dtype() != DType::u8)
          user_error("ToTensor: expected an image uint8[height, width, channels], received {}",
                     picture.text());
        table = parts_.table(shape[2]);
        pictures = Array({n, shape[2], shape[0], shape[1]}, DType::f32);
      } else if (!(picture.shape() == shape)) {
        user_error(
            "collate: the picture is {}, the batch's first {}; give all one size (Resize, "
            "CenterCrop)",
            picture.shape().text(), shape.text());
      }
      write_through(table, picture, pictures.data<float>() + i * shape.count());
      labels.data<int64_t>()[i] = label(index);
    });
  }
  return {pictures, labels};
}

Array ImagesInMemory::image(int64_t index) const {
  const Shape& s = data_.shape();
  const Shape one{s[1], s[2], s[3]};
  const auto start =
      static_cast<const char*>(data_.raw()) - static_cast<const char*>(data_.buffer()->data());
  return Array(one, DType::u8, data_.buffer(), static_cast<size_t>(start + index * one.count()));
}

MNIST::MNIST(const VisionOptions& options) : MNIST(options, "MNIST", kDigits) {}
FashionMNIST::FashionMNIST(const VisionOptions& options)
    : MNIST(options, "FashionMNIST", kClothes) {}
KMNIST::KMNIST(const VisionOptions& options) : MNIST(options, "KMNIST", kKana) {}

MNIST::MNIST(const VisionOptions& options, const std::string& name,
             std::vector<std::string> classes)
    : ImagesInMemory(options) {
  const std::vector<std::string> folders = {options.root + "/" + name + "/raw",
                                            options.root + "/raw", options.root};
  const std::string part = options.train ? "train" : "t10k";
  const std::string images = find_file(folders, part + "-images-idx3-ubyte");
  const std::string labels = find_file(folders, part + "-labels-idx1-ubyte");
  const Array pixels = formats::read_idx(images).array;
  const Array digits = formats::read_idx(labels).array;
  const Shape& s = pixels.shape();
  if (pixels.dtype() != DType::u8 || s.rank() != 3 || digits.dtype() != DType::u8 ||
      digits.shape().rank() != 1 || digits.count() != s[0])
    user_error(
        "{}: expected uint8[n, height, width] images with uint8[n] labels, received {} in {} "
        "and {} in {}",
        name, pixels.text(), images, digits.text(), labels);
  data_ = pixels.reshaped({s[0], s[1], s[2], 1});
  targets_ = digits.cast(DType::i64);
  classes_ = std::move(classes);
}

FakeData::FakeData(const FakeDataOptions& options)
    : ImageDataset(options.transform, options.target_transform), options_(options) {
  if (options.size < 0 || options.classes < 1)
    user_error("FakeData: expected size >= 0 and classes >= 1, received {} and {}", options.size,
               options.classes);
}

std::pair<Array, int64_t> FakeData::drawn(int64_t index) const {
  random::TorchGenerator rng;
  rng.manual_seed(index + options_.random_offset);
  const auto [channels, height, width] = options_.image_size;
  const Array noise = random::randn(rng, {channels, height, width});
  const int64_t target = random::randint(rng, 0, options_.classes, {1}).data<int64_t>()[0];
  return {ToImage().apply(noise, rng), target};
}

}  // namespace trivium::data
