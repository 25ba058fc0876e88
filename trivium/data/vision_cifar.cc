// CIFAR from its Python batches (pickles, read as plain data) or its binary ones.
#include <algorithm>
#include <cstring>
#include <sstream>

#include "trivium/data/vision.h"
#include "trivium/formats/bytes.h"
#include "trivium/formats/cifar.h"
#include "trivium/formats/file.h"
#include "trivium/formats/image.h"
#include "trivium/formats/pickle.h"

namespace trivium::data {
namespace {

using formats::PickleValue;

constexpr int64_t kSide = 32, kPixels = 3 * kSide * kSide;

/// What differs between the two.
struct Kind {
  std::string name, python_folder, binary_folder;
  std::vector<std::string> python_files, binary_files;
  std::string python_meta, binary_meta, labels_key, names_key;
  formats::CifarBatch (*read_binary)(const std::string&);
  int64_t classes;
};

Kind cifar10(bool train) {
  Kind kind{"CIFAR10",
            "cifar-10-batches-py",
            "cifar-10-batches-bin",
            {},
            {},
            "batches.meta",
            "batches.meta.txt",
            "labels",
            "label_names",
            formats::read_cifar10,
            10};
  kind.python_files = {"test_batch"};
  if (train) {
    kind.python_files.clear();
    for (int i = 1; i <= 5; ++i) kind.python_files.push_back(fmt::format("data_batch_{}", i));
  }
  for (const std::string& file : kind.python_files) kind.binary_files.push_back(file + ".bin");
  return kind;
}

Kind cifar100(bool train) {
  const std::string part = train ? "train" : "test";
  return {"CIFAR100",
          "cifar-100-python",
          "cifar-100-binary",
          {part},
          {part + ".bin"},
          "meta",
          "fine_label_names.txt",
          "fine_labels",
          "fine_label_names",
          formats::read_cifar100,
          100};
}

PickleValue load_pickle(const std::string& path) {
  const std::string bytes = formats::read_file(path, uint64_t{1} << 30);
  formats::PickleOptions options;
  options.limits.max_bytes = uint64_t{1} << 30;
  formats::ByteReader reader(formats::as_bytes(bytes), path);
  return formats::parse_pickle(reader, options);
}

/// The entry under a key that Python 2 wrote as bytes and Python 3 as text.
const PickleValue& entry(const PickleValue& dict, const std::string& key, const std::string& path) {
  if (dict.is(PickleValue::Kind::dict))
    for (const PickleValue::Entry& e : dict.entries())
      if ((e.first.is(PickleValue::Kind::string) || e.first.is(PickleValue::Kind::bytes)) &&
          e.first.text() == key)
        return e.second;
  user_error("{}: expected a dict with '{}', received {}", path, key, dict.describe());
}

/// Planes of red, green and blue to interleaved pixels.
void interleave(const uint8_t* planes, int64_t images, uint8_t* out) {
  constexpr int64_t kArea = kSide * kSide;
  for (int64_t n = 0; n < images; ++n, planes += kPixels)
    for (int64_t i = 0; i < kArea; ++i)
      for (int64_t c = 0; c < 3; ++c) *out++ = planes[c * kArea + i];
}

struct Loaded {
  std::vector<Array> planes;  // uint8, any shape of n * 3072
  std::vector<int64_t> labels;
  std::vector<std::string> classes;
};

void load_python(const Kind& kind, const std::string& folder, Loaded& all) {
  for (const std::string& file : kind.python_files) {
    const std::string path = folder + "/" + file;
    const PickleValue batch = load_pickle(path);
    const Array pixels = entry(batch, "data", path).array();
    const std::vector<PickleValue>& labels = entry(batch, kind.labels_key, path).items();
    if (pixels.dtype() != DType::u8 ||
        pixels.count() != static_cast<int64_t>(labels.size()) * kPixels)
      user_error("{}: expected uint8[{}, {}] for {} labels, received {}", path, labels.size(),
                 kPixels, labels.size(), pixels.text());
    for (const PickleValue& label : labels) {
      all.labels.push_back(label.as_int());
      if (all.labels.back() < 0 || all.labels.back() >= kind.classes)
        user_error("{}: expected labels from 0 to {}, received {}", path, kind.classes - 1,
                   all.labels.back());
    }
    all.planes.push_back(pixels);
  }
  const std::string meta = folder + "/" + kind.python_meta;
  if (!formats::file_exists(meta)) return;
  const PickleValue names = load_pickle(meta);
  for (const PickleValue& name : entry(names, kind.names_key, meta).items())
    all.classes.push_back(name.text());
}

void load_binary(const Kind& kind, const std::string& folder, Loaded& all) {
  for (const std::string& file : kind.binary_files) {
    const formats::CifarBatch batch = kind.read_binary(folder + "/" + file);
    all.planes.push_back(batch.images);
    for (const int32_t label : batch.labels.span<int32_t>()) all.labels.push_back(label);
  }
  const std::string meta = folder + "/" + kind.binary_meta;
  if (!formats::file_exists(meta)) return;
  std::istringstream lines(formats::read_file(meta, 1 << 20));
  for (std::string name; std::getline(lines, name);)
    if (!name.empty()) all.classes.push_back(name);
}

Loaded load(const Kind& kind, const std::string& root) {
  Loaded all;
  const std::string python = root + "/" + kind.python_folder,
                    binary = root + "/" + kind.binary_folder;
  for (const std::string& folder : {python, binary, root}) {
    if (formats::file_exists(folder + "/" + kind.python_files[0])) {
      load_python(kind, folder, all);
      return all;
    }
    if (formats::file_exists(folder + "/" + kind.binary_files[0])) {
      load_binary(kind, folder, all);
      return all;
    }
  }
  environment_error("{}: neither {} nor {} is in {}, {} or {}; unpack the archive into the root",
                    kind.name, kind.python_files[0], kind.binary_files[0], python, binary, root);
}

void fill(const Kind& kind, const std::string& root, Array& data, Array& targets,
          std::vector<std::string>& classes) {
  Loaded all = load(kind, root);
  const int64_t n = static_cast<int64_t>(all.labels.size());
  data = Array({n, kSide, kSide, 3}, DType::u8);
  uint8_t* to = data.data<uint8_t>();
  for (const Array& planes : all.planes) {
    interleave(planes.data<uint8_t>(), planes.count() / kPixels, to);
    to += planes.count();
  }
  targets = Array::from(all.labels, {n});
  classes = std::move(all.classes);
}

}  // namespace

CIFAR10::CIFAR10(const VisionOptions& options) : ImagesInMemory(options) {
  fill(cifar10(options.train), options.root, data_, targets_, classes_);
}

CIFAR100::CIFAR100(const VisionOptions& options) : ImagesInMemory(options) {
  fill(cifar100(options.train), options.root, data_, targets_, classes_);
}

}  // namespace trivium::data
