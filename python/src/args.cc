// Parsing of arguments by name and position, conversions of single arguments, and the callable
// objects that Python sees as functions and methods.
#include "python/src/args.h"

#include <cstring>
#include <deque>
#include <string_view>

#include "python/src/generator.h"
#include "python/src/tensor_type.h"
#include "trivium/notations/nn/errors.h"

namespace trivium::python {

Given given;

void type_error(const std::string& message) { throw nn::TypeError(message); }

void warn(PyObject* category, const char* message) {
  check(PyErr_WarnEx(category, message, 1) == 0);
}

void translate_exception() {
  try {
    throw;
  } catch (nb::python_error& e) {
    e.restore();
  } catch (const nn::ItemError& e) {
    PyErr_SetString(given.item_error ? given.item_error : PyExc_RuntimeError, e.what());
  } catch (const nn::ValueError& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const nn::IndexError& e) {
    PyErr_SetString(PyExc_IndexError, e.what());
  } catch (const nn::TypeError& e) {
    PyErr_SetString(PyExc_TypeError, e.what());
  } catch (const nn::NotImplementedError& e) {
    PyErr_SetString(PyExc_NotImplementedError, e.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  }
}

namespace {

std::string type_name(PyObject* o) { return Py_TYPE(o)->tp_name; }

/// Old and NumPy's names of parameters.
const char* other_name(std::string_view name) {
  if (name == "axis") return "dim";
  if (name == "keepdims") return "keepdim";
  if (name == "x" || name == "self" || name == "a") return "input";
  if (name == "x2") return "other";
  if (name == "dims") return "dim";
  if (name == "correction") return "unbiased";
  return nullptr;
}

int find_name(const Def& def, PyObject* name) {
  for (int i = 0; i < def.count; ++i)
    if (def.names[i] == name) return i;
  for (int i = 0; i < def.count; ++i)
    if (PyUnicode_Compare(def.names[i], name) == 0) return i;
  return -1;
}

}  // namespace

void Args::keyword(PyObject* name, PyObject* value) {
  int i = find_name(def_, name);
  if (i < 0) {
    const char* text = PyUnicode_AsUTF8(name);
    if (!std::strcmp(text, "out")) {
      out_ = value == Py_None ? nullptr : value;
      return;
    }
    for (const char* ignored : {"layout", "pin_memory", "memory_format", "names"})
      if (!std::strcmp(text, ignored)) return;
    if (const char* other = other_name(text)) {
      nb::object o = nb::steal(PyUnicode_FromString(other));
      i = find_name(def_, o.ptr());
    }
    if (i < 0) {
      std::string known;
      for (int k = 0; k < def_.count; ++k)
        known += std::string(k ? ", " : "") + PyUnicode_AsUTF8(def_.names[k]);
      type_error(
          fmt::format("{}: no argument is called {}; it takes ({})", def_.name, text, known));
    }
  }
  if (value_[i] || (i == def_.variadic && variadic_count_))
    type_error(fmt::format("{}: argument {} is given by position and by name", def_.name,
                           PyUnicode_AsUTF8(name)));
  value_[i] = value;
}

void Args::parse(PyObject* const* args, size_t count, PyObject* keywords) {
  const size_t plain = def_.variadic >= 0 ? def_.variadic : def_.positional;
  const size_t direct = count < plain ? count : plain;
  for (size_t i = 0; i < direct; ++i) value_[i] = args[i];
  if (count > plain) {
    if (def_.variadic < 0)
      type_error(fmt::format("{}: takes {} arguments by position, {} were given", def_.name, plain,
                             count));
    variadic_ = args + plain;
    variadic_count_ = count - plain;
    if (variadic_count_ == 1) value_[def_.variadic] = variadic_[0];
  }
  if (keywords) {
    if (variadic_count_ == 1) value_[def_.variadic] = nullptr;
    const Py_ssize_t n = PyTuple_GET_SIZE(keywords);
    for (Py_ssize_t k = 0; k < n; ++k) keyword(PyTuple_GET_ITEM(keywords, k), args[count + k]);
    if (variadic_count_ == 1) value_[def_.variadic] = variadic_[0];
  }
  for (int i = 0; i < def_.required; ++i)
    if (!value_[i] && !(i == def_.variadic && variadic_count_))
      type_error(
          fmt::format("{}: argument {} is missing", def_.name, PyUnicode_AsUTF8(def_.names[i])));
}

void Args::wrong(int i, const char* expected) const {
  type_error(fmt::format("{}: argument {} must be {}, not {}", def_.name,
                         PyUnicode_AsUTF8(def_.names[i]), expected,
                         value_[i] ? type_name(value_[i]) : "absent"));
}

bool Args::is_tensor(int i) const { return value_[i] && python::is_tensor(value_[i]); }

bool Args::is_sequence(int i) const {
  return value_[i] && (PyTuple_Check(value_[i]) || PyList_Check(value_[i]));
}

const Tensor& Args::tensor(int i) const {
  if (!is_tensor(i)) wrong(i, "a Tensor");
  return tensor_in(value_[i]);
}

std::vector<Tensor> Args::tensors(int i) const {
  std::vector<Tensor> result;
  if (i == def_.variadic && variadic_count_ > 0 &&
      !(variadic_count_ == 1 && !python::is_tensor(variadic_[0]))) {
    for (size_t k = 0; k < variadic_count_; ++k) {
      if (!python::is_tensor(variadic_[k]))
        type_error(fmt::format("{}: expects Tensors, not {}", def_.name, type_name(variadic_[k])));
      result.push_back(tensor_in(variadic_[k]));
    }
    return result;
  }
  if (!has(i)) wrong(i, "a sequence of Tensors");
  if (is_tensor(i)) return tensor(i).unbind(0);
  nb::object fast = nb::steal(PySequence_Fast(value_[i], "expected a sequence of Tensors"));
  check(fast.is_valid());
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(fast.ptr());
  result.reserve(n);
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* item = PySequence_Fast_GET_ITEM(fast.ptr(), k);
    if (!python::is_tensor(item))
      type_error(fmt::format("{}: element {} of {} must be a Tensor, not {}", def_.name, k,
                             PyUnicode_AsUTF8(def_.names[i]), type_name(item)));
    result.push_back(tensor_in(item));
  }
  return result;
}

bool is_number(PyObject* o) {
  if (PyFloat_Check(o) || PyLong_Check(o)) return true;
  if (python::is_tensor(o)) return false;
  const PyNumberMethods* n = Py_TYPE(o)->tp_as_number;
  if (!n || (!n->nb_index && !n->nb_float)) return false;
  return std::strcmp(Py_TYPE(o)->tp_name, "numpy.ndarray") != 0;
}

Scalar scalar_of(PyObject* o) {
  if (PyFloat_Check(o)) return PyFloat_AS_DOUBLE(o);
  if (PyBool_Check(o)) return o == Py_True;
  if (PyLong_Check(o)) {
    int overflow = 0;
    const long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) nn::raise<nn::ValueError>("a whole number outside the range of int64 was given");
    return static_cast<int64_t>(v);
  }
  if (python::is_tensor(o)) return tensor_in(o).item_scalar();
  const PyNumberMethods* n = Py_TYPE(o)->tp_as_number;
  const std::string_view name = Py_TYPE(o)->tp_name;
  if (name == "numpy.bool" || name == "numpy.bool_") return PyObject_IsTrue(o) == 1;
  if (n && n->nb_index && name != "numpy.ndarray") {
    nb::object i = nb::steal(PyNumber_Index(o));
    check(i.is_valid());
    return scalar_of(i.ptr());
  }
  if (n && n->nb_float) {
    const double v = PyFloat_AsDouble(o);
    check(!(v == -1 && PyErr_Occurred()));
    return v;
  }
  type_error("expected a number, not " + type_name(o));
}

