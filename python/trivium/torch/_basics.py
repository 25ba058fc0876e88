"""The small types every tensor answers with: Size, device, named results; handed to the extension
before anything else is imported."""

from trivium import _C


class Size(tuple):
    """The sizes of a tensor: a tuple with numel()."""

    __slots__ = ()

    def numel(self):
        n = 1
        for size in self:
            n *= size
        return n

    def __repr__(self):
        return f"torch.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, key):
        got = tuple.__getitem__(self, key)
        return Size(got) if isinstance(key, slice) else got

    def __add__(self, other):
        return Size(tuple.__add__(self, tuple(other)))

    def __radd__(self, other):
        return Size(tuple(other) + tuple(self))

    def __mul__(self, count):
        return Size(tuple.__mul__(self, count))

    __rmul__ = __mul__

    def __reduce__(self):
        return (Size, (tuple(self),))


_KNOWN_DEVICES = ("cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve",
                  "fpga", "maia", "xla", "lazy", "vulkan", "mps", "meta", "hpu", "mtia")


class device:
    """Where a tensor is: ``device('cpu')``, ``device('cuda', 0)``, ``device('cuda:0')``.

    Any known type can be named; only ``cpu`` holds tensors in this build. RuntimeError for a type
    that does not exist.
    """

    __slots__ = ("type", "index")

    def __init__(self, type=None, index=None):
        if type is None:
            raise TypeError("device() needs a type such as 'cpu'")
        if isinstance(type, device):
            type, index = type.type, type.index if index is None else index
        elif isinstance(type, int) and not isinstance(type, bool):
            type, index = "cuda", type
        elif ":" in type:
            type, _, text = type.partition(":")
            if not text.isdigit():
                raise RuntimeError(f"device '{type}:{text}': a number follows the colon")
            index = int(text)
        if type not in _KNOWN_DEVICES:
            raise RuntimeError(f"no device type is called '{type}'; known: {', '.join(_KNOWN_DEVICES)}")
        object.__setattr__(self, "type", type)
        object.__setattr__(self, "index", index)

    def __setattr__(self, name, value):
        raise AttributeError("a device does not change")

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self):
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __eq__(self, other):
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self):
        return hash((self.type, self.index))

    def __enter__(self):
        check_device(self)
        return self

    def __exit__(self, *_):
        return False

    def __reduce__(self):
        return (device, (self.type,) if self.index is None else (self.type, self.index))


def check_device(where):
    """RuntimeError with the remedy unless tensors can be on ``where``."""
    if where is None:
        return
    if not isinstance(where, device):
        where = device(where)
    if where.type != "cpu":
        raise RuntimeError(
            f"device '{where}': this build computes on the processor only. Choose the device by "
            "torch.device('cuda' if torch.cuda.is_available() else 'cpu'), or say 'cpu'")


class ItemError(RuntimeError, ValueError):
    """item() of a tensor that has not exactly one element."""


class GradFn:
    """How a result was made, as far as programs ask: a name."""

    __slots__ = ("_name", "_of")

    def __init__(self, op, of):
        self._name, self._of = op, of

    def name(self):
        text = self._of._grad_name()
        return text

    @property
    def next_functions(self):
        return ()

    def __repr__(self):
        return f"<{self.name()}>"


class return_types:
    """The named tuples of functions with two results."""


def _named_result(name, fields=("values", "indices")):
    def _new(cls, *args, **kwargs):
        if len(args) == 1 and not kwargs:
            args = tuple(args[0])
        return tuple.__new__(cls, args or tuple(kwargs[f] for f in fields))

    def _repr(self):
        inner = ",\n".join(f"{f}={v!r}" for f, v in zip(fields, self))
        return f"torch.return_types.{name}(\n{inner})"

    body = {"__slots__": (), "__new__": _new, "__repr__": _repr, "_fields": fields,
            "__module__": "torch.return_types"}
    for position, field in enumerate(fields):
        body[field] = property(lambda self, i=position: self[i])
    made = type(name, (tuple,), body)
    setattr(return_types, name, made)
    return made


_results = {name: _named_result(name) for name in
            ("max", "min", "median", "mode", "sort", "topk", "kthvalue", "cummax", "cummin")}

cpu = device("cpu")
_C._give({"Size": Size, "cpu": cpu, "ItemError": ItemError, "grad_fn": GradFn,
          "return_types": _results, "check_device": check_device})
