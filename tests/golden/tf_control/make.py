"""Writes golden.json: what TensorFlow computes for cases.py. Run with a Python that has TensorFlow:

    python tests/golden/tf_control/make.py
"""
import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow.compat.v1 as tf

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import cases

tf.disable_v2_behavior()
tf.disable_resource_variables()


def plain(value):
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    return {"dtype": array.dtype.name, "shape": list(array.shape),
            "values": [float("%.9g" % v) if array.dtype == np.float32 else v.item() for v in array.ravel()]}


golden = {}
for name, fn in cases.CASES.items():
    tf.reset_default_graph()
    try:
        golden[name] = [plain(v) for v in fn(tf)]
    except Exception as error:
        print(name, type(error).__name__, str(error)[:600])
with open(os.path.join(HERE, "golden.json"), "w") as file:
    json.dump(golden, file, separators=(",", ":"))
    file.write("\n")
