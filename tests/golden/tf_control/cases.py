"""Graphs with branches and loops whose values both TensorFlow and trivium.tf compute. Each case takes the module
`tf` and gives a list of values."""
import collections
import re

import numpy as np

CASES = {}
State = collections.namedtuple("State", ["c", "h"])


def case(fn):
    CASES[fn.__name__] = fn
    return fn


def numbers(*shape, seed=0):
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32)


def run(tf, fetches, *feeds):
    """The fetches for each of the feeds, in one session whose variables hold numbers() by position."""
    values = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for i, v in enumerate(tf.trainable_variables()):
            v.load(numbers(*v.shape.as_list(), seed=100 + i), sess)
        for feed in feeds or (None,):
            values += sess.run(list(fetches), feed)
    return values


def weighted(tf, *ys):
    return tf.add_n([tf.reduce_sum(y * numbers(*y.shape.as_list(), seed=50 + i)) for i, y in enumerate(ys)])


class LSTM:
    """A cell as TensorFlow's functions take any object for one."""
    def __init__(self, tf, units):
        self.tf, self.units = tf, units

    output_size = property(lambda self: self.units)
    state_size = property(lambda self: State(self.units, self.units))

    def zero_state(self, batch, dtype):
        return State(self.tf.zeros([batch, self.units], dtype), self.tf.zeros([batch, self.units], dtype))

    def __call__(self, x, state, scope=None):
        tf = self.tf
        c, h = state
        with tf.variable_scope(scope or "cell"):
            k = tf.get_variable("kernel", [x.shape[1] + self.units, 4 * self.units])
            b = tf.get_variable("bias", [4 * self.units])
        i, j, f, o = tf.split(tf.matmul(tf.concat([x, h], 1), k) + b, 4, 1)
        c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
        h = tf.tanh(c) * tf.sigmoid(o)
        return h, State(c, h)


class FullLSTM:
    """TensorFlow 1's LSTMCell by its published equations (Sak, Senior, Beaufays 2014)."""
    def __init__(self, tf, units, peepholes=False, clip=None, proj=None, proj_clip=None, forget=1.0):
        self.tf, self.units, self.peepholes, self.clip = tf, units, peepholes, clip
        self.proj, self.proj_clip, self.forget = proj, proj_clip, forget

    output_size = property(lambda self: self.proj or self.units)
    state_size = property(lambda self: State(self.units, self.output_size))

    def zero_state(self, batch, dtype):
        return State(self.tf.zeros([batch, self.units], dtype), self.tf.zeros([batch, self.output_size], dtype))

    def __call__(self, x, state, scope=None):
        tf, n = self.tf, self.units
        c, h = state
        with tf.variable_scope("lstm_cell"):
            k = tf.get_variable("kernel", [x.shape[1] + self.output_size, 4 * n])
            b = tf.get_variable("bias", [4 * n])
            peep = [tf.get_variable("w_%s_diag" % g, [n]) for g in "fio"] if self.peepholes else [0.0] * 3
            i, j, f, o = tf.split(tf.matmul(tf.concat([x, h], 1), k) + b, 4, 1)
            c = c * tf.sigmoid(f + self.forget + peep[0] * c) + tf.sigmoid(i + peep[1] * c) * tf.tanh(j)
            if self.clip:
                c = tf.maximum(tf.minimum(c, self.clip), -self.clip)
            h = tf.tanh(c) * tf.sigmoid(o + peep[2] * c)
            if self.proj:
                h = tf.matmul(h, tf.get_variable("projection/kernel", [n, self.proj]))
                if self.proj_clip:
                    h = tf.maximum(tf.minimum(h, self.proj_clip), -self.proj_clip)
        return h, State(c, h)


@case
def branches(tf):
    p = tf.placeholder(tf.bool, ())
    x, y = tf.constant(numbers(3, seed=1)), tf.constant(numbers(3, seed=2))
    a, b = tf.cond(p, lambda: (x * y, tf.sin(x)), lambda: (x - 2 * y, tf.square(y) * x))
    loss = weighted(tf, a, b)
    first = tf.gradients(loss, [x, y])
    second = tf.gradients(weighted(tf, *first), [x, y])
    return run(tf, [a, b] + first + second, {p: True}, {p: False})


