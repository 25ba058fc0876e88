"""Whole objects in PyTorch's file layout: a ZIP with the pickle and one record a storage. Written by
CPython's pickler under PyTorch's names; read only by callers that trust the file, or class by class
from a list of names."""

import collections
import io
import pickle
import types
import zipfile

from trivium import _C
from trivium.torch import _utils
from trivium.torch._tensor import Tensor

_PLAIN = {"collections.OrderedDict", "builtins.set", "__builtin__.set", "builtins.complex",
          "torch.Size", "torch.device", "_codecs.encode", "builtins.bytearray", "collections.Counter"}


class _StorageRecord:
    def __init__(self, key, tensor):
        self.key, self.tensor = key, tensor
        self.kind = _utils.STORAGE_TYPES[_utils.STORAGES[tensor.dtype._name][0]]


class _Pickler(pickle._Pickler):
    def __init__(self, file):
        super().__init__(file, 2)
        self.storages = {}

    def persistent_id(self, obj):
        if isinstance(obj, _StorageRecord):
            return ("storage", obj.kind, obj.key, "cpu", obj.tensor.numel())
        return None

    def reducer_override(self, obj):
        from trivium.torch.nn.parameter import Parameter

        if isinstance(obj, Parameter):
            return (_utils._rebuild_parameter,
                    (obj.data, obj.requires_grad, collections.OrderedDict()))
        if isinstance(obj, Tensor):
            plain = obj.detach()
            if not plain.is_contiguous():
                plain = plain.contiguous()
            # Tensors on one storage stay together when they see all of it.
            whole = plain.storage_offset() == 0 and plain.numel() == plain._storage_size()
            key = (obj._storage_id(), plain.dtype) if whole else id(obj)
            if key not in self.storages:
                self.storages[key] = _StorageRecord(str(len(self.storages)), plain.reshape(-1))
            size = tuple(obj.shape)
            stride, row = [], 1
            for n in reversed(size):
                stride.insert(0, row)
                row *= n
            return (_utils._rebuild_tensor_v2, (self.storages[key], 0, size, tuple(stride),
                                                obj.requires_grad, collections.OrderedDict()))
        return NotImplemented

    def save_global(self, obj, name=None):
        module = _utils.module_of(obj)
        if module == "torch" or module.startswith("torch."):
            module = "trivium." + module
        if module.startswith("trivium.torch"):
            name = name or getattr(obj, "__qualname__", obj.__name__)
            self.write(b"c" + module[len("trivium."):].encode() + b"\n" + name.encode() + b"\n")
            self.memoize(obj)
            return
        super().save_global(obj, name)

    def _save_type(self, obj):
        if obj in (type(None), type(NotImplemented), type(...)):
            pickle._Pickler.save_type(self, obj)
        else:
            self.save_global(obj)

    dispatch = dict(pickle._Pickler.dispatch)
    dispatch[type] = _save_type
    dispatch[types.FunctionType] = save_global


def _raw(tensor):
    """The bytes of a flat tensor."""
    if tensor.dtype is _C.bfloat16:
        raise TypeError("bfloat16 tensors in pickled objects: save their state_dict() instead")
    return tensor.numpy().tobytes()


def save_object(obj, path):
    buffer = io.BytesIO()
    pickler = _Pickler(buffer)
    pickler.dump(obj)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", buffer.getvalue())
        archive.writestr("archive/byteorder", "little")
        for record in pickler.storages.values():
            archive.writestr(f"archive/data/{record.key}", _raw(record.tensor))
        archive.writestr("archive/version", "3\n")


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, archive, folder, allowed):
        super().__init__(file, encoding="latin1")
        self._archive, self._folder, self._allowed = archive, folder, allowed
        self._storages = {}

    def find_class(self, module, name):
        full = f"{module}.{name}"
        if module == "torch._utils" and hasattr(_utils, name):
            return getattr(_utils, name)
        if module in ("torch", "torch.cuda") and name in _utils.STORAGE_TYPES:
            return _utils.STORAGE_TYPES[name]
        ours = "trivium." + full if module.split(".")[0] in ("torch", "torchvision") else full
        if self._allowed is not None and full not in _PLAIN:
            for known in (full, ours):
                if known in self._allowed:
                    return self._allowed[known]
            raise pickle.UnpicklingError(
                f"the file holds {full}, which is not plain data; allow it by "
                f"torch.serialization.safe_globals([{name}]), or read with weights_only=False")
        if module == "torch.nn.modules.flatten" or not self._exists(ours.rpartition(".")[0]):
            from trivium.torch import nn

            if module.startswith("torch.nn") and hasattr(nn, name):
                return getattr(nn, name)
        return super().find_class(ours.rpartition(".")[0], name)

    @staticmethod
    def _exists(module):
        import importlib.util

        try:
            return importlib.util.find_spec(module) is not None
        except (ImportError, ValueError):
            return False

    def persistent_load(self, pid):
        _, kind, key, _, count = pid[:5]
        if key not in self._storages:
            import numpy

            raw = self._archive.read(f"{self._folder}/data/{key}")
            values = numpy.frombuffer(raw, dtype="<" + kind.code, count=count).copy()
            self._storages[key] = _C.from_numpy(values)
        return self._storages[key]


def load_object(source, allowed):
    """`allowed`: names of classes the file may hold, None for any. A plain pickle is read too."""
    if not isinstance(source, (bytes, bytearray)):
        with open(source, "rb") as file:
            source = file.read()
    if source[:2] != b"PK":
        return _Unpickler(io.BytesIO(source), None, "", allowed).load()
    archive = zipfile.ZipFile(io.BytesIO(source))
    name = next((n for n in archive.namelist() if n.endswith("/data.pkl")), None)
    if name is None:
        raise RuntimeError("the archive has no data.pkl: it is no file of torch.save")
    folder = name[:-len("/data.pkl")]
    return _Unpickler(io.BytesIO(archive.read(name)), archive, folder, allowed).load()
