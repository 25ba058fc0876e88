"""torch.optim: optimizers, and schedulers of the learning rate."""

from trivium.torch.optim import lr_scheduler  # noqa: F401
from trivium.torch.optim.algorithms import (ASGD, SGD, Adadelta, Adagrad, Adam, Adamax,  # noqa: F401
                                            AdamW, NAdam, RAdam, RMSprop, Rprop)
from trivium.torch.optim.lbfgs import LBFGS  # noqa: F401
from trivium.torch.optim.optimizer import Optimizer  # noqa: F401
from trivium.torch.optim import optimizer  # noqa: F401


def __getattr__(name):
    from trivium.torch._absent import absent

    raise absent("torch.optim", name, globals())
