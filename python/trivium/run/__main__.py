"""Runs a script as __main__ with `torch`, `torchvision` and `tensorflow` (version 1) standing for
Trivium's modules, in this process only. --legacy allows the forms of before PyTorch 0.4."""

import importlib
import importlib.abc
import importlib.util
import os
import runpy
import sys
import traceback
import types

_NAMES = {"torch": "trivium.torch", "torchvision": "trivium.torchvision", "tensorflow": "trivium.tf"}


_OUT_OF_SCOPE = ("tensorflow.contrib.boosted_trees", "tensorflow.contrib.eager",
                 "tensorflow.contrib.factorization", "tensorflow.contrib.tensor_forest")


class _OutOfScope(types.ModuleType):
    """A module that can be imported, for programs to say what they would use of it."""

    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(f"{self.__name__}.{name} is out of Trivium's scope")


def _ours(name):
    first, dot, rest = name.partition(".")
    return _NAMES[first] + dot + rest


class _Aliases(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """import torch.x finds trivium.torch.x; both names are one module."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in _NAMES:
            return None
        if name.startswith(_OUT_OF_SCOPE):
            return importlib.util.spec_from_loader(name, self, is_package=True)
        ours = _ours(name)
        if ours not in sys.modules:
            try:
                found = importlib.util.find_spec(ours)
            except ModuleNotFoundError:
                found = None
            if found is None:
                raise ModuleNotFoundError(
                    f"Trivium has no module '{name}'; it gives torch.nn, torch.optim, torch.autograd, "
                    "torch.utils.data, torch.linalg, torchvision and tensorflow", name=name)
        return importlib.util.spec_from_loader(name, self, is_package=True)

    def create_module(self, spec):
        if spec.name.startswith(_OUT_OF_SCOPE):
            self._spec = spec
            return _OutOfScope(spec.name)
        module = importlib.import_module(_ours(spec.name))
        self._spec = getattr(module, "__spec__", None)
        return module

    def exec_module(self, module):
        module.__spec__ = self._spec
        module.__loader__ = getattr(self._spec, "loader", None)


def _explain(error, script):
    """The line of the script that an absent name or refused call comes from."""
    frames = [f for f in traceback.extract_tb(error.__traceback__)
              if os.path.abspath(f.filename) == script]
    if frames:
        last = frames[-1]
        print(f"{last.filename}:{last.lineno}: {last.line}\n  {type(error).__name__}: {error}",
              file=sys.stderr)


def main():
    arguments = sys.argv[1:]
    legacy = bool(arguments) and arguments[0] == "--legacy"
    if legacy:
        arguments = arguments[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m trivium.run [--legacy] SCRIPT [arguments]")
        return 0 if arguments else 2
    script = arguments[0]
    if not os.path.isfile(script):
        print(f"trivium.run: there is no file {script}", file=sys.stderr)
        return 2
    sys.meta_path.insert(0, _Aliases())
    for name in [n for n in sys.modules if n.split(".")[0] in _NAMES]:
        del sys.modules[name]
    if legacy:
        import trivium.torch as torch

        torch.legacy(True)
    sys.argv = arguments
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    try:
        runpy.run_path(script, run_name="__main__")
    except (AttributeError, NotImplementedError, ModuleNotFoundError) as error:
        _explain(error, os.path.abspath(script))
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
