"""Shapes and the rearrangement of elements."""
import builtins

import numpy as np

from trivium import _tf
from trivium.tf import _core
from trivium.tf._core import Tensor, Variable, inp, op, out, tensor


def constant(value, dtype=None, shape=None, name="Const", verify_shape=False):
    """A tensor of a Python value; with `shape`, a short list repeats its last value."""
    if _core.is_tensor(value):
        raise TypeError("List of Tensors when single Tensor expected")
    array = _core.to_array(value, _core.dtype_name(dtype) or None)
    if shape is not None:
        dims = [int(d) for d in _core.TensorShape(shape).as_list()]
        if verify_shape and tuple(dims) != array.shape:
            raise TypeError("Expected Tensor's shape: %s, got %s." % (tuple(dims), array.shape))
        count = int(np.prod(dims))
        if array.size > count:
            raise ValueError("Too many elements provided. Needed at most %d, but received %d" % (count, array.size))
        flat = np.ravel(array)
        if flat.size < count:
            flat = np.concatenate([flat, np.repeat(flat[-1:], count - flat.size)])
        array = np.ascontiguousarray(flat.reshape(dims))
    return _tf.constant(array, "", name or "Const")


def placeholder(dtype, shape=None, name=None):
    """A tensor whose value each run is given; None sizes may differ from run to run."""
    return _tf.placeholder(_core.as_dtype(dtype).name, _core.shape_arg(shape), name or "")


def placeholder_with_default(input, shape, name=None):
    return _tf.placeholder_with_default(inp(input), _core.shape_arg(shape), name or "")


def identity(input, name=None):
    with_ref = input._ref if isinstance(input, Variable) else input
    return out("Identity", [("input", with_ref)], None, name)


def stop_gradient(input, name=None):
    return out("StopGradient", [("input", input)], None, name)


def _shape_constant(value, name, out_type):
    return _tf.constant(np.array(value, _core.as_dtype(out_type).as_numpy_dtype), "", name)


def shape(input, name=None, out_type=_core.int32):
    """The shape as a vector; a constant when it is known."""
    x = tensor(input)
    if x.shape.is_fully_defined():
        return _shape_constant(x.shape.as_list(), name or "Shape", out_type)
    return out("Shape", [("input", x)], {"out_type": _core.as_dtype(out_type)}, name)


def size(input, name=None, out_type=_core.int32):
    x = tensor(input)
    if x.shape.is_fully_defined():
        return _shape_constant(x.shape.num_elements(), name or "Size", out_type)
    return out("Size", [("input", x)], {"out_type": _core.as_dtype(out_type)}, name)


def rank(input, name=None):
    x = tensor(input)
    if x.shape.ndims is not None:
        return _shape_constant(x.shape.ndims, name or "Rank", "int32")
    return out("Rank", [("input", x)], None, name)


def _sizes(value):
    """A shape as functions take it: a tensor, or a list that may hold tensors and Dimensions."""
    if _core.is_tensor(value) or _core._holds_tensor(value):
        return inp(value, "int32") if not _core.is_tensor(value) else value
    if isinstance(value, _core.TensorShape):
        value = value.as_list()
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind == "i" else value.astype(np.int32)
    return np.array([_core.dim_value(v) for v in value] if isinstance(value, (list, tuple)) else
                    _core.dim_value(value), np.int32)


def reshape(tensor, shape, name=None):
    """The same elements in another shape; one size may be -1."""
    return out("Reshape", [("tensor", tensor), ("shape", _sizes(shape))], None, name)


def expand_dims(input, axis=None, name=None, dim=None):
    return out("ExpandDims", [("input", input), ("dim", dim if axis is None else axis, "int32")], None, name)


def squeeze(input, axis=None, name=None, squeeze_dims=None):
    axis = squeeze_dims if axis is None else axis
    axes = [] if axis is None else [int(a) for a in np.atleast_1d(axis)]
    return out("Squeeze", [("input", input)], {"squeeze_dims": axes} if axes else None, name)


