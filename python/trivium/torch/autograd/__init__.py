"""torch.autograd: gradients as values, functions with their own derivative, recording modes."""

import functools as _functools
import linecache as _linecache
import os as _os
import sys as _sys
import warnings as _warnings

from trivium import _C
from trivium.torch._tensor import Tensor
from trivium.torch.autograd.function import Function  # noqa: F401
from trivium.torch.autograd import function  # noqa: F401
from trivium.torch.autograd.gradcheck import gradcheck, gradgradcheck  # noqa: F401


class _Mode:
    """Grad mode for a with block, or around a function as a decorator."""

    _on = False

    def __init__(self):
        self._before = []

    def __enter__(self):
        self._before.append(_C.is_grad_enabled())
        _C._set_grad_enabled(self._on)
        return self

    def __exit__(self, *_):
        _C._set_grad_enabled(self._before.pop())

    def __new__(cls, function=None, *args):
        made = super().__new__(cls)
        if callable(function):  # @torch.no_grad without brackets
            made.__init__()
            return made(function)
        return made

    def __call__(self, function):
        mode = type(self)
        arguments = (self._on,) if mode in (set_grad_enabled, inference_mode) else ()
        if getattr(getattr(function, "__code__", None), "co_flags", 0) & 0x20:  # a generator
            @_functools.wraps(function)
            def generate(*args, **kwargs):
                source = function(*args, **kwargs)
                while True:
                    with mode(*arguments):
                        try:
                            value = next(source)
                        except StopIteration:
                            return
                    yield value
            return generate
        if isinstance(function, type):
            _warnings.warn("a grad mode decorates functions, not classes")

        @_functools.wraps(function)
        def run(*args, **kwargs):
            with mode(*arguments):
                return function(*args, **kwargs)
        return run


class no_grad(_Mode):
    """Nothing is recorded for gradients inside."""

    _on = False


class enable_grad(_Mode):
    _on = True


class set_grad_enabled(_Mode):
    """Takes effect when called, and is undone when used by `with`."""

    def __init__(self, mode):
        super().__init__()
        self._on = bool(mode)
        self._outside = _C.is_grad_enabled()
        _C._set_grad_enabled(self._on)

    def __new__(cls, mode):
        return object.__new__(cls)

    def __enter__(self):
        self._before.append(self._outside)
        _C._set_grad_enabled(self._on)
        return self

    def __call__(self, function):
        _C._set_grad_enabled(self._outside)
        return super().__call__(function)


class inference_mode(_Mode):
    """no_grad() that also answers torch.is_inference_mode_enabled(). inference_mode(False) records,
    inside an inference_mode too."""

    _depth = []

    def __init__(self, mode=True):
        super().__init__()
        self._inference = mode if isinstance(mode, bool) else True
        self._on = not self._inference

    def __call__(self, function):
        @_functools.wraps(function)
        def run(*args, **kwargs):
            with inference_mode(self._inference):
                return function(*args, **kwargs)
        return run

    def __enter__(self):
        self._before.append(_C.is_grad_enabled())
        if self._inference:
            _C._set_grad_enabled(False)
        elif self._depth and self._depth[-1]:
            _C._set_grad_enabled(True)
        self._depth.append(self._inference)
        return self

    def __exit__(self, *_):
        self._depth.pop()
        super().__exit__()


class _VariableMeta(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, Tensor)

    def __call__(cls, data=None, requires_grad=False, volatile=None, *args, **kwargs):
        if volatile is not None:
            _warnings.warn("volatile was removed: use torch.no_grad()", UserWarning, 2)
        if data is None:
            data = _C.empty(0)
        made = data.detach()
        if requires_grad:
            made.requires_grad_()
        return made


class Variable(metaclass=_VariableMeta):
    """Variable(t) is a new Tensor on t's memory; every Tensor is a Variable."""


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None,
             inputs=None):
    """Adds the gradients of `tensors` to the .grad of the leaves they depend on."""
    _C._backward(tensors, grad_tensors if grad_tensors is not None else grad_variables, retain_graph,
                 create_graph, inputs)


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, only_inputs=True,
         allow_unused=None, is_grads_batched=False, materialize_grads=False):
    """Gradients as a tuple; .grad is not touched. RuntimeError for an input the outputs do not
    depend on, unless allow_unused (None) or materialize_grads (zeros)."""
    unused = bool(allow_unused) or materialize_grads
    result = _C._grad(outputs, inputs, grad_outputs, retain_graph, create_graph, unused)
    if materialize_grads:
        leaves = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        result = tuple(_C.zeros_like(i) if g is None else g for g, i in zip(result, leaves))
    return result


_PACKAGE = _os.path.dirname(_os.path.dirname(_os.path.dirname(_os.path.abspath(__file__)))) + _os.sep


def _call_site():
    """The program's own line that is at work: the innermost frame outside of the package."""
    frame = _sys._getframe()
    while frame and _os.path.abspath(frame.f_code.co_filename).startswith(_PACKAGE):
        frame = frame.f_back
    if frame is None:
        return ""
    file, line = frame.f_code.co_filename, frame.f_lineno
    text = _linecache.getline(file, line).strip()
    return f"{file}:{line}, in {frame.f_code.co_name}" + (f": {text}" if text else "")


class _Switch:
    """Works as a call, which sets it, and as a context, which sets it back."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._set(self._before)


class set_detect_anomaly(_Switch):
    """While on, backward stops at the first NaN among the derivatives and names the line of the forward
    pass that made it. check_nan=False switches the looking off."""

    def __init__(self, mode, check_nan=True):
        self._before = _C._detect_anomaly()
        self._set(bool(mode) and check_nan)

    @staticmethod
    def _set(on):
        _C._set_detect_anomaly(on, _call_site if on else None)


class detect_anomaly(set_detect_anomaly):
    def __init__(self, check_nan=True):
        super().__init__(True, check_nan)


def is_anomaly_enabled():
    return _C._detect_anomaly()


class set_strict_inplace(_Switch):
    """Trivium's own switch. Derivatives here read what an operation was given, so writing to a tensor
    afterwards does no harm. While this is on, backward raises PyTorch's error about it all the same."""

    def __init__(self, mode):
        self._before = _C._strict_inplace()
        self._set(bool(mode))

    @staticmethod
    def _set(on):
        _C._set_strict_inplace(on)


class functional:
    """jacobian and hessian of functions, row by row."""

    @staticmethod
    def jacobian(func, inputs, create_graph=False, strict=False):
        single = isinstance(inputs, Tensor)
        leaves = [t.detach().requires_grad_() if not create_graph else t
                  for t in ([inputs] if single else inputs)]
        output = func(*leaves)
        rows = []
        for value in output.reshape(-1):
            rows.append(grad(value, leaves, retain_graph=True, create_graph=create_graph,
                             materialize_grads=True))
        result = tuple(_C.stack([row[k] for row in rows]).reshape(*output.shape, *leaves[k].shape)
                       for k in range(len(leaves)))
        return result[0] if single else result

    @staticmethod
    def hessian(func, inputs, create_graph=False, strict=False):
        leaf = inputs.detach().requires_grad_()
        first = grad(func(leaf), leaf, create_graph=True)[0]
        rows = [grad(value, leaf, retain_graph=True, create_graph=create_graph,
                     materialize_grads=True)[0] for value in first.reshape(-1)]
        return _C.stack(rows).reshape(*leaf.shape, *leaf.shape)


class profiler:
    def __init__(self, *_, **__):
        raise NotImplementedError("torch.autograd.profiler: Trivium has its own profile; see docs")