@case
def branches_that_assign(tf):
    p = tf.placeholder(tf.bool, ())
    v, w = tf.Variable(1.0, trainable=False), tf.Variable(10.0, trainable=False)
    result = tf.cond(p, lambda: tf.assign_add(v, 2.0), lambda: tf.assign(w, v + w))
    values = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for taken in (True, False, True, True, False):
            values.append(sess.run(result, {p: taken}))
            values += sess.run([v, w])
    return values


@case
def cases(tf):
    x = tf.placeholder(tf.float32, ())
    y = tf.case([(x < 0, lambda: -x), (x < 1, lambda: x * x)], default=lambda: tf.sqrt(x))
    z = tf.case([(x < 0, lambda: tf.constant(1)), (x >= 0, lambda: tf.constant(2))], exclusive=True)
    return run(tf, [y, z, tf.gradients(y, x)[0]], {x: -3.0}, {x: 0.5}, {x: 4.0})


@case
def nested_branches(tf):
    a, b = tf.placeholder(tf.bool, ()), tf.placeholder(tf.bool, ())
    x = tf.constant(numbers(4))
    y = tf.cond(a, lambda: tf.cond(b, lambda: x * x, lambda: tf.exp(x)), lambda: tf.cond(b, lambda: x, lambda: -x * 3))
    return run(tf, [y, tf.gradients(weighted(tf, y), x)[0]],
               *[{a: i, b: j} for i in (True, False) for j in (True, False)])


@case
def loops(tf):
    n = tf.placeholder(tf.int32, ())
    x, w = tf.constant(numbers(2, 3, seed=1)), tf.constant(numbers(3, 3, seed=2))
    out = []
    for limit in (4, n):  # known, and not
        _, y = tf.while_loop(lambda i, h: i < limit, lambda i, h: (i + 1, tf.tanh(tf.matmul(h, w) + x)),
                             [tf.constant(0), x])
        out += [y] + tf.gradients(weighted(tf, y), [x, w])
    return run(tf, out, {n: 3}, {n: 7}, {n: 0})


@case
def loops_that_end_by_value(tf):
    x = tf.placeholder(tf.float32, ())
    n, y = tf.while_loop(lambda n, y: y < 100.0, lambda n, y: (n + 1, y * x), [0, x])
    _, z = tf.while_loop(lambda i, z: z < 1e9, lambda i, z: [i + 1, z * 2], [0, x], maximum_iterations=5)
    return run(tf, [n, y, tf.gradients(y, x)[0], z], {x: 1.5}, {x: 3.0}, {x: 200.0})


@case
def loops_in_loops(tf):
    n = tf.placeholder(tf.int32, ())
    x = tf.constant(numbers(3))

    def outer(i, v):
        _, v = tf.while_loop(lambda j, u: j < i + 1, lambda j, u: (j + 1, tf.sin(u * x) + u), [0, v])
        return i + 1, v

    _, y = tf.while_loop(lambda i, v: i < n, outer, [0, x])
    return run(tf, [y, tf.gradients(weighted(tf, y), x)[0]], {n: 0}, {n: 1}, {n: 4})


@case
def branches_in_loops(tf):
    n = tf.placeholder(tf.int32, ())
    x = tf.constant(numbers(3))
    _, y = tf.while_loop(lambda i, v: i < n,
                         lambda i, v: (i + 1, tf.cond(tf.equal(i % 2, 0), lambda: v * x, lambda: tf.sin(v) + x)),
                         [0, x])
    return run(tf, [y, tf.gradients(weighted(tf, y), x)[0]], {n: 1}, {n: 5})


@case
def loops_that_assign(tf):
    n = tf.placeholder(tf.int32, ())
    v = tf.Variable(1.0, trainable=False)

    def body(i, total):
        with tf.control_dependencies([tf.assign_add(v, tf.cast(i, tf.float32))]):
            return i + 1, total + v.read_value()

    _, total = tf.while_loop(lambda i, t: i < n, body, [0, 0.0], parallel_iterations=1)
    values = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for count in (3, 0, 2):
            values += [sess.run(total, {n: count}), sess.run(v)]
    return values


@case
def structures(tf):
    Pair = collections.namedtuple("Pair", ["a", "b"])
    n, (p, q), r = tf.while_loop(lambda n, pq, r: n < 3,
                                 lambda n, pq, r: (n + 1, Pair(pq.b, pq.a + pq.b), [r[0] * 2.0]),
                                 (tf.constant(0), Pair(tf.constant(1), tf.constant(1)), [tf.constant(1.0)]))
    return run(tf, [n, p, q, r[0]])


