// Python's arrays, shapes and values as the tf notation's, and the reverse.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "trivium/tf.h"

namespace nb = nanobind;

namespace trivium::tf {

/// The Python function that turns a value into an array (set by the package).
nb::object& converter();
/// The Python function that makes an exception of a code, a message and a node.
nb::object& op_error();

/// The memory of a C-contiguous NumPy array of a type the engine has, copied.
Data data_of_numpy(nb::handle array);
/// A NumPy array of its own; rank 0 becomes a NumPy scalar, strings are bytes.
nb::object numpy_of(const Data& data);
nb::object numpy();

/// What Python code gives where a tensor is wanted.
Input input_of(nb::handle h);
std::vector<Input> inputs_of(nb::handle list);

PartialShape shape_in(nb::handle h);
nb::object shape_out(const PartialShape& shape);
DataType type_in(const std::string& name);

void bind_host(nb::module_& m);
void bind_control(nb::module_& m);
/// GraphDefs, the schema of TensorFlow's messages, SavedModels.
void bind_graph_files(nb::module_& m);

}  // namespace trivium::tf
