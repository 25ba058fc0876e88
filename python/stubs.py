"""Writes the type stub of trivium._C: python stubs.py OUTPUT. Run by the build, with the package on
the path. Parameters and their order come from the extension's own signatures."""

import inspect
import keyword
import sys

sys.path.pop(0)  # this folder: its trivium has no extension beside it
from trivium import _C  # noqa: E402

_TENSORS = {"input", "other", "tensor", "weight", "bias", "target", "mask", "mat2", "vec"}
_FLAGS = {"keepdim", "requires_grad", "inplace", "training", "largest", "descending", "copy"}
_RESULTS = {"item": "float | int | bool", "tolist": "Any", "numpy": "Any", "dim": "int", "numel": "int",
            "is_grad_enabled": "bool", "is_tensor": "bool", "equal": "bool", "allclose": "bool"}
_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "radd", "rsub", "rmul",
           "rtruediv", "rpow", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "xor")


def parameters(text, method):
    inside = text[text.index("(") + 1:text.rindex(")")]
    words = [w.strip() for w in inside.split(",") if w.strip()]
    out, after_optional = [], False
    for i, word in enumerate(words):
        name, optional = word.removesuffix("=..."), word.endswith("=...")
        if method and i == 0:
            out.append("self")
            continue
        if name == "*":
            out.append("*")
            after_optional = False
            continue
        kind = "Any"
        if name in _TENSORS:
            kind = "Tensor | Any" if name == "other" else "Tensor"
        elif name in _FLAGS:
            kind = "bool"
        elif name == "dtype":
            kind = "dtype | None"
        name = name + "_" if keyword.iskeyword(name) else name
        optional = optional or (after_optional and not name.startswith("*"))
        after_optional = optional and "*" not in out
        out.append(f"{name}: {kind}" + (" = ..." if optional else ""))
    if out and out[-1] == "*":
        out.pop()
    return ", ".join(out)


def define(name, function, method=False, indent=""):
    result = _RESULTS.get(name, "Tensor")
    if name.startswith("_") or name in ("split", "chunk", "unbind", "max", "min", "sort", "topk"):
        result = "Any"
    return f"{indent}def {name}({parameters(function.__doc__, method)}) -> {result}: ..."


def is_function(value):
    return type(value).__name__ in ("Function", "Method")


def tensor_class():
    lines = ["class Tensor:", "    def __init__(self, *args: Any, **kwargs: Any) -> None: ...",
             "    def __getitem__(self, key: Any) -> Tensor: ...",
             "    def __setitem__(self, key: Any, value: Any) -> None: ...",
             "    def __len__(self) -> int: ...", "    def __bool__(self) -> bool: ...",
             "    def __neg__(self) -> Tensor: ...", "    def __invert__(self) -> Tensor: ..."]
    lines += [f"    def __{name}__(self, other: Any) -> Tensor: ...  # type: ignore" for name in _BINARY]
    for name in sorted(dir(_C.Tensor)):
        value = inspect.getattr_static(_C.Tensor, name)
        if name.startswith("__"):
            continue
        if is_function(value):
            lines.append(define(name, value, True, "    "))
        elif inspect.isgetsetdescriptor(value) or isinstance(value, property):
            lines.append(f"    @property\n    def {name}(self) -> Any: ...")
    return lines


def module(of, prefix=""):
    lines = []
    for name in sorted(dir(of)):
        value = getattr(of, name)
        if name.startswith("__") or keyword.iskeyword(name):
            continue
        if is_function(value):
            lines.append(define(name, value, indent=prefix))
        elif isinstance(value, _C.dtype):
            lines.append(f"{prefix}{name}: dtype")
        elif inspect.ismodule(value):
            lines += [f"class {name}:"] + [
                prefix + "    @staticmethod\n" + line for line in module(value, prefix + "    ")]
        elif isinstance(value, type):
            if value not in (_C.Tensor, _C.dtype):
                lines.append(f"{prefix}class {name}:\n"
                             f"{prefix}    def __getattr__(self, name: str) -> Any: ...")
        else:
            lines.append(f"{prefix}{name}: Any")
    return lines


def main():
    head = ["from typing import Any", "", "class dtype:", "    is_floating_point: bool",
            "    itemsize: int", ""]
    with open(sys.argv[1], "w") as file:
        file.write("\n".join(head + tensor_class() + [""] + module(_C)) + "\n")


if __name__ == "__main__":
    main()
