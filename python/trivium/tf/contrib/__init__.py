"""The parts of tf.contrib that programs of TensorFlow 1's time stand on."""
from trivium.tf import data, nn as _nn, rnn, session_hooks as _hooks
from trivium.tf.contrib import framework, layers, learn, legacy_seq2seq

_OUTSIDE = ("boosted_trees", "eager", "factorization", "tensor_forest")


def __getattr__(name):
    from trivium.tf import _core
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.contrib.%s is not in this version" % name)