int64_t integer_of(PyObject* o) {
  if (PyLong_Check(o)) {
    const long long v = PyLong_AsLongLong(o);
    check(!(v == -1 && PyErr_Occurred()));
    return v;
  }
  if (PyFloat_Check(o)) type_error("expected a whole number, not a float");
  nb::object i = nb::steal(PyNumber_Index(o));
  check(i.is_valid());
  return integer_of(i.ptr());
}

Dims dims_of(PyObject* o) {
  Dims d;
  if (PyTuple_Check(o) || PyList_Check(o)) {
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    for (Py_ssize_t k = 0; k < n; ++k) d.push_back(integer_of(PySequence_Fast_GET_ITEM(o, k)));
    return d;
  }
  d.push_back(integer_of(o));
  return d;
}

Dims Args::dims(int i) const {
  if (i == def_.variadic && variadic_count_ != 1) {
    Dims d;
    if (variadic_count_ == 0 && value_[i]) return dims_of(value_[i]);
    for (size_t k = 0; k < variadic_count_; ++k) d.push_back(integer_of(variadic_[k]));
    return d;
  }
  if (!has(i)) return {};
  return dims_of(value_[i]);
}

std::vector<int64_t> Args::integers(int i) const {
  if (!is_sequence(i)) wrong(i, "a sequence of whole numbers");
  std::vector<int64_t> v;
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(value_[i]); ++k)
    v.push_back(integer_of(PySequence_Fast_GET_ITEM(value_[i], k)));
  return v;
}

