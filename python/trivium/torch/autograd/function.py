"""Function: an operation whose derivative the program writes."""

import warnings

from trivium import _C
from trivium.torch._tensor import Tensor

_legacy = False


class FunctionCtx:
    """What forward leaves for backward: saved tensors, flags and any attributes."""

    def __init__(self):
        self._saved = ()
        self._dirty = ()
        self._no_gradient = ()
        self._materialize = True
        self.needs_input_grad = ()

    def save_for_backward(self, *tensors):
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(f"save_for_backward takes Tensors, not {type(t).__name__}")
        self._saved = tuple((t, None if t is None else t._version) for t in tensors)

    @property
    def saved_tensors(self):
        for t, version in self._saved:
            if t is not None and t._version != version and all(t is not d for d in self._dirty):
                raise RuntimeError(
                    f"a tensor of shape {tuple(t.shape)} that forward saved at version {version} was "
                    f"changed in place since (version {t._version}): clone it before changing it")
        return tuple(t for t, _ in self._saved)

    saved_variables = saved_tensors

    def mark_dirty(self, *tensors):
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors):
        self._no_gradient = tensors

    def set_materialize_grads(self, value):
        self._materialize = value


def _fit(gradient, to, name):
    """The gradient in the input's shape; what was broadcast is summed."""
    if gradient.shape == to.shape:
        return gradient
    extra = gradient.dim() - to.dim()
    if extra < 0:
        raise RuntimeError(f"{name}.backward gave a gradient of shape {tuple(gradient.shape)} for an "
                           f"input of shape {tuple(to.shape)}")
    if extra:
        gradient = gradient.sum(list(range(extra)))
    for axis in range(to.dim()):
        if to.shape[axis] != gradient.shape[axis]:
            if to.shape[axis] != 1:
                raise RuntimeError(f"{name}.backward gave a gradient of shape "
                                   f"{tuple(gradient.shape)} for an input of shape {tuple(to.shape)}")
            gradient = gradient.sum(axis, keepdim=True)
    return gradient


def _rule(function, ctx, args, places, outputs):
    """What the engine calls with the gradients of the outputs."""
    name = function.__name__
    shapes = [(tuple(o.shape), o.dtype) for o in outputs]
    inputs = [args[p].detach() for p in places]

    def rule(gradients):
        if ctx._materialize:
            gradients = [_C.zeros(*shape, dtype=dtype) if g is None and shape
                         else _C.zeros((), dtype=dtype) if g is None else g
                         for g, (shape, dtype) in zip(gradients, shapes)]
        result = function.backward(ctx, *gradients)
        result = list(result) if isinstance(result, (tuple, list)) else [result]
        if len(result) > len(args) and all(r is None for r in result[len(args):]):
            result = result[:len(args)]
        if len(result) != len(args):
            raise RuntimeError(f"{name}.backward returned {len(result)} gradients for {len(args)} "
                               "arguments of forward")
        fitted = []
        for place, to in zip(places, inputs):
            g = result[place]
            fitted.append(None if g is None else _fit(g, to, name))
        return tuple(fitted)

    return rule


class _FunctionMeta(type):
    def __init__(cls, name, bases, body):
        super().__init__(name, bases, body)


class Function(metaclass=_FunctionMeta):
    """Subclass with static forward(ctx, *args) and backward(ctx, *grads); call .apply(*args)."""

    def __new__(cls, *args, **kwargs):
        if _legacy:
            return super().__new__(cls)
        warnings.warn(f"{cls.__name__}(): functions with state are the form of before 0.4; make forward "
                      "and backward static and call .apply", DeprecationWarning, 2)
        return super().__new__(cls)

    def __init__(self, *args, **kwargs):
        pass

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError("a Function defines a static forward(ctx, ...)")

    @staticmethod
    def backward(ctx, *grads):
        raise NotImplementedError("a Function defines a static backward(ctx, ...)")

    vjp = backward

    def __call__(self, *args):
        if not _legacy:
            raise RuntimeError(f"{type(self).__name__} is called by its instance, the form of before 0.4: "
                               f"make forward and backward static, with ctx first, and call "
                               f"{type(self).__name__}.apply(...); or torch.legacy(True)")
        return _run_old_style(self, args)

    # The names an old-style function uses on itself.
    def save_for_backward(self, *tensors):
        self.saved_tensors = tensors

    @classmethod
    def apply(cls, *args, **kwargs):
        ctx = FunctionCtx()
        places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        recording = _C.is_grad_enabled()
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        _C._set_grad_enabled(False)
        try:
            if "setup_context" in cls.__dict__ or _has_setup(cls):
                result = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, result)
            else:
                result = cls.forward(ctx, *args, **kwargs)
        finally:
            _C._set_grad_enabled(recording)
        if not recording or not any(ctx.needs_input_grad):
            return result
        return _attach(cls, ctx, args, places, result)


def _has_setup(cls):
    return any("setup_context" in base.__dict__ for base in cls.__mro__ if base is not Function)


def _attach(cls, ctx, args, places, result):
    single = isinstance(result, Tensor)
    values = [result] if single else list(result)
    tracked = [i for i, v in enumerate(values)
               if isinstance(v, Tensor) and v.is_floating_point()
               and all(v is not n for n in ctx._no_gradient)]
    outputs = [values[i] for i in tracked]
    # An input handed back is a result of its own.
    outputs = [o.view_as(o) if any(o is args[p] for p in places) else o for o in outputs]
    if not outputs:
        return result
    made = _C._attach_rule(cls.__name__, [args[p] for p in places], outputs,
                           _rule(cls, ctx, args, places, outputs))
    for i, value in zip(tracked, made):
        values[i] = value
    return values[0] if single else tuple(values)


def _run_old_style(function, args):
    """forward(self, *args) and backward(self, *grads) on an instance."""
    places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
    recording = _C.is_grad_enabled()
    function.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
    _C._set_grad_enabled(False)
    try:
        result = function.forward(*args)
    finally:
        _C._set_grad_enabled(recording)
    if not recording or not any(function.needs_input_grad):
        return result

    class OldStyle:
        backward = staticmethod(lambda ctx, *grads: function.backward(*grads))

    OldStyle.__name__ = type(function).__name__
    return _attach(OldStyle, FunctionCtx(), args, places, result)


def once_differentiable(function):
    """backward without a derivative of its own."""
    def run(ctx, *grads):
        before = _C.is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            return function(ctx, *grads)
        finally:
            _C._set_grad_enabled(before)

    return run


InplaceFunction = NestedIOFunction = Function
