// trivium._C: the extension module. Everything hot is here; python/trivium/torch gives it PyTorch's
// names and adds what only Python needs (modules, optimizers, loaders).
#include <nanobind/stl/string.h>

#include "python/src/tensor_type.h"
#include "trivium/engine.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/engine/core/trace.h"
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

/// Spans of time as Python sees them; the clock is time.perf_counter_ns's.
void define_trace(nb::module_& m) {
  m.def("_trace_on", [] { return trace::on(); });
  m.def("_trace_start", [] { trace::start(); });
  m.def("_trace_stop", [] { trace::stop(); });
  m.def("_trace_write", [](const std::string& path) { trace::write(path); });
  m.def("_trace_summary", [] { return trace::summary(); });
  m.def("_trace_elapsed_us", [] { return trace::elapsed_us(); });
  m.def("_trace_add", [](const std::string& kind, const std::string& name, int64_t start_ns) {
    trace::add(kind.c_str(), name, trace::Clock::time_point(std::chrono::nanoseconds(start_ns)),
               trace::Clock::now());
  });
  m.def("_trace_sums", [] {
    nb::list all;
    for (const trace::Sum& s : trace::sums())
      all.append(nb::make_tuple(s.kind, s.name, s.calls, s.total_us, s.longest_us));
    return all;
  });
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
  define_trace(m);
  m.def("_give", &give);
  m.def("_version", [] { return std::string(trivium::version()); });
  m.def("get_num_threads", [] { return trivium::threads(); });
  m.def("set_num_threads", [](int n) { trivium::set_threads(n); });
}
