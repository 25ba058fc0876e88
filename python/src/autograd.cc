// Gradients: backward, grad, hooks, functions with a derivative of the caller's, recording modes.
#include "python/src/tensor_type.h"
#include "trivium/engine/record/safety.h"
#include "trivium/engine/record/tape.h"

namespace trivium::python {

namespace {

std::shared_ptr<PyObject> shared(PyObject* o) {
  Py_INCREF(o);
  return {o, [](PyObject* p) {
            if (!Py_IsInitialized()) return;
            nb::gil_scoped_acquire locked;
            Py_DECREF(p);
          }};
}

PyObject* backward(Args& a) {
  const Tensor& x = a.tensor(0);
  const Tensor gradient = a.opt_tensor(1);
  const bool create = a.flag(3), retain = a.flag(a.has(2) ? 2 : 5, create);
  std::vector<Tensor> inputs;
  if (a.has(4)) inputs = a.is_tensor(4) ? std::vector<Tensor>{a.tensor(4)} : a.tensors(4);
  const bool only = a.has(4);
  {
    Unlocked unlocked;
    x.backward(gradient, retain, create, only ? &inputs : nullptr);
  }
  return none();
}

std::vector<Tensor> list(Args& a, int i) {
  if (a.is_tensor(i)) return {a.tensor(i)};
  return a.tensors(i);
}

/// Gradients given from outside; None stands for an undefined one.
std::vector<Tensor> seeds(Args& a, int i) {
  if (!a.has(i)) return {};
  if (a.is_tensor(i)) return {a.tensor(i)};
  nb::object fast = nb::steal(PySequence_Fast(a.raw(i), "expected a sequence of Tensors"));
  check(fast.is_valid());
  std::vector<Tensor> result;
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(fast.ptr()); ++k) {
    PyObject* o = PySequence_Fast_GET_ITEM(fast.ptr(), k);
    if (o != Py_None && !is_tensor(o)) a.wrong(i, "Tensors or None");
    result.push_back(o == Py_None ? Tensor() : tensor_in(o));
  }
  return result;
}

nb::object list_object(const std::vector<record::Var>& vars) {
  nb::object tuple = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(vars.size())));
  for (size_t i = 0; i < vars.size(); ++i)
    PyTuple_SET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(i), to_python(Tensor(vars[i])));
  return tuple;
}

/// A Python function of gradients as a rule of the engine.
std::vector<record::Var> run_rule(PyObject* rule, const std::vector<record::Var>& gradients) {
  nb::gil_scoped_acquire locked;
  nb::object given_gradients = list_object(gradients);
  nb::object result = nb::steal(PyObject_CallOneArg(rule, given_gradients.ptr()));
  check(result.is_valid());
  nb::object fast = nb::steal(PySequence_Fast(result.ptr(), "a derivative rule gives a tuple"));
  check(fast.is_valid());
  std::vector<record::Var> out;
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(fast.ptr()); ++k) {
    PyObject* o = PySequence_Fast_GET_ITEM(fast.ptr(), k);
    if (o != Py_None && !is_tensor(o)) type_error("a gradient is a Tensor or None");
    out.push_back(o == Py_None ? record::Var() : record::Var(tensor_in(o)));
  }
  return out;
}

std::string text_of_site(PyObject* ask) {
  nb::gil_scoped_acquire locked;
  nb::object text = nb::steal(PyObject_CallNoArgs(ask));
  check(text.is_valid());
  const char* utf8 = PyUnicode_AsUTF8(text.ptr());
  check(utf8 != nullptr);
  return utf8;
}

record::Var run_hook(PyObject* hook, const record::Var& gradient) {
  nb::gil_scoped_acquire locked;
  nb::object g = nb::steal(to_python(Tensor(gradient)));
  nb::object result = nb::steal(PyObject_CallOneArg(hook, g.ptr()));
  check(result.is_valid());
  if (result.is_none()) return {};
  if (!is_tensor(result.ptr())) type_error("a gradient hook returns a Tensor or None");
  return tensor_in(result.ptr());
}

}  // namespace

