"""torch.FloatTensor and its brothers: dtypes in the form of classes."""

from trivium import _C
from trivium.torch._tensor import Tensor


class _TensorType(type):
    def __call__(cls, *args, **kwargs):
        if len(args) == 1 and not isinstance(args[0], int) and type(args[0]).__name__ != "Size":
            data = args[0]
            return data.to(cls.dtype) if isinstance(data, Tensor) else _C.tensor(data, dtype=cls.dtype)
        return _C.empty(*(args or (0,)), dtype=cls.dtype)

    def __instancecheck__(cls, instance):
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype

    def __repr__(cls):
        return f"<class 'torch.{cls.__name__}'>"

    def __str__(cls):
        return f"torch.{cls.__name__}"


__all__ = []
for _dtype in (_C.float32, _C.float64, _C.float16, _C.bfloat16, _C.int8, _C.uint8, _C.int16, _C.int32,
               _C.int64, _C.bool):
    _name = _dtype._tensor_name[len("torch."):]
    globals()[_name] = _TensorType(_name, (), {"dtype": _dtype, "__module__": "torch"})
    __all__.append(_name)
    _storage = _name.replace("Tensor", "Storage")
    globals()[_storage] = globals()[_name]
    __all__.append(_storage)
del _dtype, _name, _storage
