"""Trivium: one deep-learning engine under three notations.

``import trivium.torch as torch`` gives PyTorch's surface; ``python -m trivium.run script.py`` runs a
script that imports ``torch`` by its own name.
"""

from trivium._C import _version

__version__ = _version()
del _version
