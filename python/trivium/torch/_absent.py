"""The error for a name that is not provided: it says the nearest that is."""

import difflib


def absent(module, name, known):
    names = [k for k in known if not k.startswith("_")]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"; {module}.{near[0]} is the nearest name" if near else ""
    return AttributeError(f"module '{module}' of Trivium has no '{name}'{hint}")
