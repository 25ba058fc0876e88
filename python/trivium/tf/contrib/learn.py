"""tf.contrib.learn: what of it are other names of tf.estimator and of the data sets."""
from trivium.tf import _core
from trivium.tf.estimator.estimator import ModeKeys, RunConfig


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.contrib.learn.%s is not in this version; tf.estimator is" % name)
