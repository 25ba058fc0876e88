"""Functions on single elements, reductions and products."""
import numpy as np

from trivium import _tf
from trivium.tf import _core
from trivium.tf._core import Operation, Tensor, Variable, inp, out, tensor

# ---- one argument

_UNARY = {
    "negative": "Neg", "abs": "Abs", "sign": "Sign", "square": "Square", "sqrt": "Sqrt", "rsqrt": "Rsqrt",
    "exp": "Exp", "expm1": "Expm1", "log": "Log", "log1p": "Log1p", "reciprocal": "Reciprocal",
    "sigmoid": "Sigmoid", "tanh": "Tanh", "sin": "Sin", "cos": "Cos", "tan": "Tan", "asin": "Asin",
    "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "asinh": "Asinh", "acosh": "Acosh",
    "atanh": "Atanh", "erf": "Erf", "erfc": "Erfc", "lgamma": "Lgamma", "digamma": "Digamma",
    "floor": "Floor", "ceil": "Ceil", "rint": "Rint", "round": "Round", "is_nan": "IsNan", "is_inf": "IsInf",
    "is_finite": "IsFinite", "logical_not": "LogicalNot"}


def _unary(name, type_):
    def function(x, name=None):
        return out(type_, [("x", x)], None, name)
    function.__name__ = name
    function.__doc__ = "Element by element; the result has the shape of x (operation %s)." % type_
    return function


for _name, _type in _UNARY.items():
    globals()[_name] = _unary(_name, _type)

# ---- two arguments

_BINARY = {
    "add": ("Add", ""), "subtract": ("Sub", ""), "multiply": ("Mul", ""), "maximum": ("Maximum", ""),
    "minimum": ("Minimum", ""), "pow": ("Pow", ""), "floormod": ("FloorMod", ""), "mod": ("FloorMod", ""),
    "floordiv": ("FloorDiv", "floordiv"), "squared_difference": ("SquaredDifference", ""),
    "div_no_nan": ("DivNoNan", "div_no_nan"), "atan2": ("Atan2", ""), "truncatediv": ("TruncateDiv", ""),
    "truncatemod": ("TruncateMod", ""), "realdiv": ("RealDiv", ""), "equal": ("Equal", ""),
    "not_equal": ("NotEqual", ""), "less": ("Less", ""), "less_equal": ("LessEqual", ""),
    "greater": ("Greater", ""), "greater_equal": ("GreaterEqual", ""), "logical_and": ("LogicalAnd", ""),
    "logical_or": ("LogicalOr", "")}


def _binary(name, type_, fallback):
    def function(x, y, name=None):
        return _tf.binary(type_, inp(x), inp(y), name or "", fallback)
    function.__name__ = name
    function.__doc__ = "Element by element, with broadcasting (operation %s)." % type_
    return function


for _name, (_type, _fallback) in _BINARY.items():
    globals()[_name] = _binary(_name, _type, _fallback)


def logical_xor(x, y, name="LogicalXor"):
    return logical_and(logical_or(x, y), logical_not(logical_and(x, y)), name=name)  # noqa: F821


_TRUE_DIVISION = {"int8": "float32", "int16": "float32", "uint8": "float32", "int32": "float64",
                  "int64": "float64"}


def truediv(x, y, name=None):
    """x / y; integers are divided as floats."""
    graph = _core.get_default_graph()
    scope = graph.push_scope(name or "truediv")
    try:
        if not _core.is_tensor(x) and _core.is_tensor(y):
            y = tensor(y)
            x = tensor(x, y.dtype, "x")
        else:
            x = tensor(x, None, "x")
            y = tensor(y, x.dtype if not _core.is_tensor(y) else None, "y")
        if x._dtype != y._dtype:
            raise TypeError("x and y must have the same dtype, got %r != %r" % (x.dtype, y.dtype))
        wide = _TRUE_DIVISION.get(x._dtype)
        if wide:
            x, y = cast(x, wide), cast(y, wide)
        return _tf.create("RealDiv", [x, y], {}, scope).outputs[0]
    finally:
        graph.pop_scope()




def divide(x, y, name=None):
    return truediv(x, y, name)


def div(x, y, name=None):
    """Floors integers, divides floats."""
    x = tensor(x, None, "x")
    return _tf.binary("FloorDiv" if x.dtype.is_integer else "RealDiv", x, inp(y), name or "", "div")


