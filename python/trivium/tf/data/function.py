"""Functions given to map and its relatives: traced once into a graph of their own."""
import numpy as np

from trivium import _tf
from trivium.tf import _core
from trivium.tf.data.structure import Spec, flatten, pack


def _result(value):
    """What a function returned: lists are tuples, values are tensors."""
    from trivium.tf.data.dataset import Dataset
    if isinstance(value, Dataset):
        return value
    if value is None:
        raise TypeError("Unsupported return value from function passed to Dataset.map(): None.")
    if isinstance(value, dict):
        return type(value)((k, _result(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        parts = [_result(v) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return _core.tensor(value)


class Function:
    """f on symbolic elements. Tensors of the graph around it become captures: they have one value for as
    long as an iterator lives."""

    def __init__(self, f, element, spread=True):
        self.outer, self.graph = _core.get_default_graph(), _core.make_graph()
        self._captured, self._outer_of = {}, []
        state = self.graph.state()
        state["capture"] = self._capture
        self.graph.set_capture(self._capture)
        if self.outer.seed_of() is not None:
            self.graph.set_seed(self.outer.seed_of())
        with self.graph.as_default():
            self.args = [_tf.placeholder(s.dtype.name, s.shape._dims, "arg%d" % i)
                         for i, s in enumerate(flatten(element))]
            given = pack(element, iter(self.args))
            spread = spread and isinstance(given, tuple) and not hasattr(given, "_fields")
            self.result = _result(f(*given) if spread else f(given))

    def _capture(self, tensor):
        found = self._captured.get(tensor)
        if found is None:
            outer = tensor
            if tensor.graph is not self.outer:
                around = self.outer.state().get("capture")
                if around is None:
                    raise ValueError("Tensor %s must be from the same graph as the function that uses it." % tensor.name)
                outer = around(tensor)
            with self.graph.as_default():
                found = _tf.placeholder(tensor._dtype, tensor._shape, "captured")
            self._captured[tensor] = found
            self._outer_of.append((outer, found))
        return found

    @property
    def captures(self):
        return [outer for outer, _ in self._outer_of]

    def spec(self):
        from trivium.tf.data.structure import map_leaves
        return map_leaves(lambda t: Spec(t.dtype, t.shape), self.result)

    def open(self, values, fetches=None):
        """A Python function from the arrays of one element to those of its results."""
        session = _tf.Session(self.graph)
        fixed = [(inner, as_array(values[outer], inner)) for outer, inner in self._outer_of]
        targets = flatten(self.result) if fetches is None else fetches

        def call(row):
            feeds = [(a, as_array(v, a)) for a, v in zip(self.args, row)]
            return session.run(targets, feeds + fixed)
        return call


def as_array(value, tensor):
    dtype = object if tensor._dtype == "string" else tensor.dtype.as_numpy_dtype
    array = np.asarray(value, dtype=dtype)
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)
