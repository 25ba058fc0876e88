"""Dtypes, shapes, values as tensors, graphs, operations: what every other file here stands on."""
import builtins
import contextlib
import logging
import os
import re
import sys

import numpy as np

from trivium import _tf
from trivium._tf import Graph, Operation, Tensor, Variable

_PACKAGE = os.path.dirname(os.path.abspath(__file__))


class Absent(NotImplementedError, AttributeError):
    """Something TensorFlow has and this package does not; hasattr() says so too."""


_WARNED = set()


def warn_once(text):
    """Says something through tf.logging the first time it comes up."""
    if text not in _WARNED:
        _WARNED.add(text)
        logging.getLogger("trivium.tf").warning("%s", text)


# ---- dtypes

class DType:
    """An element type; equal to its name and to NumPy's type of the same name."""

    def __init__(self, name, number, np_type):
        self.name, self.as_datatype_enum, self.as_numpy_dtype = name, number, np_type

    base_dtype = property(lambda self: self)
    real_dtype = property(lambda self: self)
    is_floating = property(lambda self: self.name in ("float16", "bfloat16", "float32", "float64"))
    is_integer = property(lambda self: self.name in ("int8", "int16", "int32", "int64", "uint8"))
    is_bool = property(lambda self: self.name == "bool")
    is_complex = property(lambda self: False)
    is_numpy_compatible = property(lambda self: True)

    @property
    def size(self):
        return np.dtype(self.as_numpy_dtype).itemsize if self.name != "bfloat16" else 2

    @property
    def max(self):
        return (np.finfo if self.is_floating else np.iinfo)(self.as_numpy_dtype).max

    @property
    def min(self):
        return (np.finfo if self.is_floating else np.iinfo)(self.as_numpy_dtype).min

    def is_compatible_with(self, other):
        return self == other

    def __eq__(self, other):
        if isinstance(other, DType):
            return self.name == other.name
        try:
            return other is not None and as_dtype(other).name == self.name
        except TypeError:
            return False

    def __hash__(self):
        return hash(self.name)

    def __repr__(self):
        return "tf." + self.name

    def __str__(self):
        return "<dtype: '%s'>" % self.name


float16 = half = DType("float16", 19, np.float16)
bfloat16 = DType("bfloat16", 14, np.float32)
float32 = DType("float32", 1, np.float32)
float64 = double = DType("float64", 2, np.float64)
int8 = DType("int8", 6, np.int8)
int16 = DType("int16", 5, np.int16)
int32 = DType("int32", 3, np.int32)
int64 = DType("int64", 9, np.int64)
uint8 = DType("uint8", 4, np.uint8)
bool_ = DType("bool", 10, np.bool_)
string = DType("string", 7, np.object_)
DTYPES = {d.name: d for d in (float16, bfloat16, float32, float64, int8, int16, int32, int64, uint8,
                              bool_, string)}
DTYPES_BY_NUMBER = {d.as_datatype_enum: d for d in DTYPES.values()}
_ALIASES = {"float": float32, "double": float64, "half": float16, "float32_ref": float32,
            builtins.float: float32, builtins.bool: bool_, builtins.int: int32, str: string,
            bytes: string, object: string}


def as_dtype(value):
    """The DType that a name, a NumPy type or a Python type means; TypeError for anything else."""
    if isinstance(value, DType):
        return value
    if isinstance(value, (str, type)) and value in _ALIASES:
        return _ALIASES[value]
    if isinstance(value, str) and value in DTYPES:
        return DTYPES[value]
    try:
        dtype = np.dtype(value)
    except TypeError:
        dtype = None
    if dtype is None or value is None or (dtype.name not in DTYPES and dtype.kind not in "SUO"):
        raise TypeError("Cannot convert value %r to a TensorFlow DType." % (value,))
    return DTYPES.get(dtype.name, string)


def dtype_name(value):
    return "" if value is None else as_dtype(value).name


# ---- shapes

