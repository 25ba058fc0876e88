// Branches and loops: Python's functions are called to describe what runs inside.
#include "trivium/notations/tf/control.h"

#include "values.h"

namespace trivium::tf {

void bind_control(nb::module_& m) {
  m.def(
      "tensor_array",
      [](const std::string& dtype, nb::object size, nb::object element, const std::string& name) {
        return TensorArray(parse_data_type(dtype), input_of(size), shape_in(element), name).flow();
      },
      nb::arg("dtype"), nb::arg("size"), nb::arg("element").none(), nb::arg("name"));
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
