"""All layers. The files are named as PyTorch's, so that pickled classes are found by module."""

from trivium.torch.nn.modules import (activation, batchnorm, container, conv, dropout, linear, loss,
                                      module, normalization, pooling, rnn, shape, sparse, transformer)
from trivium.torch.nn.modules.module import Module

__all__ = ["Module"]
for _file in (container, linear, conv, pooling, activation, batchnorm, normalization, dropout, sparse,
              rnn, loss, shape, transformer):
    for _name, _value in vars(_file).items():
        if (isinstance(_value, type) and issubclass(_value, Module) and _value.__module__ == _file.__name__
                and not _name.startswith("_")):
            globals()[_name] = _value
            __all__.append(_name)
del _file, _name, _value


def _under_pytorchs_names():
    """Modules PyTorch keeps in files of their own, for programs that name classes by file."""
    import sys
    import types

    for name, classes in (("pixelshuffle", ("PixelShuffle", "PixelUnshuffle")),
                          ("flatten", ("Flatten", "Unflatten")), ("fold", ("Fold", "Unfold")),
                          ("channelshuffle", ("ChannelShuffle",)), ("upsampling", ("Upsample",)),
                          ("instancenorm", ("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d")),
                          ("distance", ("CosineSimilarity", "PairwiseDistance"))):
        if name in globals():
            continue
        made = types.ModuleType(f"{__name__}.{name}", f"{', '.join(classes)} by PyTorch's path.")
        made.__dict__.update({c: globals()[c] for c in classes if c in globals()})
        globals()[name] = sys.modules[made.__name__] = made


_under_pytorchs_names()
