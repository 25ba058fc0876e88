"""Derivatives against finite differences."""

from trivium import _C
from trivium.torch._tensor import Tensor


class GradcheckError(RuntimeError):
    pass


def _outputs(fn, inputs):
    result = fn(*inputs)
    return [result] if isinstance(result, Tensor) else [r for r in result if isinstance(r, Tensor)]


def _numeric(fn, inputs, which, eps):
    """Columns d(outputs)/d(inputs[which]) by central differences, one list an output."""
    leaf = inputs[which]
    flat = leaf.data.reshape(-1).clone()
    columns = []
    for k in range(flat.numel()):
        sides = []
        for sign in (1, -1):
            moved = flat.clone()
            moved[k] += sign * eps
            trial = list(inputs)
            trial[which] = moved.view_as(leaf).detach()
            before = _C.is_grad_enabled()
            _C._set_grad_enabled(False)
            try:
                sides.append([o.detach().clone().reshape(-1) for o in _outputs(fn, trial)])
            finally:
                _C._set_grad_enabled(before)
        columns.append([(a - b) / (2 * eps) for a, b in zip(*sides)])
    return [_C.stack([c[o] for c in columns]) for o in range(len(columns[0]))]


def gradcheck(func, inputs, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, **_):
    """True when every derivative of func agrees with finite differences; GradcheckError names the
    first that does not (or False without raise_exception)."""
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    outputs = _outputs(func, inputs)
    for which, leaf in enumerate(inputs):
        if not isinstance(leaf, Tensor) or not leaf.requires_grad:
            continue
        numeric = _numeric(func, inputs, which, eps)
        for o, output in enumerate(outputs):
            if not output.requires_grad:
                continue
            flat = output.reshape(-1)
            for j in range(flat.numel()):
                got = _C._grad(flat[j], leaf, None, True, False, True)[0]
                got = _C.zeros_like(leaf) if got is None else got
                wanted = numeric[o][:, j]
                if not _C.allclose(got.detach().reshape(-1).to(wanted.dtype), wanted, rtol, atol):
                    if not raise_exception:
                        return False
                    raise GradcheckError(
                        f"derivative of output {o}, element {j}, by input {which}: "
                        f"{got.reshape(-1).tolist()} recorded, {wanted.tolist()} by differences")
    return True


def gradgradcheck(func, inputs, grad_outputs=None, eps=1e-6, atol=1e-5, rtol=1e-3,
                  raise_exception=True, **_):
    """gradcheck of the gradients themselves."""
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    seeds = [_C.randn_like(o) for o in _outputs(func, inputs)]

    def gradients(*args):
        wanted = [a for a in args if isinstance(a, Tensor)]
        wanted = [a if a.requires_grad else a.requires_grad_() for a in wanted]
        before = _C.is_grad_enabled()
        _C._set_grad_enabled(True)
        try:
            return tuple(_C._grad(_outputs(func, args), wanted, seeds, True, True, False))
        finally:
            _C._set_grad_enabled(before)

    return gradcheck(gradients, inputs, eps, atol, rtol, raise_exception)
