"""Functions that are compositions of others, seldom called."""

import itertools as _itertools
import math as _math

from trivium import _C
from trivium.torch._tensor import Tensor


def is_storage(obj):
    return type(obj).__name__ == "_Storage"


def sum_to_size(x, *size):
    size = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
    while x.dim() > len(size):
        x = x.sum(0)
    for axis, n in enumerate(size):
        if n == 1 and x.shape[axis] != 1:
            x = x.sum(axis, keepdim=True)
    return x


Tensor.sum_to_size = sum_to_size


def dsplit(x, indices_or_sections):
    return _C.tensor_split(x, indices_or_sections, 2)


def hsplit(x, indices_or_sections):
    return _C.tensor_split(x, indices_or_sections, 0 if x.dim() == 1 else 1)


def vsplit(x, indices_or_sections):
    return _C.tensor_split(x, indices_or_sections, 0)


def dstack(tensors):
    return _C.cat([atleast_3d(t) for t in tensors], 2)


row_stack = _C.vstack


def column_stack(tensors):
    return _C.hstack([t.reshape(-1, 1) if t.dim() <= 1 else t for t in tensors])


def atleast_1d(x):
    return x.reshape(1) if x.dim() == 0 else x


def atleast_2d(x):
    return x.reshape(1, -1) if x.dim() <= 1 else x


def atleast_3d(x):
    return x.reshape(1, -1, 1) if x.dim() <= 1 else x.unsqueeze(-1) if x.dim() == 2 else x


def block_diag(*tensors):
    tensors = [atleast_2d(t) for t in tensors]
    rows, columns = sum(t.shape[0] for t in tensors), sum(t.shape[1] for t in tensors)
    out = _C.zeros(rows, columns, dtype=tensors[0].dtype)
    r = c = 0
    for t in tensors:
        out[r:r + t.shape[0], c:c + t.shape[1]] = t
        r, c = r + t.shape[0], c + t.shape[1]
    return out


def cartesian_prod(*tensors):
    if len(tensors) == 1:
        return tensors[0]
    return _C.stack([g.reshape(-1) for g in _C.meshgrid(*tensors, indexing="ij")], 1)


def combinations(x, r=2, with_replacement=False):
    choose = _itertools.combinations_with_replacement if with_replacement else _itertools.combinations
    return x[_C.tensor(list(choose(range(x.shape[0]), r)), dtype=_C.int64)]


def vander(x, N=None, increasing=False):
    n = x.shape[0] if N is None else N
    powers = range(n) if increasing else range(n - 1, -1, -1)
    return _C.stack([x ** k for k in powers], 1)


def chain_matmul(*matrices):
    out = matrices[0]
    for m in matrices[1:]:
        out = out @ m
    return out


def kron(a, b):
    while a.dim() < b.dim():
        a = a.unsqueeze(0)
    while b.dim() < a.dim():
        b = b.unsqueeze(0)
    sizes = [m * n for m, n in zip(a.shape, b.shape)]
    for axis in range(a.dim()):
        a, b = a.unsqueeze(2 * axis + 1), b.unsqueeze(2 * axis)
    return (a * b).reshape(sizes)


def diff(x, n=1, dim=-1):
    for _ in range(n):
        size = x.shape[dim]
        x = x.narrow(dim, 1, size - 1) - x.narrow(dim, 0, size - 1)
    return x


def trapz(y, x=None, *, dx=1, dim=-1):
    size = y.shape[dim]
    middle = (y.narrow(dim, 1, size - 1) + y.narrow(dim, 0, size - 1)) / 2
    return (middle * (dx if x is None else diff(x, dim=dim))).sum(dim)


trapezoid = trapz


def cross(a, b, dim=-1):
    a1, a2, a3 = a.unbind(dim)
    b1, b2, b3 = b.unbind(dim)
    return _C.stack([a2 * b3 - a3 * b2, a3 * b1 - a1 * b3, a1 * b2 - a2 * b1], dim)


