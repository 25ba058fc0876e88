// Calls from Python: a Def says once what a function's parameters are called; Args finds the
// arguments of one call without building tuples and converts each when it is asked for.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/tensor.h"

namespace trivium::python {

namespace nb = nanobind;
using nn::Dims;
using nn::Scalar;
using nn::Tensor;

class Args;

/// One function. `signature`: "input, other, *, alpha=": a name with = may be left out, those after
/// the lone * are given by name only, and a name that starts with * takes all that follow.
struct Def {
  static constexpr int kMost = 20;
  const char* name = "";
  PyObject* (*call)(Args&) = nullptr;
  PyObject* names[kMost] = {};
  int count = 0;       // parameters
  int positional = 0;  // of them, those that may be given by position
  int required = 0;
  int variadic = -1;  // the one that starts with *
};

/// The arguments of one call; borrowed.
class Args {
 public:
  Args(const Def& def) : def_(def) {}
  /// Python's vectorcall convention. Throws TypeError.
  void parse(PyObject* const* args, size_t count, PyObject* keywords);

  const Def& def() const { return def_; }
  PyObject* raw(int i) const { return value_[i]; }
  /// Given, and not None.
  bool has(int i) const { return value_[i] && value_[i] != Py_None; }
  bool is_tensor(int i) const;
  bool is_sequence(int i) const;
  const Tensor& tensor(int i) const;
  Tensor opt_tensor(int i) const { return has(i) ? tensor(i) : Tensor(); }
  std::vector<Tensor> tensors(int i) const;
  Scalar scalar(int i) const;
  Scalar scalar(int i, Scalar otherwise) const { return has(i) ? scalar(i) : otherwise; }
  std::optional<Scalar> opt_scalar(int i) const;
  int64_t integer(int i) const;
  int64_t integer(int i, int64_t otherwise) const { return has(i) ? integer(i) : otherwise; }
  std::optional<int64_t> opt_integer(int i) const;
  double real(int i) const;
  double real(int i, double otherwise) const { return has(i) ? real(i) : otherwise; }
  std::optional<double> opt_real(int i) const;
  bool flag(int i, bool otherwise = false) const;
  std::string text(int i, const char* otherwise = nullptr) const;
  /// A number, a sequence of numbers or what a variadic parameter collected.
  Dims dims(int i) const;
  /// A sequence of any length.
  std::vector<int64_t> integers(int i) const;
  Dims dims(int i, const Dims& otherwise) const { return given(i) ? dims(i) : otherwise; }
  std::optional<DType> dtype(int i) const;
  nn::Generator generator(int i) const;
  /// dtype, device and requires_grad from three neighbouring parameters.
  nn::TensorOptions options(int first) const;
  /// The trio size_average, reduce, reduction from `first` on.
  nn::Reduction reduction(int first) const;
  /// A variadic parameter has its arguments here.
  size_t variadic_count() const { return variadic_count_; }
  PyObject* variadic(size_t i) const { return variadic_[i]; }

  [[noreturn]] void wrong(int i, const char* expected) const;
  PyObject* out() const { return out_; }

 private:
  bool given(int i) const { return has(i) || (i == def_.variadic && variadic_count_ > 0); }
  void keyword(PyObject* name, PyObject* value);
  const Def& def_;
  PyObject* value_[Def::kMost] = {};
  PyObject* const* variadic_ = nullptr;
  size_t variadic_count_ = 0;
  PyObject* out_ = nullptr;
};

// ---- conversions
Scalar scalar_of(PyObject* object);  ///< TypeError
bool is_number(PyObject* object);
int64_t integer_of(PyObject* object);
Dims dims_of(PyObject* object);
DType dtype_of(PyObject* object);
void check_device(PyObject* object);
/// TypeError with the function's name.
[[noreturn]] void type_error(const std::string& message);
/// Sets Python's error from what is being handled now.
void translate_exception();
/// Throws what Python has set.
inline void check(bool ok) {
  if (!ok) throw nb::python_error();
}
void warn(PyObject* category, const char* message);

// ---- results
PyObject* wrap(const Tensor& t);
PyObject* to_python(const Tensor& t);
PyObject* to_python(const std::vector<Tensor>& ts);  ///< a tuple
PyObject* to_python(const Scalar& s);
PyObject* to_python(const std::string& s);
inline PyObject* to_python(bool b) { return PyBool_FromLong(b); }
inline PyObject* to_python(int64_t n) { return PyLong_FromLongLong(n); }
inline PyObject* to_python(double x) { return PyFloat_FromDouble(x); }
inline PyObject* to_python(PyObject* p) { return p; }
inline PyObject* to_python(nb::object o) { return o.release().ptr(); }
template <typename A, typename B>
PyObject* to_python(const std::pair<A, B>& p) {
  return Py_BuildValue("(NN)", to_python(p.first), to_python(p.second));
}
/// A named tuple of trivium.torch.return_types.
PyObject* named(const char* kind, const nn::ValuesIndices& v);
PyObject* none();

// ---- where functions are kept
/// Puts functions into the module and methods onto Tensor.
class Registry {
 public:
  Registry(nb::module_ module, PyTypeObject* tensor) : module_(module), tensor_(tensor) {}
  template <typename F>
  void both(const char* name, const char* signature, F) {
    add(name, signature, &call<F>, true, true);
  }
  template <typename F>
  void method(const char* name, const char* signature, F) {
    add(name, signature, &call<F>, true, false);
  }
  template <typename F>
  void function(const char* name, const char* signature, F) {
    add(name, signature, &call<F>, false, true);
  }
  /// Another name of what was added last.
  void alias(const char* name);

 private:
  template <typename F>
  static PyObject* call(Args& a) {
    static_assert(std::is_class_v<F>, "give a lambda: a function pointer's value is lost here");
    return to_python(F{}(a));
  }
  void add(const char* name, const char* signature, PyObject* (*call)(Args&), bool method,
           bool function);
  nb::module_ module_;
  PyTypeObject* tensor_;
  Def* last_ = nullptr;
  bool last_method_ = false, last_function_ = false;
};

void define_tensor(Registry& r);
void define_pointwise(Registry& r);
void define_binary(Registry& r);
void define_reductions(Registry& r);
void define_shapes(Registry& r);
void define_selection(Registry& r);
void define_linear_algebra(Registry& r);
void define_creation(Registry& r);
void define_random(Registry& r, nb::module_& m);
void define_layers(Registry& r);
void define_activations(Registry& r);
void define_losses(Registry& r);
void define_init(Registry& r);
void define_autograd(Registry& r, nb::module_& m);
void define_conversion(Registry& r);
void define_optimizers(Registry& r);
void define_files(nb::module_& m);
void define_pictures(Registry& r, nb::module_& m);
void define_shared_memory(nb::module_& m);
void create_types(nb::module_& m);

/// What the Python side gives once: classes and singletons the extension makes objects of.
struct Given {
  PyObject* size = nullptr;          // the class Size
  PyObject* cpu = nullptr;           // device('cpu')
  PyObject* item_error = nullptr;    // RuntimeError and ValueError
  PyObject* grad_fn = nullptr;       // called with a name and an operation
  PyObject* return_types = nullptr;  // dict: name -> class
  PyObject* check_device = nullptr;  // called with a device argument
};
extern Given given;

}  // namespace trivium::python
