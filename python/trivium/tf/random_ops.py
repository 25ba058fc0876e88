"""Random tensors: TensorFlow's own numbers when seeds are given."""
from trivium import _tf
from trivium.tf import _core
from trivium.tf.array_ops import _sizes


def random_normal(shape, mean=0.0, stddev=1.0, dtype=_core.float32, seed=None, name=None):
    return _tf.random("normal", _sizes(shape), mean, stddev, _core.as_dtype(dtype).name, seed, name or "")


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=_core.float32, seed=None, name=None):
    """Normal numbers; those beyond two standard deviations are drawn again."""
    return _tf.random("truncated", _sizes(shape), mean, stddev, _core.as_dtype(dtype).name, seed, name or "")


def random_uniform(shape, minval=0, maxval=None, dtype=_core.float32, seed=None, name=None):
    """[minval, maxval); integers need maxval."""
    dtype = _core.as_dtype(dtype)
    if maxval is None:
        if dtype.is_integer:
            raise ValueError("Must specify maxval for integer dtype %r" % dtype)
        maxval = 1
    return _tf.random("uniform", _sizes(shape), minval, maxval, dtype.name, seed, name or "")


def random_shuffle(value, seed=None, name=None):
    return _tf.random_shuffle(_core.inp(value), seed, name or "")