def cast(x, dtype, name=None):
    """x with another dtype; floats to integers are cut towards zero."""
    dtype = _core.as_dtype(dtype)
    x = tensor(x, None, "x")
    if x._dtype == dtype.name:
        return x
    return out("Cast", [("x", x)], {"DstT": dtype}, name)


def saturate_cast(value, dtype, name=None):
    dtype, value = _core.as_dtype(dtype), tensor(value)
    if dtype.is_integer:
        value = clip_by_value(value, value.dtype.as_numpy_dtype(max(dtype.min, -2 ** 24)),
                              value.dtype.as_numpy_dtype(min(dtype.max, 2 ** 24)))
    return cast(value, dtype, name)


def to_float(x, name="ToFloat"):
    return cast(x, "float32", name)


def to_double(x, name="ToDouble"):
    return cast(x, "float64", name)


def to_int32(x, name="ToInt32"):
    return cast(x, "int32", name)


def to_int64(x, name="ToInt64"):
    return cast(x, "int64", name)


def add_n(inputs, name=None):
    """The sum of tensors of one shape and dtype."""
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError("inputs must be a list of at least one Tensor/IndexedSlices with the same dtype and shape")
    if len(inputs) == 1 and name is None:
        return tensor(inputs[0])
    return out("AddN", [("inputs_%d" % i, x) for i, x in enumerate(inputs)], None, name)


def accumulate_n(inputs, shape=None, tensor_dtype=None, name=None):
    return add_n(inputs, name)


# ---- reductions

def _axes(axis, indices):
    if axis is not None and indices is not None:
        raise ValueError("Can't specify both axis and reduction_indices")
    axis = indices if axis is None else axis
    if _core.is_tensor(axis):
        return tensor(axis)
    if axis is None:
        return None
    return [int(a) for a in np.atleast_1d(np.asarray(axis)).tolist()], isinstance(axis, (int, np.integer))


def _reduction(name, type_):
    def function(input_tensor, axis=None, keepdims=None, name=None, reduction_indices=None, keep_dims=None):
        axes = _axes(axis, reduction_indices)
        keep = bool(keepdims if keepdims is not None else keep_dims)
        x = tensor(input_tensor, None, "input_tensor")
        if axes is None:
            return _tf.reduce(type_, x, None, keep, name or "")
        given = axes if isinstance(axes, Tensor) else np.array(axes[0][0] if axes[1] else axes[0], np.int32)
        return out(type_, [("input", x), ("reduction_indices", given)], {"keep_dims": keep}, name)
    function.__name__ = name
    function.__doc__ = "Reduces over `axis` (all axes by default); keepdims leaves axes of size 1 (%s)." % type_
    return function


for _name, _type in {"reduce_sum": "Sum", "reduce_mean": "Mean", "reduce_prod": "Prod", "reduce_max": "Max",
                     "reduce_min": "Min", "reduce_all": "All", "reduce_any": "Any"}.items():
    globals()[_name] = _reduction(_name, _type)


def reduce_logsumexp(input_tensor, axis=None, keepdims=None, name=None, reduction_indices=None, keep_dims=None):
    """log(sum(exp(x))) without overflow."""
    axis = reduction_indices if axis is None else axis
    keep = bool(keepdims or keep_dims)
    with _core.name_scope(name, "ReduceLogSumExp"):
        x = tensor(input_tensor)
        top = reduce_max(x, axis, keepdims=True)  # noqa: F821
        top = out("StopGradient", [("input", where(is_finite(top), top, zeros_like(top)))])  # noqa: F821
        result = log(reduce_sum(exp(x - top), axis, keepdims=True)) + top  # noqa: F821
        return result if keep else squeeze_axes(result, axis)


def squeeze_axes(x, axis):
    from trivium.tf import array_ops
    if axis is None:
        return array_ops.reshape(x, np.zeros(0, np.int32))
    return array_ops.squeeze(x, axis)


def where(*args, **kwargs):
    from trivium.tf import array_ops
    return array_ops.where(*args, **kwargs)


def zeros_like(*args, **kwargs):
    from trivium.tf import array_ops
    return array_ops.zeros_like(*args, **kwargs)


def _extreme(type_):
    def function(input, axis=None, name=None, dimension=None, output_type=_core.int64):
        axis = dimension if axis is None else axis
        return out(type_, [("input", input), ("dimension", 0 if axis is None else axis, "int32")],
                   {"output_type": _core.as_dtype(output_type)}, name)
    return function


