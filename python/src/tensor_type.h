// The Python objects behind Tensor and dtype. A Tensor object holds one Var; the Var knows its
// object (companion), so the same tensor is always the same object.
#pragma once

#include "python/src/args.h"

namespace trivium::python {

struct TensorObject {
  PyObject_HEAD Tensor tensor;
  PyObject* dict;
  PyObject* weak;
  std::shared_ptr<void> token;  // of memory that belongs to an array too: writes land there at once
};

extern PyTypeObject* tensor_type;

inline bool is_tensor(PyObject* o) {
  return Py_TYPE(o) == tensor_type || PyType_IsSubtype(Py_TYPE(o), tensor_type);
}
inline Tensor& tensor_in(PyObject* o) { return reinterpret_cast<TensorObject*>(o)->tensor; }

/// A new object of `type` around `t`, which has none yet.
PyObject* new_object(PyTypeObject* type, Tensor t);

/// torch.float32 and its brothers.
PyObject* dtype_object(DType dtype);
bool is_dtype(PyObject* o);

/// x[key], x[key] = value (index.cc).
PyObject* subscript(PyObject* self, PyObject* key);
int assign_subscript(PyObject* self, PyObject* key, PyObject* value);

/// A tensor with a copy of nested lists, numbers, arrays (from_data.cc).
Tensor tensor_of_data(PyObject* data, std::optional<DType> dtype);
/// Shares an array's memory: anything with __array_interface__.
Tensor tensor_of_array(PyObject* array, bool copy);
PyObject* shape_object(const Shape& shape);
/// The object of a tensor on an array's memory; while it lives, what is written to the tensor is
/// written to the array at once.
PyObject* wrap_shared(const Tensor& t);

/// Memory an outside reader looks at runs what was recorded without holding the lock.
struct Unlocked {
  nb::gil_scoped_release release;
};

}  // namespace trivium::python
