"""torch.save and torch.load. Reading is done by Trivium's own reader, which runs nothing that a file
says; CPython's pickle is used only for weights_only=False and for classes made safe by name."""

import collections
import contextlib
import os
import pickle
import tempfile
import warnings

from trivium import _C
from trivium.torch._basics import device as _device
from trivium.torch._tensor import Tensor
from trivium.torch._utils import module_of

_safe = {}
DEFAULT_PROTOCOL = 2


def add_safe_globals(safe_globals):
    for item in safe_globals:
        item, name = item if isinstance(item, tuple) else (item, None)
        _safe[name or f"{module_of(item)}.{item.__qualname__}"] = item


def get_safe_globals():
    return list(_safe.values())


def clear_safe_globals():
    _safe.clear()


class safe_globals(contextlib.AbstractContextManager):
    def __init__(self, safe_globals):
        self._items = list(safe_globals)

    def __enter__(self):
        self._before = dict(_safe)
        add_safe_globals(self._items)

    def __exit__(self, *_):
        _safe.clear()
        _safe.update(self._before)


class Record:
    """What a file says of a class that is not plain data: its name, arguments and state."""

    def __init__(self, name, args, state):
        self.name, self.args, self.state = name, args, state

    def __repr__(self):
        return f"<{self.name}, not constructed>"


def _parameter(tensor, requires_grad):
    from trivium.torch.nn.parameter import Parameter

    return Parameter(tensor, requires_grad)


def _refuse(name):
    raise pickle.UnpicklingError(f"the file holds {name}, which is not plain data")


_helpers = {
    "big_integer": lambda raw: int.from_bytes(raw, "little", signed=True),
    "set": set,
    "storage": _refuse,
    "array": lambda tensor: tensor.numpy(),
    "device": _device,
    "global": lambda name: _safe.get(name) or Record(name, (), None),
    "ordered_dict": collections.OrderedDict,
    "parameter": _parameter,
    "record": Record,
}


def load(f, map_location=None, pickle_module=None, *, weights_only=None, mmap=None, encoding="utf-8",
         **pickle_load_args):
    """The object saved in `f` (a path or an open binary file).

    pickle.UnpicklingError, naming it, for a class that is not plain data: weights_only=False lets
    CPython's pickle construct it, and serialization.safe_globals allows single classes.
    RuntimeError for a broken file, EOFError for an empty one.
    """
    if isinstance(f, (str, os.PathLike)):
        path = os.fspath(f)
        if not os.path.exists(path):
            raise FileNotFoundError(2, "no such file", path)
        if os.path.getsize(path) == 0:
            raise EOFError(f"{path} is empty")
        with open(path, "rb") as file:
            head = file.read(2)
        read = _from_path
        source = path
    else:
        source = f.read()
        if not source:
            raise EOFError("the file is empty")
        head = source[:2]
        read = _from_bytes
    try:
        value = read(source)
    except RuntimeError as error:
        if weights_only is False or (_safe and head == b"PK"):
            from trivium.torch._pickle_files import load_object

            value = load_object(source, None if weights_only is False else _safe)
            return _check_location(value, map_location)
        text = str(error)
        if "global" in text or "not plain data" in text or "refus" in text:
            raise pickle.UnpicklingError(
                f"{text}; torch.load(..., weights_only=False) runs the file's own classes, which is "
                "safe only for files you trust") from None
        raise
    return _check_location(value, map_location)


def _from_path(path):
    return _C._load_torch(path, False, _helpers)


def _from_bytes(data):
    return _C._parse_torch(data, "stream", False, _helpers)


def _check_location(value, map_location):
    if isinstance(map_location, (str, _device)) and _device(map_location).type != "cpu":
        from trivium.torch._basics import check_device

        check_device(map_location)
    return value


def save(obj, f, pickle_module=None, pickle_protocol=DEFAULT_PROTOCOL,
         _use_new_zipfile_serialization=True):
    """Writes `obj` to a path or an open binary file. Plain data (tensors, numbers, text, containers)
    is written so that PyTorch reads it; other objects, such as whole modules, by pickle."""
    if isinstance(f, (str, os.PathLike)):
        _write(os.fspath(f), obj)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "archive")
        _write(path, obj)
        with open(path, "rb") as file:
            f.write(file.read())


def _write(path, obj):
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise RuntimeError(f"cannot save to {path}: the folder {folder} does not exist")
    try:
        _C._save_torch(path, obj)
    except TypeError as error:
        if "not plain data" not in str(error):
            raise
        from trivium.torch._pickle_files import save_object

        save_object(obj, path)


def set_default_load_endianness(endianness):
    if endianness is not None:
        warnings.warn("files say their byte order themselves")
