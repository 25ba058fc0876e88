"""The optimizers. Each _update is the formula of its paper, in PyTorch's order of operations."""

import math

from trivium import _C
from trivium.torch.optim.optimizer import Optimizer, advance, check_betas, not_negative


def _started(state, p, *names):
    """First use: a step count and zeros under the names."""
    if not state:
        state["step"] = _C.tensor(0.0)
        for name in names:
            state[name] = _C.zeros_like(p.data)
    return advance(state)


class SGD(Optimizer):
    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *,
                 maximize=False, foreach=None, differentiable=False, fused=None):
        not_negative(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("nesterov needs a momentum and no dampening")
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening,
                                      weight_decay=weight_decay, nesterov=nesterov, maximize=maximize,
                                      foreach=foreach, differentiable=differentiable, fused=fused))

    def _update(self, group, params):
        lr, momentum = group["lr"], group["momentum"]
        for p in params:
            g = self._gradient(group, p)
            if momentum != 0:
                state = self.state[p]
                b = state.get("momentum_buffer")
                if b is None:
                    b = state["momentum_buffer"] = g.clone()
                else:
                    b.mul_(momentum).add_(g, alpha=1 - group["dampening"])
                g = g.add(b, alpha=momentum) if group["nesterov"] else b
            p.add_(g, alpha=-lr)


class Adam(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *,
                 foreach=None, maximize=False, capturable=False, differentiable=False, fused=None,
                 decoupled_weight_decay=False):
        not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize,
            foreach=foreach, capturable=capturable, differentiable=differentiable, fused=fused,
            decoupled_weight_decay=decoupled_weight_decay))

    def _update(self, group, params):
        lr, (b1, b2), eps = group["lr"], group["betas"], group["eps"]
        for p in params:
            g, state = _decayed(self, group, p), self.state[p]
            n = _started(state, p, "exp_avg", "exp_avg_sq",
                         *(["max_exp_avg_sq"] if group["amsgrad"] else []))
            m, v = state["exp_avg"], state["exp_avg_sq"]
            m.lerp_(g, 1 - b1)
            v.mul_(b2).addcmul_(g, g, value=1 - b2)
            if group["amsgrad"]:
                v = state["max_exp_avg_sq"].copy_(state["max_exp_avg_sq"].maximum(v))
            root = (v.sqrt() / math.sqrt(1 - b2 ** n)).add_(eps)
            p.addcdiv_(m, root, value=-(lr / (1 - b1 ** n)))


def _decayed(optimizer, group, p):
    """The gradient; decoupled weight decay shrinks the parameter instead of adding to it."""
    if not group.get("decoupled_weight_decay"):
        return optimizer._gradient(group, p)
    if group["weight_decay"] != 0:
        p.mul_(1 - group["lr"] * group["weight_decay"])
    return -p.grad if group["maximize"] else p.grad


class AdamW(Adam):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *,
                 maximize=False, foreach=None, capturable=False, differentiable=False, fused=None):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize,
                         foreach=foreach, capturable=capturable, differentiable=differentiable,
                         fused=fused, decoupled_weight_decay=True)


class Adadelta(Optimizer):
    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *,
                 capturable=False, maximize=False, differentiable=False):
        not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        if not 0 <= rho <= 1:
            raise ValueError(f"rho lies in [0, 1], not {rho}")
        super().__init__(params, dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay,
                                      maximize=maximize, capturable=capturable, foreach=foreach,
                                      differentiable=differentiable))

    def _update(self, group, params):
        rho, eps = group["rho"], group["eps"]
        for p in params:
            g, state = self._gradient(group, p), self.state[p]
            _started(state, p, "square_avg", "acc_delta")
            s, a = state["square_avg"], state["acc_delta"]
            s.mul_(rho).addcmul_(g, g, value=1 - rho)
            d = (a + eps).sqrt_().div_((s + eps).sqrt_()).mul_(g)
            a.mul_(rho).addcmul_(d, d, value=1 - rho)
            p.add_(d, alpha=-group["lr"])


