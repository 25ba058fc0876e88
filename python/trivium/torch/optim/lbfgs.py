"""LBFGS: several evaluations of the closure a step, with steps of length lr or a line search."""

from trivium import _C
from trivium.torch.optim._line_search import strong_wolfe
from trivium.torch.optim.optimizer import Optimizer


class LBFGS(Optimizer):
    def __init__(self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-7,
                 tolerance_change=1e-9, history_size=100, line_search_fn=None):
        if line_search_fn not in (None, "strong_wolfe"):
            raise RuntimeError(f"LBFGS: line_search_fn is None or 'strong_wolfe', not {line_search_fn!r}")
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        super().__init__(params, dict(lr=lr, max_iter=max_iter, max_eval=max_eval,
                                      tolerance_grad=tolerance_grad, tolerance_change=tolerance_change,
                                      history_size=history_size, line_search_fn=line_search_fn))
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS takes one parameter group")
        self._params = self.param_groups[0]["params"]

    def _flat_gradient(self):
        return _C.cat([(_C.zeros_like(p) if p.grad is None else p.grad).reshape(-1)
                       for p in self._params])

    def _move(self, length, direction):
        at = 0
        for p in self._params:
            n = p.numel()
            p.add_(direction[at:at + n].view_as(p), alpha=length)
            at += n

    def step(self, closure):
        """closure() clears gradients, computes the loss, calls backward and returns the loss."""
        before = _C.is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            return self._minimise(lambda: self._evaluate(closure))
        finally:
            _C._set_grad_enabled(before)
            self._opt_called = True

    def _direction(self, state, g, group):
        """The two-loop recursion over the pairs kept."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return g.neg()
        y = g.sub(state["prev_flat_grad"])
        s = state["d"].mul(state["t"])
        ys = y.dot(s).item()
        if ys > 1e-10:
            if len(state["old_dirs"]) == group["history_size"]:
                for kept in ("old_dirs", "old_stps", "ro"):
                    state[kept].pop(0)
            state["old_dirs"].append(y)
            state["old_stps"].append(s)
            state["ro"].append(1.0 / ys)
            state["H_diag"] = ys / y.dot(y).item()
        ys_, ss, ro = state["old_dirs"], state["old_stps"], state["ro"]
        alpha = [0.0] * len(ys_)
        q = g.neg()
        for i in reversed(range(len(ys_))):
            alpha[i] = ss[i].dot(q).item() * ro[i]
            q.add_(ys_[i], alpha=-alpha[i])
        d = q.mul(state["H_diag"])
        for i in range(len(ys_)):
            beta = ys_[i].dot(d).item() * ro[i]
            d.add_(ss[i], alpha=alpha[i] - beta)
        state["al"] = alpha
        return d

    def _minimise(self, closure):
        group = self.param_groups[0]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        loss, evaluations = float(first_loss), 1
        state["func_evals"] += 1
        g = self._signed_gradient(group)
        if float(g.abs().max()) <= group["tolerance_grad"]:
            return first_loss
        n = 0
        while n < group["max_iter"]:
            n += 1
            state["n_iter"] += 1
            d = self._direction(state, g, group)
            state["prev_flat_grad"] = g.clone()
            previous, state["prev_loss"] = loss, loss
            t = group["lr"]
            if state["n_iter"] == 1:
                t = min(1.0, 1.0 / g.abs().sum().item()) * t
            state["d"], state["t"] = d, t
            slope = g.dot(d).item()
            if slope > -group["tolerance_change"]:
                break
            if group["line_search_fn"] is not None:
                loss, g, t, used = strong_wolfe(self._on_line(closure, d, group), t, d, loss, g, slope,
                                                group["tolerance_change"])
                self._move(t, d)
                state["t"] = t
                evaluations += used
                state["func_evals"] += used
            else:
                self._move(t, d)
                if n != group["max_iter"]:
                    loss = float(closure())
                    g = self._signed_gradient(group)
                    evaluations += 1
                    state["func_evals"] += 1
            if n == group["max_iter"] or evaluations >= group["max_eval"]:
                break
            if float(g.abs().max()) <= group["tolerance_grad"]:
                break
            if float(d.mul(t).abs().max()) <= group["tolerance_change"]:
                break
            if abs(loss - previous) < group["tolerance_change"]:
                break
        return first_loss

    def _on_line(self, closure, direction, group):
        """A function of t: loss and gradient at x + t * direction; x stays."""
        start = [p.detach().clone() for p in self._params]

        def evaluate(t):
            self._move(t, direction)
            loss = float(closure())
            g = self._signed_gradient(group)
            for p, x in zip(self._params, start):
                p.copy_(x)
            return loss, g
        return evaluate

    def _signed_gradient(self, group):
        g = self._flat_gradient()
        return -g if group.get("maximize") else g