def transpose(a, perm=None, name="transpose", conjugate=False):
    a = tensor(a)
    if perm is None:
        if a.shape.ndims is None:
            raise NotImplementedError("tf.transpose of a tensor of unknown rank needs perm")
        perm = list(builtins.range(a.shape.ndims))[::-1]
    return out("Transpose", [("x", a), ("perm", perm, "int32")], None, name or "transpose")


def matrix_transpose(a, name="matrix_transpose"):
    n = len(tensor(a).shape)
    return transpose(a, list(builtins.range(n - 2)) + [n - 1, n - 2], name)


def concat(values, axis, name="concat"):
    """Tensors joined along an axis that they have."""
    if not isinstance(values, (list, tuple)):
        values = [values]
    if len(values) == 1:
        return identity(values[0], name)
    dtype = next((tensor(v)._dtype for v in values if _core.is_tensor(v)), "")
    parts = [("values_%d" % i, v, dtype) for i, v in enumerate(values)]
    return out("ConcatV2", parts + [("axis", axis, "int32")], None, name or "concat")


def stack(values, axis=0, name="stack"):
    """Tensors of one shape joined along a new axis."""
    if not any(_core.is_tensor(v) or _core._holds_tensor(v) for v in values) and axis == 0:
        return _tf.constant(values, "", name or "stack")
    dtype = next((tensor(v)._dtype for v in _core._leaves(values) if _core.is_tensor(v)), "")
    return out("Pack", [("values_%d" % i, v, dtype) for i, v in enumerate(values)], {"axis": axis}, name or "stack")


def unstack(value, num=None, axis=0, name="unstack"):
    value = tensor(value)
    if num is None:
        num = value.shape[axis].value
        if num is None:
            raise ValueError("Cannot infer argument `num` from shape %s" % value.shape)
    return list(op("Unpack", [("value", value)], {"num": int(num), "axis": axis}, name or "unstack").outputs)


def split(value, num_or_size_splits, axis=0, num=None, name="split"):
    """Pieces along an axis: so many equal ones, or of the sizes in a list."""
    if isinstance(num_or_size_splits, (int, np.integer)):
        return list(op("Split", [("split_dim", axis, "int32"), ("value", value)],
                       {"num_split": int(num_or_size_splits)}, name or "split").outputs)
    sizes = list(num_or_size_splits)
    return list(op("SplitV", [("value", value), ("size_splits", sizes, "int32"), ("split_dim", axis, "int32")],
                   {"num_split": len(sizes)}, name or "split").outputs)


def slice(input_, begin, size, name=None):
    return out("Slice", [("input", input_), ("begin", _sizes(begin)), ("size", _sizes(size))], None, name)