class RMSprop(Optimizer):
    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0,
                 centered=False, capturable=False, foreach=None, maximize=False, differentiable=False):
        not_negative(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        super().__init__(params, dict(lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered,
                                      weight_decay=weight_decay, capturable=capturable,
                                      foreach=foreach, maximize=maximize,
                                      differentiable=differentiable))

    def _update(self, group, params):
        alpha, lr = group["alpha"], group["lr"]
        for p in params:
            g, state = self._gradient(group, p), self.state[p]
            _started(state, p, "square_avg", *(["momentum_buffer"] if group["momentum"] else []),
                     *(["grad_avg"] if group["centered"] else []))
            s = state["square_avg"].mul_(alpha).addcmul_(g, g, value=1 - alpha)
            if group["centered"]:
                q = state["grad_avg"].lerp_(g, 1 - alpha)
                root = s.addcmul(q, q, value=-1).sqrt_().add_(group["eps"])
            else:
                root = s.sqrt().add_(group["eps"])
            if group["momentum"]:
                b = state["momentum_buffer"].mul_(group["momentum"]).addcdiv_(g, root)
                p.add_(b, alpha=-lr)
            else:
                p.addcdiv_(g, root, value=-lr)


class Adagrad(Optimizer):
    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0,
                 eps=1e-10, foreach=None, *, maximize=False, differentiable=False, fused=None):
        not_negative(lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps,
                     initial_accumulator_value=initial_accumulator_value)
        super().__init__(params, dict(lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay,
                                      initial_accumulator_value=initial_accumulator_value,
                                      foreach=foreach, maximize=maximize,
                                      differentiable=differentiable, fused=fused))
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["step"] = _C.tensor(0.0)
                self.state[p]["sum"] = _C.full_like(p.data, initial_accumulator_value)

    def _update(self, group, params):
        for p in params:
            g, state = self._gradient(group, p), self.state[p]
            n = advance(state)
            s = state["sum"].addcmul_(g, g, value=1)
            p.addcdiv_(g, s.sqrt().add_(group["eps"]),
                       value=-group["lr"] / (1 + (n - 1) * group["lr_decay"]))


class Adamax(Optimizer):
    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, foreach=None, *,
                 maximize=False, differentiable=False, capturable=False):
        not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
                                      foreach=foreach, maximize=maximize,
                                      differentiable=differentiable, capturable=capturable))

    def _update(self, group, params):
        b1, b2 = group["betas"]
        for p in params:
            g, state = self._gradient(group, p), self.state[p]
            n = _started(state, p, "exp_avg", "exp_inf")
            m, u = state["exp_avg"].lerp_(g, 1 - b1), state["exp_inf"]
            u.copy_((u * b2).maximum(g.abs().add_(group["eps"])))
            p.addcdiv_(m, u, value=-group["lr"] / (1 - b1 ** n))


class NAdam(Optimizer):
    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0,
                 momentum_decay=4e-3, decoupled_weight_decay=False, *, foreach=None, maximize=False,
                 capturable=False, differentiable=False):
        not_negative(lr=lr, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        check_betas(betas)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
                                      momentum_decay=momentum_decay,
                                      decoupled_weight_decay=decoupled_weight_decay,
                                      maximize=maximize, foreach=foreach, capturable=capturable,
                                      differentiable=differentiable))

    def _update(self, group, params):
        (b1, b2), lr, decay = group["betas"], group["lr"], group["momentum_decay"]
        for p in params:
            g, state = _decayed(self, group, p), self.state[p]
            if not state:
                state["mu_product"] = _C.tensor(1.0)
                state["step"] = _C.tensor(0.0)
                state["exp_avg"], state["exp_avg_sq"] = _C.zeros_like(p.data), _C.zeros_like(p.data)
            n = advance(state)
            mu = b1 * (1 - 0.5 * 0.96 ** (n * decay))
            following = b1 * (1 - 0.5 * 0.96 ** ((n + 1) * decay))
            state["mu_product"].mul_(mu)
            product = state["mu_product"].item()
            m = state["exp_avg"].lerp_(g, 1 - b1)
            v = state["exp_avg_sq"].mul_(b2).addcmul_(g, g, value=1 - b2)
            root = (v / (1 - b2 ** n)).sqrt_().add_(group["eps"])
            p.addcdiv_(g, root, value=-lr * (1 - mu) / (1 - product))
            p.addcdiv_(m, root, value=-lr * following / (1 - product * following))


