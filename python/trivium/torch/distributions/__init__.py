"""torch.distributions: what policies and variational models sample from. Every draw is PyTorch's:
the same generator gives the same values."""

from trivium.torch.distributions.distribution import Distribution  # noqa: F401
from trivium.torch.distributions.discrete import Bernoulli, Categorical, OneHotCategorical  # noqa: F401
from trivium.torch.distributions.continuous import Exponential, Laplace, Normal, Uniform  # noqa: F401
from trivium.torch.distributions.independent import Independent  # noqa: F401
from trivium.torch.distributions.kl import kl_divergence, register_kl  # noqa: F401


def __getattr__(name):
    from trivium.torch._absent import absent

    raise absent("torch.distributions", name, globals())
