"""The lecture's programs: a net of two layers, its gradients, and two ways down. `tf` is whatever module is given.

Run with a Python that has TensorFlow it writes lecture_golden.json, the losses for the numbers of drawn()."""
import json
import os

import numpy as np

N, D, H = 64, 1000, 100


def drawn():
    rng = np.random.RandomState(0)
    return {"x": rng.randn(N, D), "w1": rng.randn(D, H), "w2": rng.randn(H, D), "y": rng.randn(N, D)}


def net(tf, w1, w2):
    x, y = tf.placeholder(tf.float32, shape=(N, D)), tf.placeholder(tf.float32, shape=(N, D))
    diff = tf.matmul(tf.maximum(tf.matmul(x, w1), 0), w2) - y
    return x, y, tf.reduce_mean(tf.reduce_sum(diff ** 2, axis=1))


def gradients(tf):
    """Loss and the norms of the gradients."""
    numbers = drawn()
    w1, w2 = tf.placeholder(tf.float32, shape=(D, H)), tf.placeholder(tf.float32, shape=(H, D))
    x, y, loss = net(tf, w1, w2)
    fed = {x: numbers["x"], y: numbers["y"], w1: numbers["w1"], w2: numbers["w2"]}
    with tf.Session() as sess:
        loss, *grads = sess.run([loss] + tf.gradients(loss, [w1, w2]), feed_dict=fed)
    return [float(loss)] + [float(np.linalg.norm(g.astype(np.float64))) for g in grads]


def descent(tf):
    """Losses of 50 steps, the weights fed."""
    numbers = drawn()
    w1, w2 = tf.placeholder(tf.float32, shape=(D, H)), tf.placeholder(tf.float32, shape=(H, D))
    x, y, loss = net(tf, w1, w2)
    grads, losses = tf.gradients(loss, [w1, w2]), []
    values = {x: numbers["x"], y: numbers["y"], w1: numbers["w1"], w2: numbers["w2"]}
    with tf.Session() as sess:
        for _ in range(50):
            now, g1, g2 = sess.run([loss] + grads, feed_dict=values)
            losses.append(float(now))
            values[w1] -= 1e-5 * g1
            values[w2] -= 1e-5 * g2
    return losses


def variables(tf):
    """The same, the weights variables."""
    numbers = drawn()
    w1, w2 = (tf.Variable(numbers[n].astype(np.float32)) for n in ("w1", "w2"))
    x, y, loss = net(tf, w1, w2)
    updates = tf.train.GradientDescentOptimizer(1e-5).minimize(loss)
    values = {x: numbers["x"], y: numbers["y"]}
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return [float(sess.run([loss, updates], feed_dict=values)[0]) for _ in range(50)]


PROGRAMS = {"gradients": gradients, "descent": descent, "variables": variables}

if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow.compat.v1 as tensorflow
    tensorflow.disable_v2_behavior()
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "lecture_golden.json"), "w") as file:
        file.write("{\n" + ",\n".join("%s: [%s]" % (json.dumps(name), ", ".join("%.9g" % v for v in run(tensorflow)))
                                      for name, run in PROGRAMS.items()) + "\n}\n")
