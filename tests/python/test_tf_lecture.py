"""The lecture's three programs, in Python and as the examples in C++, on numbers that both are given: their losses are
equal digit for digit, and TensorFlow's within float32's arithmetic."""
import importlib.util
import json
import pathlib
import re
import subprocess

import numpy as np
import pytest

import trivium.tf as tf
from trivium import _tf

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "tf"
EXAMPLES = pathlib.Path(_tf.__file__).parents[2] / "examples" / "cpp"  # of the build this module is from
spec = importlib.util.spec_from_file_location("lecture", GOLDEN / "lecture.py")
lecture = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lecture)


@pytest.mark.parametrize("name", sorted(lecture.PROGRAMS))
def test_cpp_python_and_tensorflow_agree(name, tmp_path):
    for array, value in lecture.drawn().items():
        np.save(tmp_path / (array + ".npy"), value)
    printed = subprocess.run([EXAMPLES / ("example_tf_" + name), tmp_path], check=True, capture_output=True, text=True)
    numbers = re.sub(r"step +\d+", "", printed.stdout)
    cpp = [float(n) for n in re.findall(r"[-+.\d]+(?:e[-+]?\d+)?", numbers)]
    tf.reset_default_graph()
    python = lecture.PROGRAMS[name](tf)
    with open(GOLDEN / "lecture_golden.json") as file:
        golden = json.load(file)[name]
    assert len(cpp) == len(python) == len(golden)
    if name == "gradients":  # the norms are printed to nine digits
        assert cpp[0] == float("%.9g" % python[0])
        np.testing.assert_allclose(cpp[1:], python[1:], rtol=1e-8)
    else:
        assert cpp == [float("%.9g" % v) for v in python]
    np.testing.assert_allclose(cpp, golden, rtol=2e-5)


def test_without_arrays_the_losses_fall():
    printed = subprocess.run([EXAMPLES / "example_tf_variables"], check=True, capture_output=True, text=True).stdout
    losses = [float(line.split()[-1]) for line in printed.splitlines()]
    assert len(losses) == 50 and all(b < a for a, b in zip(losses, losses[1:]))
    assert 4e7 < losses[0] < 6e7 and 9e2 < losses[-1] < 1.1e3
