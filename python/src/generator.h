// torch.Generator as Python sees it.
#pragma once

#include "python/src/args.h"

namespace trivium::python {
/// Null when the object is no Generator.
nn::Generator generator_in(PyObject* object);
}  // namespace trivium::python
