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


def multinomial(logits, num_samples, seed=None, name=None, output_dtype=None):
    """num_samples classes a row of unnormalised log probabilities."""
    first, second = _tf.default_graph().op_seeds(seed)
    with _core.name_scope(name, "multinomial"):
        return _core.out("Multinomial", [("logits", logits), ("num_samples", num_samples, "int32")],
                         {"seed": first, "seed2": second,
                          "output_dtype": _core.as_dtype("int64" if output_dtype is None else output_dtype)})


def categorical(logits, num_samples, dtype=None, seed=None, name=None):
    with _core.name_scope(name, "categorical"):
        return multinomial(logits, num_samples, seed, None, dtype)


def random_crop(value, size, seed=None, name=None):
    """A part of the given size, at a place drawn with equal probability."""
    from trivium.tf import array_ops
    with _core.name_scope(name, "random_crop"):
        value, size = _core.tensor(value, name="value"), _core.tensor(size, "int32", "size")
        limit = array_ops.shape(value) - size + 1
        offset = random_uniform(array_ops.shape(size), 0, 2 ** 31 - 1, _core.int32, seed) % limit
        return array_ops.slice(value, offset, size)


def random_gamma(*args, **kwargs):
    raise NotImplementedError("tf.random_gamma: there are uniform, normal, truncated, integer and multinomial draws")


def random_poisson(*args, **kwargs):
    raise NotImplementedError("tf.random_poisson: there are uniform, normal, truncated, integer and multinomial draws")