class RAdam(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0,
                 decoupled_weight_decay=False, *, foreach=None, maximize=False, capturable=False,
                 differentiable=False):
        not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
                                      maximize=maximize, foreach=foreach, capturable=capturable,
                                      decoupled_weight_decay=decoupled_weight_decay,
                                      differentiable=differentiable))

    def _update(self, group, params):
        (b1, b2), lr = group["betas"], group["lr"]
        for p in params:
            g, state = _decayed(self, group, p), self.state[p]
            n = _started(state, p, "exp_avg", "exp_avg_sq")
            m = state["exp_avg"].lerp_(g, 1 - b1)
            v = state["exp_avg_sq"].mul_(b2).addcmul_(g, g, value=1 - b2)
            estimate = m / (1 - b1 ** n)
            limit = 2 / (1 - b2) - 1
            rho = limit - 2 * n * b2 ** n / (1 - b2 ** n)
            if rho > 5:
                adapt = math.sqrt(1 - b2 ** n) / (v.sqrt() + group["eps"])
                rectify = math.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))
                p.add_(estimate * lr * adapt * rectify, alpha=-1.0)
            else:
                p.add_(estimate * lr, alpha=-1.0)


class Rprop(Optimizer):
    def __init__(self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *, capturable=False,
                 foreach=None, maximize=False, differentiable=False):
        not_negative(lr=lr)
        if not 0 < etas[0] < 1 < etas[1]:
            raise ValueError(f"etas lie around 1, not {etas}")
        super().__init__(params, dict(lr=lr, etas=etas, step_sizes=step_sizes, foreach=foreach,
                                      maximize=maximize, differentiable=differentiable,
                                      capturable=capturable))

    def _update(self, group, params):
        (down, up), (least, most) = group["etas"], group["step_sizes"]
        for p in params:
            g, state = self._gradient(group, p), self.state[p]
            if not state:
                state["step"] = _C.tensor(0.0)
                state["prev"] = _C.zeros_like(p.data)
                state["step_size"] = _C.full_like(p.data, group["lr"])
            advance(state)
            sign = (g * state["prev"]).sign()
            factor = _C.where(sign > 0, _C.full_like(g, up),
                              _C.where(sign < 0, _C.full_like(g, down), _C.ones_like(g)))
            size = state["step_size"].copy_((state["step_size"] * factor).clamp(least, most))
            g = _C.where(sign < 0, _C.zeros_like(g), g)
            p.addcmul_(g.sign(), size, value=-1)
            state["prev"].copy_(g)


class ASGD(Optimizer):
    def __init__(self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, foreach=None,
                 maximize=False, differentiable=False, capturable=False):
        not_negative(lr=lr, weight_decay=weight_decay)
        super().__init__(params, dict(lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay,
                                      foreach=foreach, maximize=maximize,
                                      differentiable=differentiable, capturable=capturable))

    def _update(self, group, params):
        lr, lambd = group["lr"], group["lambd"]
        for p in params:
            g, state = self._gradient(group, p), self.state[p]
            if not state:
                state.update(step=_C.tensor(0.0), eta=_C.tensor(float(lr)), mu=_C.tensor(1.0),
                             ax=_C.zeros_like(p.data))
            n = advance(state)
            eta, mu = state["eta"].item(), state["mu"].item()
            p.mul_(1 - lambd * eta)
            p.add_(g, alpha=-eta)
            if mu == 1:
                state["ax"].copy_(p)
            else:
                state["ax"].add_((p - state["ax"]).mul_(mu))
            state["eta"] = _C.tensor(lr / (1 + lambd * lr * n) ** group["alpha"])
            state["mu"] = _C.tensor(1.0 / max(1, n - group["t0"]))
