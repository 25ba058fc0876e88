"""Optimizer: groups of parameters with settings in plain dicts, read at every step()."""

import collections
import copy
import itertools
import warnings

from trivium import _C
from trivium.torch._tensor import RemovableHandle, Tensor


class _Required:
    def __repr__(self):
        return "<required parameter>"


required = _Required()
_hook_ids = itertools.count()


class Optimizer:
    """Base of all: subclasses define _update(group, params) for the parameters with gradients."""

    def __init__(self, params, defaults):
        if isinstance(params, Tensor):
            raise TypeError("an optimizer takes an iterable of tensors or of dicts, not one Tensor")
        self.defaults = defaults
        self.state = collections.defaultdict(dict)
        self.param_groups = []
        self._pre_hooks, self._post_hooks = {}, {}
        self._opt_called = False
        if isinstance(params, (set, frozenset)):
            warnings.warn("a set of parameters has no order: give a list", UserWarning, 3)
        groups = list(params)
        if not groups:
            raise ValueError("an optimizer needs parameters; the list is empty")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group):
        if not isinstance(param_group, dict):
            raise TypeError(f"a parameter group is a dict, not {type(param_group).__name__}")
        group = dict(param_group)
        params = group.pop("params")
        params = [params] if isinstance(params, Tensor) else params
        if isinstance(params, (set, frozenset)):
            raise TypeError("the parameters of a group need an order: give a list")
        params = list(params)
        names = None
        if params and isinstance(params[0], tuple):
            names, params = [n for n, _ in params], [p for _, p in params]
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"an optimizer changes Tensors, not {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("an optimizer changes leaves; one of the tensors is a result")
        for name, default in self.defaults.items():
            if default is required and name not in group:
                raise ValueError(f"a parameter group needs the setting {name}")
        made = {"params": params}
        if names is not None:
            made["param_names"] = names
        made.update({k: group.get(k, copy.copy(v)) for k, v in self.defaults.items()})
        made.update({k: v for k, v in group.items() if k not in made})
        if len({id(p) for p in params}) != len(params):
            warnings.warn("a parameter occurs twice in a group: its gradient acts twice", UserWarning, 3)
        taken = {id(p) for g in self.param_groups for p in g["params"]}
        if any(id(p) in taken for p in params):
            raise ValueError("a parameter occurs in two groups")
        self.param_groups.append(made)

    def zero_grad(self, set_to_none=True):
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad.detach_().zero_()

    def step(self, closure=None):
        """One update of every parameter that has a gradient; a closure is called first, with
        recording on, and its loss returned."""
        for hook in tuple(self._pre_hooks.values()):
            hook(self, (closure,), {})
        loss = self._evaluate(closure) if closure is not None else None
        before = _C.is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            for group in self.param_groups:
                self._update(group, [p for p in group["params"] if p.grad is not None])
        finally:
            _C._set_grad_enabled(before)
        self._opt_called = True
        _C._submit()
        for hook in tuple(self._post_hooks.values()):
            hook(self, (closure,), {})
        return loss

    def _update(self, group, params):
        raise NotImplementedError(f"{type(self).__name__} does not say how parameters change: define "
                                  "step()")

    @staticmethod
    def _evaluate(closure):
        before = _C.is_grad_enabled()
        _C._set_grad_enabled(True)
        try:
            return closure()
        finally:
            _C._set_grad_enabled(before)

    @staticmethod
    def _gradient(group, p):
        """The gradient with maximize and weight_decay applied."""
        g = p.grad
        if group.get("maximize"):
            g = -g
        if group.get("weight_decay", 0) != 0:
            g = g.add(p, alpha=group["weight_decay"])
        return g

    def register_step_pre_hook(self, hook):
        return self._add(self._pre_hooks, hook)

    def register_step_post_hook(self, hook):
        return self._add(self._post_hooks, hook)

    @staticmethod
    def _add(hooks, hook):
        number = next(_hook_ids)
        hooks[number] = hook
        return RemovableHandle(lambda: hooks.pop(number, None))

    def state_dict(self):
        numbers = {}
        for group in self.param_groups:
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
        groups = []
        for group in self.param_groups:
            packed = {k: v for k, v in group.items() if k != "params"}
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {numbers[id(k)] if isinstance(k, Tensor) else k: v for k, v in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict):
        """ValueError when the groups differ in number or size; nothing changes then."""
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError(f"{len(saved)} groups saved, the optimizer has {len(self.param_groups)}")
        for i, (a, b) in enumerate(zip(self.param_groups, saved)):
            if len(a["params"]) != len(b["params"]):
                raise ValueError(f"group {i}: {len(b['params'])} parameters saved, the optimizer has "
                                 f"{len(a['params'])}")
        by_number = {n: p for a, b in zip(self.param_groups, saved)
                     for n, p in zip(b["params"], a["params"])}
        state = collections.defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in by_number:
                state[by_number[key]] = self._taken(value, by_number[key])
            else:
                state[key] = value
        groups = []
        for own, packed in zip(self.param_groups, saved):
            group = {"params": own["params"]}
            group.update({k: copy.deepcopy(v) for k, v in packed.items() if k != "params"})
            for name, value in own.items():
                group.setdefault(name, value)
            groups.append(group)
        self.state, self.param_groups = state, groups

    def _taken(self, value, p, key=None):
        if isinstance(value, Tensor):
            value = value.detach().clone()
            return value if key == "step" or not value.is_floating_point() else value.to(p.dtype)
        if isinstance(value, dict):
            return {k: self._taken(v, p, k) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._taken(v, p) for v in value)
        return value

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.__dict__.setdefault("_pre_hooks", {})
        self.__dict__.setdefault("_post_hooks", {})
        self.__dict__.setdefault("_opt_called", False)

    def __repr__(self):
        text = type(self).__name__ + " ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            for key in sorted(group):
                if key != "params":
                    text += f"    {key}: {group[key]}\n"
        return text + ")"


def not_negative(**values):
    """ValueError for a hyperparameter below zero."""
    for name, value in values.items():
        if isinstance(value, Tensor):
            value = value.item()
        if not value >= 0:
            raise ValueError(f"{name} must not be negative, not {value}")


def check_betas(betas):
    for i, beta in enumerate(betas):
        if not 0 <= beta < 1:
            raise ValueError(f"betas[{i}] lies in [0, 1), not {beta}")


def advance(state):
    """The number of this update. `step` is a float32 tensor without axes, as PyTorch saves it; files
    of before have a number."""
    step = state["step"]
    n = int(step) + 1
    if isinstance(step, Tensor):
        state["step"] = _C.tensor(float(n))
    else:
        state["step"] = n
    return n