class Dimension:
    """One size, or None when it is not known."""

    def __init__(self, value):
        self._value = None if value is None else int(dim_value(value))

    value = property(lambda self: self._value)

    def __int__(self):
        return self._value

    __index__ = __int__

    def __eq__(self, other):
        other = dim_value(other)
        return None if self._value is None or other is None else self._value == other

    def __ne__(self, other):
        equal = self == other
        return None if equal is None else not equal

    def __hash__(self):
        return hash(self._value)

    def __repr__(self):
        return "Dimension(%r)" % self._value

    def __str__(self):
        return "?" if self._value is None else str(self._value)


def dim_value(d):
    return d._value if isinstance(d, Dimension) else d


def _dimension_operator(name):
    def method(self, other):
        other = dim_value(other)
        if self._value is None or other is None:
            return Dimension(None)
        result = getattr(self._value, name)(other)
        return result if name in ("__lt__", "__le__", "__gt__", "__ge__", "__truediv__") else Dimension(result)
    return method


for _name in ("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__floordiv__",
              "__mod__", "__truediv__", "__lt__", "__le__", "__gt__", "__ge__"):
    setattr(Dimension, _name, _dimension_operator(_name))


class TensorShape:
    """A shape of which sizes, or the rank itself, may be unknown."""

    def __init__(self, dims):
        if isinstance(dims, TensorShape):
            self._dims = dims._dims
        elif dims is None:
            self._dims = None
        elif isinstance(dims, (int, Dimension, np.integer)):
            self._dims = (dim_value(dims),)
        else:
            self._dims = tuple(None if dim_value(d) is None else int(dim_value(d)) for d in dims)

    ndims = property(lambda self: None if self._dims is None else len(self._dims))
    rank = ndims

    @property
    def dims(self):
        return None if self._dims is None else [Dimension(d) for d in self._dims]

    def as_list(self):
        if self._dims is None:
            raise ValueError("as_list() is not defined on an unknown TensorShape.")
        return list(self._dims)

    def is_fully_defined(self):
        return self._dims is not None and None not in self._dims

    def num_elements(self):
        return int(np.prod(self._dims)) if self.is_fully_defined() else None

    def is_compatible_with(self, other):
        other = TensorShape(other)
        if self._dims is None or other._dims is None:
            return True
        return len(self._dims) == len(other._dims) and all(
            a is None or b is None or a == b for a, b in zip(self._dims, other._dims))

    def assert_is_compatible_with(self, other):
        if not self.is_compatible_with(other):
            raise ValueError("Shapes %s and %s are incompatible" % (self, TensorShape(other)))

    def merge_with(self, other):
        other = TensorShape(other)
        if not self.is_compatible_with(other):
            raise ValueError("Shapes %s and %s are not compatible" % (self, other))
        if self._dims is None or other._dims is None:
            return other if self._dims is None else self
        return TensorShape([b if a is None else a for a, b in zip(self._dims, other._dims)])

    def concatenate(self, other):
        other = TensorShape(other)
        return TensorShape(None if self._dims is None or other._dims is None else self._dims + other._dims)

    def with_rank(self, rank):
        if self._dims is not None and len(self._dims) != rank:
            raise ValueError("Shape %s must have rank %d" % (self, rank))
        return self if self._dims is not None else TensorShape([None] * rank)

    def __getitem__(self, key):
        if self._dims is None:
            return TensorShape(None) if isinstance(key, slice) else Dimension(None)
        return TensorShape(self._dims[key]) if isinstance(key, slice) else Dimension(self._dims[key])

    def __len__(self):
        if self._dims is None:
            raise ValueError("Cannot take the length of Shape with unknown rank.")
        return len(self._dims)

    def __iter__(self):
        return iter([Dimension(d) for d in self.as_list()])

    def __bool__(self):
        return self._dims is not None

    def __eq__(self, other):
        try:
            return self._dims == TensorShape(other)._dims
        except TypeError:
            return NotImplemented

    def __hash__(self):
        return hash(self._dims)

    def __str__(self):
        if self._dims is None:
            return "<unknown>"
        inner = ", ".join("?" if d is None else str(d) for d in self._dims)
        return "(%s,)" % inner if len(self._dims) == 1 else "(%s)" % inner

    def __repr__(self):
        return "TensorShape(%s)" % ("None" if self._dims is None else self.dims)