@case
def tensor_arrays(tf):
    x = tf.constant(numbers(4, 2, 3))
    a = tf.TensorArray(tf.float32, size=4, clear_after_read=False).unstack(x)
    _, out = tf.while_loop(lambda i, out: i < 4, lambda i, out: (i + 1, out.write(3 - i, a.read(i) * tf.cast(i + 1, tf.float32))),
                           [0, tf.TensorArray(tf.float32, size=4)])
    stacked = out.stack()
    stacked.set_shape([4, 2, 3])
    b = tf.TensorArray(tf.float32, size=3, element_shape=[2], clear_after_read=False).scatter([2, 0, 1], x[:3, :, 0])
    return run(tf, [stacked, tf.gradients(weighted(tf, stacked), x)[0], b.stack(), b.gather([1, 1, 2]), b.concat(),
                    b.size(), a.read(2)])


@case
def rows(tf):
    x, y = tf.constant(numbers(5, 3, seed=1)), tf.constant(numbers(5, 3, seed=2))
    w = tf.constant(numbers(3, 3, seed=3))
    mapped = tf.map_fn(lambda r: tf.tanh(r[0] * r[1]), (x, y), dtype=tf.float32)
    pair = tf.map_fn(lambda r: (tf.cast(tf.argmax(r), tf.int32), tf.reduce_sum(r)), x, dtype=(tf.int32, tf.float32))
    scanned = tf.scan(lambda a, r: tf.tanh(a + r), x)
    started = tf.scan(lambda a, r: tf.squeeze(tf.matmul(a[None], w), 0) * r, x, initializer=tf.ones([3]))
    back = tf.scan(lambda a, r: a * 0.5 + r, x, reverse=True)
    left, right = tf.foldl(lambda a, r: a * r + 1, x), tf.foldr(lambda a, r: a * r + 1, x, initializer=tf.ones([3]))
    loss = weighted(tf, mapped, scanned, started, back, left, right)
    return run(tf, [mapped, pair[0], pair[1], scanned, started, back, left, right] + tf.gradients(loss, [x, y, w]))


@case
def mapping_of_an_unknown_number(tf):
    x = tf.placeholder(tf.float32, [None, 2])
    y = tf.map_fn(lambda r: r * r, x)
    return run(tf, [y, tf.gradients(tf.reduce_sum(y), x)[0]], {x: numbers(3, 2)}, {x: numbers(1, 2)})


@case
def arrays_with_gaps(tf):
    """What was never written reads as zeros."""
    x = tf.constant(numbers(4, 2))
    new = lambda **kwargs: tf.TensorArray(tf.float32, size=4, clear_after_read=False, **kwargs)
    one, few, none = new().write(1, x[0]), new().unstack(x[:3]), new(element_shape=[2])
    grown = tf.TensorArray(tf.float32, size=1, dynamic_size=True).unstack(x)
    last = new(infer_shape=False, element_shape=[2]).write(3, x[1])
    _, looped = tf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, a.write(i, x[i] * x[i])),
                              [0, new()])
    _, full = tf.while_loop(lambda i, a: i < 4, lambda i, a: (i + 1, a.write(i, x[i])),
                            [0, new(infer_shape=False)])
    loss = tf.reduce_sum(looped.stack()) + tf.reduce_sum(few.read(3)) + tf.reduce_sum(few.read(2))
    return run(tf, [one.stack(), one.read(2), one.gather([0, 1]), one.concat(), few.stack(),
                    none.read(1), grown.stack(), last.stack(), looped.stack(), full.stack(),
                    full.read(2), tf.gradients(loss, x)[0]])


