"""Bernoulli and categorical draws, given by probabilities or by logits."""

import numbers

from trivium import _C
from trivium.torch._environment import finfo
from trivium.torch.distributions.distribution import Distribution, broadcast_all, no_grad_here, text_of
from trivium.torch.nn import functional as _F


def _clamped(probs):
    eps = finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)


def _one_of(name, probs, logits):
    if (probs is None) == (logits is None):
        raise ValueError(f"{name} takes either probs or logits, not both and not neither")


class _ByProbsOrLogits(Distribution):
    """Keeps what was given and computes the other when it is asked for."""

    _probs = _logits = None

    @property
    def probs(self):
        if self._probs is None:
            self._probs = self._to_probs(self._logits)
        return self._probs

    @property
    def logits(self):
        if self._logits is None:
            self._logits = self._to_logits(self._probs)
        return self._logits

    @property
    def param_shape(self):
        return (self._logits if self._probs is None else self._probs).size()

    def _texts(self):
        return text_of("probs", self._probs) if self._probs is not None else text_of("logits", self._logits)


class Categorical(_ByProbsOrLogits):
    """One of n classes; probs or logits of shape [..., n], values int64 of shape [...]."""

    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args=None):
        _one_of("Categorical", probs, logits)
        given = logits if probs is None else probs
        if given.dim() < 1:
            raise ValueError("Categorical: probs or logits have at least one axis")
        super().__init__(given.size()[:-1], (), validate_args)
        self._num_events = given.size()[-1]
        if probs is not None:
            self._check_parameter("probs", probs, "not negative and sum to 1 over the last axis",
                                  lambda p: (p >= 0) & (p.sum(-1, keepdim=True) > 0))
            self._probs = probs / probs.sum(-1, keepdim=True)
        else:
            self._check_parameter("logits", logits, "numbers", lambda x: x == x)
            self._logits = logits - logits.logsumexp(-1, True)

    @staticmethod
    def _to_probs(logits):
        return _F.softmax(logits, -1)

    @staticmethod
    def _to_logits(probs):
        return _clamped(probs).log()

    def sample(self, sample_shape=()):
        count = 1
        for n in sample_shape:
            count *= n
        with no_grad_here():
            rows = self.probs.reshape(-1, self._num_events)
            return _C.multinomial(rows, count, True).t().reshape(self._extended_shape(sample_shape))

    def log_prob(self, value):
        n = self._num_events
        self._check_value(value, f"an integer from 0 to {n - 1}",
                          lambda v: (v >= 0) & (v < n) & (v == v.to(_C.int64)))
        value, logits = _C.broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self):
        logits = self.logits.clamp(min=finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    @property
    def mode(self):
        return self.probs.argmax(-1)

    @property
    def mean(self):
        return _C.full(tuple(self._batch_shape), float("nan"), dtype=self.probs.dtype)

    variance = mean

    def enumerate_support(self, expand=True):
        values = _C.arange(self._num_events).view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1,) + tuple(self._batch_shape)) if expand else values


class OneHotCategorical(Distribution):
    """Categorical whose values are rows of zeros with a one."""

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._categorical = Categorical(probs, logits, validate_args)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args)

    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)
    mean = probs
    variance = property(lambda self: self.probs * (1 - self.probs))

    def sample(self, sample_shape=()):
        drawn = self._categorical.sample(sample_shape)
        return _F.one_hot(drawn, self._event_shape[0]).to(self.probs.dtype)

    def log_prob(self, value):
        return self._categorical.log_prob(value.max(-1)[1])

    def entropy(self):
        return self._categorical.entropy()


class Bernoulli(_ByProbsOrLogits):
    """1 with probability probs, else 0; values have the parameters' shape and dtype."""

    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args=None):
        _one_of("Bernoulli", probs, logits)
        given = logits if probs is None else probs
        shape = () if isinstance(given, numbers.Number) else given.size()
        super().__init__(shape, (), validate_args)
        (given,) = broadcast_all(given)
        if probs is not None:
            self._check_parameter("probs", given, "from 0 to 1", lambda p: (p >= 0) & (p <= 1))
            self._probs = given
        else:
            self._check_parameter("logits", given, "numbers", lambda x: x == x)
            self._logits = given

    @staticmethod
    def _to_probs(logits):
        return logits.sigmoid()

    @staticmethod
    def _to_logits(probs):
        probs = _clamped(probs)
        return probs.log() - (-probs).log1p()

    def sample(self, sample_shape=()):
        with no_grad_here():
            return _C.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        self._check_value(value, "0 or 1", lambda v: (v == 0) | (v == 1))
        logits, value = broadcast_all(self.logits, value)
        return -_F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self):
        return _F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    @property
    def mean(self):
        return self.probs

    @property
    def variance(self):
        return self.probs * (1 - self.probs)

    @property
    def mode(self):
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return _C.where(self.probs == 0.5, _C.full_like(mode, float("nan")), mode)

    def enumerate_support(self, expand=True):
        values = _C.arange(2, dtype=self.probs.dtype).view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1,) + tuple(self._batch_shape)) if expand else values
