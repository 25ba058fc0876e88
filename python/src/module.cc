// trivium._C: the extension module. Everything hot is here; python/trivium/torch gives it PyTorch's
// names and adds what only Python needs (modules, optimizers, loaders).
#include <nanobind/stl/string.h>

#include "python/src/tensor_type.h"
#include "trivium/engine.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/version.h"

namespace trivium::python {

namespace {

PyObject* take(nb::dict& from, const char* name) {
  PyObject* o = PyDict_GetItemString(from.ptr(), name);
  return Py_XNewRef(o);
}

/// Called once by the package with the classes that are written in Python.
void give(nb::dict classes) {
  given.size = take(classes, "Size");
  given.cpu = take(classes, "cpu");
  given.item_error = take(classes, "ItemError");
  given.grad_fn = take(classes, "grad_fn");
  given.return_types = take(classes, "return_types");
  given.check_device = take(classes, "check_device");
}

}  // namespace

}  // namespace trivium::python

NB_MODULE(_C, m) {
  using namespace trivium::python;
  nb::set_leak_warnings(false);
  trivium::start();
  create_types(m);
  Registry torch(m, tensor_type);
  define_tensor(torch);
  define_random(torch, m);
  define_autograd(torch, m);
  define_shared_memory(m);
  nb::module_ functional = m.def_submodule("functional");
  Registry nn_functions(functional, tensor_type);
  define_layers(nn_functions);
  define_activations(nn_functions);
  define_losses(nn_functions);
  nb::module_ init = m.def_submodule("init");
  Registry init_functions(init, tensor_type);
  define_init(init_functions);
  define_optimizers(torch);
  define_files(m);
  define_pictures(torch, m);
  m.def("_give", &give);
  m.def("_version", [] { return std::string(trivium::version()); });
  m.def("get_num_threads", [] { return trivium::threads(); });
  m.def("set_num_threads", [](int n) { trivium::set_threads(n); });
}
