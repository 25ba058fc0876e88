// Batches of pictures without Python in between: a picture dataset with transforms that exist in
// trivium/data.h reads whole batches here, with the same draws and values as example by example.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>

#include "python/src/tensor_type.h"
#include "trivium/data/vision.h"
#include "trivium/engine/record/slot.h"
#include "trivium/notations/nn/errors.h"

namespace trivium::python {

namespace {

template <typename F>
auto translated(F f) -> decltype(f()) {
  try {
    return f();
  } catch (nb::python_error&) {
    throw;
  } catch (...) {
    translate_exception();
    throw nb::python_error();
  }
}

data::Interpolation interpolation(const std::string& name) {
  if (name == "nearest") return data::Interpolation::nearest;
  if (name == "box") return data::Interpolation::box;
  if (name == "bicubic") return data::Interpolation::bicubic;
  if (name == "lanczos") return data::Interpolation::lanczos;
  return data::Interpolation::bilinear;
}

data::PadMode pad_mode(const std::string& name) {
  if (name == "edge") return data::PadMode::edge;
  if (name == "reflect") return data::PadMode::reflect;
  if (name == "symmetric") return data::PadMode::symmetric;
  return data::PadMode::constant;
}

/// A step as Python describes it: a tuple of its name and its numbers.
data::Transform step_of(nb::tuple t) {
  const auto name = nb::cast<std::string>(t[0]);
  const auto real = [&](int i) { return nb::cast<double>(t[i]); };
  const auto whole = [&](int i) { return nb::cast<int64_t>(t[i]); };
  const auto text = [&](int i) { return nb::cast<std::string>(t[i]); };
  const auto reals = [&](int i) { return nb::cast<std::vector<double>>(t[i]); };
  const auto wholes = [&](int i) { return nb::cast<std::vector<int64_t>>(t[i]); };
  const auto pair = [&](int i) { return nb::cast<std::pair<double, double>>(t[i]); };
  if (name == "to_tensor") return data::ToTensor();
  if (name == "normalize") return data::Normalize(reals(1), reals(2));
  if (name == "flip_horizontal") return data::RandomHorizontalFlip(real(1));
  if (name == "flip_vertical") return data::RandomVerticalFlip(real(1));
  if (name == "center_crop") return data::CenterCrop(data::Size(whole(1), whole(2)));
  if (name == "pad") return data::Pad(wholes(1), real(2), pad_mode(text(3)));
  if (name == "grayscale") return data::Grayscale(whole(1));
  if (name == "random_crop")
    return data::RandomCrop(data::Size(whole(1), whole(2)), {.padding = wholes(3),
                                                             .pad_if_needed = nb::cast<bool>(t[4]),
                                                             .fill = real(5),
                                                             .mode = pad_mode(text(6))});
  if (name == "resize") {
    data::Size size(whole(1));
    size.width = whole(2);
    return data::Resize(size, interpolation(text(3)));
  }
  if (name == "random_resized_crop")
    return data::RandomResizedCrop(
        data::Size(whole(1), whole(2)),
        {.scale = pair(3), .ratio = pair(4), .interpolation = interpolation(text(5))});
  user_error("trivium._C: there is no picture step '{}'", name);
}

/// Pictures and labels that lie in memory, with a transform.
class Pictures : public data::ImageDataset {
 public:
  Pictures(Array pictures, Array labels, data::Transform transform)
      : ImageDataset(std::move(transform), nullptr),
        pictures_(std::move(pictures)),
        labels_(std::move(labels)) {
    const Shape& s = pictures_.shape();
    if (s.rank() != 4 || pictures_.dtype() != DType::u8 || labels_.dtype() != DType::i64 ||
        labels_.count() != s[0])
      user_error(
          "expected pictures uint8[n, height, width, channels] with labels int64[n], received {} "
          "and {}",
          pictures_.text(), labels_.text());
  }
  int64_t size() const override { return pictures_.shape()[0]; }
  Array image(int64_t index) const override {
    const Shape& s = pictures_.shape();
    const Shape one{s[1], s[2], s[3]};
    const auto start = static_cast<const char*>(pictures_.raw()) -
                       static_cast<const char*>(pictures_.buffer()->data());
    return Array(one, DType::u8, pictures_.buffer(),
                 static_cast<size_t>(start + index * one.count()));
  }
  int64_t target(int64_t index) const override { return labels_.data<int64_t>()[index]; }

