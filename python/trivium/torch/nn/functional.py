"""torch.nn.functional: layers and losses as functions. All come from the extension; the few below
are written with them."""

import warnings as _warnings

from trivium import _C

_functions = _C.functional
for _name in dir(_functions):
    if not _name.startswith("__"):
        globals()[_name] = getattr(_functions, _name)


def _in_place(name):
    function = getattr(_functions, name)

    def run(input, *args, **kwargs):
        return function(input, *args, inplace=True, **kwargs)

    run.__name__ = name + "_"
    return run


for _name in ("relu", "leaky_relu", "elu", "selu", "celu", "hardtanh", "threshold", "rrelu"):
    globals()[_name + "_"] = _in_place(_name)


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    _warnings.warn("F.upsample is the old name of F.interpolate", UserWarning, 2)
    return _functions.interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input, size=None, scale_factor=None):
    return _functions.interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    return _functions.interpolate(input, size, scale_factor, "bilinear", True)


def max_pool2d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    return _functions.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    return _functions._max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    return _functions._max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    return _functions._max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """Softmax of logits with Gumbel noise; hard: one-hot forward, soft gradient."""
    noise = -_C.empty_like(logits).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    one = _C.zeros_like(logits).scatter_(dim, index, 1.0)
    return one - soft.detach() + soft


def multi_head_attention_forward(*_, **__):
    raise NotImplementedError("F.multi_head_attention_forward: use nn.MultiheadAttention or "
                              "F.scaled_dot_product_attention")


def pdist(input, p=2.0):
    n = input.shape[0]
    rows, columns = _C.triu_indices(n, n, 1)
    return _C.cdist(input, input, p)[rows, columns]


nll_loss2d = _functions.nll_loss


def __getattr__(name):
    from trivium.torch._absent import absent

    raise absent("torch.nn.functional", name, globals())
