"""What programs set or ask of the process: seeds, threads, printing, number limits."""

import contextlib
import os as _os

from trivium import _C
from trivium.torch._basics import check_device


class _Version(str):
    """Compared by its numbers."""

    def _key(self, text):
        numbers = []
        for part in str(text).split("+")[0].split("."):
            digits = "".join(c for c in part if c.isdigit())
            numbers.append(int(digits) if digits else 0)
        return tuple(numbers)

    def __lt__(self, other):
        return self._key(self) < self._key(other)

    def __le__(self, other):
        return self._key(self) <= self._key(other)

    def __gt__(self, other):
        return self._key(self) > self._key(other)

    def __ge__(self, other):
        return self._key(self) >= self._key(other)

    __hash__ = str.__hash__

    def __eq__(self, other):
        return str.__eq__(self, str(other))


# The version of the surface, so that scripts that look take the right branch.
__version__ = _Version("2.15.0+trivium")


def manual_seed(seed):
    """Seeds the default generator and returns it."""
    return _C.default_generator.manual_seed(seed)


def seed():
    return _C.default_generator.seed()


def initial_seed():
    return _C.default_generator.initial_seed()


def get_rng_state():
    return _C.default_generator.get_state()


def set_rng_state(new_state):
    _C.default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices=None, enabled=True, **_):
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)


def get_num_interop_threads():
    return 1


def set_num_interop_threads(_n):
    pass


class strided:
    def __repr__(self):
        return "torch.strided"


strided = strided()


class _Format:
    def __init__(self, name):
        self._name = name

    def __repr__(self):
        return f"torch.{self._name}"


contiguous_format, preserve_format, channels_last = (
    _Format(n) for n in ("contiguous_format", "preserve_format", "channels_last"))

_deterministic = False
_matmul_precision = "highest"
_printing = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Trivium's results do not depend on threads: both settings compute the same."""
    global _deterministic
    _deterministic = bool(mode)


def are_deterministic_algorithms_enabled():
    return _deterministic


def set_float32_matmul_precision(precision):
    global _matmul_precision
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"precision is 'highest', 'high' or 'medium', not {precision!r}")
    _matmul_precision = precision


def get_float32_matmul_precision():
    return _matmul_precision


def set_flush_denormal(mode):
    return False


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None,
                     sci_mode=None):
    if profile is not None:
        _printing.update({"default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
                          "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
                          "full": {"precision": 4, "threshold": 2 ** 62, "edgeitems": 3,
                                   "linewidth": 80}}[profile])
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems,
             "linewidth": linewidth}
    _printing.update({k: v for k, v in given.items() if v is not None})
    if _printing["threshold"] > 2 ** 62:
        _printing["threshold"] = 2 ** 62
    _printing["sci_mode"] = sci_mode
    _C._set_printoptions(_printing["precision"], _printing["threshold"], _printing["edgeitems"],
                         _printing["linewidth"], sci_mode)


def set_default_device(device):
    check_device(device)


def get_default_device():
    from trivium.torch._basics import cpu

    return cpu


def set_default_tensor_type(t):
    _C.set_default_dtype(_C._dtype_of_text(t) if isinstance(t, str) else t.dtype)


_FLOATS = {"float32": (32, 2.0 ** -23, (2 - 2.0 ** -23) * 2.0 ** 127, 2.0 ** -126, 1e-6, 2.0 ** -149),
           "float64": (64, 2.0 ** -52, (2 - 2.0 ** -52) * 2.0 ** 1023, 2.0 ** -1022, 1e-15, 5e-324),
           "float16": (16, 2.0 ** -10, 65504.0, 2.0 ** -14, 1e-3, 2.0 ** -24),
           "bfloat16": (16, 2.0 ** -7, (2 - 2.0 ** -7) * 2.0 ** 127, 2.0 ** -126, 1e-2, 2.0 ** -133)}


class finfo:
    """Limits of a floating dtype."""

    def __init__(self, type=None):
        type = _C.get_default_dtype() if type is None else type
        if type._name not in _FLOATS:
            raise TypeError(f"finfo takes floating dtypes, not {type}; iinfo takes integers")
        self.dtype = type._name
        (self.bits, self.eps, self.max, self.tiny, self.resolution,
         self.smallest_subnormal) = _FLOATS[type._name]
        self.min, self.smallest_normal = -self.max, self.tiny

    def __repr__(self):
        return (f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
                f"eps={self.eps:g}, smallest_normal={self.tiny:g}, tiny={self.tiny:g}, "
                f"dtype={self.dtype})")


class iinfo:
    """Limits of an integer dtype."""

    def __init__(self, type):
        if type.is_floating_point:
            raise TypeError(f"iinfo takes integer dtypes, not {type}; finfo takes floats")
        self.dtype, self.bits = type._name, type.itemsize * 8
        signed = type.is_signed
        self.max = 2 ** (self.bits - signed) - 1
        self.min = -2 ** (self.bits - 1) if signed else 0

    def __repr__(self):
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


def compile(model=None, **_):
    """Trivium compiles what it records already: the model itself."""
    return (lambda m: m) if model is None else model


def legacy(on=True):
    """Old forms of before 0.4: Functions with state, loss.data[0], and others."""
    from trivium.torch.autograd import function

    function._legacy = bool(on)


def is_inference_mode_enabled():
    from trivium.torch.autograd import inference_mode

    return bool(inference_mode._depth and inference_mode._depth[-1])


def get_file_path(*parts):
    return _os.path.join(_os.path.dirname(__file__), *parts)


__all__ = [name for name in dir() if not name.startswith("_") and name not in ("contextlib", "check_device")]
