"""Optimizers, learning rates, averages; names, scopes, collections; errors of runs."""
import numpy as np
from surface import add, bad, f

OPTIMIZERS = {
    "GradientDescent": "GradientDescentOptimizer(0.1)", "Momentum": "MomentumOptimizer(0.05, 0.9)",
    "Nesterov": "MomentumOptimizer(0.05, 0.9, use_nesterov=True)", "Adagrad": "AdagradOptimizer(0.1)",
    "Adadelta": "AdadeltaOptimizer(0.5)", "RMSProp": "RMSPropOptimizer(0.01)",
    "RMSProp momentum": "RMSPropOptimizer(0.01, 0.8, 0.5, 1e-8)", "RMSProp centered": "RMSPropOptimizer(0.01, centered=True)",
    "Adam": "AdamOptimizer(0.1)", "Adam tuned": "AdamOptimizer(0.01, 0.8, 0.99, 1e-4)", "Ftrl": "FtrlOptimizer(0.1)",
    "Ftrl regularised": "FtrlOptimizer(0.1, -0.5, 0.2, 0.01, 0.02)",
    "Ftrl shrinkage": "FtrlOptimizer(0.1, l2_shrinkage_regularization_strength=0.05)"}


def steps(tf, make):
    """Twenty steps: every fifth state of the variables, and what was made on the way."""
    v, b = tf.Variable(f(2, 3, seed=5), name="v"), tf.Variable([0.5, -0.5, 1.0], name="b")
    rate = f(2, 3, seed=6, low=0.2, high=1.0)
    loss = tf.reduce_sum(tf.square(v - b) * rate) + tf.reduce_sum(tf.cos(v))
    optimizer = eval("tf.train." + make, {"tf": tf})
    step = optimizer.minimize(loss, global_step=tf.train.get_or_create_global_step())
    out = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for k in range(20):
            sess.run(step)
            if k % 5 == 4:
                out += sess.run([v, b])
        out += sess.run(tf.global_variables())
    words = " ".join(x.name for x in tf.global_variables()) + " " + step.name
    slots = " ".join(optimizer.get_slot_names())
    return [tf.constant(x, name="result%d" % k) for k, x in enumerate(out)] + [tf.constant(text(words + " " + slots))]


def text(words):
    """A text as numbers, for comparison."""
    return np.frombuffer(words.encode(), np.uint8).astype(np.int32)


for name, make in OPTIMIZERS.items():
    add("train." + name, lambda tf, m=make: steps(tf, m), names=False, grad=False)

RATES = {"exponential_decay": "0.1, s, 10, 0.5", "exponential_decay staircase": "0.1, s, 10, 0.5, staircase=True",
         "natural_exp_decay": "0.1, s, 10, 0.5", "inverse_time_decay": "0.1, s, 10, 0.5",
         "inverse_time_decay staircase": "0.1, s, 10, 0.5, staircase=True", "polynomial_decay": "0.1, s, 20, 0.01, 2.0",
         "polynomial_decay cycle": "0.1, s, 20, 0.01, 1.0, cycle=True", "cosine_decay": "0.1, s, 20, 0.1",
         "cosine_decay_restarts": "0.1, s, 8", "linear_cosine_decay": "0.1, s, 20",
         "piecewise_constant": "s, [5, 15], [1.0, 0.5, 0.1]"}


def rates(tf, fn, arguments):
    out = []
    for k in (0, 1, 5, 9, 10, 15, 20, 33):
        s = tf.constant(k, tf.int32 if fn == "piecewise_constant" else tf.int64)
        rate = eval("tf.train.%s(%s)" % (fn, arguments), {"tf": tf, "s": s})
        out.append(rate() if callable(rate) and not hasattr(rate, "op") else rate)
    return [tf.stack(out)]


for name, arguments in RATES.items():
    add("train." + name, lambda tf, n=name.split()[0], a=arguments: rates(tf, n, a), names=False, grad=False)


def averaged(tf, **how):
    v = tf.Variable([1.0, 2.0], name="v")
    average = tf.train.ExponentialMovingAverage(0.9, **how)
    keep = average.apply([v])
    out = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(3):
            sess.run(v.assign_add([1.0, -1.0]))
            sess.run(keep)
            out.append(sess.run(average.average(v)))
    names = " ".join([average.average_name(v)] + [x.name for x in tf.global_variables()] +
                     sorted(average.variables_to_restore()))
    return [tf.constant(x) for x in out] + [tf.constant(text(names))]


add("train.ExponentialMovingAverage", lambda tf: averaged(tf), names=False, grad=False)
add("train.ExponentialMovingAverage num_updates", lambda tf: averaged(tf, num_updates=5), names=False, grad=False)


