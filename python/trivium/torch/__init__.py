"""PyTorch's surface on Trivium's engine: ``import trivium.torch as torch``.

Functions and the Tensor type come from the extension trivium._C; modules, optimizers and loaders
are in the packages beside this file.
"""

import math as _math

from trivium import _C
from trivium.torch import _basics, _tensor  # noqa: F401
from trivium.torch._basics import Size, device, return_types  # noqa: F401
from trivium.torch._tensor import Tensor  # noqa: F401

for _name in dir(_C):
    if not _name.startswith("_") and _name not in ("functional", "init"):
        globals()[_name] = getattr(_C, _name)

float, double, half = _C.float32, _C.float64, _C.float16
long, int, short = _C.int64, _C.int32, _C.int16
dtype = _C.dtype
arccos, arcsin, arctan, arcsinh, arccosh, arctanh = (_C.acos, _C.asin, _C.atan, _C.asinh, _C.acosh,
                                                     _C.atanh)
fix = _C.trunc
relu_ = _C.relu_
inf, nan, pi, e = _math.inf, _math.nan, _math.pi, _math.e
newaxis = None
Generator = _C.Generator
default_generator = _C.default_generator

from trivium.torch import autograd  # noqa: E402
from trivium.torch.autograd import (enable_grad, inference_mode, is_anomaly_enabled, no_grad,  # noqa: E402,F401
                                    set_grad_enabled)
from trivium.torch import _environment  # noqa: E402
from trivium.torch._environment import *  # noqa: E402,F401,F403
from trivium.torch._environment import __version__  # noqa: E402,F401
from trivium.torch import nn, optim, serialization, utils  # noqa: E402,F401
from trivium.torch._more_functions import *  # noqa: E402,F401,F403
from trivium.torch import linalg  # noqa: E402,F401
from trivium.torch._tensor_types import *  # noqa: E402,F401,F403
from trivium.torch.serialization import load, save  # noqa: E402,F401
from trivium.torch import random  # noqa: E402,F401
from trivium.torch import _modules  # noqa: E402
from trivium.torch._modules import (accelerator, amp, backends, cuda, distributed, jit,  # noqa: E402,F401
                                    mps, multiprocessing, special, version, xpu)

for _name, _value in vars(nn.functional).items():
    if _name in ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
                 "conv_transpose3d", "dropout", "batch_norm", "layer_norm", "group_norm", "selu", "celu",
                 "prelu", "rrelu", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "bilinear",
                 "cosine_similarity", "pairwise_distance", "pdist", "embedding", "threshold",
                 "selu_", "celu_", "rrelu_", "avg_pool1d", "max_pool1d", "max_pool2d",
                 "adaptive_avg_pool1d", "instance_norm", "hardshrink"):
        globals()[_name] = _value
del _name, _value

_REMOVED = {"qr": "linalg.qr", "symeig": "linalg.eigh", "cholesky": "linalg.cholesky",
            "eig": "linalg.eig", "lstsq": "linalg.lstsq"}
_NOT_PROVIDED = {"complex64": "complex dtypes", "complex128": "complex dtypes", "cfloat": "complex dtypes",
                 "cdouble": "complex dtypes", "fft": "Fourier transforms", "fx": "torch.fx",
                 "sparse": "sparse tensors", "vmap": "vmap: write the batch axis out",
                 "func": "torch.func: use torch.autograd.grad", "hub": "torch.hub: load files with "
                 "torch.load", "quantization": "quantisation"}


def __getattr__(name):
    if name in ("distributions", "onnx"):
        import importlib

        return importlib.import_module("trivium.torch." + name)
    if name == "profiler":
        raise AttributeError(f"torch.{name} is not provided by Trivium")
    if name in _REMOVED:
        def removed(*_, **__):
            raise RuntimeError(f"torch.{name} was removed from PyTorch: use torch.{_REMOVED[name]}")
        return removed
    if name in _NOT_PROVIDED:
        raise AttributeError(f"torch.{name}: Trivium does not have {_NOT_PROVIDED[name]}")
    from trivium.torch._absent import absent

    raise absent("torch", name, globals())
