"""Every operation and function of trivium.tf beside what TensorFlow computed for it (tests/golden/tf/surface.json):
names, types, static shapes, values, gradients, errors."""
import importlib
import json
import pathlib
import sys

import numpy as np
import pytest

import trivium.tf as tf

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "tf"
sys.path.insert(0, str(GOLDEN))
surface = importlib.import_module("surface")
for part in ("surface_math", "surface_arrays", "surface_nn", "surface_train"):
    importlib.import_module(part)
EXPECTED = json.loads((GOLDEN / "surface.json").read_text())
# float32 sums and functions differ by a few units in the last place, and derivatives by a few more.
RELATIVE, ABSOLUTE = 2e-5, 2e-6
# Twenty steps of an optimizer carry rounding on.
LONG = {name: 2e-4 for name in EXPECTED if name.startswith("train.")}


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def test_every_case_has_what_tensorflow_said():
    assert sorted(EXPECTED) == sorted(surface.CASES)


def check_arrays(name, what, arrays, expected):
    assert len(arrays) == len(expected), "%s: %d %s, TensorFlow has %d" % (name, len(arrays), what, len(expected))
    for k, (array, (dtype, shape, values)) in enumerate(zip(arrays, expected)):
        place = "%s, %s[%d]" % (name, what, k)
        assert array.dtype.name == dtype, place
        assert list(array.shape) == shape, place
        wanted = np.array([float(v) if isinstance(v, str) else v for v in values]).reshape(shape)
        if dtype.startswith("float"):
            loose = 1e-3 if dtype == "float16" else LONG.get(name, RELATIVE)
            np.testing.assert_allclose(array.astype(np.float64), wanted, rtol=loose, atol=ABSOLUTE, err_msg=place)
        else:
            np.testing.assert_array_equal(array, wanted, err_msg=place)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_surface(name):
    expected, got = EXPECTED[name], surface.facts(tf, name)
    if "error" in expected:
        assert got["error"] == expected["error"], got["text"]
        assert got["said"], "%r is not in: %s" % (surface.CASES[name][1], got["text"])
        return
    for what in ("names", "shapes", "unconnected"):
        assert got.get(what) == expected.get(what), what
    check_arrays(name, "values", got["values"], expected["values"])
    check_arrays(name, "gradients", got["gradients"], expected["gradients"])