void define_autograd(Registry& r, nb::module_& m) {
  r.method("backward", "input, gradient=, retain_graph=, create_graph=, inputs=, retain_variables=",
           [](Args& a) { return backward(a); });
  r.function("_backward",
             "tensors, grad_tensors=, retain_graph=, create_graph=, inputs=", [](Args& a) {
               std::vector<Tensor> inputs;
               const bool only = a.has(4);
               if (only) inputs = list(a, 4);
               const std::vector<Tensor> roots = list(a, 0), given_seeds = seeds(a, 1);
               const bool create = a.flag(3), retain = a.flag(2, create);
               std::vector<record::Var> r(roots.begin(), roots.end());
               std::vector<record::Var> s(given_seeds.begin(), given_seeds.end());
               std::vector<record::Var> i(inputs.begin(), inputs.end());
               {
                 Unlocked unlocked;
                 record::backward(r, s, retain, create, only ? &i : nullptr);
               }
               return none();
             });
  r.function("_grad", "outputs, inputs, grad_outputs=, retain_graph=, create_graph=, allow_unused=",
             [](Args& a) {
               const std::vector<Tensor> outputs = list(a, 0), inputs = list(a, 1);
               const std::vector<Tensor> given_seeds = seeds(a, 2);
               const bool create = a.flag(4), retain = a.flag(3, create), unused = a.flag(5);
               std::vector<Tensor> result;
               {
                 Unlocked unlocked;
                 result = nn::grad(outputs, inputs, given_seeds, retain, create, unused);
               }
               return result;
             });
  r.method("detach", "input", [](Args& a) { return a.tensor(0).detach(); });
  r.function("detach", "input", [](Args& a) { return a.tensor(0).detach(); });
  r.method("detach_", "input", [](Args& a) { return a.tensor(0).detach_(); });
  r.method("requires_grad_", "input, requires_grad=", [](Args& a) {
    return a.tensor(0).requires_grad_(a.flag(1, true));
  });
  r.method("retain_grad", "input", [](Args& a) {
    Tensor(a.tensor(0)).retain_grad();
    return none();
  });
  r.method("_register_hook", "input, hook", [](Args& a) {
    return a.tensor(0).register_hook(
        [hook = shared(a.raw(1))](const Tensor& g) { return Tensor(run_hook(hook.get(), g)); });
  });
  r.method("_remove_hook", "input, id", [](Args& a) {
    Tensor(a.tensor(0)).remove_hook(a.integer(1));
    return none();
  });
  r.function("_attach_rule", "name, inputs, outputs, rule", [](Args& a) {
    const std::vector<Tensor> in = a.tensors(1), out = a.tensors(2);
    std::vector<record::Var> i(in.begin(), in.end()), o(out.begin(), out.end());
    const std::vector<record::Var> result = record::attach_rule(
        a.text(0), i, o, [rule = shared(a.raw(3))](const std::vector<record::Var>& gradients) {
          return run_rule(rule.get(), gradients);
        });
    return std::vector<Tensor>(result.begin(), result.end());
  });
  // An object of its own class (a Parameter) on the memory of a tensor.
  r.function("_make_subclass", "cls, data, requires_grad=", [](Args& a) {
    Tensor t = a.tensor(1).detach();
    if (a.flag(2)) t.set_requires_grad(true);
    return new_object(reinterpret_cast<PyTypeObject*>(a.raw(0)), t);
  });
  r.function("is_grad_enabled", "", [](Args&) { return record::grad_enabled(); });
  r.function("_set_grad_enabled", "on", [](Args& a) {
    record::set_grad_enabled(a.flag(0));
    return none();
  });
  r.function("_set_strict_inplace", "on", [](Args& a) {
    record::set_strict_inplace(a.flag(0));
    return none();
  });
  r.function("_strict_inplace", "", [](Args&) { return record::strict_inplace(); });
  r.function("_set_detect_anomaly", "on, call_site=", [](Args& a) {
    std::function<std::string()> site;
    if (a.has(1)) site = [ask = shared(a.raw(1))] { return text_of_site(ask.get()); };
    record::set_detect_anomaly(a.flag(0), std::move(site));
    return none();
  });
  r.function("_detect_anomaly", "", [](Args&) { return record::detect_anomaly(); });
  r.function("_submit", "", [](Args&) {
    {
      Unlocked unlocked;
      record::submit();
    }
    return none();
  });
  r.function("_submit_counters", "", [](Args&) {
    const record::SubmitCounters c = record::submit_counters();
    return Py_BuildValue("(LL)", static_cast<long long>(c.submitted),
                         static_cast<long long>(c.built));
  });
}

}  // namespace trivium::python
