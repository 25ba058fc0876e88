"""The part of torchvision that training scripts use: models, transforms, datasets, utils."""

from trivium.torchvision import datasets, models, transforms, utils  # noqa: F401

__version__ = "0.29.2+trivium"


def __getattr__(name):
    from trivium.torch._absent import absent

    raise absent("torchvision", name, globals())