def all_names(tf):
    return [tf.constant(text("\n".join(op.name for op in tf.get_default_graph().get_operations())))]


def regression(tf):
    """The golden graph of a linear regression."""
    x, y = tf.placeholder("float", name="X"), tf.placeholder("float", name="Y")
    w, b = tf.Variable(np.float32(0.3), name="W"), tf.Variable(np.float32(0.1), name="b")
    pred = tf.add(tf.multiply(x, w), b)
    tf.reduce_sum(tf.pow(pred - y, 2)) / (2 * 17)
    return all_names(tf)


def scopes(tf):
    with tf.name_scope("a"):
        tf.constant(1.0)
        with tf.name_scope("b") as b:
            tf.constant(1.0, name="c")
        with tf.name_scope(b):
            tf.constant(1.0, name="c")
    with tf.name_scope("a"):
        tf.constant(1.0)
        with tf.name_scope(None):
            tf.constant(2.0, name="root")
        with tf.name_scope(""):
            tf.constant(2.0, name="root")
    tf.constant(1, name="Add"), tf.constant(1, name="add"), tf.constant(1, name="add_1"), tf.constant(1, name="q/w")
    tf.constant(1, name="q"), tf.constant(1, name="x/")
    with tf.variable_scope("s") as s:
        tf.get_variable("v", [2], initializer=tf.zeros_initializer())
        with tf.variable_scope(None, "dense"):
            tf.constant(1.0)
        with tf.variable_scope(None, "dense"):
            tf.constant(1.0)
    with tf.variable_scope(s, reuse=True):
        tf.get_variable("v", [2])
        tf.constant(1.0)
        with tf.variable_scope(None, "dense"):
            tf.constant(1.0)
    with tf.variable_scope("s", reuse=tf.AUTO_REUSE):
        tf.get_variable("v", [2])
        tf.identity(1.0)
    return all_names(tf)


def collections(tf):
    tf.Variable(1.0, name="a"), tf.Variable(2.0, name="b", trainable=False)
    tf.Variable(3.0, name="local", trainable=False, collections=[tf.GraphKeys.LOCAL_VARIABLES])
    with tf.variable_scope("Gen"):
        tf.get_variable("w", [], regularizer=lambda w: w * 2.0)
    with tf.variable_scope("Generator"):
        tf.get_variable("w", [])
    tf.add_to_collection("mine", 3), tf.add_to_collection("mine", 3)
    parts = [v.name for v in tf.global_variables()] + ["|"] + [v.name for v in tf.trainable_variables()]
    parts += ["|"] + [v.name for v in tf.local_variables()] + ["|"]
    parts += [v.name for v in tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, scope="Gen")]
    parts += ["|"] + [t.name for t in tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)]
    parts += ["|", str(tf.get_collection("mine")), str(tf.get_collection("none"))]
    return [tf.constant(text(" ".join(parts)))]


add("names of a regression", regression, grad=False, names=False)
add("names and scopes", scopes, grad=False, names=False)
add("collections", collections, grad=False, names=False)


def gradient_rules(tf):
    a = tf.constant(3.0)
    b = 2 * a
    v = tf.Variable([1.0, 2.0])
    whole = tf.gradients(a + b, [a, b]) + tf.gradients(a + b, [a, b], stop_gradients=[a, b])
    twice = tf.gradients(tf.gradients(tf.exp(a) * a, a), a)
    seeded = tf.gradients([a * b, a], [b, a], grad_ys=[tf.constant(5.0), None])
    none = tf.gradients(tf.argmax(v, 0), v) + tf.gradients(tf.stop_gradient(a), a)
    zeros = tf.gradients(tf.constant(1.0), v, unconnected_gradients="zero")
    itself = tf.gradients(a, a)
    return whole + twice + seeded + zeros + itself + [tf.constant([g is None for g in none])]


add("gradients", gradient_rules, grad=False, names=False)

bad("unfed placeholder", lambda tf: tf.Session().run(tf.placeholder("float", [None, 784], name="x") * 2),
    "You must feed a value for placeholder tensor 'x' with dtype float and shape [?,784]")
bad("uninitialized", lambda tf: tf.Session().run(tf.Variable(1.0, name="v") + 1), "ninitialized value v")
bad("feed shape", lambda tf: (lambda x: tf.Session().run(x, {x: np.zeros((64, 5))}))(tf.placeholder("float", [64, 1000], name="x")),
    "Cannot feed value of shape (64, 5) for Tensor ")
bad("feed int", lambda tf: (lambda x: tf.Session().run(x, {x: 3000000000}))(tf.placeholder(tf.int32, [])), "not compatible with Tensor type")
bad("feed a tensor", lambda tf: (lambda x: tf.Session().run(x, {x: tf.zeros([])}))(tf.placeholder("float", [])),
    "The value of a feed cannot be a tf.Tensor object.")
