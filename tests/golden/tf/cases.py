"""Small graphs whose values both TensorFlow and trivium.tf compute. Each case takes the module `tf` and gives
a list of values (numbers, arrays or strings)."""
import numpy as np

CASES = {}


def case(fn):
    CASES[fn.__name__] = fn
    return fn


def numbers(*shape, seed=0):
    return np.random.RandomState(seed).uniform(-2, 2, shape).astype(np.float32)


def run(tf, *fetches, feed=None):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(list(fetches), feed)


def value_and_grads(tf, y, *xs):
    weights = numbers(*y.shape.as_list(), seed=9)
    return run(tf, y, *tf.gradients(tf.reduce_sum(y * weights), list(xs)))


@case
def unary(tf):
    out = []
    for name in ("negative", "abs", "square", "exp", "sigmoid", "tanh", "sin", "cos", "atan", "erf", "expm1", "sign"):
        x = tf.constant(numbers(5))
        out += value_and_grads(tf, getattr(tf, name)(x), x)
    for name in ("sqrt", "rsqrt", "log", "log1p", "reciprocal", "lgamma"):
        x = tf.constant(np.abs(numbers(5)) + 0.1)
        out += value_and_grads(tf, getattr(tf, name)(x), x)
    return out


@case
def rounding(tf):
    x = tf.constant([-2.5, -1.5, -0.5, 0.5, 1.5, 2.4])
    return run(tf, tf.floor(x), tf.ceil(x), tf.round(x), tf.cast(x, tf.int32), tf.sign(x))


@case
def binary(tf):
    out = []
    for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "squared_difference"):
        a, b = tf.constant(numbers(3, 4, seed=1)), tf.constant(numbers(4, seed=2))
        out += value_and_grads(tf, getattr(tf, name)(a, b), a, b)
    a, b = tf.constant(np.abs(numbers(3)) + 0.2), tf.constant(numbers(3, seed=4))
    return out + value_and_grads(tf, tf.pow(a, b), a, b)


@case
def ties(tf):
    a, b = tf.constant([1.0, 2.0, 3.0]), tf.constant([1.0, 3.0, 2.0])
    out = value_and_grads(tf, tf.maximum(a, b), a, b) + value_and_grads(tf, tf.minimum(a, b), a, b)
    x = tf.constant([[1.0, 3.0, 3.0], [0.0, 0.0, 0.0]])
    return out + value_and_grads(tf, tf.reduce_max(x, 1), x) + value_and_grads(tf, tf.reduce_min(x, 1), x)


