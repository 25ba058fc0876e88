"""Initializers: callables that give a tensor of a shape."""
import math

import numpy as np

from trivium.tf import _core, array_ops, math_ops, random_ops


class Initializer:
    dtype = _core.float32

    def get_config(self):
        return {k: v for k, v in vars(self).items()}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class Zeros(Initializer):
    def __init__(self, dtype=_core.float32):
        self.dtype = _core.as_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        return array_ops.zeros(shape, dtype or self.dtype)


class Ones(Initializer):
    def __init__(self, dtype=_core.float32):
        self.dtype = _core.as_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        return array_ops.ones(shape, dtype or self.dtype)


class Constant(Initializer):
    def __init__(self, value=0, dtype=_core.float32, verify_shape=False):
        self.value, self.dtype = value, _core.as_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None, verify_shape=None):
        value = np.asarray(self.value, _core.as_dtype(dtype or self.dtype).as_numpy_dtype)
        return array_ops.constant(value, shape=shape)


class _Drawn(Initializer):
    draw = None

    def __init__(self, first, second, seed, dtype):
        self.first, self.second, self.seed, self.dtype = first, second, seed, _core.as_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        return type(self).draw(shape, self.first, self.second, dtype or self.dtype, seed=self.seed)


class RandomNormal(_Drawn):
    draw = staticmethod(random_ops.random_normal)

    def __init__(self, mean=0.0, stddev=1.0, seed=None, dtype=_core.float32):
        super().__init__(mean, stddev, seed, dtype)


class TruncatedNormal(_Drawn):
    draw = staticmethod(random_ops.truncated_normal)

    def __init__(self, mean=0.0, stddev=1.0, seed=None, dtype=_core.float32):
        super().__init__(mean, stddev, seed, dtype)


class RandomUniform(_Drawn):
    draw = staticmethod(random_ops.random_uniform)

    def __init__(self, minval=0, maxval=None, seed=None, dtype=_core.float32):
        super().__init__(minval, maxval, seed, dtype)


def _fans(shape):
    dims = [int(d) for d in shape]
    if not dims:
        return 1.0, 1.0
    if len(dims) == 1:
        return float(dims[0]), float(dims[0])
    field = float(np.prod(dims[:-2])) if len(dims) > 2 else 1.0
    return dims[-2] * field, dims[-1] * field


class VarianceScaling(Initializer):
    """Variance scale / n, n the number of inputs, of outputs, or their mean."""

    def __init__(self, scale=1.0, mode="fan_in", distribution="truncated_normal", seed=None, dtype=_core.float32):
        if scale <= 0:
            raise ValueError("`scale` must be positive float.")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError("Invalid `mode` argument: %s" % mode)
        if distribution not in ("normal", "uniform", "truncated_normal", "untruncated_normal"):
            raise ValueError("Invalid `distribution` argument: %s" % distribution)
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.seed, self.dtype = seed, _core.as_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        dtype = dtype or self.dtype
        fan_in, fan_out = _fans(_core.TensorShape(shape).as_list())
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return random_ops.random_uniform(shape, -limit, limit, dtype, seed=self.seed)
        if self.distribution == "untruncated_normal":
            return random_ops.random_normal(shape, 0.0, math.sqrt(variance), dtype, seed=self.seed)
        return random_ops.truncated_normal(shape, 0.0, math.sqrt(variance) / .87962566103423978, dtype,
                                           seed=self.seed)


class Identity(Initializer):
    """gain times the identity matrix."""

    def __init__(self, gain=1.0, dtype=_core.float32):
        self.gain, self.dtype = gain, _core.as_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        dims = _core.TensorShape(shape).as_list()
        if len(dims) != 2:
            raise ValueError("Identity matrix initializer can only be used for 2D matrices.")
        kind = _core.as_dtype(dtype or self.dtype).as_numpy_dtype
        return array_ops.constant((np.eye(dims[0], dims[1]) * self.gain).astype(kind))


class UniformUnitScaling(Initializer):
    """Uniform in ±sqrt(3 / number of inputs) · factor: the scale of inputs is kept."""

    def __init__(self, factor=1.0, seed=None, dtype=_core.float32):
        self.factor, self.seed, self.dtype = factor, seed, _core.as_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        dims = _core.TensorShape(shape).as_list()
        inputs = max(float(np.prod(dims[:-1])) if dims else 1.0, 1.0)
        limit = math.sqrt(3 / inputs) * self.factor
        return random_ops.random_uniform(dims, -limit, limit, dtype or self.dtype, seed=self.seed)


class Orthogonal(Initializer):
    """gain times a matrix with orthonormal rows or columns: the Q of normal numbers, signs by the diagonal of R."""

    def __init__(self, gain=1.0, seed=None, dtype=_core.float32):
        self.gain, self.seed, self.dtype = gain, seed, _core.as_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        dims = [int(d) for d in _core.TensorShape(shape).as_list()]
        if len(dims) < 2:
            raise ValueError("The tensor to initialize must be at least two-dimensional")
        rows, columns = int(np.prod(dims[:-1])), dims[-1]
        tall = [max(rows, columns), min(rows, columns)]
        from trivium.tf import linalg_ops, matrix_ops
        q, r = linalg_ops.qr(random_ops.random_normal(tall, dtype=dtype or self.dtype, seed=self.seed))
        q = q * math_ops.sign(matrix_ops.matrix_diag_part(r))
        if rows < columns:
            q = array_ops.transpose(q)
        return array_ops.reshape(q, dims) * self.gain


def glorot_uniform_initializer(seed=None, dtype=_core.float32):
    return VarianceScaling(1.0, "fan_avg", "uniform", seed, dtype)


def glorot_normal_initializer(seed=None, dtype=_core.float32):
    return VarianceScaling(1.0, "fan_avg", "truncated_normal", seed, dtype)


def he_normal(seed=None, dtype=_core.float32):
    return VarianceScaling(2.0, "fan_in", "truncated_normal", seed, dtype)


def he_uniform(seed=None, dtype=_core.float32):
    return VarianceScaling(2.0, "fan_in", "uniform", seed, dtype)


def lecun_normal(seed=None, dtype=_core.float32):
    return VarianceScaling(1.0, "fan_in", "truncated_normal", seed, dtype)


def lecun_uniform(seed=None, dtype=_core.float32):
    return VarianceScaling(1.0, "fan_in", "uniform", seed, dtype)


zeros_initializer, ones_initializer, constant_initializer = Zeros, Ones, Constant
random_normal_initializer, random_uniform_initializer = RandomNormal, RandomUniform
truncated_normal_initializer, variance_scaling_initializer = TruncatedNormal, VarianceScaling
zeros, ones, constant = Zeros, Ones, Constant
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling, glorot_uniform, glorot_normal = VarianceScaling, glorot_uniform_initializer, glorot_normal_initializer
identity, orthogonal, uniform_unit_scaling = Identity, Orthogonal, UniformUnitScaling
orthogonal_initializer, uniform_unit_scaling_initializer = Orthogonal, UniformUnitScaling