argmax = _extreme("ArgMax")
argmin = _extreme("ArgMin")
arg_max, arg_min = argmax, argmin


def cumsum(x, axis=0, exclusive=False, reverse=False, name=None):
    return out("Cumsum", [("x", x), ("axis", axis)], {"exclusive": exclusive, "reverse": reverse}, name)


def cumprod(x, axis=0, exclusive=False, reverse=False, name=None):
    return out("Cumprod", [("x", x), ("axis", axis)], {"exclusive": exclusive, "reverse": reverse}, name)


# ---- products

def matmul(a, b, transpose_a=False, transpose_b=False, adjoint_a=False, adjoint_b=False, a_is_sparse=False,
           b_is_sparse=False, name=None):
    """a [.., m, k] times b [.., k, n]; ranks above 2 are batches."""
    ta, tb = transpose_a or adjoint_a, transpose_b or adjoint_b
    if not _core.is_tensor(a) and _core.is_tensor(b):
        a = tensor(a, tensor(b).dtype, "a")
    graph = _core.get_default_graph()
    scope = graph.push_scope(name or "MatMul")
    try:
        a = tensor(a, None, "a")
        b = tensor(b, None if _core.is_tensor(b) else a.dtype, "b")
        batched = (a.shape.ndims or 0) > 2 or (b.shape.ndims or 0) > 2
        if batched:
            return _tf.create("BatchMatMulV2", [a, b], {"adj_x": ta, "adj_y": tb}, scope).outputs[0]
        return _tf.create("MatMul", [a, b], {"transpose_a": ta, "transpose_b": tb}, scope).outputs[0]
    finally:
        graph.pop_scope()


def tensordot(a, b, axes, name=None):
    """Sums products over the given axes of a and b."""
    from trivium.tf import array_ops
    with _core.name_scope(name, "Tensordot") as scope:
        a, b = tensor(a), tensor(b)
        ra, rb = len(a.shape), len(b.shape)
        if isinstance(axes, int):
            left, right = list(range(ra - axes, ra)), list(range(axes))
        else:
            left, right = ([x] if isinstance(x, int) else list(x) for x in axes)
        left, right = [x % ra for x in left], [x % rb for x in right]
        free_a, free_b = [i for i in range(ra) if i not in left], [i for i in range(rb) if i not in right]
        sa, sb = array_ops.shape(a), array_ops.shape(b)
        inner = reduce_prod(array_ops.gather(sa, left)) if left else 1  # noqa: F821
        x = array_ops.reshape(array_ops.transpose(a, free_a + left), array_ops.stack([-1, inner]))
        y = array_ops.reshape(array_ops.transpose(b, right + free_b), array_ops.stack([inner, -1]))
        sizes = [sa[i] for i in free_a] + [sb[i] for i in free_b]
        result = matmul(x, y)
        if len(free_a) == 1 and len(free_b) == 1:
            return result
        return array_ops.reshape(result, array_ops.stack(sizes) if sizes else np.zeros(0, np.int32), name=scope)


# ---- clipping

def clip_by_value(t, clip_value_min, clip_value_max, name=None):
    with _core.name_scope(name, "clip_by_value") as scope:
        t = tensor(t, None, "t")
        low = minimum(t, clip_value_max)  # noqa: F821
        return maximum(low, clip_value_min, name=scope)  # noqa: F821


def norm(tensor, ord="euclidean", axis=None, keepdims=None, name=None, keep_dims=None):
    with _core.name_scope(name, "norm"):
        keep = bool(keepdims or keep_dims)
        if ord in ("euclidean", 2):
            return sqrt(reduce_sum(square(tensor), axis, keepdims=keep))  # noqa: F821
        if ord == 1:
            return reduce_sum(abs(tensor), axis, keepdims=keep)  # noqa: F821
        if ord == np.inf:
            return reduce_max(abs(tensor), axis, keepdims=keep)  # noqa: F821
        raise NotImplementedError("tf.norm: ord=%r; 1, 2, 'euclidean' and inf are there" % (ord,))


def clip_by_norm(t, clip_norm, axes=None, name=None):
    with _core.name_scope(name, "clip_by_norm"):
        t = tensor(t)
        total = reduce_sum(t * t, axes, keepdims=True)  # noqa: F821
        positive = total > 0
        safe = where(positive, total, _ones_like(total))
        length = where(positive, sqrt(safe), total)  # noqa: F821
        return (t * clip_norm) / maximum(length, clip_norm)  # noqa: F821


