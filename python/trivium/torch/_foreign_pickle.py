"""Files with classes in them, read by CPython's pickle because the caller trusts them: PyTorch's ZIP
layout (storages beside the pickle), and plain pickles such as NumPy arrays."""

import pickle
import zipfile

from trivium import _C

_TYPES = {"FloatStorage": ("f4", 4), "DoubleStorage": ("f8", 8), "HalfStorage": ("f2", 2),
          "LongStorage": ("i8", 8), "IntStorage": ("i4", 4), "ShortStorage": ("i2", 2),
          "CharStorage": ("i1", 1), "ByteStorage": ("u1", 1), "BoolStorage": ("b1", 1)}


class _StorageType:
    def __init__(self, name):
        self.name = name


def _rebuild_tensor(storage, offset, size, stride, *_):
    base = storage
    if not size:
        return base[offset].clone()
    last = offset + sum((n - 1) * s for n, s in zip(size, stride)) + 1 if all(size) else offset
    flat = base[offset:last]
    wanted, row = [], 1
    for n in reversed(size):
        wanted.insert(0, row)
        row *= n
    if tuple(wanted) == tuple(stride) or not all(size):
        return flat[:row if all(size) else 0].reshape(tuple(size))
    index = _C.zeros((), dtype=_C.int64)
    for axis, (n, s) in enumerate(zip(size, stride)):
        shape = [1] * len(size)
        shape[axis] = n
        index = index + (_C.arange(n) * s).reshape(shape)
    return flat[index]


def _rebuild_parameter(data, requires_grad, hooks=None, state=None):
    from trivium.torch.nn.parameter import Parameter

    return Parameter(data, requires_grad)


_SPECIAL = {"torch._utils._rebuild_tensor_v2": _rebuild_tensor,
            "torch._utils._rebuild_tensor": _rebuild_tensor,
            "torch._utils._rebuild_parameter": _rebuild_parameter,
            "torch._utils._rebuild_parameter_with_state": _rebuild_parameter}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, archive=None, folder=""):
        super().__init__(file, encoding="latin1")
        self._archive, self._folder, self._storages = archive, folder, {}

    def find_class(self, module, name):
        full = f"{module}.{name}"
        if full in _SPECIAL:
            return _SPECIAL[full]
        if module.startswith("torch") and name.endswith("Storage"):
            return _StorageType(name)
        if module.split(".")[0] in ("torch", "torchvision"):
            module = "trivium." + module
        return super().find_class(module, name)

    def persistent_load(self, pid):
        _, kind, key, _, count = pid[:5]
        if key not in self._storages:
            import numpy

            code, _ = _TYPES[kind.name]
            raw = self._archive.read(f"{self._folder}/data/{key}")
            values = numpy.frombuffer(raw, dtype="<" + code, count=count).copy()
            self._storages[key] = _C.from_numpy(values)
        return self._storages[key]


def load_foreign(source):
    import io

    if not isinstance(source, (bytes, bytearray)):
        with open(source, "rb") as file:
            source = file.read()
    if source[:2] != b"PK":
        return _Unpickler(io.BytesIO(source)).load()
    archive = zipfile.ZipFile(io.BytesIO(source))
    name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
    return _Unpickler(io.BytesIO(archive.read(name)), archive, name[:-len("/data.pkl")]).load()
