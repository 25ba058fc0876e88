"""tf.estimator: a model function trained, evaluated and asked, with checkpoints in between."""
from trivium.tf.estimator import inputs
from trivium.tf.estimator.estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig


def __getattr__(name):
    from trivium.tf import _core
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.estimator.%s is not in this version" % name)
