"""What PyTorch's files call tensors, parameters and storages by; the names are part of the format."""

from trivium import _C

STORAGES = {"float32": ("FloatStorage", "f4"), "float64": ("DoubleStorage", "f8"),
            "float16": ("HalfStorage", "f2"), "bfloat16": ("BFloat16Storage", "u2"),
            "int64": ("LongStorage", "i8"), "int32": ("IntStorage", "i4"),
            "int16": ("ShortStorage", "i2"), "int8": ("CharStorage", "i1"),
            "uint8": ("ByteStorage", "u1"), "bool": ("BoolStorage", "b1")}
STORAGE_TYPES = {name: type(name, (), {"__module__": "trivium.torch", "code": code, "dtype": dtype})
                 for dtype, (name, code) in STORAGES.items()}


def _rebuild_tensor_v2(storage, offset, size, stride, requires_grad=False, hooks=None, metadata=None):
    """A tensor on a flat one: a view when the elements lie in order, else a copy."""
    size, stride = tuple(size), tuple(stride)
    count = 1
    for n in size:
        count *= n
    rows, row = [], 1
    for n in reversed(size):
        rows.insert(0, row)
        row *= max(n, 1)
    plain = all(s == r or n == 1 for n, s, r in zip(size, stride, rows))
    if count == 0 or plain:
        whole = offset == 0 and count == storage.numel()
        tensor = (storage if whole else storage[offset:offset + count]).view(size)
    else:
        index = _C.full((), offset, dtype=_C.int64)
        for axis, (n, s) in enumerate(zip(size, stride)):
            shape = [1] * len(size)
            shape[axis] = n
            index = index + (_C.arange(n) * s).view(shape)
        tensor = storage[index]
    return tensor.detach().requires_grad_() if requires_grad else tensor


_rebuild_tensor = _rebuild_tensor_v2


def _rebuild_parameter(data, requires_grad, hooks=None):
    from trivium.torch.nn.parameter import Parameter

    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data, requires_grad, hooks=None, state=None):
    made = _rebuild_parameter(data, requires_grad)
    made.__dict__.update(state or {})
    return made


def module_of(obj):
    """The module a file names for a class or function. The extension's functions all say "torch";
    those of nn.functional are named by where PyTorch has them."""
    module = getattr(obj, "__module__", None) or ""
    if module == "torch":
        from trivium.torch.nn import functional

        if getattr(functional, getattr(obj, "__name__", ""), None) is obj:
            return "torch.nn.functional"
    return module
