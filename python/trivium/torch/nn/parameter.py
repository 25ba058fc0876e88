"""Parameter and Buffer: tensors that a Module registers when they are assigned to it."""

import collections.abc as _abc  # noqa: F401

from trivium import _C


class _ParameterMeta(type(_C.Tensor)):
    def __instancecheck__(cls, instance):
        return type.__instancecheck__(cls, instance) or (
            cls is Parameter and isinstance(instance, _C.Tensor) and getattr(instance, "_is_param", False))


class Parameter(_C.Tensor, metaclass=_ParameterMeta):
    """A leaf that shares ``data``'s memory and by default requires grad."""

    _is_param = True

    def __new__(cls, data=None, requires_grad=True):
        if data is None:
            data = _C.empty(0)
        if not isinstance(data, _C.Tensor):
            raise TypeError(f"Parameter: data must be a Tensor, not {type(data).__name__}")
        if requires_grad and not data.is_floating_point():
            raise RuntimeError("only floating tensors can require grad; this one is "
                               f"{data.dtype}: say requires_grad=False")
        return _C._make_subclass(cls, data, bool(requires_grad))

    def __init__(self, data=None, requires_grad=True):
        pass

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        made = type(self)(self.data.clone(), self.requires_grad)
        memo[id(self)] = made
        return made

    def __repr__(self):
        return "Parameter containing:\n" + _C.Tensor.__repr__(self)

    def __reduce_ex__(self, protocol):
        return (_rebuild_parameter, (self.data, self.requires_grad))


def _rebuild_parameter(data, requires_grad, hooks=None):
    return Parameter(data, requires_grad)


class Buffer(_C.Tensor):
    """A tensor that is registered as a buffer when assigned to a Module."""

    def __new__(cls, data=None, *, persistent=True):
        made = _C._make_subclass(cls, _C.empty(0) if data is None else data, False)
        made.persistent = persistent
        return made

    def __init__(self, data=None, *, persistent=True):
        pass


class UninitializedParameter:
    def __init__(self, *_, **__):
        raise NotImplementedError("lazy parameters are not provided: give the layer its sizes")