@case
def what_is_connected(tf):
    """The gradients by branches and loops that are None, and the others."""
    x, y, p = tf.constant(2.0), tf.constant(3.0), tf.placeholder(tf.bool, ())
    v, w = tf.Variable(0.0), tf.Variable(0.0)
    yes, one = tf.constant(True), tf.constant(1.0)

    def again(body, *start):
        return tf.while_loop(lambda i, *rest: i < 3, body, [0] + list(start))
    whole = lambda t: tf.cast(tf.cast(t, tf.int32), tf.float32)
    results = [
        tf.cond(yes, lambda: x, lambda: y),
        tf.cond(p, lambda: x * x, lambda: y + 1),
        tf.cond(p, lambda: (x * x, y * y), lambda: (x + 1, y))[0],
        tf.cond(x > 1, lambda: one, lambda: y),
        tf.cond(p, lambda: tf.stop_gradient(x) * y, lambda: y),
        tf.cond(p, lambda: whole(x) * y, lambda: y),
        tf.cond(p, lambda: tf.floor(x) * y, lambda: y),
        tf.cond(p, lambda: tf.cond(x > 1, lambda: y, lambda: one), lambda: one),
        again(lambda i, a, b: (i + 1, a * x, b * y), one, one)[1],
        again(lambda i, a, b: (i + 1, a * b, b), x, y)[1],
        again(lambda i, a, b: (i + 1, a * a, b * b), x, y)[1],
        again(lambda i, a, b: (i + 1, b, a * 1.0), x, y)[1],
        again(lambda i, a: (i + 1, one), x)[1],
        tf.while_loop(lambda a: a < x * 100, lambda a: a * y, [one]),
        again(lambda i, a: (i + 1, a * y * tf.stop_gradient(x)), one)[1],
        again(lambda i, a: (i + 1, tf.cond(p, lambda: a * y, lambda: a)), one)[1],
        again(lambda i, a, b: (i + 1, again(lambda j, c: (j + 1, c * x), a)[1], b * y),
              one, one)[1],
        tf.cond(p, lambda: v * v + 2, lambda: v * 3),
        again(lambda i, a, b: (i + 1, a * v, b * w), one, one)[1],
    ]
    values = []
    for z in results:
        gradients = tf.gradients(z, [x, y, v, w])
        values.append(" ".join("None" if g is None else "some" for g in gradients))
        values += run(tf, [z] + [g for g in gradients if g is not None], {p: True}, {p: False})
    return values


@case
def recurrent(tf):
    x = tf.placeholder(tf.float32, [None, None, 3])
    length = tf.placeholder(tf.int32, [None])
    out = []
    for i, kwargs in enumerate(({}, {"sequence_length": length})):
        with tf.variable_scope("net%d" % i):
            outputs, state = tf.nn.dynamic_rnn(LSTM(tf, 4), x, dtype=tf.float32, **kwargs)
        loss = tf.reduce_sum(tf.square(outputs)) + tf.reduce_sum(state.c * state.h)
        out += [outputs, state.c, state.h] + tf.gradients(loss, tf.trainable_variables(scope="net%d" % i) + [x])
    return run(tf, out, {x: numbers(2, 5, 3), length: [5, 2]}, {x: numbers(3, 4, 3, seed=1), length: [1, 4, 3]})


@case
def lstm_cells(tf):
    """Values, gradients and names of variables; TensorFlow 2 has no LSTMCell any more, so there the equations."""
    ours = tf.__version__.endswith("trivium")
    x, values = tf.constant(numbers(2, 4, 3)), []
    for i, (peepholes, clip, proj, proj_clip) in enumerate((
            (True, None, None, None), (False, 0.25, None, None), (False, None, 2, None), (True, 0.3, 2, 0.1))):
        with tf.variable_scope("net%d" % i):
            cell = tf.nn.rnn_cell.LSTMCell(5, peepholes, clip, None, proj, proj_clip, forget_bias=0.5) if ours else \
                FullLSTM(tf, 5, peepholes, clip, proj, proj_clip, 0.5)
            outputs, state = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32, sequence_length=[4, 3])
        own = tf.trainable_variables(scope="net%d" % i)
        loss = weighted(tf, outputs, state.c, state.h)
        values += [outputs, state.c, state.h] + tf.gradients(loss, own + [x])
    return [v.name for v in tf.trainable_variables()] + run(tf, values)


@case
def recurrent_both_ways(tf):
    x = tf.placeholder(tf.float32, [2, None, 3])
    (f, b), (sf, sb) = tf.nn.bidirectional_dynamic_rnn(LSTM(tf, 2), LSTM(tf, 2), x, sequence_length=[4, 2],
                                                       dtype=tf.float32)
    loss = tf.reduce_sum(tf.square(f) + f * b) + tf.reduce_sum(sf.c * sb.h)
    return run(tf, [f, b, sf.h, sb.c] + tf.gradients(loss, tf.trainable_variables()), {x: numbers(2, 4, 3)})


@case
def names(tf):
    tf.while_loop(lambda i: i < 3, lambda i: i + 1, [tf.constant(0)])
    one = tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2.0), [tf.constant(0), tf.constant(1.0)])
    two = tf.cond(tf.placeholder(tf.bool, (), name="p"), lambda: tf.constant(1.0), lambda: tf.constant(2.0))
    return [one[0].name, one[1].name, two.name]


