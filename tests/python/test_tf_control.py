"""Branches, loops and tensor arrays of trivium.tf against what TensorFlow computed (tests/golden/tf_control), and
the errors they raise."""
import importlib.util
import json
import pathlib

import numpy as np
import pytest

import trivium.tf as tf

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "tf_control"
_spec = importlib.util.spec_from_file_location("tf_control_cases", GOLDEN / "cases.py")
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)
EXPECTED = json.loads((GOLDEN / "golden.json").read_text())


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def test_every_case_has_a_value():
    assert sorted(EXPECTED) == sorted(cases.CASES)


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


def test_mistakes_are_named_where_they_are_made():
    one = tf.constant(1.0)
    with pytest.raises(TypeError, match="'pred' must not be a Python bool"):
        tf.cond(True, lambda: one, lambda: one)
    with pytest.raises(TypeError, match="true_fn must be callable"):
        tf.cond(one > 0, one, lambda: one)
    with pytest.raises(ValueError, match="must have a return value"):
        tf.cond(one > 0, lambda: one, lambda: None)
    with pytest.raises(TypeError, match="same type"):
        tf.cond(one > 0, lambda: one, lambda: tf.constant(1))
    with pytest.raises(ValueError, match="must be rank 0"):
        tf.cond(tf.constant([True, False]), lambda: one, lambda: one)
    with pytest.raises(TypeError, match="was passed float32 from while.*/NextIteration:0 incompatible with expected int32"):
        tf.while_loop(lambda i: i < 3, lambda i: tf.cast(i, tf.float32), [0])
    with pytest.raises(ValueError, match=r"enters the loop with shape \(1,\), but has shape \(2,\) after one iteration"):
        tf.while_loop(lambda x: tf.reduce_sum(x) < 3, lambda x: tf.concat([x, x], 0), [tf.ones([1])])
    with pytest.raises(ValueError, match="same nested structure"):
        tf.while_loop(lambda i, j: i < 3, lambda i, j: [i], [0, 0])
    with pytest.raises(TypeError, match="TensorArray dtype is float32 but Op is trying to write dtype int32"):
        tf.TensorArray(tf.float32, 3).write(0, tf.constant(1))


def test_a_position_never_written_is_missed_where_no_shape_is_inferred():
    new = lambda: tf.TensorArray(tf.float32, 3, infer_shape=False, clear_after_read=False)
    array, scattered = new().write(0, [1.0, 2.0]), new().scatter([0, 2], [[1.0], [2.0]])
    _, looped = tf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, a.write(i, [1.0, 2.0])),
                              [0, new()])
    chosen = tf.cond(tf.constant(1.0) > 0, lambda: array.write(1, [3.0, 4.0]), lambda: array)
    with tf.Session() as sess:
        np.testing.assert_array_equal(sess.run(array.gather([0])), [[1, 2]])
        np.testing.assert_array_equal(sess.run(chosen.read(1)), [3, 4])
        for value, where in ((array.read(2), 2), (array.stack(), 1), (array.concat(), 1),
                             (array.gather([0, 2, 1]), 2), (looped.stack(), 2),
                             (scattered.stack(), 1), (chosen.stack(), 2)):
            with pytest.raises(tf.errors.InvalidArgumentError,
                               match="Could not read from TensorArray index %d" % where):
                sess.run(value)


def test_an_operation_as_the_result_of_a_branch():
    v = tf.Variable(1.0)
    p = tf.placeholder(tf.bool, ())
    done = tf.cond(p, lambda: v.assign_add(1.0).op, lambda: tf.no_op())
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(done, {p: True}).dtype == bool and sess.run(v) == 2
        sess.run(done, {p: False})
        assert sess.run(v) == 2


def test_python_functions_inside_loops():
    seen = []

    def look(i):
        seen.append(int(i))
        return np.float32(i * i)

    def body(i, total):
        got = tf.py_func(look, [i], tf.float32)
        got.set_shape([])
        return i + 1, total + got

    n = tf.placeholder(tf.int32, ())
    _, total = tf.while_loop(lambda i, t: i < n, body, [0, 0.0])
    with tf.Session() as sess:
        assert sess.run(total, {n: 4}) == 14
        assert seen == [0, 1, 2, 3]
        assert sess.run(total, {n: 2}) == 1
        assert seen == [0, 1, 2, 3, 0, 1]


def test_printing_inside_loops(capfd):
    _, x = tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, tf.Print(x * 2, [i], "at ")), [0, 1.0])
    with tf.Session() as sess:
        assert sess.run(x) == 8
    assert capfd.readouterr().err == "at [0]\nat [1]\nat [2]\n"


def test_a_loop_takes_indices_from_its_counter():
    x = tf.constant(np.arange(12, dtype=np.float32).reshape(4, 3))
    _, total = tf.while_loop(lambda i, t: i < 4, lambda i, t: (i + 1, t + x[i] + tf.slice(x, [i, 0], [1, 3])[0]),
                             [0, tf.zeros([3])])
    with tf.Session() as sess:
        assert sess.run(total).tolist() == [36, 44, 52]
        assert sess.run(tf.gradients(total, x)[0]).tolist() == np.full((4, 3), 2.0).tolist()


def test_shapes_that_grow_with_a_known_number_of_iterations():
    _, x = tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, tf.concat([x, [tf.cast(i, tf.float32)]], 0)),
                         [0, tf.zeros([1])], shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])])
    with tf.Session() as sess:
        assert sess.run(x).tolist() == [0, 0, 1, 2]


def test_a_recurrent_network_learns_with_one_plan_a_shape():
    x = tf.placeholder(tf.float32, [None, 6, 2])
    outputs, state = tf.nn.dynamic_rnn(tf.nn.rnn_cell.BasicLSTMCell(8), x, dtype=tf.float32)
    assert outputs.shape.as_list() == [None, 6, 8] and state.h.shape.as_list() == [None, 8]
    loss = tf.reduce_mean(tf.square(tf.layers.dense(outputs[:, -1], 1) - tf.reduce_sum(x, [1, 2])[:, None]))
    step = tf.train.AdamOptimizer(0.02).minimize(loss)
    random = np.random.RandomState(0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        losses = [sess.run([loss, step], {x: random.uniform(-0.5, 0.5, (32, 6, 2))})[0] for _ in range(150)]
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("cell", ["BasicRNNCell", "BasicLSTMCell", "GRUCell"])
def test_dynamic_and_static_agree(cell):
    tf.set_random_seed(1)
    x = tf.constant(np.random.RandomState(1).randn(3, 5, 2).astype(np.float32))
    with tf.variable_scope("net"):
        a, state_a = tf.nn.dynamic_rnn(getattr(tf.nn.rnn_cell, cell)(4), x, dtype=tf.float32, sequence_length=[5, 2, 3])
    with tf.variable_scope("net", reuse=True):
        b, state_b = tf.nn.static_rnn(getattr(tf.nn.rnn_cell, cell)(4), tf.unstack(x, axis=1), dtype=tf.float32,
                                      sequence_length=tf.constant([5, 2, 3]))
    b = tf.stack(b, 1)
    ws = tf.trainable_variables()
    grads = tf.gradients(tf.reduce_sum(a * a), ws), tf.gradients(tf.reduce_sum(b * b), ws)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        va, vb, (ga, gb) = sess.run([a, b, grads])
        np.testing.assert_allclose(va, vb, rtol=1e-6, atol=5e-7)  # 4e-7 from the sums in double
        for p, q in zip(ga, gb):
            np.testing.assert_allclose(p, q, rtol=2e-5, atol=2e-6)
