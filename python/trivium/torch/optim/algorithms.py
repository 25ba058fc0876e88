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


def _states(optimizer, params, *names):
    """States of the parameters, begun where they are new, and the numbers of this update."""
    states = [optimizer.state[p] for p in params]
    return states, [_started(s, p, *names) for s, p in zip(states, params)]


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
        momentum = group["momentum"]
        grads = [p.grad for p in params]
        settings = (float(group["lr"]), momentum, group["dampening"], group["weight_decay"],
                    group["nesterov"], group["maximize"])
        if momentum == 0:
            _C._sgd_step(params, grads, (), *settings)
            return
        states = [self.state[p] for p in params]
        fresh = [s.get("momentum_buffer") is None for s in states]
        for new in (True, False):
            at = [i for i, f in enumerate(fresh) if f == new]
            if at:
                kept = () if new else [states[i]["momentum_buffer"] for i in at]
                made = _C._sgd_step([params[i] for i in at], [grads[i] for i in at], kept, *settings)
                if new:
                    for i, buffer in zip(at, made):
                        states[i]["momentum_buffer"] = buffer


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
        (b1, b2), amsgrad = group["betas"], group["amsgrad"]
        names = ("exp_avg", "exp_avg_sq") + (("max_exp_avg_sq",) if amsgrad else ())
        states, steps = _states(self, params, *names)
        _C._adam_step(params, [p.grad for p in params], [s["exp_avg"] for s in states],
                      [s["exp_avg_sq"] for s in states],
                      [s["max_exp_avg_sq"] for s in states] if amsgrad else (), steps,
                      float(group["lr"]), float(b1), float(b2), group["eps"], group["weight_decay"],
                      bool(group.get("decoupled_weight_decay")), group["maximize"])


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
        states, _ = _states(self, params, "square_avg", "acc_delta")
        _C._adadelta_step(params, [p.grad for p in params], [s["square_avg"] for s in states],
                          [s["acc_delta"] for s in states], float(group["lr"]), group["rho"],
                          group["eps"], group["weight_decay"], group["maximize"])


class RMSprop(Optimizer):
    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0,
                 centered=False, capturable=False, foreach=None, maximize=False, differentiable=False):
        not_negative(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        super().__init__(params, dict(lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered,
                                      weight_decay=weight_decay, capturable=capturable,
                                      foreach=foreach, maximize=maximize,
                                      differentiable=differentiable))

    def _update(self, group, params):
        centered, momentum = group["centered"], group["momentum"]
        states, _ = _states(self, params, "square_avg", *(["momentum_buffer"] if momentum else []),
                            *(["grad_avg"] if centered else []))
        _C._rmsprop_step(params, [p.grad for p in params], [s["square_avg"] for s in states],
                         [s["grad_avg"] for s in states] if centered else (),
                         [s["momentum_buffer"] for s in states] if momentum else (),
                         float(group["lr"]), group["alpha"], group["eps"], group["weight_decay"],
                         momentum, group["maximize"])


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
