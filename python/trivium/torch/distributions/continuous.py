"""Distributions of real numbers."""

import math
import numbers

from trivium import _C
from trivium.torch._environment import finfo
from trivium.torch.distributions.distribution import (HALF_LOG_TWO_PI, Distribution, broadcast_all,
                                                      no_grad_here, text_of)


def _shape(first, *values):
    return () if all(isinstance(v, numbers.Number) for v in values) else first.size()


def _is_number(value):
    return value == value


class Normal(Distribution):
    """Normal of mean `loc` and standard deviation `scale`."""

    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(_shape(self.loc, loc, scale), (), validate_args)
        self._check_parameter("loc", self.loc, "numbers", _is_number)
        self._check_parameter("scale", self.scale, "above 0", lambda s: s > 0)

    mean = property(lambda self: self.loc)
    mode = mean
    stddev = property(lambda self: self.scale)
    variance = property(lambda self: self.scale ** 2)

    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        with no_grad_here():
            return _C.normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return self.loc + _C.randn(shape, dtype=self.loc.dtype) * self.scale

    def log_prob(self, value):
        self._check_value(value, "a number", _is_number)
        return -((value - self.loc) ** 2) / (2 * self.variance) - self.scale.log() - HALF_LOG_TWO_PI

    def entropy(self):
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()

    def cdf(self, value):
        return 0.5 * (1 + _C.erf((value - self.loc) * self.scale.reciprocal() / math.sqrt(2)))

    def icdf(self, value):
        return self.loc + self.scale * _C.erfinv(2 * value - 1) * math.sqrt(2)

    def _texts(self):
        return f"{text_of('loc', self.loc)}, {text_of('scale', self.scale)}"


class Uniform(Distribution):
    """Uniform on [low, high)."""

    has_rsample = True

    def __init__(self, low, high, validate_args=None):
        self.low, self.high = broadcast_all(low, high)
        super().__init__(_shape(self.low, low, high), (), validate_args)
        if self._validate_args and not bool((self.low < self.high).all()):
            raise ValueError(f"Uniform: low must lie below high, found {self.low} and {self.high}")

    mean = property(lambda self: (self.high + self.low) / 2)
    mode = property(lambda self: self.mean * float("nan"))
    stddev = property(lambda self: (self.high - self.low) / 12 ** 0.5)
    variance = property(lambda self: (self.high - self.low) ** 2 / 12)

    def rsample(self, sample_shape=()):
        drawn = _C.rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return self.low + drawn * (self.high - self.low)

    def log_prob(self, value):
        self._check_value(value, f"from {self.low} to {self.high}",
                          lambda v: (v >= self.low) & (v <= self.high))
        inside = (self.low <= value) & (self.high > value)
        return inside.to(self.low.dtype).log() - (self.high - self.low).log()

    def entropy(self):
        return (self.high - self.low).log()

    def cdf(self, value):
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value):
        return value * (self.high - self.low) + self.low

    def _texts(self):
        return f"{text_of('low', self.low)}, {text_of('high', self.high)}"


class Exponential(Distribution):
    """Exponential of the given rate."""

    has_rsample = True

    def __init__(self, rate, validate_args=None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(_shape(self.rate, rate), (), validate_args)
        self._check_parameter("rate", self.rate, "above 0", lambda r: r > 0)

    mean = property(lambda self: self.rate.reciprocal())
    stddev = mean
    variance = property(lambda self: self.rate ** -2)

    def rsample(self, sample_shape=()):
        drawn = _C.empty(self._extended_shape(sample_shape), dtype=self.rate.dtype).exponential_()
        return drawn / self.rate

    def log_prob(self, value):
        self._check_value(value, "0 or more", lambda v: v >= 0)
        return self.rate.log() - self.rate * value

    def entropy(self):
        return 1 - self.rate.log()

    def cdf(self, value):
        return 1 - (-self.rate * value).exp()

    def _texts(self):
        return text_of("rate", self.rate)


class Laplace(Distribution):
    """Laplace of mean `loc` and width `scale`."""

    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(_shape(self.loc, loc, scale), (), validate_args)
        self._check_parameter("scale", self.scale, "above 0", lambda s: s > 0)

    mean = property(lambda self: self.loc)
    mode = mean
    stddev = property(lambda self: 2 ** 0.5 * self.scale)
    variance = property(lambda self: 2 * self.scale ** 2)

    def rsample(self, sample_shape=()):
        low = finfo(self.loc.dtype).eps - 1
        u = _C.empty(self._extended_shape(sample_shape), dtype=self.loc.dtype).uniform_(low, 1)
        return self.loc - self.scale * u.sign() * (-u.abs()).log1p()

    def log_prob(self, value):
        self._check_value(value, "a number", _is_number)
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def entropy(self):
        return 1 + (2 * self.scale).log()

    def _texts(self):
        return f"{text_of('loc', self.loc)}, {text_of('scale', self.scale)}"