@case
def mistakes_with_arrays(tf):
    """What is said of positions that are used twice, too late or never; values of arrays that grow."""
    x = tf.constant([1.0, 2.0, 3.0])
    new = lambda **kwargs: tf.TensorArray(tf.float32, 3, **kwargs)
    full = lambda **kwargs: new(**kwargs).unstack(x)

    def after(first, then):
        with tf.control_dependencies([first]):
            return then()

    def twice(array, first, then):
        return after(first(array), lambda: then(array))

    def loop(body, *start):
        return tf.while_loop(lambda i, *_: i < 3, body, (0,) + start)[1]

    grown = lambda: tf.TensorArray(tf.float32, 0, dynamic_size=True)
    p = tf.placeholder_with_default(True, ())
    makers = [
        lambda: new().write(0, x[0]).write(0, x[1]).stack(),
        lambda: new().write(1, x[0]).write(1, x[1]).read(0),
        lambda: full().unstack(x).stack(),
        lambda: new().scatter([1, 1], x[:2]).stack(),
        lambda: twice(full(), lambda a: a.read(0), lambda a: a.read(0)),
        lambda: twice(full(), lambda a: a.stack(), lambda a: a.stack()),
        lambda: twice(full(), lambda a: a.stack(), lambda a: a.read(1)),
        lambda: twice(full(), lambda a: a.read(1), lambda a: a.stack()),
        lambda: full().gather([0, 0]),
        lambda: twice(full(clear_after_read=False), lambda a: a.gather([0, 0]), lambda a: a.gather([0, 1])),
        lambda: twice(new().write(0, x[0]), lambda a: a.read(0), lambda a: a.write(0, x[1]).read(0)),
        lambda: twice(full(clear_after_read=False), lambda a: a.read(0), lambda a: a.write(0, x[1]).read(0)),
        lambda: new().read(1),
        lambda: new().write(0, x[0]).read(1),
        lambda: twice(new().write(0, x[0]), lambda a: a.read(1), lambda a: a.read(1)),
        lambda: new(infer_shape=False).write(0, x[0]).read(1),
        lambda: new(infer_shape=False).write(0, x[0]).stack(),
        lambda: new(element_shape=[2]).read(1),
        lambda: new().write(3, x[0]).stack(),
        lambda: full().read(5),
        lambda: full().gather([0, 5]),
        lambda: loop(lambda i, a: (i + 1, a.write(0, x[0])), new()).stack(),
        lambda: loop(lambda i, a: (i + 1, a.write(i, x[i])), new().write(2, x[0])).stack(),
        lambda: loop(lambda i, a: (i + 1, a.write(i, x[i])), new()).write(2, x[0]).stack(),
        lambda: (lambda a: loop(lambda i, s: (i + 1, s + a.read(0)), x[0]))(full()),
        lambda: (lambda a: loop(lambda i, s: (i + 1, s + a.read(i)), x[0]))(full()),
        lambda: (lambda a: twice(a, lambda a: loop(lambda i, s: (i + 1, s + a.read(i)), x[0]),
                                 lambda a: a.stack()))(full()),
        lambda: loop(lambda i, a: (i + 1, tf.cond(i > 0, lambda: a.write(0, x[0]), lambda: a)), new()).stack(),
        lambda: loop(lambda i, a: (i + 1, tf.cond(i > 1, lambda: a.write(0, x[0]), lambda: a)), new()).stack(),
        lambda: (lambda a: tf.cond(p, lambda: a.write(0, x[1]), lambda: a).stack())(new().write(0, x[0])),
        lambda: loop(lambda i, a: (i + 1, a.write(i, x[i])), grown()).stack(),
        lambda: loop(lambda i, a: (i + 1, a.write(2 * i, x[i])), grown()).size(),
        lambda: grown().write(2, x[0]).stack(),
        lambda: grown().scatter([1, 3], x[:2]).stack(),
        lambda: grown().write(1, x[0]).read(4),
        lambda: tf.gradients(loop(lambda i, a: (i + 1, a.write(2 - i, x[i] * x[i])), grown()).stack(), x)[0],
    ]
    values = []
    for make in makers:
        try:
            values += run(tf, [make()])
        except tf.errors.InvalidArgumentError as error:
            values.append(re.search("(Could not|Tried to|$).*", str(error)).group(0))
    return values