 private:
  Array pictures_, labels_;
};

Array array_of(nb::handle object) {
  if (is_tensor(object.ptr())) return tensor_in(object.ptr()).array();
  return tensor_of_array(object.ptr(), false).array();
}

/// uint8 [n, height, width] gets its axis of one channel.
Array with_channels(Array pictures) {
  const Shape& s = pictures.shape();
  return s.rank() == 3 ? pictures.reshaped({s[0], s[1], s[2], 1}) : pictures;
}

/// A uint8 image [height, width(, channels)] as float32 [channels, height, width] in [0, 1].
Tensor image_to_tensor(Args& a) {
  const Array image = tensor_of_array(a.raw(0), false).array();
  const Shape& s = image.shape();
  if (image.dtype() != DType::u8 || s.rank() < 2 || s.rank() > 3)
    nn::raise<nn::ValueError>("an image is uint8 [height, width(, channels)], not {}",
                              image.text());
  const int64_t channels = s.rank() == 3 ? s[2] : 1, pixels = s[0] * s[1];
  Array out({channels, s[0], s[1]}, DType::f32);
  const uint8_t* from = image.data<uint8_t>();
  float* to = out.data<float>();
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < pixels; ++i) *to++ = static_cast<float>(from[i * channels + c]) / 255.f;
  return Tensor(out);
}

/// (x - mean) / std by channels of a float32 tensor [..., channels, height, width] without history.
Tensor normalized(Args& a) {
  const Array x = a.tensor(0).array();
  const auto mean = nb::cast<std::vector<double>>(nb::handle(a.raw(1)));
  const auto std = nb::cast<std::vector<double>>(nb::handle(a.raw(2)));
  const int rank = x.shape().rank();
  const int64_t channels = x.shape()[rank - 3];
  const int64_t pixels = x.shape()[rank - 2] * x.shape()[rank - 1];
  const auto of = [&](const std::vector<double>& v, int64_t c) {
    return static_cast<float>(v[v.size() == 1 ? 0 : static_cast<size_t>(c)]);
  };
  Array out(x.shape(), DType::f32);
  const float* from = x.data<float>();
  float* to = out.data<float>();
  for (int64_t plane = 0; pixels && plane < x.count() / pixels; ++plane) {
    const float m = of(mean, plane % channels), s = of(std, plane % channels);
    for (int64_t i = 0; i < pixels; ++i) *to++ = (*from++ - m) / s;
  }
  return Tensor(out);
}

/// The tensor's memory where it is there already and nothing was recorded about it.
const Array* plain_memory(PyObject* o) {
  if (Py_TYPE(o) != tensor_type) return nullptr;
  record::VarImpl* impl = tensor_in(o).impl();
  if (impl->is_view() || tensor_in(o).requires_grad()) return nullptr;
  record::Slot& slot = *impl->storage->current;
  if (!slot.is_ready() || slot.error || slot.is_number) return nullptr;
  return &slot.memory();
}

/// stack(tensors) by copying, or None when one of them has to be computed first.
PyObject* stack_ready(Args& a) {
  PyObject* list = a.raw(0);
  if (!PyList_Check(list) && !PyTuple_Check(list)) return none();
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(list);
  std::vector<const Array*> parts;
  for (Py_ssize_t i = 0; i < n; ++i) {
    const Array* part = plain_memory(PySequence_Fast_GET_ITEM(list, i));
    if (!part || part->dtype() != (parts.empty() ? part : parts[0])->dtype() ||
        !(part->shape() == (parts.empty() ? part : parts[0])->shape()))
      return none();
    parts.push_back(part);
  }
  if (parts.empty() || parts[0]->shape().rank() >= Shape::kMaxRank) return none();
  Shape shape{static_cast<int64_t>(n)};
  for (const int64_t size : parts[0]->shape()) shape.push_back(size);
  Array out(shape, parts[0]->dtype());
  const size_t bytes = parts[0]->bytes();
  for (size_t i = 0; bytes && i < parts.size(); ++i)
    std::memcpy(static_cast<char*>(out.raw()) + i * bytes, parts[i]->raw(), bytes);
  return wrap(Tensor(out));
}

}  // namespace

void define_pictures(Registry& r, nb::module_& m) {
  r.function("_image_to_tensor", "image", [](Args& a) { return image_to_tensor(a); });
  r.function("_normalized", "tensor, mean, std", [](Args& a) { return normalized(a); });
  r.function("_stack_ready", "tensors", [](Args& a) { return stack_ready(a); });
  nb::class_<Pictures>(m, "_Pictures")
      .def("__init__",
           [](Pictures* self, nb::handle pictures, nb::handle labels, nb::list steps) {
             translated([&] {
               std::vector<data::Transform> parts;
               for (nb::handle step : steps) parts.push_back(step_of(nb::cast<nb::tuple>(step)));
               new (self) Pictures(with_channels(array_of(pictures)), array_of(labels),
                                   data::Compose(std::move(parts)));
               return 0;
             });
           })
      .def("read", [](const Pictures& self, const std::vector<int64_t>& indices, bool draws) {
        return translated([&] {
          data::Batch batch;
          if (draws) {  // the default generator belongs to whoever holds the lock
            batch = self.get_batch(indices);
          } else {
            nb::gil_scoped_release unlocked;
            batch = self.get_batch(indices);
          }
          nb::list out;
          for (const Array& column : batch) out.append(nb::steal(wrap(Tensor(column))));
          return out;
        });
      });
}

}  // namespace trivium::python
