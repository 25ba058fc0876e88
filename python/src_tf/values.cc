#include "values.h"

#include <cstring>

#include "trivium/engine/core/parallel.h"

namespace trivium::tf {

nb::object& converter() {
  static nb::object* fn = new nb::object;  // lives as long as the interpreter
  return *fn;
}
nb::object& op_error() {
  static nb::object* type = new nb::object;
  return *type;
}

namespace {

/// The dtype of a buffer's elements by its format; undefined where that is not one plain number.
std::optional<DType> dtype_of(const Py_buffer& view) {
  const char* f = view.format;
  if (!f || f[0] == 0 || f[1] != 0) return {};
  switch (f[0]) {
    case '?':
      return DType::bool_;
    case 'e':
      return DType::f16;
    case 'f':
      return DType::f32;
    case 'd':
      return DType::f64;
    case 'b':
      return DType::i8;
    case 'B':
      return DType::u8;
    case 'h':
      return DType::i16;
    case 'i':
      return DType::i32;
    case 'l':
    case 'q':
      if (view.itemsize == 8) return DType::i64;
      return {};
    default:
      return {};
  }
}

/// Large arrays are copied by all threads, which are then awake for the run.
void copy_bytes(void* to, const void* from, size_t bytes) {
  constexpr int64_t kPiece = 64 << 10;
  parallel_for(static_cast<int64_t>(bytes), kPiece, [&](int64_t begin, int64_t end) {
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                static_cast<size_t>(end - begin));
  });
}

/// An array of plain numbers; undefined for others, which have names only.
Array array_of_numpy(nb::handle array) {
  Py_buffer view;
  if (PyObject_GetBuffer(array.ptr(), &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) != 0) {
    PyErr_Clear();
    return {};
  }
  Array out;
  if (const auto dtype = dtype_of(view)) {
    Shape shape;
    for (int i = 0; i < view.ndim && i < Shape::kMaxRank; ++i) shape.push_back(view.shape[i]);
    if (view.ndim <= Shape::kMaxRank) {
      out = Array(shape, *dtype);
      copy_bytes(out.raw(), view.buf, out.bytes());
    }
  }
  PyBuffer_Release(&view);
  return out;
}

}  // namespace

/// The memory of a C-contiguous NumPy array of a type the engine has, copied.
Data data_of_numpy(nb::handle array) {
  if (Array plain = array_of_numpy(array); plain.defined()) return Data(plain);
  const std::string kind = nb::cast<std::string>(array.attr("dtype").attr("name"));
  Py_buffer view;
  Shape shape;
  for (nb::handle d : nb::tuple(array.attr("shape"))) shape.push_back(nb::cast<int64_t>(d));
  if (kind == "object" || kind.rfind("str", 0) == 0 || kind.rfind("bytes", 0) == 0) {
    Strings strings{shape, {}};
    for (nb::handle item : nb::list(array.attr("ravel")().attr("tolist")())) {
      const nb::bytes text(nb::isinstance<nb::str>(item) ? nb::bytes(item.attr("encode")())
                                                         : nb::cast<nb::bytes>(item));
      strings.values.emplace_back(text.c_str(), text.size());
    }
    return Data(std::move(strings));
  }
  Array out(shape, kind == "bfloat16" ? DType::bf16 : parse_dtype(kind));
  if (PyObject_GetBuffer(array.ptr(), &view, PyBUF_C_CONTIGUOUS) != 0) throw nb::python_error();
  std::memcpy(out.raw(), view.buf, out.bytes());
  PyBuffer_Release(&view);
  return Data(out);
}

nb::object numpy() { return nb::module_::import_("numpy"); }

/// A NumPy array of its own; rank 0 becomes a NumPy scalar, strings are bytes.
nb::object numpy_of(const Data& data) {
  if (data.strings) {
    const auto& s = *data.strings;
    nb::list items;
    for (const std::string& v : s.values) items.append(nb::bytes(v.data(), v.size()));
    if (s.shape.rank() == 0) return items[0];
    nb::object flat = numpy().attr("array")(items, nb::arg("dtype") = "object");
    nb::list dims;
    for (int64_t d : s.shape) dims.append(d);
    return flat.attr("reshape")(dims);
  }
  const Array& a = data.array;
  // Never given back: the interpreter is gone when statics are.
  static const auto* empty = new nb::object(numpy().attr("empty"));
  nb::list dims;
  for (int64_t d : a.shape()) dims.append(d);
  const char* name = a.dtype() == DType::bf16 ? "float32" : trivium::name_of(a.dtype());
  nb::object out = (*empty)(nb::tuple(dims), name);
  const Array from = a.dtype() == DType::bf16 ? a.cast(DType::f32) : a;
  Py_buffer view;
  if (PyObject_GetBuffer(out.ptr(), &view, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS) != 0)
    throw nb::python_error();
  std::memcpy(view.buf, from.raw(), from.bytes());
  PyBuffer_Release(&view);
  return a.shape().rank() == 0 ? out[nb::tuple()] : out;
}

/// What Python code gives where a tensor is wanted.
Input input_of(nb::handle h) {
  if (nb::isinstance<Tensor>(h)) return Input(nb::cast<Tensor>(h), nullptr, 0);
  if (nb::isinstance<Variable>(h)) return Input(nb::cast<Variable>(h), nullptr, 0);
  if (nb::hasattr(h, "_as_tensor"))
    return Input(nb::cast<Tensor>(h.attr("_as_tensor")()), nullptr, 0);
  nb::object held = nb::borrow(h);
  return Input([held](DataType wanted) {
    return data_of_numpy(
        converter()(held, wanted == DataType::invalid ? nb::none() : nb::cast(name_of(wanted))));
  });
}

std::vector<Input> inputs_of(nb::handle list) {
  std::vector<Input> out;
  for (nb::handle h : list) out.push_back(input_of(h));
  return out;
}

PartialShape shape_in(nb::handle h) {
  if (h.is_none()) return {};
  std::vector<int64_t> dims;
  for (nb::handle d : h) dims.push_back(d.is_none() ? -1 : nb::cast<int64_t>(d));
  return PartialShape(dims);
}

nb::object shape_out(const PartialShape& shape) {
  if (!shape.known_rank()) return nb::none();
  nb::list dims;
  for (int64_t d : shape.dims()) dims.append(d < 0 ? nb::none() : nb::object(nb::int_(d)));
  return nb::tuple(dims);
}

DataType type_in(const std::string& name) {
  return name.empty() ? DataType::invalid : parse_data_type(name);
}

}  // namespace trivium::tf
