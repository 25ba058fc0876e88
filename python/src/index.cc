// Subscripts: the key of x[key] becomes TensorIndex values; the common single keys go directly.
#include "python/src/tensor_type.h"
#include "trivium/notations/nn/errors.h"

namespace trivium::python {

namespace {

std::optional<int64_t> bound(PyObject* o) {
  if (o == Py_None) return {};
  return integer_of(o);
}

nn::Slice slice_of(PyObject* o) {
  auto* s = reinterpret_cast<PySliceObject*>(o);
  const int64_t step = s->step == Py_None ? 1 : integer_of(s->step);
  if (step <= 0)
    nn::raise<nn::ValueError>("the step of a slice must be positive, not {}; flip() reverses",
                              step);
  return nn::Slice(bound(s->start), bound(s->stop), step);
}

nn::TensorIndex key_of(PyObject* o) {
  if (o == Py_None) return nn::None;
  if (o == Py_Ellipsis) return nn::Ellipsis;
  if (PyBool_Check(o)) return nn::TensorIndex(o == Py_True);
  if (PyLong_Check(o)) return nn::TensorIndex(integer_of(o));
  if (PySlice_Check(o)) return nn::TensorIndex(slice_of(o));
  if (is_tensor(o)) {
    const Tensor& t = tensor_in(o);
    if (t.dim() == 0 && is_integer(t.dtype()) && t.dtype() != DType::u8)
      return nn::TensorIndex(t.item<int64_t>());
    return nn::TensorIndex(t);
  }
  if (PyList_Check(o) || PyRange_Check(o) || PyTuple_Check(o)) {
    if (PyObject_Length(o) == 0) return nn::TensorIndex(std::vector<int64_t>{});
    return nn::TensorIndex(tensor_of_data(o, {}));
  }
  if (PyObject_HasAttrString(o, "__array_interface__")) {
    const Tensor t = tensor_of_array(o, true);
    if (t.dim() == 0 && is_integer(t.dtype())) return nn::TensorIndex(t.item<int64_t>());
    return nn::TensorIndex(t);
  }
  const PyNumberMethods* n = Py_TYPE(o)->tp_as_number;
  if (n && n->nb_index) return nn::TensorIndex(integer_of(o));
  nn::raise<nn::IndexError>(
      "a subscript is a whole number, slice, ..., None, bool, list or tensor, not {}",
      Py_TYPE(o)->tp_name);
}

std::vector<nn::TensorIndex> keys_of(PyObject* key) {
  std::vector<nn::TensorIndex> keys;
  if (PyTuple_Check(key)) {
    const Py_ssize_t n = PyTuple_GET_SIZE(key);
    keys.reserve(n);
    for (Py_ssize_t i = 0; i < n; ++i) keys.push_back(key_of(PyTuple_GET_ITEM(key, i)));
  } else {
    keys.push_back(key_of(key));
  }
  return keys;
}

}  // namespace

PyObject* subscript(PyObject* self, PyObject* key) {
  try {
    const Tensor& t = tensor_in(self);
    if (PyLong_CheckExact(key)) {
      if (t.dim() == 0)
        nn::raise<nn::IndexError>(
            "a tensor without axes has no elements to choose; item() gives its number");
      return wrap(t.select(0, integer_of(key)));
    }
    return wrap(t.index(keys_of(key)));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

int assign_subscript(PyObject* self, PyObject* key, PyObject* value) {
  try {
    if (!value) type_error("elements of a tensor cannot be deleted");
    const Tensor& t = tensor_in(self);
    if (is_tensor(value))
      t.index_put_(keys_of(key), tensor_in(value));
    else if (is_number(value))
      t.index_put_(keys_of(key), scalar_of(value));
    else
      type_error(std::string("a tensor or a number can be assigned, not ") +
                 Py_TYPE(value)->tp_name + "; torch.tensor() makes one");
    return 0;
  } catch (...) {
    translate_exception();
    return -1;
  }
}

}  // namespace trivium::python