Tensor.cross = cross


def renorm(x, p, dim, maxnorm):
    dims = [i for i in range(x.dim()) if i != dim % x.dim()]
    norm = x.norm(p, dims, True)
    return x * _C.where(norm > maxnorm, maxnorm / (norm + 1e-7), _C.ones_like(norm))


Tensor.renorm = renorm


def signbit(x):
    return x < 0


def positive(x):
    return x


def sgn(x):
    return x.sign()


def sinc(x):
    y = x * _math.pi
    return _C.where(x == 0, _C.ones_like(y), y.sin() / _C.where(x == 0, _C.ones_like(y), y))


def heaviside(x, values):
    return _C.where(x == 0, values, (x > 0).to(x.dtype))


def isneginf(x):
    return x.isinf() & (x < 0)


def isposinf(x):
    return x.isinf() & (x > 0)


def isreal(x):
    return _C.ones_like(x, dtype=_C.bool)


def isin(elements, test_elements):
    return (elements.unsqueeze(-1) == test_elements.reshape(-1)).any(-1)


def logaddexp2(a, b):
    ln2 = _math.log(2)
    return _C.logaddexp(a * ln2, b * ln2) / ln2


def logcumsumexp(x, dim):
    top = x.max(dim, keepdim=True)[0]
    return (x - top).exp().cumsum(dim).log() + top


Tensor.logcumsumexp = logcumsumexp


def cov(x, *, correction=1):
    x = x.unsqueeze(0) if x.dim() < 2 else x
    centred = x - x.mean(1, keepdim=True)
    return (centred @ centred.t() / (x.shape[1] - correction)).squeeze()


def corrcoef(x):
    c = cov(x)
    d = c.diag().sqrt()
    return c / d.unsqueeze(0) / d.unsqueeze(1)


def quantile(x, q, dim=None, keepdim=False):
    """Linear interpolation between the neighbours."""
    if dim is None:
        x, dim = x.reshape(-1), 0
    single = not isinstance(q, Tensor)
    points = [q] if single else q.reshape(-1).tolist()
    ordered = x.sort(dim)[0]
    n = x.shape[dim]
    rows = []
    for point in points:
        if not 0 <= point <= 1:
            raise RuntimeError(f"a quantile lies in [0, 1], not {point}")
        at = point * (n - 1)
        low = min(int(at), n - 1)
        a, b = ordered.select(dim, low), ordered.select(dim, min(low + 1, n - 1))
        row = a + (b - a) * (at - low)
        rows.append(row.unsqueeze(dim) if keepdim else row)
    return rows[0] if single or q.dim() == 0 else _C.stack(rows)


Tensor.quantile = quantile


def nanquantile(x, q, dim=None, keepdim=False):
    """quantile() of what is no NaN; NaN where nothing is left."""
    if dim is None:
        x, dim = x.reshape(-1), 0
    single = not isinstance(q, Tensor)
    points = [q] if single else q.reshape(-1).tolist()
    nan = x.isnan()
    count = (~nan).sum(dim, keepdim=True)
    ordered = _C.where(nan, _C.full_like(x, float("inf")), x).sort(dim)[0]
    rows = []
    for point in points:
        if not 0 <= point <= 1:
            raise RuntimeError(f"a quantile lies in [0, 1], not {point}")
        at = (count - 1).clamp(min=0).to(x.dtype) * point
        low = at.floor()
        a = ordered.gather(dim, low.to(_C.int64))
        b = ordered.gather(dim, _C.minimum(low + 1, (count - 1).clamp(min=0).to(x.dtype)).to(_C.int64))
        row = _C.where(at == low, a, a + (b - a) * (at - low))
        row = _C.where(count == 0, _C.full_like(row, float("nan")), row)
        rows.append(row if keepdim else row.squeeze(dim))
    return rows[0] if single or q.dim() == 0 else _C.stack(rows)


Tensor.nanquantile = nanquantile


