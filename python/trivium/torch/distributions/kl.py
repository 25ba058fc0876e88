"""kl_divergence by the types of its two distributions."""

from trivium import _C
from trivium.torch.distributions.continuous import Exponential, Normal, Uniform
from trivium.torch.distributions.discrete import Bernoulli, Categorical
from trivium.torch.distributions.independent import Independent
from trivium.torch.nn import functional as _F

_rules = {}


def register_kl(type_p, type_q):
    """Decorator: the function gives KL(p || q) of these types."""
    def keep(function):
        _rules[type_p, type_q] = function
        return function
    return keep


def kl_divergence(p, q):
    """KL(p || q) of shape batch_shape. NotImplementedError for a pair without a rule."""
    for kind_p in type(p).__mro__:
        for kind_q in type(q).__mro__:
            rule = _rules.get((kind_p, kind_q))
            if rule is not None:
                return rule(p, q)
    raise NotImplementedError(f"kl_divergence has no rule for {type(p).__name__} and {type(q).__name__}: "
                              "register_kl adds one")


@register_kl(Normal, Normal)
def _normal(p, q):
    ratio = (p.scale / q.scale) ** 2
    distance = ((p.loc - q.loc) / q.scale) ** 2
    return 0.5 * (ratio + distance - 1 - ratio.log())


@register_kl(Categorical, Categorical)
def _categorical(p, q):
    terms = p.probs * (p.logits - q.logits)
    terms = _C.where((q.probs == 0).expand_as(terms), _C.full_like(terms, float("inf")), terms)
    return _C.where((p.probs == 0).expand_as(terms), _C.zeros_like(terms), terms).sum(-1)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p, q):
    return p.probs * (_F.softplus(-q.logits) - _F.softplus(-p.logits)) + (1 - p.probs) * (
        _F.softplus(q.logits) - _F.softplus(p.logits))


@register_kl(Uniform, Uniform)
def _uniform(p, q):
    out = ((q.high - q.low) / (p.high - p.low)).log()
    outside = (q.low > p.low) | (q.high < p.high)
    return _C.where(outside, _C.full_like(out, float("inf")), out)


@register_kl(Exponential, Exponential)
def _exponential(p, q):
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Independent, Independent)
def _independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("kl_divergence: the two Independent sum over different axes")
    return p._summed(kl_divergence(p.base_dist, q.base_dist))
