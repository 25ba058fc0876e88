// Tensors from Python's data: nested lists (measured first, then filled) and whatever describes its
// memory by __array_interface__ (NumPy arrays).
#include <cstring>

#include "python/src/tensor_type.h"
#include "trivium/engine/core/half.h"
#include "trivium/notations/nn/errors.h"
#include "trivium/notations/nn/promote.h"

namespace trivium::python {

namespace {

struct Survey {
  Shape shape;
  int category = -1;           // of Python numbers: bool 0, int 1, float 2
  std::optional<DType> exact;  // NumPy scalars and tensors keep theirs
  int leaf_depth = -1;         // where numbers stand
};

bool has_interface(PyObject* o) {
  return PyObject_HasAttrString(reinterpret_cast<PyObject*>(Py_TYPE(o)), "__array_interface__");
}

void meet(Survey& s, DType dtype) {
  s.exact = s.exact ? nn::promote_types(*s.exact, dtype) : dtype;
}

bool is_list(PyObject* o) {
  if (PyList_Check(o) || PyTuple_Check(o) || PyRange_Check(o)) return true;
  const PySequenceMethods* sequence = Py_TYPE(o)->tp_as_sequence;  // a deque, say
  return sequence && sequence->sq_item && sequence->sq_length && !PyUnicode_Check(o) &&
         !PyBytes_Check(o) && !PyByteArray_Check(o) && !is_tensor(o) && !has_interface(o) &&
         !PyObject_HasAttrString(o, "__array__");
}

void survey(PyObject* o, int depth, Survey& s) {
  if (is_list(o)) {
    nb::object fast = nb::steal(PySequence_Fast(o, ""));
    check(fast.is_valid());
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(fast.ptr());
    if (s.leaf_depth == depth) type_error("a list stands beside a number");
    if (s.shape.rank() == depth)
      s.shape.push_back(n);
    else if (s.shape[depth] != n)
      nn::raise<nn::ValueError>("lists of unequal length: {} and {} elements at depth {}",
                                s.shape[depth], n, depth);
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* item = PySequence_Fast_GET_ITEM(fast.ptr(), i);
      if (i == 0 || is_list(item) || depth + 1 < s.shape.rank())
        survey(item, depth + 1, s);
      else if (PyFloat_Check(item))
        s.category = 2;
      else
        survey(item, depth + 1, s);
    }
    return;
  }
  if (s.leaf_depth < 0) s.leaf_depth = depth;
  Shape own;
  if (is_tensor(o)) {
    own = tensor_in(o).shape();
    meet(s, tensor_in(o).dtype());
  } else if (has_interface(o) && !PyFloat_Check(o)) {
    const Tensor t = tensor_of_array(o, true);
    own = t.shape();
    meet(s, t.dtype());
  } else if (PyBool_Check(o)) {
    s.category = std::max(s.category, 0);
  } else if (PyLong_Check(o)) {
    s.category = std::max(s.category, 1);
  } else if (PyFloat_Check(o)) {
    s.category = 2;
    if (Py_TYPE(o) != &PyFloat_Type && has_interface(o)) meet(s, DType::f64);
  } else if (is_number(o)) {
    s.category = std::max(s.category, scalar_of(o).is_real() ? 2 : 1);
  } else if (o == Py_None) {
    user_error("None is no number: a tensor cannot be made from it");
  } else {
    type_error(std::string("a tensor is made of numbers, lists of them or arrays, not ") +
               Py_TYPE(o)->tp_name);
  }
  for (int i = 0; i < own.rank(); ++i) {
    if (s.shape.rank() == depth + i)
      s.shape.push_back(own[i]);
    else if (s.shape.rank() < depth + i || s.shape[depth + i] != own[i])
      nn::raise<nn::ValueError>("elements of unequal shape: {} at depth {} of {}", own.text(),
                                depth, s.shape.text());
  }
  if (depth + own.rank() < s.shape.rank()) type_error("a number stands beside a list");
}

/// Writes in row-major order.
template <typename T>
struct Writer {
  T* at;
  void put(Scalar v) {
    if constexpr (std::is_same_v<T, bool>)
      *at++ = v.real() != 0;
    else if constexpr (std::is_integral_v<T>)
      *at++ = static_cast<T>(v.integer());
    else
      *at++ = static_cast<T>(
          static_cast<std::conditional_t<std::is_same_v<T, double>, double, float>>(v.real()));
  }
  void write(PyObject* o) {
    if (is_list(o)) {
      nb::object fast = nb::steal(PySequence_Fast(o, ""));
      check(fast.is_valid());
      const Py_ssize_t n = PySequence_Fast_GET_SIZE(fast.ptr());
      for (Py_ssize_t i = 0; i < n; ++i) write(PySequence_Fast_GET_ITEM(fast.ptr(), i));
    } else if (PyFloat_Check(o)) {
      put(PyFloat_AS_DOUBLE(o));
    } else if (is_tensor(o) || (has_interface(o) && !PyLong_Check(o))) {
      const Array a = (is_tensor(o) ? tensor_in(o) : tensor_of_array(o, true)).array();
      if (a.dtype() == DType::i64) {
        for (int64_t v : a.span<int64_t>()) put(v);
      } else {
        for (int64_t i = 0; i < a.count(); ++i) put(a.at(i));
      }
    } else {
      put(scalar_of(o));
    }
  }
};

template <typename T>
void fill(const Array& a, PyObject* data) {
  Writer<T>{a.data<T>()}.write(data);
}

/// typestr "<f4" as a dtype.
DType dtype_of_typestr(const char* s) {
  if (s[0] == '>') nn::raise<nn::ValueError>("big-endian arrays are not taken: use astype()");
  static const std::pair<const char*, DType> known[] = {
      {"f4", DType::f32}, {"f8", DType::f64}, {"f2", DType::f16},
      {"i1", DType::i8},  {"u1", DType::u8},  {"i2", DType::i16},
      {"i4", DType::i32}, {"i8", DType::i64}, {"b1", DType::bool_}};
  for (const auto& [name, dtype] : known)
    if (!std::strcmp(s + 1, name)) return dtype;
  type_error(
      fmt::format("arrays of type {} are not taken; float16, float32, float64, int8 to "
                  "int64, uint8 and bool are",
                  s + 1));
}

Array wide_unsigned(const char* kind, const char* raw, const Shape& shape) {
  const bool short_ones = kind[2] == '2';
  Array a(shape, short_ones ? DType::i32 : DType::i64);
  for (int64_t i = 0; i < shape.count(); ++i) {
    if (short_ones) {
      uint16_t v;
      std::memcpy(&v, raw + 2 * i, 2);
      a.data<int32_t>()[i] = v;
    } else if (kind[2] == '4') {
      uint32_t v;
      std::memcpy(&v, raw + 4 * i, 4);
      a.data<int64_t>()[i] = v;
    } else {
      uint64_t v;
      std::memcpy(&v, raw + 8 * i, 8);
      a.data<int64_t>()[i] = static_cast<int64_t>(v);
    }
  }
  return a;
}

std::shared_ptr<void> keep(PyObject* o) {
  Py_INCREF(o);
  return std::shared_ptr<void>(o, [](void* p) {
    if (!Py_IsInitialized()) return;
    nb::gil_scoped_acquire locked;
    Py_DECREF(static_cast<PyObject*>(p));
  });
}

/// The memory of an array whose elements lie `steps` bytes apart, shared: a view of all that lies
/// between its first and its last element.
Tensor strided_memory(char* raw, const Shape& shape, const Dims& steps, DType dtype,
                      std::shared_ptr<void> owner) {
  const int64_t item = static_cast<int64_t>(size_of(dtype));
  Dims strides;
  int64_t last = 0;
  for (int i = 0; i < shape.rank(); ++i) {
    if (steps[i] % item != 0)
      nn::raise<nn::ValueError>(
          "an array with elements {} bytes apart, which is no multiple of their {} bytes: copy it "
          "first",
          steps[i], item);
    strides.push_back(steps[i] / item);
    last += (shape[i] - 1) * strides[i];
  }
  const size_t bytes = static_cast<size_t>((last + 1) * item);
  Tensor all(Array(Shape{last + 1}, dtype, Buffer::wrap(raw, bytes, std::move(owner))));
  all.mark_foreign();
  return all.as_strided(Dims(shape), strides);
}

}  // namespace

