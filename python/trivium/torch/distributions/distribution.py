"""What all distributions share: shapes, argument checks, the road from sample() to rsample()."""

import math
import numbers

from trivium import _C
from trivium.torch._basics import Size
from trivium.torch._tensor import Tensor


def broadcast_all(*values):
    """Numbers and tensors as tensors of one shape; numbers take the tensors' dtype."""
    tensors = [v for v in values if isinstance(v, Tensor)]
    for value in values:
        if not isinstance(value, (Tensor, numbers.Number)):
            raise ValueError(f"parameters are tensors and numbers, not {type(value).__name__}")
    dtype = tensors[0].dtype if tensors else _C.get_default_dtype()
    made = [v if isinstance(v, Tensor) else _C.tensor(v, dtype=dtype) for v in values]
    return _C.broadcast_tensors(*made)


class Distribution:
    """Independent draws of `batch_shape`, each an event of `event_shape`."""

    has_rsample = False
    has_enumerate_support = False
    arg_constraints = {}
    _checks = __debug__

    @staticmethod
    def set_default_validate_args(value):
        Distribution._checks = bool(value)

    def __init__(self, batch_shape=(), event_shape=(), validate_args=None):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        self._validate_args = Distribution._checks if validate_args is None else validate_args

    @property
    def batch_shape(self):
        return self._batch_shape

    @property
    def event_shape(self):
        return self._event_shape

    @property
    def stddev(self):
        return self.variance.sqrt()

    def sample(self, sample_shape=()):
        """Values of shape sample_shape + batch_shape + event_shape, without gradient."""
        with no_grad_here():
            return self.rsample(sample_shape)

    def sample_n(self, n):
        return self.sample((n,))

    def rsample(self, sample_shape=()):
        raise NotImplementedError(f"{type(self).__name__} has no rsample: use sample")

    def log_prob(self, value):
        raise NotImplementedError(f"{type(self).__name__} has no log_prob")

    def entropy(self):
        raise NotImplementedError(f"{type(self).__name__} has no entropy")

    def perplexity(self):
        return self.entropy().exp()

    def cdf(self, value):
        raise NotImplementedError(f"{type(self).__name__} has no cdf")

    def icdf(self, value):
        raise NotImplementedError(f"{type(self).__name__} has no icdf")

    def enumerate_support(self, expand=True):
        raise NotImplementedError(f"{type(self).__name__} has no finite support")

    def _extended_shape(self, sample_shape=()):
        return tuple(sample_shape) + tuple(self._batch_shape) + tuple(self._event_shape)

    def _check_parameter(self, name, value, rule, ok):
        """ValueError when a parameter leaves its range; `ok` computes a tensor of truths."""
        if self._validate_args and not bool(ok(value).all()):
            raise ValueError(f"{type(self).__name__}: {name} must be {rule}, found {value}")

    def _check_value(self, value, rule, ok):
        if not self._validate_args:
            return
        if not isinstance(value, Tensor):
            raise ValueError(f"{type(self).__name__}: log_prob takes a tensor, not "
                             f"{type(value).__name__}")
        if not bool(ok(value).all()):
            raise ValueError(f"{type(self).__name__}: a value must be {rule}, found {value}")

    def _texts(self):
        return ""

    def __repr__(self):
        return f"{type(self).__name__}({self._texts()})"


def text_of(name, value):
    return f"{name}: {value if value.numel() == 1 else value.size()}"


def no_grad_here():
    from trivium.torch.autograd import no_grad

    return no_grad()


HALF_LOG_TWO_PI = math.log(math.sqrt(2 * math.pi))