bad("feed key", lambda tf: tf.Session().run(tf.constant(1), {3: 1}), "Cannot interpret feed_dict key as Tensor: ")
bad("feed name", lambda tf: tf.Session().run(tf.constant(1), {"zz:0": 1}), "Cannot interpret feed_dict key as Tensor: The name 'zz:0' refers to a Tensor which does not exist.")
bad("fetch none", lambda tf: (tf.constant(1), tf.Session().run(None)), "nvalid type")
bad("fetch number", lambda tf: (tf.constant(1), tf.Session().run(3)), "nvalid type")
bad("fetch name", lambda tf: (tf.constant(1), tf.Session().run("zz:0")), "cannot be interpreted as a Tensor. (")
bad("closed", lambda tf: (lambda c, s: (s.close(), s.run(c)))(tf.constant(1), tf.Session()), "Attempted to use a closed Session.")
bad("empty graph", lambda tf: tf.Session().run([]) if False else tf.Session(graph=tf.Graph()).run([]), "The Session graph is empty.")
bad("eval without session", lambda tf: tf.constant(1).eval(), "Cannot evaluate tensor using `eval()`: No default session is registered.")
bad("run without session", lambda tf: tf.no_op().run(), "Cannot execute operation using `run()`: No default session is registered.")
bad("count_up_to", lambda tf: (lambda v, s: [s.run(v.initializer)] + [s.run(c) for c in [v.count_up_to(2)] * 3])(tf.Variable(0), tf.Session()),
    "Reached limit of 2")
bad("get_variable twice", lambda tf: (tf.get_variable("v", [1]), tf.get_variable("v", [1])), "Variable v already exists, disallowed.")
bad("get_variable missing", lambda tf: (tf.get_variable_scope().reuse_variables(), tf.get_variable("v", [1])), "Variable v does not exist, or was not created with tf.get_variable().")


def reused(tf, *second, **more):
    with tf.variable_scope("a"):
        tf.get_variable("v", [1])
    with tf.variable_scope("a", reuse=True):
        return tf.get_variable("v", *second, **more)


bad("get_variable shape", lambda tf: reused(tf, [2]), "Trying to share variable a/v, but specified shape (2,) and found shape (1,).")
bad("get_variable dtype", lambda tf: reused(tf, [1], dtype=tf.int32), "Trying to share variable a/v, but specified dtype int32 and found dtype float32_ref.")
bad("no gradients", lambda tf: (tf.Variable(1.0), tf.train.GradientDescentOptimizer(0.1).minimize(tf.constant(1.0)))[1], "No gradients provided for any variable")
bad("no variables", lambda tf: tf.train.GradientDescentOptimizer(0.1).minimize(tf.constant(1.0)), "No variables to optimize")
bad("apply nothing", lambda tf: tf.train.GradientDescentOptimizer(0.1).apply_gradients([]), "No variables provided.")
bad("grad_ys", lambda tf: tf.gradients(tf.constant(1.0), tf.constant(1.0), grad_ys=[None, None]), "Passed 2 grad_ys for 1 ys")
bad("bad name", lambda tf: tf.constant(1, name="x:0"), "'x:0' is not a valid")
bad("bad scope", lambda tf: tf.name_scope("x:0").__enter__(), "'x:0' is not a valid scope name")
bad("tensor by a bad name", lambda tf: (tf.constant(1, name="x"), tf.get_default_graph().get_tensor_by_name("x")), "refers to an Operation, not a Tensor")
bad("tensor of no op", lambda tf: tf.get_default_graph().get_tensor_by_name("x:0"), "The name 'x:0' refers to a Tensor which does not exist. The operation, 'x', does not exist in the graph.")
bad("operation of no op", lambda tf: tf.get_default_graph().get_operation_by_name("y"), "The name 'y' refers to an Operation not in the graph.")
bad("finalized", lambda tf: (tf.get_default_graph().finalize(), tf.constant(1)), "Graph is finalized and cannot be modified.")
bad("assign shape", lambda tf: tf.Variable([1.0, 2.0]).assign([1.0]), "")
bad("assign dtype", lambda tf: tf.Variable([1.0]).assign(tf.constant([1])), "")
bad("no initial value", lambda tf: tf.Variable(), "initial_value must be specified.")
bad("global_step twice", lambda tf: (tf.train.create_global_step(), tf.train.create_global_step()), '"global_step" already exists.')
bad("decay without step", lambda tf: tf.train.exponential_decay(0.1, None, 10, 0.5), "global_step is required for exponential_decay.")
bad("control input", lambda tf: tf.control_dependencies([3]).__enter__(), "Control input must be an Operation, a Tensor, or a Variable")
