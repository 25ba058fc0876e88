"""Nets with channels last written with tf.layers: numbers are those of channels first, whatever lies between the last
pool and the dense layer and whatever the batch; checkpoints hold weights as the program made them."""
import subprocess
import sys

import numpy as np
import pytest

import trivium.tf as tf

IMAGES = np.random.RandomState(0).uniform(-1, 1, (6, 8, 8, 3)).astype(np.float32)
LABELS = np.arange(6) % 4


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def network(last, drops=False):
    """conv, pool, (dropout,) flatten, dense, dense with the same numbers in both layouts."""
    x = tf.placeholder(tf.float32, [None, 8, 8, 3], name="x")
    y = tf.placeholder(tf.int64, [None], name="y")
    layout = "channels_last" if last else "channels_first"
    h = x if last else tf.transpose(x, [0, 3, 1, 2])
    h = tf.layers.conv2d(h, 5, 3, padding="same", activation=tf.nn.relu, data_format=layout)
    h = tf.layers.max_pooling2d(h, 2, 2, data_format=layout)
    if drops:
        mask = tf.constant(np.random.RandomState(3).randint(0, 2, (1, 4, 4, 5)).astype(np.float32) * 2)
        h = h * (mask if last else tf.transpose(mask, [0, 3, 1, 2]))
    if not last:
        h = tf.transpose(h, [0, 2, 3, 1])
    h = tf.layers.dense(tf.layers.flatten(h), 7, activation=tf.nn.relu)
    logits = tf.layers.dense(h, 4, name="logits")
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits), name="loss")
    tf.train.AdamOptimizer(0.01).minimize(loss, name="step")
    return x, y


def fill(sess):
    """The same values for equal names, slots included."""
    for k, v in enumerate(tf.trainable_variables()):
        v.load(np.random.RandomState(k).uniform(-0.3, 0.3, v.shape.as_list()).astype(np.float32), sess)


def steps(last, drops, batch, count=4):
    tf.reset_default_graph()
    x, y = network(last, drops)
    feed = {x: IMAGES[:batch], y: LABELS[:batch]}
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        fill(sess)
        losses = [sess.run(["loss:0", "step"], feed)[0] for _ in range(count)]
        return losses, sess.run(tf.global_variables()), sess.run("dense/Relu:0", feed)


@pytest.mark.parametrize("batch", [1, 6])
@pytest.mark.parametrize("drops", [False, True])
def test_layers_give_the_numbers_of_the_other_layout(batch, drops):
    losses, values, hidden = steps(True, drops, batch)
    others, expected, far = steps(False, drops, batch)
    np.testing.assert_allclose(losses, others, rtol=2e-6)
    np.testing.assert_allclose(hidden, far, rtol=1e-4, atol=1e-5)
    for v, w in zip(values, expected):
        np.testing.assert_allclose(v, w, rtol=1e-3, atol=2e-5)  # Adam divides by roots of gradients near 0
    assert losses[-1] < losses[0]


def test_batches_of_two_sizes_take_turns():
    x, y = network(True)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        fill(sess)
        whole = sess.run("logits/BiasAdd:0", {x: IMAGES})
        for k in (0, 5):
            np.testing.assert_allclose(sess.run("logits/BiasAdd:0", {x: IMAGES[k:k + 1]})[0], whole[k], rtol=1e-5, atol=1e-6)
        sess.run("step", {x: IMAGES[:1], y: LABELS[:1]})
        assert (sess.run("logits/BiasAdd:0", {x: IMAGES}) != whole).any()


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_dropout_between_pool_and_flatten(rate):
    """Numbers that are kept are scaled, and a weight behind them is updated like any other."""
    x = tf.constant(IMAGES)
    h = tf.layers.max_pooling2d(tf.layers.conv2d(x, 5, 3, padding="same"), 2, 2)
    dropped = tf.layers.dropout(h, rate, training=True, seed=3)
    flat = tf.layers.flatten(dropped)
    out = tf.layers.dense(flat, 7, use_bias=False)
    kernel = tf.trainable_variables()[-1]
    grad = tf.gradients(tf.reduce_sum(out * out), kernel)[0]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        pooled, masked, rows, y, w, g = sess.run([h, dropped, flat, out, kernel, grad])
    kept = masked != 0
    np.testing.assert_allclose(masked[kept], pooled[kept] / (1 - rate), rtol=1e-6)
    assert abs(kept.mean() - (1 - rate)) < 0.1
    np.testing.assert_array_equal(rows, masked.reshape(6, -1))
    np.testing.assert_allclose(y, rows @ w, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(g, 2 * rows.T @ (rows @ w), rtol=1e-3, atol=1e-4)


RESTORE = """
import sys, numpy as np, trivium.tf as tf
sys.path.insert(0, sys.argv[1])
import test_tf_layouts as nets
x, y = nets.network(True)
with tf.Session() as sess:
    tf.train.Saver().restore(sess, sys.argv[2])
    np.save(sys.argv[3], sess.run("logits/BiasAdd:0", {x: nets.IMAGES}))
    print(repr([float(sess.run(["loss:0", "step"], {x: nets.IMAGES, y: nets.LABELS})[0]) for _ in range(2)]))
"""


def test_a_checkpoint_of_flattened_weights_goes_round(tmp_path):
    """Saved in the middle of training, restored in a process where nothing ran before: scores and further steps are
    equal. The file holds the matrix in the program's order, and a net with channels first reads it."""
    x, y = network(True)
    feed = {x: IMAGES, y: LABELS}
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        fill(sess)
        for _ in range(3):
            sess.run("step", feed)
        prefix = tf.train.Saver().save(sess, str(tmp_path / "model"), global_step=3)
        kernel, slot = sess.run(["dense/kernel:0", "dense/kernel/Adam:0"])
        scores = sess.run("logits/BiasAdd:0", feed)
        losses = [float(sess.run(["loss:0", "step"], feed)[0]) for _ in range(2)]
    reader = tf.train.NewCheckpointReader(prefix)
    np.testing.assert_array_equal(reader.get_tensor("dense/kernel"), kernel)
    np.testing.assert_array_equal(reader.get_tensor("dense/kernel/Adam"), slot)
    out = str(tmp_path / "scores.npy")
    here = __file__.rpartition("/")[0]
    done = subprocess.run([sys.executable, "-c", RESTORE, here, prefix, out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(out), scores)
    assert eval(done.stdout) == losses
    tf.reset_default_graph()
    x, _ = network(False)
    with tf.Session() as sess:
        tf.train.Saver().restore(sess, prefix)
        np.testing.assert_allclose(sess.run("logits/BiasAdd:0", {x: IMAGES}), scores, rtol=1e-5, atol=1e-6)
