"""trivium.tf against what TensorFlow computed (tests/golden/tf), and the errors it raises."""
import importlib.util
import json
import pathlib

import numpy as np
import pytest

import trivium.tf as tf

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "tf"
_spec = importlib.util.spec_from_file_location("tf_cases", GOLDEN / "cases.py")
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)
EXPECTED = json.loads((GOLDEN / "golden.json").read_text())


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_values_are_tensorflows(name):
    got = cases.CASES[name](tf)
    assert len(got) == len(EXPECTED[name])
    for i, (value, expected) in enumerate(zip(got, EXPECTED[name])):
        if isinstance(expected, str):
            assert value == expected
            continue
        array = np.asarray(value)
        wanted = np.array(expected["values"]).reshape(expected["shape"])
        assert array.dtype.name == expected["dtype"], i
        assert array.shape == wanted.shape, i
        if array.dtype.kind == "f":
            np.testing.assert_allclose(array, wanted, rtol=2e-5, atol=2e-6, err_msg="%s[%d]" % (name, i))
        else:
            np.testing.assert_array_equal(array, wanted, err_msg="%s[%d]" % (name, i))


def test_an_unfed_placeholder_is_named():
    x = tf.placeholder(tf.float32, [None, 784], name="x")
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match="You must feed a value for placeholder "
                                             "tensor 'x' with dtype float and shape"):
        sess.run(tf.square(x))


def test_an_uninitialized_variable_is_named():
    v = tf.Variable(1.0, name="v")
    with tf.Session() as sess, pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value v"):
        sess.run(v + 1)


def test_a_shape_clash_is_found_while_building():
    x = tf.placeholder(tf.float32, [None, 784])
    with pytest.raises(ValueError, match="Dimensions must be equal, but are 784 and 10 for 'MatMul'") as error:
        tf.matmul(x, tf.zeros([10, 10]))
    assert "test_tf.py:" in str(error.value)


def test_dtypes_are_never_mixed_silently():
    with pytest.raises(TypeError, match="has type int32 that does not match type float32 of argument 'x'"):
        tf.constant(1.0) + tf.constant(1)
    with pytest.raises(TypeError, match="Expected int32"):
        tf.constant([1]) * 2.0


def test_feeds_are_converted_and_checked():
    x = tf.placeholder(tf.float32, (2,))
    with tf.Session() as sess:
        assert sess.run(x * 2, {x: np.array([1.0, 2.0])}).tolist() == [2, 4]
        with pytest.raises(ValueError, match=r"Cannot feed value of shape \(3,\) for Tensor 'Placeholder:0', which has "
                                             r"shape '\(2,\)'"):
            sess.run(x, {x: [1, 2, 3]})
        with pytest.raises(TypeError, match="Cannot interpret feed_dict key as Tensor"):
            sess.run(x, {3: [1, 2]})


def test_fetches_keep_their_structure():
    a, b = tf.constant(1.0), tf.constant([2, 3])
    with tf.Session() as sess:
        out = sess.run({"a": a, "l": [b, (a, tf.no_op())]})
    assert out["a"] == 1 and isinstance(out["a"], np.float32)
    assert out["l"][1][1] is None and out["l"][0].tolist() == [2, 3]


def test_strings_are_bytes():
    with tf.Session() as sess:
        assert sess.run(tf.constant("Hello, TensorFlow!")) == b"Hello, TensorFlow!"


def test_hand_written_updates_use_the_old_values():
    a, b = tf.Variable(2.0), tf.Variable(3.0)
    ga, gb = tf.gradients(a * b, [a, b])
    new_a, new_b = a.assign(a - ga), b.assign(b - gb)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run([new_a, new_b]) == [-1, 1]


def test_layers_share_variables_when_reused():
    def net(x, reuse):
        with tf.variable_scope("Net", reuse=reuse):
            return tf.layers.dense(tf.layers.dense(x, 4, activation=tf.nn.relu), 2)
    x = tf.placeholder(tf.float32, [None, 3])
    one, two = net(x, False), net(x, True)
    assert [v.name for v in tf.trainable_variables()] == [
        "Net/dense/kernel:0", "Net/dense/bias:0", "Net/dense_1/kernel:0", "Net/dense_1/bias:0"]
    assert two.op.name == "Net_1/dense_1/BiasAdd"
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        p, q = sess.run([one, two], {x: np.ones((5, 3))})
    np.testing.assert_array_equal(p, q)


def test_variables_are_saved_and_restored(tmp_path):
    v, w = tf.Variable([1.0, 2.0], name="v"), tf.Variable(3, name="w")
    saver = tf.train.Saver(max_to_keep=1)
    prefix = str(tmp_path / "model")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        saver.save(sess, prefix, global_step=1)
        sess.run([v.assign([5.0, 6.0]), w.assign(7)])
        last = saver.save(sess, prefix, global_step=2)
    assert tf.train.latest_checkpoint(str(tmp_path)) == last == prefix + "-2"
    assert not tf.train.checkpoint_exists(prefix + "-1")
    with tf.Session() as sess:
        saver.restore(sess, last)
        assert sess.run(v).tolist() == [5, 6] and sess.run(w) == 7
    tf.Variable(1.0, name="new")
    with tf.Session() as sess, pytest.raises(tf.errors.NotFoundError, match="Key new not found in checkpoint"):
        tf.train.Saver().restore(sess, last)


