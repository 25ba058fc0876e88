"""Methods of Tensor that are called seldom: written in Python and put onto the type."""

import copy as _copy
import re as _re
import warnings as _warnings

from trivium import _C
from trivium.torch._basics import check_device

Tensor = _C.Tensor
Tensor.__module__ = "torch"
Tensor.__qualname__ = "Tensor"
Tensor.__array_priority__ = 1000


class RemovableHandle:
    """What register_hook gives: remove() takes the hook away again."""

    def __init__(self, remove):
        self._remove = remove

    def remove(self):
        if self._remove is not None:
            self._remove()
        self._remove = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()


def _method(function):
    setattr(Tensor, function.__name__, function)
    return function


@_method
def register_hook(self, hook):
    """hook(gradient) runs when the gradient of this tensor is complete; a Tensor it returns
    replaces it. RuntimeError when the tensor does not require grad."""
    if not self.requires_grad:
        raise RuntimeError("register_hook: the tensor does not require grad, so no gradient comes")
    number = self._register_hook(hook)
    return RemovableHandle(lambda: self._remove_hook(number))


@_method
def register_post_accumulate_grad_hook(self, hook):
    """hook(tensor) runs after .grad of this leaf was updated by a backward pass."""
    raise NotImplementedError("register_post_accumulate_grad_hook: use register_hook, which runs "
                              "just before the gradient is stored")


@_method
def cuda(self, device=None, non_blocking=False, **_):
    check_device("cuda" if device is None else device)


@_method
def get_device(self):
    return -1


@_method
def pin_memory(self, device=None):
    return self


@_method
def is_pinned(self, device=None):
    return False


@_method
def share_memory_(self):
    return self


@_method
def is_shared(self):
    return False


@_method
def to_dense(self, *_, **__):
    return self


@_method
def resolve_conj(self):
    return self


@_method
def resolve_neg(self):
    return self


@_method
def conj(self):
    return self


@_method
def is_inference(self):
    return False


@_method
def __array__(self, dtype=None, copy=None):
    array = self.numpy()
    return array if dtype is None else array.astype(dtype, copy=False)


@_method
def __dlpack__(self, **arguments):
    if self.requires_grad:
        raise BufferError("the memory of a tensor that requires a gradient is not handed out: call detach()")
    return self.detach().numpy().__dlpack__(**arguments)


@_method
def __dlpack_device__(self):
    return (1, 0)


@_method
def __format__(self, spec):
    if self.dim() == 0 and not type(self).__name__ == "Parameter":
        return self.item().__format__(spec)
    return object.__format__(self, spec)


@_method
def __deepcopy__(self, memo):
    if id(self) in memo:
        return memo[id(self)]
    if not self.is_leaf:
        raise RuntimeError("only leaves can be deep-copied: detach() the tensor first")
    made = self.detach().clone()
    if self.requires_grad:
        made.requires_grad_()
    if self.grad is not None:
        made.grad = self.grad.detach().clone()
    memo[id(self)] = made
    if self.__dict__:
        made.__dict__.update(_copy.deepcopy(self.__dict__, memo))
    return made


def _rebuild_from_bytes(content, dtype, shape, requires_grad):
    import struct

    codes = {"float32": "f", "float64": "d", "int8": "b", "uint8": "B", "int16": "h", "int32": "i",
             "int64": "q", "bool": "?", "float16": "e"}
    count = 1
    for size in shape:
        count *= size
    values = struct.unpack(f"<{count}{codes[dtype]}", content)
    tensor = _C.tensor(list(values), dtype=getattr(_C, dtype)).reshape(shape)
    return tensor.requires_grad_() if requires_grad else tensor


@_method
def __reduce_ex__(self, protocol):
    plain = self.detach().contiguous()
    name = self.dtype._name
    if name == "bfloat16":
        plain = plain.float()
        name = "float32"
    try:
        import numpy  # noqa: F401
        content = plain.numpy().tobytes()
    except ImportError:
        import struct
        codes = {"float32": "f", "float64": "d", "int8": "b", "uint8": "B", "int16": "h",
                 "int32": "i", "int64": "q", "bool": "?", "float16": "e"}
        flat = plain.flatten().tolist()
        content = struct.pack(f"<{len(flat)}{codes[name]}", *flat)
    return (_rebuild_from_bytes, (content, name, tuple(self.shape), self.requires_grad))


@_method
def apply_(self, function):
    return self.copy_(_C.tensor([function(v) for v in self.flatten().tolist()],
                                dtype=self.dtype).reshape(self.shape))


@_method
def map_(self, other, function):
    pairs = zip(self.flatten().tolist(), other.expand_as(self).flatten().tolist())
    return self.copy_(_C.tensor([function(a, b) for a, b in pairs],
                                dtype=self.dtype).reshape(self.shape))


class _Storage:
    """The memory behind a tensor, as far as programs look at it."""

    def __init__(self, tensor, untyped):
        self._tensor, self._untyped = tensor.detach(), untyped

    def _count(self):
        return self._tensor._storage_size()

    def __len__(self):
        return self._count() * (self._tensor.element_size() if self._untyped else 1)

    size = __len__

    def nbytes(self):
        return self._count() * self._tensor.element_size()

    def data_ptr(self):
        return self._tensor.data_ptr() - self._tensor.storage_offset() * self._tensor.element_size()

    def element_size(self):
        return 1 if self._untyped else self._tensor.element_size()

    def tolist(self):
        return self._tensor._storage_tensor().tolist()

    def __iter__(self):
        return iter(self.tolist())

    def __getitem__(self, index):
        return self._tensor._storage_tensor()[index].item()

    def __setitem__(self, index, value):
        self._tensor._storage_tensor()[index] = value


@_method
def untyped_storage(self):
    return _Storage(self, True)


@_method
def storage(self):
    _warnings.warn("storage() is deprecated; untyped_storage() counts bytes", UserWarning, 2)
    return _Storage(self, False)


@_method
def resize_(self, *sizes):
    shape = sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    flat = self.detach().flatten()
    count = 1
    for size in shape:
        count *= size
    if count <= flat.numel():
        fresh = flat[:count].reshape(shape)
    else:
        fresh = _C.cat([flat, _C.zeros(count - flat.numel(), dtype=self.dtype)]).reshape(shape)
    self.data = fresh
    return self


@_method
def resize_as_(self, other):
    return self.resize_(other.shape)


@_method
def set_(self, source=None):
    self.data = _C.zeros(0, dtype=self.dtype) if source is None else source
    return self


@_method
def stft(self, *_, **__):
    raise NotImplementedError("stft: Trivium has no complex dtypes")


@_method
def reinforce(self, *_):
    raise NotImplementedError("reinforce() was removed from PyTorch 0.4: use torch.distributions' "
                              "log_prob and backward()")


@_method
def __dir__(self):
    return sorted(set(dir(type(self))) | set(self.__dict__))


Tensor.H = property(lambda self: self.mT)
Tensor.name = None
Tensor.output_nr = 0
Tensor._backward_hooks = None
Tensor.layout = property(lambda self: _strided())


def _strided():
    import trivium.torch as torch
    return torch.strided


def _grad_name(self):
    """The name behind grad_fn=<...> in the printed form."""
    found = _re.search(r"grad_fn=<(\w+)>", repr(self)[-200:])
    return found.group(1) if found else "Backward0"


Tensor._grad_name = _grad_name


def _old_creator(self):
    _warnings.warn("creator is the old name of grad_fn", UserWarning, 2)
    return self.grad_fn


Tensor.creator = property(_old_creator)
