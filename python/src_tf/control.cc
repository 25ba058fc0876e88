// Branches and loops: Python's functions are called to describe what runs inside.
#include "trivium/notations/tf/control.h"

#include "values.h"

namespace trivium::tf {

void bind_control(nb::module_& m) {
  m.def(
      "tensor_array",
      [](const std::string& dtype, nb::object size, nb::object element, bool dynamic, bool clear,
         bool infer, bool checked, const std::string& name, const std::string& called) {
        TensorArrayOptions options;
        options.element_shape = shape_in(element);
        options.dynamic_size = dynamic;
        options.clear_after_read = clear;
        options.infer_shape = infer;
        options.checked = checked;
        options.name = name;
        options.tensor_array_name = called;
        return TensorArray(parse_data_type(dtype), input_of(size), options).flow();
      },
      nb::arg("dtype"), nb::arg("size"), nb::arg("element").none(), nb::arg("dynamic_size"),
      nb::arg("clear_after_read"), nb::arg("infer_shape"), nb::arg("checked"), nb::arg("name"),
      nb::arg("tensor_array_name"));
  m.def(
      "cond",
      [](nb::object pred, nb::object true_fn, nb::object false_fn, const std::string& name) {
        const auto call = [](nb::object fn) {
          return TensorsFn([fn] { return nb::cast<Tensors>(fn()); });
        };
        return cond(input_of(pred), call(true_fn), call(false_fn), name);
      },
      nb::arg("pred"), nb::arg("true_fn"), nb::arg("false_fn"), nb::arg("name"));
  m.def(
      "while_loop",
      [](nb::object condition, nb::object body, const Tensors& variables, nb::object shapes,
         nb::object maximum, const std::string& name) {
        LoopOptions options;
        options.name = name;
        if (!shapes.is_none())
          for (nb::handle s : shapes) options.shape_invariants.push_back(shape_in(s));
        if (!maximum.is_none()) options.maximum_iterations = nb::cast<Tensor>(maximum);
        return while_loop(
            [&](const Tensors& t) { return nb::cast<Tensor>(condition(nb::cast(t))); },
            [&](const Tensors& t) { return nb::cast<Tensors>(body(nb::cast(t))); }, variables,
            options);
      },
      nb::arg("cond"), nb::arg("body"), nb::arg("variables"), nb::arg("shapes").none(),
      nb::arg("maximum").none(), nb::arg("name"));
}

}  // namespace trivium::tf