@case
def integers(tf):
    a, b = tf.constant([7, -7, 7, -7]), tf.constant([2, 2, -2, -2])
    return run(tf, a // b, a % b, a / b, tf.div(a, b), tf.reduce_mean(tf.constant([-1, -2])), tf.reduce_sum(a))


@case
def reductions(tf):
    out = []
    for name in ("reduce_sum", "reduce_mean", "reduce_prod", "reduce_max", "reduce_min", "reduce_logsumexp"):
        for axis in (0, [1], -1, [0, 1]):
            x = tf.constant(numbers(3, 4))
            out += value_and_grads(tf, getattr(tf, name)(x, axis), x)
    x = tf.constant(numbers(3, 4))
    return out + run(tf, tf.argmax(x, 1), tf.argmin(x, 0), tf.reduce_sum(x), tf.reduce_mean(x, keepdims=True))


@case
def products(tf):
    out = []
    for ta in (False, True):
        for tb in (False, True):
            a = tf.constant(numbers(*((4, 3) if ta else (3, 4)), seed=1))
            b = tf.constant(numbers(*((5, 4) if tb else (4, 5)), seed=2))
            out += value_and_grads(tf, tf.matmul(a, b, transpose_a=ta, transpose_b=tb), a, b)
    a, b = tf.constant(numbers(2, 3, 4, seed=1)), tf.constant(numbers(2, 4, 2, seed=2))
    return out + value_and_grads(tf, tf.matmul(a, b), a, b)


@case
def arrays(tf):
    x = tf.constant(numbers(2, 3, 4))
    out = []
    for y in (tf.reshape(x, [4, -1]), tf.transpose(x), tf.transpose(x, [1, 0, 2]), tf.expand_dims(x, 1),
              tf.concat([x, x * 2], 1), tf.stack([x, x], 1), tf.slice(x, [0, 1, 0], [2, -1, 3]), x[:, 1], x[0, ::2, 1:],
              x[..., ::-1], x[:, tf.newaxis, -1], tf.tile(x, [1, 2, 1]), tf.pad(x, [[0, 0], [1, 2], [0, 1]]),
              tf.gather(x, [2, 0, 2], axis=1), tf.reverse(x, [1]), tf.cumsum(x, 1, exclusive=True),
              tf.unstack(x, axis=1)[1], tf.split(x, 2, 2)[1], tf.split(x, [1, -1], 1)[1]):
        out += value_and_grads(tf, y, x)
    return out + run(tf, tf.one_hot([0, 2, 5], 4), tf.range(3, 10, 2), tf.shape(x), tf.zeros_like(x),
                     tf.fill([2, 2], 7), tf.where([True, False], [1, 2], [3, 4]))


@case
def activations(tf):
    out = []
    for name in ("relu", "relu6", "elu", "selu", "softplus", "softsign", "leaky_relu", "softmax", "log_softmax"):
        x = tf.constant(numbers(3, 4) * 4)
        out += value_and_grads(tf, getattr(tf.nn, name)(x), x)
    return out


@case
def losses(tf):
    x = tf.constant(numbers(3, 4) * 3)
    soft = tf.constant(np.abs(numbers(3, 4, seed=3)))
    out = value_and_grads(tf, tf.nn.softmax_cross_entropy_with_logits(labels=soft, logits=x), x)
    out += value_and_grads(tf, tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[0, 3, 1], logits=x), x)
    out += value_and_grads(tf, tf.nn.sigmoid_cross_entropy_with_logits(labels=soft, logits=x), x)
    return out + run(tf, tf.nn.l2_loss(x))


@case
def convolutions(tf):
    out = []
    for padding in ("SAME", "VALID"):
        for stride in (1, 2):
            x, w = tf.constant(numbers(2, 6, 5, 3)), tf.constant(numbers(3, 2, 3, 4, seed=1))
            out += value_and_grads(tf, tf.nn.conv2d(x, w, [1, stride, stride, 1], padding), x, w)
            out += value_and_grads(tf, tf.nn.max_pool(x, [1, 3, 2, 1], [1, stride, stride, 1], padding), x)
            out += value_and_grads(tf, tf.nn.avg_pool(x, [1, 3, 2, 1], [1, stride, stride, 1], padding), x)
    x, w = tf.constant(numbers(2, 3, 3, 4)), tf.constant(numbers(3, 3, 2, 4, seed=1))
    out += value_and_grads(tf, tf.nn.conv2d_transpose(x, w, [2, 6, 6, 2], [1, 2, 2, 1]), x, w)
    x, w = tf.constant(numbers(1, 4, 4, 2)), tf.constant(numbers(2, 2, 2, 3, seed=1))
    out += value_and_grads(tf, tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME"), x, w)
    b = tf.constant(numbers(2, seed=3))
    out += value_and_grads(tf, tf.nn.bias_add(x, b), x, b)
    return out + value_and_grads(tf, tf.nn.lrn(x, 1, 1.0, 0.5, 0.75), x)


@case
def normalisation(tf):
    x, scale, offset = tf.constant(numbers(2, 3, 3, 2)), tf.constant(numbers(2, seed=1)), tf.constant(numbers(2, seed=2))
    y, mean, variance = tf.nn.fused_batch_norm(x, scale, offset, epsilon=0.01)
    out = value_and_grads(tf, y, x, scale, offset) + run(tf, mean, variance)
    mean, variance = tf.nn.moments(x, [0, 1, 2])
    return out + run(tf, mean, variance) + value_and_grads(tf, tf.nn.l2_normalize(x, 3), x)


def steps(tf, optimizer):
    v = tf.Variable(numbers(4, seed=5), name="v")
    loss = tf.reduce_sum(tf.square(v) * numbers(4, seed=6)) + tf.reduce_sum(v)
    step = optimizer.minimize(loss)
    out = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(3):
            sess.run(step)
            out.append(sess.run(v))
        return out + [" ".join(x.name for x in tf.global_variables()), step.name]


@case
def descent(tf):
    return steps(tf, tf.train.GradientDescentOptimizer(0.1))


@case
def momentum(tf):
    return steps(tf, tf.train.MomentumOptimizer(0.1, 0.9))


@case
def nesterov(tf):
    return steps(tf, tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True))


