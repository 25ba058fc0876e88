"""default_collate: examples become a batch, by their types."""

import collections.abc
import copy
import sys

from trivium import _C
from trivium.torch._tensor import Tensor


def _is_numpy(value):
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


def default_convert(data):
    """Arrays become tensors, inside containers too; everything else stays."""
    if isinstance(data, Tensor) or isinstance(data, (str, bytes)):
        return data
    if _is_numpy(data):
        return _C.as_tensor(data) if data.dtype.kind not in "SUO" else data
    if isinstance(data, collections.abc.Mapping):
        return {k: default_convert(v) for k, v in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(v) for v in data))
    if isinstance(data, (list, tuple)):
        return [default_convert(v) for v in data]
    return data


def default_collate(batch):
    """One batch of examples of one structure. TypeError naming a type that cannot be joined."""
    first = batch[0]
    if isinstance(first, Tensor):
        stacked = _C._stack_ready(batch)
        return _C.stack(list(batch)) if stacked is None else stacked
    if _is_numpy(first):
        if first.dtype.kind in "SUO":
            raise TypeError(f"default_collate: arrays of {first.dtype} cannot be joined")
        if first.shape == ():
            return _C.as_tensor(_stacked(batch))
        return _C.stack([_C.as_tensor(b) for b in batch])
    if isinstance(first, bool):
        return _C.tensor(list(batch))
    if isinstance(first, float):
        return _C.tensor(list(batch), dtype=_C.float64)
    if isinstance(first, int):
        return _C.tensor(list(batch))
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, collections.abc.Mapping):
        return _mapping(first, {k: default_collate([b[k] for b in batch]) for k in first})
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(column) for column in zip(*batch)))
    if isinstance(first, collections.abc.Sequence):
        size = len(first)
        if any(len(b) != size for b in batch):
            raise RuntimeError("default_collate: examples of unequal length: "
                               f"{sorted({len(b) for b in batch})}")
        columns = [default_collate(column) for column in zip(*batch)]
        if isinstance(first, (list, tuple)):
            return columns
        try:
            return type(first)(columns)
        except TypeError:
            return columns
    raise TypeError("default_collate joins tensors, arrays, numbers, text, dicts and lists, not "
                    f"{type(first).__name__}: give the DataLoader a collate_fn")


def _stacked(batch):
    import numpy

    return numpy.array(batch, dtype=batch[0].dtype)


def _mapping(like, collated):
    if type(like) is dict:
        return collated
    try:
        if isinstance(like, collections.abc.MutableMapping):
            made = copy.copy(like)
            made.update(collated)
            return made
        return type(like)(collated)
    except TypeError:
        return collated