def _ones_like(x):
    return out("OnesLike", [("x", x)], None, None, "ones_like")


def _rows(t):
    """The values of IndexedSlices; another tensor itself."""
    return t.values if _sliced(t) else t


def _sliced(t):
    return hasattr(t, "_as_tensor") and hasattr(t, "indices") and hasattr(t, "values")


def global_norm(t_list, name=None):
    """Square root of the sum of all squares."""
    if not isinstance(t_list, (list, tuple)):
        raise TypeError("t_list should be a sequence")
    with _core.name_scope(name, "global_norm"):
        halves = [out("L2Loss", [("t", _rows(t))]) for t in t_list if t is not None]
        total = reduce_sum(_core.pack(halves, None, "stack"))  # noqa: F821
        return sqrt(total * _core.tensor(2.0, total.dtype), name="global_norm")  # noqa: F821


def clip_by_global_norm(t_list, clip_norm, use_norm=None, name=None):
    if not isinstance(t_list, (list, tuple)):
        raise TypeError("t_list should be a sequence")
    use_norm = global_norm(t_list) if use_norm is None else tensor(use_norm)
    with _core.name_scope(name, "clip_by_global_norm"):
        clip = tensor(clip_norm, use_norm.dtype)
        scale = clip * minimum(1.0 / use_norm, 1.0 / clip)  # noqa: F821
        scale = scale + (use_norm - use_norm)  # a norm that is not finite spoils everything, as it should
        return [None if t is None else type(t)(t.values * scale, t.indices, t.dense_shape) if _sliced(t)
                else tensor(t) * scale for t in t_list], use_norm


def clip_by_average_norm(t, clip_norm, name=None):
    """t times clip_norm over the larger of clip_norm and the norm divided by the number of elements."""
    from trivium.tf import array_ops
    with _core.name_scope(name, "clip_by_average_norm"):
        t = tensor(t, name="t")
        count = cast(array_ops.size(t), t.dtype)
        length = sqrt(reduce_sum(t * t))  # noqa: F821
        return (t * clip_norm) * minimum(count / length, 1.0 / clip_norm)  # noqa: F821


# ---- operators

def _operator(type_, fallback):
    def left(x, y):
        if isinstance(y, Operation):
            return NotImplemented
        with _core.graph_of(x):
            return _tf.binary(type_, x, inp(y, tensor(x)._dtype), "", fallback)

    def right(y, x):
        with _core.graph_of(y):
            return _tf.binary(type_, inp(x, tensor(y)._dtype), y, "", fallback)
    return left, right


def _same_graph(fn):
    def method(x, y):
        with _core.graph_of(x):
            return fn(x, y)

    def reverse(y, x):
        with _core.graph_of(y):
            return fn(x, y)
    return method, reverse


_OPERATORS = {"add": ("Add", "add"), "sub": ("Sub", "sub"), "mul": ("Mul", "mul"),
              "floordiv": ("FloorDiv", "floordiv"), "mod": ("FloorMod", "mod"), "pow": ("Pow", "pow"),
              "and": ("LogicalAnd", "and"), "or": ("LogicalOr", "or")}


def _install(cls):
    for name, (type_, fallback) in _OPERATORS.items():
        left, right = _operator(type_, fallback)
        setattr(cls, "__%s__" % name, left)
        setattr(cls, "__r%s__" % name, right)
    left, right = _same_graph(truediv)
    cls.__truediv__, cls.__rtruediv__ = left, right
    left, right = _same_graph(lambda x, y: matmul(x, y, name="matmul"))
    cls.__matmul__, cls.__rmatmul__ = left, right
    for name, type_ in (("lt", "Less"), ("le", "LessEqual"), ("gt", "Greater"), ("ge", "GreaterEqual")):
        setattr(cls, "__%s__" % name, _operator(type_, type_)[0])
    cls.__neg__ = lambda x: out("Neg", [("x", x)])
    cls.__abs__ = lambda x: out("Abs", [("x", x)])
    cls.__invert__ = lambda x: out("LogicalNot", [("x", x)])
    cls.__xor__ = lambda x, y: logical_xor(x, y)


_install(Tensor)
_install(Variable)
