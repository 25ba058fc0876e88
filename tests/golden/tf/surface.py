"""One small graph an operation or function, described with whatever module `tf` is given. facts() says what came
of it: names, types and static shapes of the results, their values, and gradients; or the error."""
import numpy as np

CASES = {}
# Types whose newer producers carry another number: names are compared without it.
_NUMBERED = ("V2", "V3", "V4")


def f(*shape, seed=0, low=-2.0, high=2.0, dtype=np.float32):
    return np.random.RandomState(seed).uniform(low, high, shape).astype(dtype)


def pos(*shape, seed=0):
    return f(*shape, seed=seed, low=0.2, high=2.0)


def i(*shape, seed=0, low=-5, high=6, dtype=np.int32):
    return np.random.RandomState(seed).randint(low, high, shape).astype(dtype)


def add(name, fn, *inputs, grad=True, names=True, shapes=True):
    """names=False: versions of TensorFlow make other operations here; shapes=False: infer other static shapes."""
    assert name not in CASES, name
    CASES[name] = (fn, inputs, grad, names, shapes)


def bad(name, fn, text):
    """A graph that can not be built or run: class of the error and the words both must say."""
    name = "error " + name
    assert name not in CASES, name
    CASES[name] = (fn, text)


def flat(value):
    if isinstance(value, dict):
        return [v for k in sorted(value) for v in flat(value[k])]
    if isinstance(value, (list, tuple)):
        return [v for part in value for v in flat(part)]
    return [value]


def type_name(op_type):
    return op_type[:-2] if op_type.endswith(_NUMBERED) else op_type


def facts(tf, name):
    case = CASES[name]
    if name.startswith("error "):
        try:
            result = case[0](tf)
        except Exception as error:
            known = [c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins" or hasattr(tf.errors, c.__name__)]
            return {"error": known[0], "said": case[1] in str(error), "text": str(error)}
        return {"error": "none", "said": False, "text": str(result)}
    fn, inputs, grad, names, shapes = case
    xs = [tf.constant(x, name="in%d" % k) for k, x in enumerate(inputs)]
    ys = [tf.convert_to_tensor(y) for y in flat(fn(tf, *xs)) if y is not None]
    out = {}
    if names:
        out["names"] = ["%s %s" % (y.op.name, type_name(y.op.type)) for y in ys]
    if shapes:
        out["shapes"] = [None if y.shape.ndims is None else y.shape.as_list() for y in ys]
    floats = [y for y in ys if y.dtype.is_floating]
    gradients = []
    if grad and floats:
        total = tf.add_n([tf.reduce_sum(tf.cast(y * weights(tf, y), tf.float64)) for y in floats])
        wanted = [x for x in xs if x.dtype.is_floating]
        gradients = tf.gradients(total, wanted) if wanted else []
        out["unconnected"] = [k for k, g in enumerate(gradients) if g is None]
    asked = [tf.convert_to_tensor(g) for g in gradients if g is not None]
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        values, derived = sess.run([ys, asked])
    out["values"] = [np.asarray(v) for v in values]
    out["gradients"] = [np.asarray(v) for v in derived]
    return out


def weights(tf, y):
    """Fixed numbers of the shape of y, so that every element has a gradient of its own."""
    count = tf.cast(tf.range(tf.size(y)), y.dtype)
    return tf.reshape(tf.cos(count * 1.7 + 0.3) + 0.5, tf.shape(y))