Tensor tensor_of_array(PyObject* array, bool copy) {
  nb::object info = nb::steal(PyObject_GetAttrString(array, "__array_interface__"));
  check(info.is_valid());
  PyObject* typestr = PyDict_GetItemString(info.ptr(), "typestr");
  PyObject* shape_item = PyDict_GetItemString(info.ptr(), "shape");
  PyObject* data = PyDict_GetItemString(info.ptr(), "data");
  PyObject* strides = PyDict_GetItemString(info.ptr(), "strides");
  if (!typestr || !shape_item || !data || !PyTuple_Check(data))
    type_error("the array does not say where its memory is");
  const char* kind = PyUnicode_AsUTF8(typestr);
  Shape shape = dims_of(shape_item).shape();
  nb::object owner = nb::borrow(array);
  void* raw = PyLong_AsVoidPtr(PyTuple_GET_ITEM(data, 0));
  const bool wide = kind[1] == 'u' && kind[2] != '1';
  const DType dtype = wide ? DType::i64 : dtype_of_typestr(kind);
  const int64_t item = wide ? kind[2] - '0' : static_cast<int64_t>(size_of(dtype));

  if (strides && strides != Py_None) {
    const Dims steps = dims_of(strides);
    for (int64_t s : steps)
      if (s < 0) nn::raise<nn::ValueError>("an array with a negative stride: copy it first");
    if (!copy && !wide && shape.count() > 0)
      return strided_memory(static_cast<char*>(raw), shape, steps, dtype, keep(array));
    owner = nb::steal(PyObject_CallMethod(array, "copy", "s", "C"));
    check(owner.is_valid());
    return tensor_of_array(owner.ptr(), copy);
  }
  if (wide) return Tensor(wide_unsigned(kind, static_cast<const char*>(raw), shape));
  const size_t bytes = static_cast<size_t>(shape.count() * item);
  if (copy || bytes == 0) {
    Array a(shape, dtype);
    if (bytes) std::memcpy(a.raw(), raw, bytes);
    return Tensor(a);
  }
  Tensor t(Array(shape, dtype, Buffer::wrap(raw, bytes, keep(owner.ptr()))));
  t.mark_foreign();
  return t;
}

