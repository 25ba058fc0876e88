"""torch.nn: layers, losses, containers; functional, init and utils beside them."""

from trivium.torch.nn import init  # noqa: F401
from trivium.torch.nn.parameter import Buffer, Parameter, UninitializedParameter  # noqa: F401
from trivium.torch.nn.modules import *  # noqa: F401,F403
from trivium.torch.nn import functional, modules, parameter, utils  # noqa: F401
from trivium.torch.nn import parallel  # noqa: F401
from trivium.torch.nn.parallel import DataParallel  # noqa: F401

_LAZY = ("LazyLinear", "LazyConv1d", "LazyConv2d", "LazyConv3d", "LazyBatchNorm1d", "LazyBatchNorm2d")


def __getattr__(name):
    if name in _LAZY:
        raise AttributeError(f"nn.{name} is not provided: give nn.{name[4:]} its sizes")
    from trivium.torch._absent import absent

    raise absent("torch.nn", name, globals())
