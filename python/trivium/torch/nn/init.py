"""Initial values of parameters, draw for draw PyTorch's; each function fills its tensor in place
and returns it."""

import warnings as _warnings

from trivium import _C as _extension

_functions = _extension.init
_old_names = ("uniform", "normal", "constant", "eye", "dirac", "xavier_uniform", "xavier_normal",
              "kaiming_uniform", "kaiming_normal", "orthogonal", "sparse")

for _name in dir(_functions):
    if not _name.startswith("__"):
        globals()[_name] = getattr(_functions, _name)


def _with_old_name(name):
    function = getattr(_functions, name + "_")

    def old(*args, **kwargs):
        _warnings.warn(f"nn.init.{name} is the old name of nn.init.{name}_", FutureWarning, 2)
        return function(*args, **kwargs)

    old.__name__ = name
    return old


for _name in _old_names:
    globals()[_name] = _with_old_name(_name)


def _calculate_correct_fan(tensor, mode):
    fan_in, fan_out = _functions._calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode.lower() == "fan_in" else fan_out
