"""Nested elements: tensors in tuples, named tuples and dicts (by sorted key). Lists are tensors."""
from trivium.tf import _core


class Spec:
    """Dtype and static shape of one component."""

    def __init__(self, dtype, shape):
        self.dtype, self.shape = _core.as_dtype(dtype), _core.TensorShape(shape)


def flatten(value):
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in flatten(value[key])]
    if isinstance(value, tuple):
        return [leaf for v in value for leaf in flatten(v)]
    return [value]


def pack(like, leaves):
    """`leaves` (an iterator) nested as `like` is."""
    if isinstance(like, dict):
        made = {key: pack(like[key], leaves) for key in sorted(like)}
        return type(like)((key, made[key]) for key in like)
    if isinstance(like, tuple):
        parts = [pack(v, leaves) for v in like]
        return type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)
    return next(leaves)


def map_leaves(fn, value):
    return pack(value, iter([fn(v) for v in flatten(value)]))


def same_nesting(a, b):
    """Whether b is nested as a is."""
    if isinstance(a, dict):
        return isinstance(b, dict) and sorted(a) == sorted(b) and all(same_nesting(a[k], b[k]) for k in a)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(same_nesting(x, y) for x, y in zip(a, b))
    return not isinstance(b, (dict, tuple))
