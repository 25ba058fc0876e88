"""Dropout of elements and of whole channels."""

from trivium import _C
from trivium.torch.nn.modules.module import Module

F = _C.functional


class _DropoutNd(Module):
    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"a dropout probability lies in [0, 1], not {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input):
        return self._function(input, self.p, self.training, self.inplace)

    def extra_repr(self):
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    _function = F.dropout


class Dropout1d(_DropoutNd):
    _function = F.dropout1d


class Dropout2d(_DropoutNd):
    _function = F.dropout2d


class Dropout3d(_DropoutNd):
    _function = F.dropout3d


class AlphaDropout(_DropoutNd):
    _function = F.alpha_dropout


class FeatureAlphaDropout(_DropoutNd):
    _function = F.feature_alpha_dropout