def shape_arg(shape):
    return TensorShape(shape)._dims


# ---- values

def _kind_error(dtype, value):
    return TypeError("Expected %s, but got %r of type '%s'." % (dtype.name, value, type(value).__name__))


def _check_kind(value, dtype):
    """Python values do not lose their kind: no float becomes an int, no int a bool."""
    if isinstance(value, (list, tuple)):
        for v in value:
            _check_kind(v, dtype)
    elif isinstance(value, (str, bytes)):
        if dtype != string:
            raise _kind_error(dtype, value)
    elif isinstance(value, builtins.bool):
        if dtype == string:
            raise _kind_error(dtype, value)
    elif isinstance(value, builtins.float) and not isinstance(value, np.generic):
        if not dtype.is_floating:
            raise _kind_error(dtype, value)
    elif isinstance(value, builtins.int):
        if dtype == bool_ or dtype == string:
            raise _kind_error(dtype, value)


def to_array(value, wanted=None):
    """A C-contiguous NumPy array of a Python value: arrays keep their dtype, Python numbers become float32
    and int32, and take `wanted` (a name) when their kind allows it."""
    if value is None:
        raise ValueError("None values not supported.")
    if isinstance(value, Operation):
        raise TypeError("Can't convert Operation '%s' to Tensor" % value.name)
    if isinstance(value, (TensorShape,)):
        value = np.array(value.as_list(), np.int32)
    elif isinstance(value, Dimension):
        value = int(value)
    dtype = None if wanted is None else DTYPES[wanted]
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.kind in "SU":
            array = array.astype(object)
        return np.ascontiguousarray(array if dtype is None else array.astype(dtype.as_numpy_dtype)).reshape(array.shape)
    if isinstance(value, (list, tuple)):
        value = [int(v) if isinstance(v, Dimension) else v for v in value]
    elif isinstance(value, range):
        value = list(value)
    if dtype is not None:
        _check_kind(value, dtype)
    array = np.array(value, dtype=object) if isinstance(value, (str, bytes)) else np.array(value)
    if array.dtype.kind in "SU":
        array = np.array(value, dtype=object)
    if dtype is not None and dtype != string:
        array = array.astype(dtype.as_numpy_dtype)
    elif array.dtype == np.float64:
        array = array.astype(np.float32)
    elif array.dtype == np.int64 and (array.size == 0 or np.abs(array).max() < 2 ** 31):
        array = array.astype(np.int32)
    if array.dtype == object and array.size and not isinstance(array.flat[0], (str, bytes)):
        raise ValueError("Can't convert %r to Tensor" % (value,))
    return np.ascontiguousarray(array).reshape(array.shape)


def _user_line():
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_PACKAGE) and "importlib" not in name:
            return "%s:%d" % (name, frame.f_lineno)
        frame = frame.f_back
    return ""


_tf.set_converter(to_array)
_tf.set_site_finder(_user_line)


def is_tensor(x):
    return isinstance(x, (Tensor, Variable)) or hasattr(x, "_as_tensor")


def _holds_tensor(value):
    return isinstance(value, (list, tuple)) and any(is_tensor(v) or _holds_tensor(v) for v in value)


def inp(value, dtype=None):
    """A value as functions take it: a list that holds tensors is packed."""
    if _holds_tensor(value):
        return pack(value, dtype, "packed")
    return value


def pack(values, dtype=None, name="packed"):
    if dtype is None:
        for v in _leaves(values):
            if is_tensor(v):
                dtype = tensor(v)._dtype
                break
    parts = [("values_%d" % i, inp(v, dtype), dtype or "") for i, v in enumerate(values)]
    return _tf.build("Pack", name, parts, {"axis": 0}).outputs[0]