Tensor tensor_of_data(PyObject* data, std::optional<DType> dtype) {
  if (is_tensor(data)) {
    Tensor t = tensor_in(data).detach();
    return dtype && *dtype != t.dtype() ? t.to(*dtype) : t.clone();
  }
  if (has_interface(data) && !PyFloat_Check(data)) {
    Tensor t = tensor_of_array(data, true);
    return dtype ? t.to(*dtype) : t;
  }
  if (!is_list(data) && !is_number(data) && PyObject_HasAttrString(data, "__array__")) {
    nb::object array = nb::steal(PyObject_CallMethod(data, "__array__", nullptr));
    check(array.is_valid());
    return tensor_of_data(array.ptr(), dtype);
  }
  Survey s;
  survey(data, 0, s);
  DType made = nn::default_dtype();
  if (s.exact && s.category < 2)
    made = *s.exact;
  else if (s.exact)
    made = is_floating(*s.exact) ? *s.exact : nn::default_dtype();
  else if (s.category == 0)
    made = DType::bool_;
  else if (s.category == 1)
    made = DType::i64;
  if (dtype) made = *dtype;
  Array a(s.shape, made);
  switch (made) {
    case DType::f32:
      fill<float>(a, data);
      break;
    case DType::f64:
      fill<double>(a, data);
      break;
    case DType::f16:
      fill<Half>(a, data);
      break;
    case DType::bf16:
      fill<BFloat>(a, data);
      break;
    case DType::i8:
      fill<int8_t>(a, data);
      break;
    case DType::u8:
      fill<uint8_t>(a, data);
      break;
    case DType::i16:
      fill<int16_t>(a, data);
      break;
    case DType::i32:
      fill<int32_t>(a, data);
      break;
    case DType::i64:
      fill<int64_t>(a, data);
      break;
    case DType::bool_:
      fill<bool>(a, data);
      break;
  }
  return Tensor(a);
}

}  // namespace trivium::python