def float_power(x, exponent):
    """x ** exponent in float64."""
    double = [v.to(_C.float64) if isinstance(v, Tensor) else float(v) for v in (x, exponent)]
    return _C.pow(*double)


def copysign(x, other):
    """|x| with the sign of other, that of zeros included."""
    other = other if isinstance(other, Tensor) else _C.tensor(float(other), dtype=_C.float32)
    x = x if x.is_floating_point() else x.to(_C.get_default_dtype())
    negative = (other < 0) | ((other == 0) & (other.to(x.dtype).reciprocal() < 0))
    return _C.where(negative, -x.abs(), x.abs())


def bartlett_window(*_, **__):
    raise NotImplementedError("window functions: write the formula with torch.arange")


def hann_window(window_length, periodic=True, *, dtype=None):
    n = window_length + (1 if periodic else 0)
    k = _C.arange(n, dtype=_C.float64)
    return (0.5 - 0.5 * (2 * _math.pi * k / (n - 1)).cos())[:window_length].to(
        dtype or _C.get_default_dtype())


def hamming_window(window_length, periodic=True, alpha=0.54, beta=0.46, *, dtype=None):
    n = window_length + (1 if periodic else 0)
    k = _C.arange(n, dtype=_C.float64)
    return (alpha - beta * (2 * _math.pi * k / (n - 1)).cos())[:window_length].to(
        dtype or _C.get_default_dtype())


def empty_strided(size, stride, *, dtype=None, device=None, requires_grad=False):
    return _C.empty(tuple(size), dtype=dtype, requires_grad=requires_grad)


class _Capsule:
    """What a bare capsule needs to be taken: it lies on the CPU."""

    def __init__(self, capsule):
        self._capsule = capsule

    def __dlpack__(self, **_):
        return self._capsule

    def __dlpack_device__(self):
        return 1, 0


def from_dlpack(ext_tensor):
    if isinstance(ext_tensor, Tensor):
        return ext_tensor.detach()
    import numpy

    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = _Capsule(ext_tensor)

    return _C.from_numpy(numpy.from_dlpack(ext_tensor))


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    import numpy

    array = numpy.frombuffer(buffer, dtype=dtype._name, count=count, offset=offset)
    tensor = _C.tensor(array)
    return tensor.requires_grad_() if requires_grad else tensor


def scalar_tensor(s, *, dtype=None, device=None, requires_grad=False):
    return _C.tensor(float(s), dtype=dtype, requires_grad=requires_grad)


def typename(obj):
    return obj.type() if isinstance(obj, Tensor) else f"{type(obj).__module__}.{type(obj).__qualname__}"


def inverse(x):
    from trivium.torch import linalg

    return linalg.inv(x)


def det(x):
    from trivium.torch import linalg

    return linalg.det(x)


def matrix_power(x, n):
    from trivium.torch import linalg

    return linalg.matrix_power(x, n)


Tensor.inverse, Tensor.det, Tensor.matrix_power = inverse, det, matrix_power

for _function in (diff, sinc, hsplit, vsplit, dsplit, float_power, copysign, signbit, positive, sgn,
                  heaviside, isneginf, isposinf, isreal, logaddexp2, cov, corrcoef, kron):
    if not hasattr(Tensor, _function.__name__):
        setattr(Tensor, _function.__name__, _function)


def _in_place(name):
    function = getattr(Tensor, name)

    def run(self, *args, **kwargs):
        return self.copy_(function(self, *args, **kwargs))

    run.__name__ = run.__qualname__ = name + "_"
    run.__doc__ = f"{name}() into the tensor itself."
    return run


for _name in ("cumsum", "cumprod", "sinc", "copysign", "float_power", "sgn", "heaviside", "tril", "triu",
              "logaddexp2", "renorm"):
    if not hasattr(Tensor, _name + "_"):
        setattr(Tensor, _name + "_", _in_place(_name))
del _function, _name

__all__ = [name for name in dir() if not name.startswith("_") and name != "Tensor"]