def _leaves(values):
    for v in values:
        if isinstance(v, (list, tuple)):
            yield from _leaves(v)
        else:
            yield v


def tensor(value, dtype=None, name=None):
    """convert_to_tensor."""
    wanted = dtype_name(dtype)
    if isinstance(value, Tensor):
        t = value
    elif isinstance(value, Variable):
        t = value.value()
    elif hasattr(value, "_as_tensor"):
        t = value._as_tensor()
    elif _holds_tensor(value):
        t = pack(value, wanted or None, name or "packed")
    elif value is None:
        raise ValueError("None values not supported.")
    else:
        return _tf.constant(value, wanted, name or "Const")
    if wanted and t._dtype != wanted:
        if isinstance(value, Variable):
            raise ValueError("Incompatible type conversion requested to type '%s' for variable of type '%s_ref'"
                             % (wanted, t._dtype))
        raise ValueError("Tensor conversion requested dtype %s for Tensor with dtype %s: %r" % (wanted, t._dtype, t))
    return t


def convert_to_tensor(value, dtype=None, name=None, preferred_dtype=None):
    if dtype is None and preferred_dtype is not None and not is_tensor(value):
        try:
            return tensor(value, preferred_dtype, name)
        except (TypeError, ValueError):
            pass
    return tensor(value, dtype, name)


def op(type_, inputs, attrs=None, name=None, fallback=""):
    """One operation; inputs are (argument, value) or (argument, value, dtype)."""
    parts = []
    for item in inputs:
        wanted = item[2] if len(item) > 2 else ""
        parts.append((item[0], inp(item[1], wanted or None), wanted))
    return _tf.build(type_, name or "", parts, attrs or {}, fallback)


def out(type_, inputs, attrs=None, name=None, fallback=""):
    return op(type_, inputs, attrs, name, fallback).outputs[0]


# ---- graphs

def get_default_graph():
    return _tf.default_graph()


def reset_default_graph():
    if _STACK:
        raise AssertionError("Do not use tf.reset_default_graph() to clear nested graphs.")
    _tf.reset_default_graph()


_STACK = []


@contextlib.contextmanager
def _as_default(self):
    _tf.push_default_graph(self)
    _STACK.append(self)
    try:
        yield self
    finally:
        _STACK.pop()
        _tf.pop_default_graph()


@contextlib.contextmanager
def name_scope(name, default_name=None, values=None):
    """Opens a scope of the default graph and gives its name with "/"."""
    if name is None and default_name is None and values is not None:
        raise ValueError("At least one of name (None) and default_name (None) must be provided.")
    graph = get_default_graph()
    text = graph.push_scope((default_name if name is None else name) or "")
    try:
        yield text
    finally:
        graph.pop_scope()


@contextlib.contextmanager
def control_dependencies(inputs):
    graph = get_default_graph()
    ops = []
    for item in inputs or []:
        if isinstance(item, Operation):
            ops.append(item)
        elif isinstance(item, Tensor):
            ops.append(item.op)
        elif isinstance(item, Variable):
            ops.append(item.op)
        else:
            raise TypeError("Control input must be an Operation, a Tensor, or a Variable: %r" % (item,))
    graph.push_control(ops, inputs is None)
    try:
        yield
    finally:
        graph.pop_control()


_DEVICE = re.compile(r"/?/?(?:job:[^/]*/?)?(?:replica:\d+/?)?(?:task:\d+/?)?(?:device:)?(?P<kind>[a-zA-Z]+):(?P<number>\d+|\*)$")


def _device_text(given):
    """"/device:CPU:0" of the ways a device is written; "" of none."""
    text = given or ""
    if not isinstance(text, str):
        text = str(text)
    found = _DEVICE.search(text)
    if text and not found and "job" not in text:
        raise ValueError("Unknown attribute in '%s': a device is written like \"/cpu:0\"" % text)
    return "/device:%s:%s" % (found["kind"].upper(), found["number"]) if found else ""


