"""Pictures, data sets and sparse updates against what TensorFlow computed (tests/golden/tf/input_golden.json)."""
import importlib.util
import json
import pathlib

import numpy as np
import pytest

import trivium.tf as tf

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "tf"
_spec = importlib.util.spec_from_file_location("tf_input_cases", GOLDEN / "input_cases.py")
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)
EXPECTED = json.loads((GOLDEN / "input_golden.json").read_text())


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_values_are_tensorflows(name):
    tf.reset_default_graph()
    tf.set_random_seed(7)
    got = cases.CASES[name](tf)
    assert len(got) == len(EXPECTED[name])
    for i, (value, expected) in enumerate(zip(got, EXPECTED[name])):
        array = np.asarray(value)
        assert array.dtype.name == expected["dtype"] and list(array.shape) == expected["shape"], i
        wanted = np.array(expected["values"]).reshape(expected["shape"])
        if array.dtype.kind == "f":
            np.testing.assert_allclose(array, wanted, rtol=2e-5, atol=2e-6, err_msg="%s[%d]" % (name, i))
        else:
            np.testing.assert_array_equal(array, wanted, err_msg="%s[%d]" % (name, i))
