"""Writes surface.json: what TensorFlow says to every case of surface_*.py. Run with a Python that has TensorFlow:

    python tests/golden/tf/make_surface.py [PART_OF_A_NAME]     (with a part: only prints those)
"""
import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
import numpy as np
import tensorflow.compat.v1 as tf

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import surface
import surface_arrays, surface_math, surface_nn, surface_train  # noqa: E401,F401

tf.disable_v2_behavior()
tf.disable_resource_variables()
tf.logging.set_verbosity(tf.logging.ERROR)


def plain(value):
    digits = {"float32": "%.8g", "float64": "%.15g", "float16": "%.5g"}.get(value.dtype.name)
    flat = [(lambda t: t if t in ("nan", "inf", "-inf") else float(t))(digits % v) if digits else v.item()
            for v in value.ravel()]
    flat = [int(v) if isinstance(v, float) and v == int(v) and abs(v) < 1e6 else v for v in flat]
    return [value.dtype.name, list(value.shape), flat]


golden, only = {}, sys.argv[1:]
for name in surface.CASES:
    if only and only[0] not in name:
        continue
    tf.reset_default_graph()
    try:
        said = surface.facts(tf, name)
    except Exception as error:
        print("NOT MADE:", name, type(error).__name__, str(error)[:300])
        continue
    if "error" in said:
        if not said.pop("said"):
            print("OTHER WORDS:", name, said)
        del said["text"]
    else:
        said = {k: [plain(v) for v in part] if k in ("values", "gradients") else part for k, part in said.items()}
    golden[name] = said
if only:
    print(json.dumps(golden, indent=1))
else:
    with open(os.path.join(HERE, "surface.json"), "w") as file:
        file.write("{\n" + ",\n".join("%s:%s" % (json.dumps(k), json.dumps(v, separators=(",", ":")))
                                      for k, v in golden.items()) + "\n}\n")
    print(len(golden), "cases")