Scalar Args::scalar(int i) const {
  if (!value_[i] || value_[i] == Py_None) wrong(i, "a number");
  if (!PyFloat_Check(value_[i]) && !PyLong_Check(value_[i]) && !is_tensor(i) &&
      !is_number(value_[i]))
    wrong(i, "a number");
  return scalar_of(value_[i]);
}
std::optional<Scalar> Args::opt_scalar(int i) const {
  return has(i) ? std::optional<Scalar>(scalar(i)) : std::nullopt;
}
int64_t Args::integer(int i) const {
  if (!has(i)) wrong(i, "a whole number");
  if (PyFloat_Check(value_[i])) wrong(i, "a whole number");
  return integer_of(value_[i]);
}
std::optional<int64_t> Args::opt_integer(int i) const {
  return has(i) ? std::optional<int64_t>(integer(i)) : std::nullopt;
}
double Args::real(int i) const { return scalar(i).real(); }
std::optional<double> Args::opt_real(int i) const {
  return has(i) ? std::optional<double>(real(i)) : std::nullopt;
}
bool Args::flag(int i, bool otherwise) const {
  if (!has(i)) return otherwise;
  if (value_[i] == Py_True) return true;
  if (value_[i] == Py_False) return false;
  const int v = PyObject_IsTrue(value_[i]);
  check(v >= 0);
  return v == 1;
}
std::string Args::text(int i, const char* otherwise) const {
  if (!has(i)) {
    if (otherwise) return otherwise;
    wrong(i, "text");
  }
  if (!PyUnicode_Check(value_[i])) wrong(i, "text");
  return PyUnicode_AsUTF8(value_[i]);
}
std::optional<DType> Args::dtype(int i) const {
  if (!has(i)) return {};
  return dtype_of(value_[i]);
}
nn::Generator Args::generator(int i) const {
  if (!has(i)) return nullptr;
  nn::Generator g = generator_in(value_[i]);
  if (!g) wrong(i, "a Generator");
  return g;
}
void check_device(PyObject* object) {
  if (object == given.cpu || !given.check_device) return;
  if (PyUnicode_Check(object) && !std::strcmp(PyUnicode_AsUTF8(object), "cpu")) return;
  nb::object ok = nb::steal(PyObject_CallOneArg(given.check_device, object));
  check(ok.is_valid());
}
nn::TensorOptions Args::options(int first) const {
  nn::TensorOptions o;
  o.dtype = dtype(first);
  if (has(first + 1)) check_device(value_[first + 1]);
  o.requires_grad = flag(first + 2);
  return o;
}
nn::Reduction Args::reduction(int first) const {
  if (has(first) || has(first + 1)) {
    const bool average = flag(first, true), reduce = flag(first + 1, true);
    const char* now = !reduce ? "none" : average ? "mean" : "sum";
    const std::string message = fmt::format(
        "size_average and reduce are the names of before 0.4; write reduction='{}'", now);
    warn(PyExc_UserWarning, message.c_str());
    return nn::parse_reduction(now);
  }
  const std::string name = text(first + 2, "mean");
  if (name == "elementwise_mean")
    warn(PyExc_UserWarning, "reduction='elementwise_mean' is the old name of 'mean'");
  return nn::parse_reduction(name);
}