def _device_of(frames):
    """The finder for new operations: the innermost device or function that says something."""
    def find(op, _):
        for given in reversed(frames):
            text = _device_text(given(op)) if callable(given) else given
            if text or given is None:
                return text or ""
        return ""
    return find


@contextlib.contextmanager
def device(device_name_or_function):
    """Operations of the block go to a device; a function is asked for each of them."""
    graph = get_default_graph()
    frames = graph.state().setdefault("devices", [])
    given = device_name_or_function
    frames.append(given if given is None or callable(given) else _device_text(given))
    graph.push_device(frames[-1] if isinstance(frames[-1], str) else "")
    graph.set_device_finder(_device_of(list(frames)) if any(f is None or callable(f) for f in frames) else None)
    try:
        yield
    finally:
        frames.pop()
        graph.pop_device()
        graph.set_device_finder(
            _device_of(list(frames)) if any(f is None or callable(f) for f in frames) else None)


def set_random_seed(seed):
    get_default_graph().set_seed(None if seed is None else int(seed))


class GraphKeys:
    GLOBAL_VARIABLES, VARIABLES, TRAINABLE_VARIABLES = "variables", "variables", "trainable_variables"
    LOCAL_VARIABLES, MODEL_VARIABLES = "local_variables", "model_variables"
    SUMMARIES, UPDATE_OPS, LOSSES = "summaries", "update_ops", "losses"
    REGULARIZATION_LOSSES, TRAIN_OP, INIT_OP = "regularization_losses", "train_op", "init_op"
    LOCAL_INIT_OP, GLOBAL_STEP, SAVERS = "local_init_op", "global_step", "savers"
    METRIC_VARIABLES, READY_OP, SUMMARY_OP = "metric_variables", "ready_op", "summary_op"
    WEIGHTS, BIASES, ACTIVATIONS = "weights", "biases", "activations"
    ASSET_FILEPATHS, COND_CONTEXT, WHILE_CONTEXT = "asset_filepaths", "cond_context", "while_context"
    QUEUE_RUNNERS, TABLE_INITIALIZERS = "queue_runners", "table_initializer"
    MOVING_AVERAGE_VARIABLES, SAVEABLE_OBJECTS = "moving_average_variables", "saveable_objects"


def _items(graph, key):
    return graph.collection(key) + graph.state().setdefault("collections", {}).get(key, [])


def _add_to_collection(self, name, value):
    if isinstance(value, Variable):
        self.add_variable(name, value)
    else:
        self.state().setdefault("collections", {}).setdefault(name, []).append(value)


def _all_collection_keys(self):
    own = self.state().setdefault("collections", {})
    return list(dict.fromkeys(_tf.collection_names(self) + [k for k, items in own.items() if items]))


def _clear_collection(self, name):
    self.state().setdefault("collections", {}).pop(name, None)
    _tf.clear_collection(self, name)


def _get_collection(self, name, scope=None):
    items = _items(self, name)
    if scope is None:
        return list(items)
    return [i for i in items if re.match(scope, getattr(i, "name", "") or "")]


def _as_graph_element(self, obj, allow_tensor=True, allow_operation=True):
    if hasattr(obj, "_as_tensor"):
        obj = obj._as_tensor()
    if isinstance(obj, str):
        if allow_tensor and (":" in obj or not allow_operation):
            return self.tensor_by_name(obj)
        return self.operation_by_name(obj)
    if isinstance(obj, Variable):
        obj = obj._ref
    if isinstance(obj, (Tensor, Operation)):
        if obj.graph is not self:
            raise ValueError("%r is not an element of this graph." % obj)
        return obj
    kinds = [k for k, ok in (("Tensor", allow_tensor), ("Operation", allow_operation)) if ok]
    raise TypeError("Can not convert a %s into a %s." % (type(obj).__name__, " or ".join(kinds)))


