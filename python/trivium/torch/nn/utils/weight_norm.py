"""weight_norm and spectral_norm by forward pre-hooks, with the state keys of the old functions."""

from trivium import _C
from trivium.torch.nn.parameter import Parameter


def _norm_except(weight, dim):
    if dim is None:
        return weight.norm(2)
    dims = [i for i in range(weight.dim()) if i != dim]
    return weight.norm(2, dims, True)


def _take(module, name):
    weight = module._parameters.pop(name)
    return weight


def weight_norm(module, name="weight", dim=0):
    """weight = weight_g * weight_v / |weight_v|, computed before every forward."""
    weight = _take(module, name)
    module.register_parameter(name + "_g", Parameter(_norm_except(weight, dim).data))
    module.register_parameter(name + "_v", Parameter(weight.data))

    def compute(module, inputs):
        g, v = getattr(module, name + "_g"), getattr(module, name + "_v")
        module.__dict__[name] = v * (g / _norm_except(v, dim))

    compute(module, None)
    hooks = module.__dict__.setdefault("_weight_norms", {})
    hooks[name] = (module.register_forward_pre_hook(compute), compute)
    return module


def _remove(module, name, parts):
    hooks = module.__dict__.get("_weight_norms", {})
    if name not in hooks:
        raise ValueError(f"the module's {name} is not normalised")
    handle, compute = hooks.pop(name)
    compute(module, None)
    weight = module.__dict__.pop(name).detach()
    handle.remove()
    for part in parts:
        module._parameters.pop(name + part, None)
        module._buffers.pop(name + part, None)
    module.register_parameter(name, Parameter(weight))
    return module


def remove_weight_norm(module, name="weight"):
    return _remove(module, name, ("_g", "_v"))


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """weight = weight_orig / its largest singular value, by power iteration in training."""
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    weight = _take(module, name)

    def matrix(w):
        if dim != 0:
            w = w.permute(dim, *[i for i in range(w.dim()) if i != dim])
        return w.reshape(w.shape[0], -1)

    def unit(x):
        return x / x.norm(2).clamp(min=eps)

    rows, columns = matrix(weight.data).shape
    module.register_parameter(name + "_orig", weight)
    module.register_buffer(name + "_u", unit(_C.randn(rows)))
    module.register_buffer(name + "_v", unit(_C.randn(columns)))

    def compute(module, inputs):
        w = getattr(module, name + "_orig")
        u, v, m = getattr(module, name + "_u"), getattr(module, name + "_v"), matrix(w)
        if module.training and inputs is not None:
            plain = m.detach()
            for _ in range(n_power_iterations):
                v.copy_(unit(plain.t().mv(u)))
                u.copy_(unit(plain.mv(v)))
        sigma = u.clone().dot(m.mv(v.clone()))
        module.__dict__[name] = w / sigma

    compute(module, None)
    hooks = module.__dict__.setdefault("_weight_norms", {})
    hooks[name] = (module.register_forward_pre_hook(compute), compute)
    return module


def remove_spectral_norm(module, name="weight"):
    return _remove(module, name, ("_orig", "_u", "_v"))