// ---- results

PyObject* none() { return Py_NewRef(Py_None); }
PyObject* to_python(const Tensor& t) { return t.defined() ? wrap(t) : none(); }
PyObject* to_python(const std::vector<Tensor>& ts) {
  PyObject* tuple = PyTuple_New(static_cast<Py_ssize_t>(ts.size()));
  for (size_t i = 0; i < ts.size(); ++i)
    PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(i), to_python(ts[i]));
  return tuple;
}
PyObject* to_python(const std::string& s) {
  return PyUnicode_FromStringAndSize(s.data(), static_cast<Py_ssize_t>(s.size()));
}
PyObject* to_python(const Scalar& s) {
  if (s.is_bool()) return PyBool_FromLong(s.integer() != 0);
  if (s.is_integer()) return PyLong_FromLongLong(s.integer());
  return PyFloat_FromDouble(s.real());
}
PyObject* named(const char* kind, const nn::ValuesIndices& v) {
  PyObject* type = given.return_types ? PyDict_GetItemString(given.return_types, kind) : nullptr;
  if (!type) return Py_BuildValue("(NN)", to_python(v.values), to_python(v.indices));
  auto* t = reinterpret_cast<PyTypeObject*>(type);
  PyObject* tuple = t->tp_alloc(t, 2);
  check(tuple);
  PyTuple_SET_ITEM(tuple, 0, to_python(v.values));
  PyTuple_SET_ITEM(tuple, 1, to_python(v.indices));
  return tuple;
}

// ---- the callable objects

namespace {

struct FunctionObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  const Def* def;
};

PyObject* finish_out(PyObject* result, PyObject* out) {
  if (!python::is_tensor(result) || !python::is_tensor(out)) return result;
  nb::object kept = nb::steal(result);
  const Tensor& from = tensor_in(result);
  Tensor& to = tensor_in(out);
  if (from.shape() == to.shape())
    to.copy_(from);
  else
    to.set_data(from.detach().to(to.dtype()));
  return Py_NewRef(out);
}