def _by_name(self, name, method):
    if not isinstance(name, str):
        raise TypeError("Tensor names are strings (or similar), not %s." % type(name).__name__)
    return getattr(self, method)(name)


def make_graph():
    return Graph.make()


Graph.as_default = _as_default
Graph.add_to_collection = _add_to_collection
Graph.get_collection = _get_collection
Graph.get_all_collection_keys = _all_collection_keys
Graph.clear_collection = _clear_collection
Graph.get_collection_ref = lambda self, name: self.state().setdefault("collections", {}).setdefault(name, [])
Graph.as_graph_element = _as_graph_element
Graph.get_tensor_by_name = lambda self, name: _by_name(self, name, "tensor_by_name")
Graph.get_operation_by_name = lambda self, name: _by_name(self, name, "operation_by_name")
Graph.get_operations = lambda self: [self.op(i) for i in range(self.size())]
Graph.version = property(lambda self: self.size())
Graph.seed = property(lambda self: self.state().get("seed"))
Graph.name_scope = lambda self, name: name_scope(name)
Graph.device = lambda self, d: device(d)
Graph.control_dependencies = lambda self, inputs: control_dependencies(inputs)


def add_to_collection(name, value):
    get_default_graph().add_to_collection(name, value)


def get_collection(key, scope=None):
    return get_default_graph().get_collection(key, scope)


# ---- tensors and operations

Operation.values = lambda self: tuple(self.outputs)
Operation.__repr__ = lambda self: "<tf.Operation '%s' type=%s>" % (self.name, self.type)
Operation.__str__ = Operation.__repr__
Tensor.dtype = property(lambda self: DTYPES[self._dtype])
Tensor.shape = property(lambda self: TensorShape(self._shape))
Tensor.get_shape = lambda self: TensorShape(self._shape)
Tensor.set_shape = lambda self, shape: self._set_shape(shape_arg(shape))
Tensor.device = property(lambda self: self.op.device)
Tensor.__array_priority__ = 100
Tensor.__repr__ = lambda self: "<tf.Tensor '%s' shape=%s dtype=%s>" % (self.name, self.shape, self._dtype)
Tensor.__str__ = lambda self: 'Tensor("%s"%s, dtype=%s)' % (
    self.name, "" if self._shape is None else ", shape=%s" % self.shape, self._dtype)
Variable.dtype = property(lambda self: self._ref.dtype)
Variable.shape = property(lambda self: self._ref.shape)
Variable.get_shape = lambda self: self._ref.shape
Variable.device = property(lambda self: self.op.device)
Variable.__array_priority__ = 100
Variable.__repr__ = lambda self: "<tf.Variable '%s' shape=%s dtype=%s_ref>" % (self.name, self.shape, self.dtype.name)
Variable._as_graph_element = lambda self: self._ref
Variable.initialized_value = lambda self: self.value()
Variable.constraint = None


def _no_bool(self):
    raise TypeError("Using a `tf.Tensor` as a Python `bool` is not allowed. Use `if t is not None:` instead of "
                    "`if t:` to test if a tensor is defined, and use TensorFlow ops such as tf.cond to execute "
                    "subgraphs conditioned on the value of a tensor.")


def _no_iteration(self):
    raise TypeError("Tensor objects are only iterable when eager execution is enabled. To iterate over this "
                    "tensor use tf.map_fn.")


def _no_len(self):
    raise TypeError("object of type '%s' has no len()" % type(self).__name__)


Tensor.__bool__ = _no_bool
for _class in (Tensor, Variable):
    _class.__iter__ = _no_iteration
    _class.__len__ = _no_len


@contextlib.contextmanager
def graph_of(value):
    """Operations in the block join the graph of `value`."""
    graph = value.graph
    if graph is get_default_graph() or "capture" in get_default_graph().state():
        yield
    else:
        with graph.as_default():
            yield
