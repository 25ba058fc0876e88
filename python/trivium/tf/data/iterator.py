"""Iterators: operations that take the next element of a data set, once in each run."""
import numpy as np

from trivium import _tf
from trivium.tf import _core, errors, host
from trivium.tf.data.dataset import Dataset, Reading, _listless, _shapes_like
from trivium.tf.data.structure import Spec, flatten, map_leaves, pack, same_nesting

_HANDLES = {}  # number of an iterator: the iterator (string handles name it)


def _behind(tensor):
    """All operations a tensor depends on."""
    seen, stack = set(), [tensor.op]
    while stack:
        op = stack.pop()
        if op not in seen:
            seen.add(op)
            stack.extend(t.op for t in op.inputs)
    return seen


def _fixed(dataset):
    """ValueError unless the graph alone gives the tensors a data set holds."""
    for tensor in dataset._tensors():
        for op in _behind(tensor):
            if op.type in ("VariableV2", "VarHandleOp"):
                raise ValueError(
                    "Failed to create a one-shot iterator for a dataset. `Dataset.make_one_shot_iterator()` does not "
                    "support datasets that capture stateful objects, such as a `Variable` or `LookupTable` (%s). In "
                    "these cases, use `Dataset.make_initializable_iterator()`." % op.name)
            if op.type == "Placeholder":
                raise ValueError("Cannot capture a placeholder (name:%s, type:Placeholder) by value; use "
                                 "make_initializable_iterator() and feed it with the initializer" % op.name)


def make_one_shot_iterator(dataset):
    _fixed(dataset)
    return Iterator(dataset._element, dataset, one_shot=True)


def make_initializable_iterator(dataset, shared_name=None):
    iterator = Iterator(dataset._element, dataset)
    iterator._initializer = iterator.make_initializer(dataset)
    return iterator


class Iterator:
    """A position in a data set; each session has its own."""

    def __init__(self, element, dataset=None, one_shot=False, handle=None):
        self._element, self._dataset, self._one_shot, self._handle = element, dataset, one_shot, handle
        self._initializer = None
        self._graph = _core.get_default_graph()
        _HANDLES[id(self)] = self if handle is None else None

    output_types = property(lambda self: map_leaves(lambda s: s.dtype, self._element))
    output_shapes = property(lambda self: map_leaves(lambda s: s.shape, self._element))
    output_classes = property(lambda self: map_leaves(lambda s: _core.Tensor, self._element))

    @staticmethod
    def from_structure(output_types, output_shapes=None, shared_name=None, output_classes=None):
        """An iterator for any data set of these types; make_initializer() says which."""
        types = map_leaves(_core.as_dtype, _listless(output_types))
        shapes = [None] * len(flatten(types)) if output_shapes is None else _shapes_like(types, output_shapes)
        return Iterator(pack(types, iter([Spec(t, s) for t, s in zip(flatten(types), shapes)])))

    @staticmethod
    def from_string_handle(string_handle, output_types, output_shapes=None, output_classes=None):
        made = Iterator.from_structure(output_types, output_shapes)
        del _HANDLES[id(made)]
        made._handle = _core.tensor(string_handle)
        return made

    @property
    def initializer(self):
        if self._initializer is None:
            raise ValueError("Iterator does not have an initializer.")
        return self._initializer

    def make_initializer(self, dataset, name=None):
        """An operation that starts this iterator at the beginning of a data set."""
        if not isinstance(dataset, Dataset):
            raise TypeError("make_initializer: %r is no Dataset" % (dataset,))
        if not same_nesting(self._element, dataset._element) or any(
                a.dtype != b.dtype for a, b in zip(flatten(self._element), flatten(dataset._element))):
            raise TypeError("Expected output types %r but got dataset with output types %r."
                            % (self.output_types, dataset.output_types))
        for ours, theirs in zip(flatten(self._element), flatten(dataset._element)):
            if not ours.shape.is_compatible_with(theirs.shape):
                raise TypeError("Expected output shapes compatible with %s but got dataset with output shapes %s."
                                % (self.output_shapes, dataset.output_shapes))
        tensors = dataset._tensors()

        def start(key, values):
            host.session_of(key)._resources[id(self)] = dataset._open(Reading(dict(zip(tensors, values))))
            return []
        return _tf.host_operation("MakeIterator", tensors, [], start, name or "MakeIterator")

    def string_handle(self, name=None):
        text = np.array(str(id(self)).encode(), object)
        return _tf.host_operation("IteratorToStringHandle", [], [("string", ())], lambda key, values: [text],
                                  name or "IteratorToStringHandle").outputs[0]

    def _rows(self, session, node):
        rows = session._resources.get(id(self))
        if rows is None and self._one_shot:
            tensors = self._dataset._tensors()
            values = session._session.run(tensors, []) if tensors else []
            rows = session._resources[id(self)] = self._dataset._open(Reading(dict(zip(tensors, values))))
        if rows is None:
            raise errors.FailedPreconditionError(None, None, (
                "GetNext() failed because the iterator has not been initialized. Ensure that you have run the "
                "initializer operation for this iterator before getting the next element.%s" % host.node_mark(node)))
        return rows

    def get_next(self, name=None):
        """Tensors of the next element. Each call makes an operation that takes one element per run."""
        made = []

        def take(key, values):
            iterator = self
            if self._handle is not None:
                iterator = _HANDLES.get(int(values[0]))
                if iterator is None:
                    raise errors.InvalidArgumentError(None, None, "The handle %r is no iterator's" % (values[0],))
            node = made[0].name
            try:
                row = iterator._rows(host.session_of(key), node).next()
            except StopIteration:
                raise errors.OutOfRangeError(None, None, "End of sequence" + host.node_mark(node)) from None
            return [_array(v, s) for v, s in zip(row, specs)]
        specs = flatten(self._element)
        with _core.graph_of(self):
            made.append(_tf.host_operation(
                "IteratorGetNext", [] if self._handle is None else [self._handle],
                [(s.dtype.name, s.shape._dims) for s in specs], take, name or "IteratorGetNext"))
        return pack(self._element, iter(made[0].outputs))

    graph = property(lambda self: self._graph)


def _array(value, spec):
    if spec.dtype == _core.string:
        return np.asarray(value, object)
    array = np.asarray(value)
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)