PyObject* call_function(PyObject* self, PyObject* const* args, size_t flags, PyObject* keywords) {
  const Def& def = *reinterpret_cast<FunctionObject*>(self)->def;
  try {
    Args a(def);
    a.parse(args, PyVectorcall_NARGS(flags), keywords);
    PyObject* result = def.call(a);
    if (a.out() && result) return finish_out(result, a.out());
    return result;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* bind_method(PyObject* self, PyObject* object, PyObject*) {
  if (!object || object == Py_None) return Py_NewRef(self);
  return PyMethod_New(self, object);
}
PyObject* function_name(PyObject* self, void*) {
  return PyUnicode_FromString(reinterpret_cast<FunctionObject*>(self)->def->name);
}
PyObject* function_doc(PyObject* self, void*) {
  const Def& def = *reinterpret_cast<FunctionObject*>(self)->def;
  std::string text = std::string(def.name) + "(";
  for (int i = 0; i < def.count; ++i) {
    if (i == def.positional && def.variadic < 0) text += i ? ", *" : "*";
    text += i ? ", " : "";
    text += i == def.variadic ? "*" : "";
    text += PyUnicode_AsUTF8(def.names[i]);
    if (i >= def.required && i != def.variadic) text += "=...";
  }
  return to_python(text + ")");
}
PyObject* function_module(PyObject*, void*) { return PyUnicode_FromString("torch"); }
PyObject* function_repr(PyObject* self) {
  return PyUnicode_FromFormat("<built-in function %s>",
                              reinterpret_cast<FunctionObject*>(self)->def->name);
}
PyObject* function_reduce(PyObject* self, PyObject*) { return function_name(self, nullptr); }

PyGetSetDef function_getset[] = {{"__name__", function_name, nullptr, nullptr, nullptr},
                                 {"__qualname__", function_name, nullptr, nullptr, nullptr},
                                 {"__module__", function_module, nullptr, nullptr, nullptr},
                                 {"__doc__", function_doc, nullptr, nullptr, nullptr},
                                 {"__text_signature__", function_doc, nullptr, nullptr, nullptr},
                                 {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef function_methods[] = {{"__reduce__", function_reduce, METH_NOARGS, nullptr},
                                  {nullptr, nullptr, 0, nullptr}};

PyTypeObject make_type(const char* name, bool method) {
  PyTypeObject t = {PyVarObject_HEAD_INIT(nullptr, 0)};
  t.tp_name = name;
  t.tp_basicsize = sizeof(FunctionObject);
  t.tp_vectorcall_offset = offsetof(FunctionObject, vectorcall);
  t.tp_call = PyVectorcall_Call;
  t.tp_flags =
      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | (method ? Py_TPFLAGS_METHOD_DESCRIPTOR : 0);
  t.tp_getset = function_getset;
  t.tp_methods = function_methods;
  t.tp_repr = function_repr;
  t.tp_descr_get = method ? bind_method : nullptr;
  return t;
}
PyTypeObject function_type = make_type("trivium._C.Function", false);
PyTypeObject method_type = make_type("trivium._C.Method", true);

PyObject* make_function(PyTypeObject* type, const Def* def) {
  check(PyType_Ready(type) == 0);
  auto* f = PyObject_New(FunctionObject, type);
  check(f);
  f->vectorcall = call_function;
  f->def = def;
  return reinterpret_cast<PyObject*>(f);
}

void parse_signature(Def& def, std::string_view s) {
  bool by_name = false;
  while (!s.empty()) {
    const size_t comma = s.find(',');
    std::string_view word = s.substr(0, comma);
    s = comma == std::string_view::npos ? "" : s.substr(comma + 1);
    while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
    if (word == "*") {
      by_name = true;
      continue;
    }
    if (word.front() == '*') {
      def.variadic = def.count;
      by_name = true;
      word.remove_prefix(1);
    }
    const bool optional = word.back() == '=' || def.variadic == def.count;
    if (word.back() == '=') word.remove_suffix(1);
    def.names[def.count++] = PyUnicode_InternFromString(std::string(word).c_str());
    if (!by_name) def.positional = def.count;
    if (!optional && !by_name) def.required = def.count;
  }
}

}  // namespace

void Registry::add(const char* name, const char* signature, PyObject* (*call)(Args&), bool method,
                   bool function) {
  static std::deque<Def> all;
  Def& def = all.emplace_back();
  def.name = name;
  def.call = call;
  parse_signature(def, signature);
  last_ = &def;
  last_method_ = method;
  last_function_ = function;
  alias(name);
}

void Registry::alias(const char* name) {
  if (last_method_) {
    nb::object m = nb::steal(make_function(&method_type, last_));
    check(PyObject_SetAttrString(reinterpret_cast<PyObject*>(tensor_), name, m.ptr()) == 0);
  }
  if (last_function_) {
    nb::object f = nb::steal(make_function(&function_type, last_));
    check(PyObject_SetAttrString(module_.ptr(), name, f.ptr()) == 0);
  }
}

}  // namespace trivium::python
