"""torch.save and torch.load. Reading is done by Trivium's own reader, which runs nothing that a file
says; CPython's pickle is used only for weights_only=False and for classes made safe by name."""

import collections
import contextlib
import io
import os
import pickle
import tempfile
import warnings

from trivium import _C
from trivium.torch._basics import device as _device
from trivium.torch._tensor import Tensor

_safe = {}
DEFAULT_PROTOCOL = 2


def add_safe_globals(safe_globals):
    for item in safe_globals:
        item, name = item if isinstance(item, tuple) else (item, None)
        _safe[name or f"{item.__module__}.{item.__qualname__}"] = item


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
    if weights_only is False or (_safe and head == b"PK"):
        value = _load_by_pickle(source, weights_only is False)
        if value is not _NOT_READ:
            return _check_location(value, map_location)
    try:
        value = read(source)
    except RuntimeError as error:
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


# ---- whole modules, by CPython's pickle with tensors as persistent ids

_NOT_READ = object()


def _our_name(module):
    return "trivium." + module if module.split(".")[0] in ("torch", "torchvision") else module


class _Pickler(pickle._Pickler):
    """Classes of Trivium are written under PyTorch's names, tensors beside the pickle."""

    def __init__(self, file, tensors):
        super().__init__(file, 2)
        self._tensors = tensors

    def persistent_id(self, obj):
        if not isinstance(obj, Tensor):
            return None
        from trivium.torch.nn.parameter import Parameter

        key = self._tensors.setdefault(id(obj), (len(self._tensors), obj))[0]
        return ("tensor", str(key), isinstance(obj, Parameter), obj.requires_grad)

    def save_global(self, obj, name=None):
        module = getattr(obj, "__module__", None) or ""
        if module.startswith("trivium.torch"):
            name = name or getattr(obj, "__qualname__", obj.__name__)
            self.write(b"c" + module[len("trivium."):].encode() + b"\n" + name.encode() + b"\n")
            self.memoize(obj)
            return
        super().save_global(obj, name)

    dispatch = dict(pickle._Pickler.dispatch)
    dispatch[type] = lambda self, obj: self.save_global(obj) if obj not in (
        type(None), type(NotImplemented), type(...)) else pickle._Pickler.save_type(self, obj)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, tensors, trusted):
        super().__init__(file)
        self._tensors, self._trusted, self._made = tensors, trusted, {}

    def persistent_load(self, pid):
        kind, key, parameter, requires_grad = pid
        if key not in self._made:
            tensor = self._tensors[key]
            if parameter:
                tensor = _parameter(tensor, requires_grad)
            elif requires_grad:
                tensor.requires_grad_()
            self._made[key] = tensor
        return self._made[key]

    def find_class(self, module, name):
        full = f"{module}.{name}"
        allowed = (self._trusted or full in _safe or full in _PLAIN
                   or (_our_name(module) + "." + name) in _safe)
        if not allowed:
            raise pickle.UnpicklingError(
                f"the file holds {full}, which is not plain data; allow it by "
                f"torch.serialization.safe_globals([{name}]) or read with weights_only=False")
        if full in _safe:
            return _safe[full]
        return super().find_class(_our_name(module), name)


_PLAIN = {"collections.OrderedDict", "builtins.set", "__builtin__.set", "torch.Size"}
_WHOLE = "trivium_object"


def _load_by_pickle(source, trusted):
    """An object written by _save_by_pickle; otherwise _NOT_READ, or any pickle when trusted."""
    try:
        saved = _from_path(source) if isinstance(source, str) else _from_bytes(source)
        if isinstance(saved, dict) and set(saved) == {_WHOLE, "tensors"}:
            return _Unpickler(io.BytesIO(saved[_WHOLE]), saved["tensors"], trusted).load()
        return saved
    except RuntimeError:
        if not trusted:
            return _NOT_READ
    return _load_foreign(source)


def _load_foreign(source):
    """A file of PyTorch with classes in it: ZIP with persistent storages, or a plain pickle."""
    from trivium.torch._foreign_pickle import load_foreign

    return load_foreign(source)


def _save_by_pickle(obj):
    buffer, tensors = io.BytesIO(), {}
    _Pickler(buffer, tensors).dump(obj)
    named = {str(key): tensor.detach() for key, tensor in tensors.values()}
    return {_WHOLE: buffer.getvalue(), "tensors": named}


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
        _C._save_torch(path, _save_by_pickle(obj))


def set_default_load_endianness(endianness):
    if endianness is not None:
        warnings.warn("files say their byte order themselves")