def strided_slice(input_, begin, end, strides=None, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0,
                  shrink_axis_mask=0, var=None, name=None):
    strides = [1] * len(begin) if strides is None else strides
    return out("StridedSlice", [("input", input_), ("begin", _sizes(begin)), ("end", _sizes(end)),
                                ("strides", _sizes(strides))],
               {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
                "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}, name)


newaxis = None
_slice_type = type(np.s_[:])


def _getitem(self, key):
    keys = key if isinstance(key, tuple) else (key,)
    begin, end, strides, masks = [], [], [], {"begin": 0, "end": 0, "ellipsis": 0, "new_axis": 0, "shrink_axis": 0}
    for i, k in enumerate(keys):
        if isinstance(k, _slice_type):
            begin.append(0 if k.start is None else k.start)
            end.append(0 if k.stop is None else k.stop)
            strides.append(1 if k.step is None else k.step)
            masks["begin"] |= (k.start is None) << i
            masks["end"] |= (k.stop is None) << i
            continue
        strides.append(1)
        if k is Ellipsis or k is None:
            masks["ellipsis" if k is Ellipsis else "new_axis"] |= 1 << i
            begin.append(0), end.append(0)
        elif isinstance(k, bool):
            raise ValueError("mask cannot be scalar.")
        elif isinstance(k, float):
            raise TypeError("Only integers, slices (`:`), ellipsis (`...`), tf.newaxis (`None`) and scalar "
                            "tf.int32/tf.int64 tensors are valid indices, got %r" % (k,))
        else:
            if isinstance(k, Tensor) and k._dtype == "bool":
                return boolean_mask(self, k)
            k = _core.dim_value(k)
            begin.append(k)
            end.append(k + 1 if _core.is_tensor(k) or k != -1 else 0)
            masks["end"] |= (not _core.is_tensor(k) and k == -1) << i
            masks["shrink_axis"] |= 1 << i
    with _core.graph_of(self):
        return strided_slice(self, begin, end, strides, name="strided_slice",
                             **{n + "_mask": m for n, m in masks.items()})


Tensor.__getitem__ = _getitem
Variable.__getitem__ = lambda self, key: _getitem(self.value(), key)


def gather(params, indices, validate_indices=None, name=None, axis=None, batch_dims=0):
    """params[.., indices, ..] along axis; the first batch_dims axes of both go together."""
    axis = batch_dims if axis is None else axis
    return out("GatherV2", [("params", params), ("indices", indices), ("axis", axis, "int32")],
               {"batch_dims": int(batch_dims)} if batch_dims else None, name)


def boolean_mask(tensor, mask, name="boolean_mask", axis=None):
    """The elements (or rows) of a tensor where mask holds."""
    from trivium.tf import math_ops
    with _core.name_scope(name, "boolean_mask"):
        x, mask = _core.tensor(tensor, None, "tensor"), _core.tensor(mask, None, "mask")
        if mask.shape.ndims is None:
            raise ValueError("Number of mask dimensions must be specified, even if some dimensions are None.  E.g. "
                             "shape=[None] is ok, but shape=None is not.")
        if mask.shape.ndims == 0:
            raise ValueError("mask cannot be scalar.")
        first = 0 if axis is None else int(axis) % len(x.shape)
        last = first + mask.shape.ndims
        x.shape[first:last].assert_is_compatible_with(mask.shape)
        sizes = shape(x)
        leading = math_ops.reduce_prod(sizes[first:last], [0])
        flat = reshape(x, concat([sizes[:first], [leading], sizes[last:]], 0))
        flat.set_shape(x.shape[:first].concatenate([None]).concatenate(x.shape[last:]))
        places = squeeze(where(reshape(mask, [-1])), axis=[1])
        return gather(flat, places, axis=first)


def where(condition, x=None, y=None, name=None):
    """x where condition holds, else y (equal shapes); without them the places [n, rank] where it holds."""
    if x is None and y is None:
        return out("Where", [("input", condition)], None, name)
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    x = tensor(x, tensor(y).dtype if _core.is_tensor(y) and not _core.is_tensor(x) else None)
    y = tensor(y, x.dtype if not _core.is_tensor(y) else None)
    condition = tensor(condition, None, "condition")
    if condition.shape.ndims and x.shape.ndims == 0:
        raise ValueError("tf.where: condition of shape %s chooses between scalars; x and y must have its shape"
                         % condition.shape)
    return out("Select", [("condition", condition), ("t", x), ("e", y)], None, name)


def _filled(one, default_name):
    def function(shape, dtype=_core.float32, name=None):
        dtype = _core.as_dtype(dtype)
        return _tf.filled(_sizes(shape), dtype.name, name or default_name, one)
    return function


zeros = _filled(False, "zeros")
ones = _filled(True, "ones")


def _like(type_, fallback, value):
    def function(tensor, dtype=None, name=None, optimize=True):
        x = _core.tensor(tensor, None, "tensor")
        if dtype is not None and _core.as_dtype(dtype) != x.dtype:
            return fill(shape(x), np.array(value, _core.as_dtype(dtype).as_numpy_dtype), name or fallback)
        return out(type_, [("x", x)], None, name, fallback)
    return function


zeros_like = _like("ZerosLike", "zeros_like", 0)
ones_like = _like("OnesLike", "ones_like", 1)


def fill(dims, value, name=None):
    return out("Fill", [("dims", _sizes(dims)), ("value", value)], None, name)


def range(start, limit=None, delta=1, dtype=None, name="range"):
    """start, start + delta, … below limit."""
    if limit is None:
        start, limit = 0, start
    kinds = [tensor(v)._dtype if _core.is_tensor(v) else _core.to_array(v).dtype.name for v in (start, limit, delta)]
    order = ["int32", "int64", "float32", "float64"]
    wanted = _core.dtype_name(dtype) or max(kinds, key=order.index)

    def of(v):
        from trivium.tf import math_ops
        return math_ops.cast(v, wanted) if _core.is_tensor(v) else v
    return out("Range", [("start", of(start), wanted), ("limit", of(limit), wanted), ("delta", of(delta), wanted)],
               None, name or "range")


def linspace(start, stop, num, name=None):
    return out("LinSpace", [("start", start), ("stop", stop), ("num", num, "int32")], None, name)


lin_space = linspace


def one_hot(indices, depth, on_value=None, off_value=None, axis=None, dtype=None, name=None):
    """A vector of `depth` for each index: on_value at its place, off_value elsewhere."""
    dtype = _core.as_dtype(dtype if dtype is not None else tensor(on_value).dtype if on_value is not None else "float32")
    to = dtype.as_numpy_dtype
    return out("OneHot", [("indices", indices), ("depth", depth, "int32"),
                          ("on_value", on_value if _core.is_tensor(on_value) else np.array(1 if on_value is None else on_value, to)),
                          ("off_value", off_value if _core.is_tensor(off_value) else np.array(off_value or 0, to))],
               {"axis": -1 if axis is None else axis}, name, "one_hot")


def tile(input, multiples, name=None):
    return out("Tile", [("input", input), ("multiples", _sizes(multiples))], None, name)


def pad(tensor, paddings, mode="CONSTANT", name=None, constant_values=0):
    pads = paddings if _core.is_tensor(paddings) else np.array(paddings, np.int32)
    if mode.upper() != "CONSTANT":
        return out("MirrorPad", [("input", tensor), ("paddings", pads)], {"mode": mode.upper()}, name)
    if constant_values == 0:
        return out("Pad", [("input", tensor), ("paddings", pads)], None, name)
    x = _core.tensor(tensor)
    return out("PadV2", [("input", x), ("paddings", pads), ("constant_values", constant_values, x._dtype)], None, name)


def reverse(tensor, axis, name=None):
    return out("ReverseV2", [("tensor", tensor), ("axis", _sizes(np.atleast_1d(axis)))], None, name)


def broadcast_to(input, shape, name=None):
    return out("BroadcastTo", [("input", input), ("shape", _sizes(shape))], None, name)


def sequence_mask(lengths, maxlen=None, dtype=_core.bool_, name=None):
    from trivium.tf import math_ops
    with _core.name_scope(name, "SequenceMask"):
        lengths = tensor(lengths)
        top = math_ops.reduce_max(lengths) if maxlen is None else maxlen
        row = range(0, top, 1, dtype=lengths.dtype)
        return math_ops.cast(math_ops.less(row, expand_dims(lengths, -1)), dtype)


def no_op(name=None):
    return _tf.build("NoOp", name or "NoOp", [], {})


def group(*inputs, **kwargs):
    """One operation that waits for all."""
    ops = []

    def collect(items):
        for item in items:
            if isinstance(item, (list, tuple)):
                collect(item)
            elif item is not None:
                if not isinstance(item, (Tensor, Variable, _core.Operation)):
                    raise TypeError("Expected tf.group() expected Tensor objects not None with type '%s'" % type(item))
                ops.append(item if isinstance(item, _core.Operation) else item.op)
    collect(inputs)
    return _tf.group(ops, kwargs.get("name") or "group_deps")


def tuple_(tensors, name=None, control_inputs=None):
    with _core.name_scope(name, "tuple"):
        gate = group(*([t for t in tensors if t is not None] + list(control_inputs or [])))
        with _core.control_dependencies([gate]):
            return [None if t is None else identity(t) for t in tensors]
