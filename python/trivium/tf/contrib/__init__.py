"""The parts of tf.contrib that programs of TensorFlow 1's time stand on."""
import sys as _sys

from trivium.tf import rnn
from trivium.tf.contrib import framework, layers, learn, legacy_seq2seq
from trivium.tf.data import experimental as data

_sys.modules["trivium.tf.contrib.rnn"] = rnn
_sys.modules["trivium.tf.contrib.data"] = data


def __getattr__(name):
    from trivium.tf import _core
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.contrib.%s is not in this version" % name)
