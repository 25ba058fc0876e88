"""Times graph programs a step at a time, this library and TensorFlow in turns: medians, and losses beside each other.

    PYTHONPATH=build/python python bench/tf_steps.py --peer PYTHON_WITH_TENSORFLOW [--turns 5] [--only lecture,lenet_nchw]
    PYTHONPATH=build/python python bench/tf_steps.py                 this library alone

Cases: `lecture` (variables w1, w2 of 1000 x 100, SGD), `mlp_sgd` and `mlp_adam` (64 x 1000 x 100 x 10),
`lenet_nchw` and `lenet_nhwc` (batch 64; TensorFlow always computes NHWC), `fetch` (a trivial fetch, in
microseconds), `import` (seconds). Two threads. Every case starts from the same seeds, so losses agree.
"""
import argparse
import json
import statistics
import subprocess
import sys
import time

CASES = ("lecture", "mlp_sgd", "mlp_adam", "lenet_nchw", "lenet_nhwc", "fetch", "import")
TARGETS = {"lecture": 2.5, "mlp_sgd": 3.0, "mlp_adam": 3.0, "lenet_nchw": 1.4, "lenet_nhwc": 1.4}


def library(name):
    """The module, and how long it took to import it."""
    begin = time.perf_counter()
    if name == "trivium":
        import trivium.tf as tf
        return tf, time.perf_counter() - begin
    import os
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow.compat.v1 as tf
    tf.disable_v2_behavior()
    return tf, time.perf_counter() - begin


def lecture(tf, np):
    x, y = tf.placeholder(tf.float32, (64, 1000)), tf.placeholder(tf.float32, (64, 1000))
    w1, w2 = tf.Variable(tf.random_normal((1000, 100))), tf.Variable(tf.random_normal((100, 1000)))
    diff = tf.matmul(tf.maximum(tf.matmul(x, w1), 0), w2) - y
    loss = tf.reduce_mean(tf.reduce_sum(diff ** 2, axis=1))
    step = tf.train.GradientDescentOptimizer(1e-5).minimize(loss)
    return loss, step, {x: np.random.randn(64, 1000), y: np.random.randn(64, 1000)}


def mlp(tf, np, adam):
    x, y = tf.placeholder(tf.float32, (64, 1000)), tf.placeholder(tf.float32, (64, 10))
    w1, w2 = tf.Variable(tf.random_normal((1000, 100))), tf.Variable(tf.random_normal((100, 10)))
    b1, b2 = tf.Variable(tf.zeros([100])), tf.Variable(tf.zeros([10]))
    out = tf.matmul(tf.nn.relu(tf.matmul(x, w1) + b1), w2) + b2
    loss = tf.reduce_sum(tf.square(out - y))
    optimizer = tf.train.AdamOptimizer(1e-4) if adam else tf.train.GradientDescentOptimizer(1e-6)
    feed = {x: np.random.randn(64, 1000).astype("f"), y: np.random.randn(64, 10).astype("f")}
    return loss, optimizer.minimize(loss), feed


def lenet(tf, np, layout, peer):
    pictures = np.random.rand(64, 28, 28, 1).astype("f")
    labels = np.random.randint(0, 10, 64)
    first = layout == "NCHW" and not peer
    shape = [64, 1, 28, 28] if first else [64, 28, 28, 1]
    x, y = tf.placeholder(tf.float32, shape), tf.placeholder(tf.int64, [64])
    how = "NCHW" if first else "NHWC"

    def weights(*dims):
        return tf.Variable(tf.truncated_normal(dims, stddev=0.1))

    def pool(h):
        two = [1, 1, 2, 2] if first else [1, 2, 2, 1]
        return tf.nn.max_pool(h, two, two, "SAME", data_format=how)

    h = pool(tf.nn.conv2d(x, weights(5, 5, 1, 20), [1, 1, 1, 1], "VALID", data_format=how))
    h = pool(tf.nn.conv2d(h, weights(5, 5, 20, 50), [1, 1, 1, 1], "VALID", data_format=how))
    if first:
        h = tf.transpose(h, [0, 2, 3, 1])
    h = tf.nn.relu(tf.matmul(tf.reshape(h, [64, 800]), weights(800, 500)) + tf.Variable(tf.zeros([500])))
    logits = tf.matmul(h, weights(500, 10)) + tf.Variable(tf.zeros([10]))
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    step = tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss)
    return loss, step, {x: pictures.reshape(shape), y: labels}


def steps(tf, np, case, peer):
    """(milliseconds a step, the last loss)"""
    tf.reset_default_graph()
    tf.set_random_seed(1)
    np.random.seed(1)
    if case == "lecture":
        loss, step, feed = lecture(tf, np)
    elif case.startswith("mlp"):
        loss, step, feed = mlp(tf, np, case == "mlp_adam")
    else:
        loss, step, feed = lenet(tf, np, case[-4:].upper(), peer)
    count = 100 if case.startswith("lenet") else 500
    config = tf.ConfigProto(intra_op_parallelism_threads=2, inter_op_parallelism_threads=1)
    with tf.Session(config=config) as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(count // 5):
            sess.run([loss, step], feed)
        begin = time.perf_counter()
        for _ in range(count):
            value, _ = sess.run([loss, step], feed)
        return (time.perf_counter() - begin) / count * 1e3, float(value)


def fetch(tf):
    """Microseconds of a run that does nothing much."""
    tf.reset_default_graph()
    one = tf.Variable(1.0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(1000):
            sess.run(one)
        begin = time.perf_counter()
        for _ in range(5000):
            sess.run(one)
        return (time.perf_counter() - begin) / 5000 * 1e6, 0.0


def measure(name, cases):
    """What one process prints: {case: [figure, loss]}"""
    import numpy as np
    tf, seconds = library(name)
    found = {}
    for case in cases:
        found[case] = ([seconds, 0.0] if case == "import" else fetch(tf) if case == "fetch"
                       else steps(tf, np, case, name != "trivium"))
    print(json.dumps(found))


def run(python, name, cases):
    made = subprocess.run([python, __file__, "--measure", name, "--only", ",".join(cases)], check=True,
                          capture_output=True, text=True)
    return json.loads(made.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="a Python that has TensorFlow")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    cases = options.only.split(",")
    if options.measure:
        return measure(options.measure, cases)
    names = [("trivium", sys.executable)] + ([("tensorflow", options.peer)] if options.peer else [])
    turns = {name: [] for name, _ in names}
    for _ in range(options.turns):
        for name, python in names:
            turns[name].append(run(python, name, cases))
    for case in cases:
        unit = {"fetch": "us", "import": "s"}.get(case, "ms")
        figures = {n: statistics.median(t[case][0] for t in turns[n]) for n, _ in names}
        line = "%-11s trivium %8.3f %s" % (case, figures["trivium"], unit)
        if options.peer:
            line += "   tensorflow %8.3f %s   ratio %.2f" % (figures["tensorflow"], unit,
                                                             figures["tensorflow"] / figures["trivium"])
            if case in TARGETS:
                line += "   (aim %.1f)" % TARGETS[case]
                line += "   losses %.6g %.6g" % (turns["trivium"][0][case][1], turns["tensorflow"][0][case][1])
        print(line)


if __name__ == "__main__":
    main()