def test_summaries_are_written(tmp_path):
    x = tf.placeholder(tf.float32)
    tf.summary.scalar("loss", x)
    tf.summary.histogram("a b", [1.0, 2.0])
    merged = tf.summary.merge_all()
    with tf.Session() as sess, tf.summary.FileWriter(str(tmp_path)) as writer:
        for step in range(3):
            writer.add_summary(sess.run(merged, {x: 0.5 * step}), step)
    (file,) = tmp_path.iterdir()
    assert "tfevents" in file.name and b"loss" in file.read_bytes() and b"a_b" in file.read_bytes()


def test_what_is_absent_says_so():
    with pytest.raises(NotImplementedError, match="sparse_segment_sum"):
        tf.sparse_segment_sum
    assert not hasattr(tf.nn, "ctc_loss")


def test_branches_and_loops():
    p = tf.placeholder(tf.bool, ())
    x = tf.constant(3.0)
    y = tf.cond(p, lambda: x * x, lambda: -x)
    _, total = tf.while_loop(lambda i, s: i < 5, lambda i, s: (i + 1, s + tf.cast(i, tf.float32)), [0, 0.0])
    doubled = tf.map_fn(lambda r: r * 2, tf.constant([1, 2, 3]))
    with tf.Session() as sess:
        assert sess.run([y, tf.gradients(y, x)[0]], {p: True}) == [9, 6]
        assert sess.run([y, tf.gradients(y, x)[0]], {p: False}) == [-3, -1]
        assert sess.run(total) == 10
        assert sess.run(doubled).tolist() == [2, 4, 6]


def test_a_recurrent_network_learns():
    x = tf.placeholder(tf.float32, [None, 6, 2])
    outputs, _ = tf.contrib.rnn.static_rnn(tf.contrib.rnn.BasicLSTMCell(8), tf.unstack(x, 6, 1), dtype=tf.float32)
    assert [v.name for v in tf.trainable_variables()] == ["rnn/basic_lstm_cell/kernel:0", "rnn/basic_lstm_cell/bias:0"]
    loss = tf.reduce_mean(tf.square(tf.layers.dense(outputs[-1], 1) - tf.reduce_sum(x, [1, 2])[:, None]))
    train = tf.train.AdamOptimizer(0.01).minimize(loss)
    values = cases.numbers(32, 6, 2)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        first = sess.run(loss, {x: values})
        for _ in range(60):
            sess.run(train, {x: values})
        assert sess.run(loss, {x: values}) < first / 2


def test_values_that_do_not_fit_are_named():
    i = tf.placeholder(tf.int32, [1])
    row = tf.gather(tf.constant([1.0, 2.0]), i, name="row")
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=i, logits=tf.zeros([1, 10]))
    with tf.Session() as sess:
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[0\] = 5 is not in \[0, 2\)(.|\n)*node row"):
            sess.run(row, {i: [5]})
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"label value of 10 which is outside the valid range of "
                                                                 r"\[0, 10\)"):
            sess.run(loss, {i: [10]})


def test_the_two_layer_net_falls_at_every_step():
    x, y = tf.placeholder(tf.float32, shape=(64, 1000)), tf.placeholder(tf.float32, shape=(64, 1000))
    w1, w2 = tf.Variable(tf.float32, shape=(1000, 100)), tf.Variable(tf.float32, shape=(100, 1000))
    diff = tf.matmul(tf.maximum(tf.matmul(x, w1), 0), w2) - y
    loss = tf.reduce_mean(tf.reduce_sum(diff ** 2, axis=1))
    updates = tf.train.GradientDescentOptimizer(1e-5).minimize(loss)
    w1.assign(w1 - 1e-5 * tf.gradients(loss, w1)[0])  # never fetched: never run
    rng = np.random.RandomState(0)
    values = {x: rng.randn(64, 1000), y: rng.randn(64, 1000)}
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        losses = [sess.run([loss, updates], feed_dict=values)[0] for _ in range(50)]
    assert all(a > b for a, b in zip(losses, losses[1:]))
    assert 4e7 < losses[0] < 6e7 and 9e2 < losses[-1] < 1.1e3


def test_the_moving_averages_of_batch_norm_are_updated_on_request():
    x = tf.placeholder(tf.float32, [None, 4, 4, 3])
    y = tf.layers.batch_normalization(x, training=True, momentum=0.9)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    values = cases.numbers(2, 4, 4, 3)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run([y, updates], {x: values})
        mean, variance = sess.run([v for v in tf.global_variables() if "moving" in v.name])
    np.testing.assert_allclose(mean, 0.1 * values.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(variance, 0.9 + 0.1 * values.var((0, 1, 2), ddof=1), rtol=1e-4)