@case
def adagrad(tf):
    return steps(tf, tf.train.AdagradOptimizer(0.1))


@case
def adadelta(tf):
    return steps(tf, tf.train.AdadeltaOptimizer(0.5))


@case
def rmsprop(tf):
    return steps(tf, tf.train.RMSPropOptimizer(0.1, momentum=0.5))


@case
def rmsprop_centered(tf):
    return steps(tf, tf.train.RMSPropOptimizer(0.01, centered=True))


@case
def adam(tf):
    return steps(tf, tf.train.AdamOptimizer(0.1))


@case
def ftrl(tf):
    return steps(tf, tf.train.FtrlOptimizer(0.1, l1_regularization_strength=0.01, l2_regularization_strength=0.01))


@case
def second_derivatives(tf):
    x = tf.constant(numbers(3))
    first = tf.gradients(tf.reduce_sum(x ** 3 + tf.exp(x)), x)[0]
    return run(tf, first, *tf.gradients(tf.reduce_sum(first * first), x))


@case
def partial_derivatives(tf):
    a = tf.constant(3.0)
    b = 2 * a
    total = tf.gradients(a + b, [a, b])
    partial = tf.gradients(a + b, [a, b], stop_gradients=[a, b])
    other = tf.gradients(a * b, [b, a], grad_ys=tf.constant(5.0))
    return run(tf, *(total + partial + other))


@case
def random_streams(tf):
    tf.set_random_seed(1234)
    ops = [tf.random_uniform([5], seed=42), tf.random_normal([5], seed=42), tf.truncated_normal([9], seed=42),
           tf.random_uniform([5], 0, 1000, tf.int32, seed=42), tf.random_uniform([3], 0, 10 ** 12, tf.int64, seed=42),
           tf.random_shuffle(tf.range(8), seed=42), tf.random_uniform([3], dtype=tf.float64, seed=42),
           tf.random_normal([3], dtype=tf.float64, seed=42), tf.random_normal([2, 3], 5.0, 0.5, seed=7),
           tf.random_uniform([3], -2.0, 3.0), tf.random_uniform([3], -2.0, 3.0)]
    with tf.Session() as sess:
        return sess.run(ops) + sess.run(ops)


@case
def names(tf):
    x, y = tf.placeholder(tf.float32, name="x"), tf.placeholder("float", [None, 3])
    with tf.name_scope("a"):
        tf.square(x)
        with tf.name_scope("b"):
            z = tf.reduce_sum(x + 1.0)
    with tf.name_scope("a"):
        tf.multiply(x, 2.0)
    w = tf.Variable(tf.zeros([3, 2]), name="w")
    out = tf.matmul(y, w) - 1
    tf.reduce_mean(out, 1)
    tf.Variable(3.0), tf.Variable(3.0)
    with tf.variable_scope("s"):
        tf.get_variable("k", [2, 2], initializer=tf.zeros_initializer())
        tf.identity(w)
    with tf.variable_scope("s", reuse=True):
        tf.get_variable("k", [2, 2])
        tf.identity(w)
    tf.global_variables_initializer()
    return [" ".join(op.name for op in tf.get_default_graph().get_operations() if "Initializer" not in op.name),
            str(z.shape), str(out.shape)]
