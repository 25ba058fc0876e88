"""What whole programs of trivium.tf lean on: long loops, estimators, monitored sessions, sparse gradients."""
import gc
import logging
import resource

import numpy as np
import pytest

import trivium.tf as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def _memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_ten_thousand_runs_neither_grow_nor_plan():
    x = tf.placeholder(tf.float32, [8, 4])
    w = tf.Variable(tf.random_normal([4, 2], seed=1))
    loss = tf.reduce_mean(tf.square(tf.matmul(tf.nn.dropout(x, 0.5), w)))
    step = tf.train.AdamOptimizer(1e-3).minimize(loss)
    data = np.ones((8, 4))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(1000):
            sess.run([loss, step], {x: data})
        gc.collect()
        plans, before = sess._session.plans_made(), _memory()
        for _ in range(10000):
            sess.run([loss, step], {x: data})
        gc.collect()
        assert sess._session.plans_made() == plans
        assert _memory() - before < 1 << 20


def test_a_loop_that_builds_operations_warns_once_with_its_line(caplog):
    v = tf.Variable(1.0)
    with tf.Session() as sess, caplog.at_level(logging.WARNING, "trivium.tf"):
        sess.run(v.initializer)
        for _ in range(30):
            sess.run(v + 1.0)  # this line builds
    warnings = [r.getMessage() for r in caplog.records if "grows the graph" in r.getMessage()]
    assert len(warnings) == 1 and "test_tf_programs.py:" in warnings[0]


def test_growing_a_few_times_is_no_loop(caplog):
    v = tf.Variable(1.0)
    with tf.Session() as sess, caplog.at_level(logging.WARNING, "trivium.tf"):
        sess.run(v.initializer)
        for _ in range(5):
            total = v + 1.0
            for _ in range(10):
                sess.run(total)
    assert not caplog.records


def test_the_lectures_variables_learn():
    n, d, h = 64, 1000, 100
    np.random.seed(0)
    x, y = tf.placeholder(tf.float32, (n, d)), tf.placeholder(tf.float32, (n, d))
    w1, w2 = tf.Variable(tf.float32, shape=(d, h)), tf.Variable(tf.float32, shape=(h, d))
    diff = tf.matmul(tf.maximum(tf.matmul(x, w1), 0), w2) - y
    loss = tf.reduce_mean(tf.reduce_sum(diff ** 2, axis=1))
    updates = tf.train.GradientDescentOptimizer(1e-5).minimize(loss)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = {x: np.random.randn(n, d), y: np.random.randn(n, d)}
        losses = [sess.run([loss, updates], feed_dict=values)[0] for _ in range(50)]
    assert all(b < a for a, b in zip(losses, losses[1:]))
    assert 4e7 < losses[0] < 6e7 and 9e2 < losses[-1] < 1.1e3


def test_gathered_rows_have_sparse_gradients():
    table = tf.Variable(np.arange(8.0, dtype=np.float32).reshape(4, 2))
    rows = tf.nn.embedding_lookup(table, [1, 3, 1])
    (gradient,) = tf.gradients(tf.reduce_sum(rows * rows), [table])
    assert isinstance(gradient, tf.IndexedSlices)
    dense = tf.convert_to_tensor(gradient)
    (mixed,) = tf.gradients(tf.reduce_sum(rows) + tf.reduce_sum(table), [table])
    assert isinstance(mixed, tf.Tensor)
    clipped, norm = tf.clip_by_global_norm([gradient], 1.0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        value = sess.run(gradient)
        assert value.indices.tolist() == [1, 3, 1] and value.dense_shape.tolist() == [4, 2]
        np.testing.assert_array_equal(value.values, [[4, 6], [12, 14], [4, 6]])
        np.testing.assert_array_equal(sess.run(dense), [[0, 0], [8, 12], [0, 0], [12, 14]])
        # rows of one index are not summed for the norm, as in TensorFlow
        expected = np.sqrt((value.values ** 2).sum())
        np.testing.assert_allclose(sess.run(norm), expected, rtol=1e-6)
        np.testing.assert_allclose(sess.run(clipped[0]).values, value.values / expected, rtol=1e-6)


@pytest.mark.parametrize("make", [
    lambda: tf.train.MomentumOptimizer(0.1, 0.9), lambda: tf.train.RMSPropOptimizer(0.1, momentum=0.5),
    lambda: tf.train.AdadeltaOptimizer(0.1), lambda: tf.train.FtrlOptimizer(0.1),
    lambda: tf.train.AdagradOptimizer(0.1), lambda: tf.train.GradientDescentOptimizer(0.1)])
def test_rows_without_a_gradient_stay(make):
    table = tf.Variable(np.ones((4, 2), np.float32))
    ids = tf.placeholder(tf.int32, [None])
    step = make().minimize(tf.reduce_sum(tf.nn.embedding_lookup(table, ids) * 3.0))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        before = sess.run(tf.global_variables())
        sess.run(step, {ids: [1]})
        middle = sess.run(tf.global_variables())
        sess.run(step, {ids: [2, 2]})
        after = sess.run(tf.global_variables())
    for a, b, c in zip(before, middle, after):
        np.testing.assert_array_equal(a[[0, 2, 3]], b[[0, 2, 3]])
        np.testing.assert_array_equal(b[[0, 1, 3]], c[[0, 1, 3]])
    assert (middle[0][1] != 1).all() and (after[0][2] != 1).all()


def _model(features, labels, mode, params):
    logits = tf.layers.dense(features["x"], 2)
    classes = tf.argmax(logits, 1)
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions={"class": classes})
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    train = tf.train.AdamOptimizer(params["rate"]).minimize(loss, global_step=tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train, eval_metric_ops={
        "accuracy": tf.metrics.accuracy(labels, classes)})


def test_an_estimator_trains_evaluates_and_predicts(tmp_path):
    rng = np.random.RandomState(0)
    x = rng.randn(200, 3).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int32)
    inputs = tf.estimator.inputs.numpy_input_fn
    model = tf.estimator.Estimator(_model, str(tmp_path), params={"rate": 0.1})
    model.train(inputs({"x": x}, y, 50, None, True), steps=60)
    found = model.evaluate(inputs({"x": x}, y, 64, 1, False))
    assert found["global_step"] == 60 and found["accuracy"] > 0.95 and set(found) == {"accuracy", "loss", "global_step"}
    model.train(inputs({"x": x}, y, 50, None, True), steps=5)  # goes on from the checkpoint
    assert model.evaluate(inputs({"x": x}, y, 64, 1, False), steps=1)["global_step"] == 65
    classes = [p["class"] for p in model.predict(inputs({"x": x}, batch_size=64, shuffle=False))]
    assert len(classes) == 200 and np.mean(np.array(classes) == y) > 0.95
    with pytest.raises(ValueError, match="shuffle must be provided"):
        inputs({"x": x}, y)
    with pytest.raises(ValueError, match="Could not find trained model in model_dir"):
        tf.estimator.Estimator(_model, str(tmp_path / "none"), params={}).evaluate(inputs({"x": x}, y, shuffle=False))


def test_a_monitored_session_runs_its_hooks():
    seen = []

    class Watch(tf.train.SessionRunHook):
        def begin(self):
            seen.append("begin")

        def before_run(self, run_context):
            return tf.train.SessionRunArgs(loss)

        def after_run(self, run_context, run_values):
            seen.append(float(run_values.results))

        def end(self, session):
            seen.append("end")
    step = tf.train.get_or_create_global_step()
    w = tf.Variable(4.0)
    loss = w * w
    train = tf.train.GradientDescentOptimizer(0.25).minimize(loss, global_step=step)
    with tf.train.MonitoredTrainingSession(hooks=[Watch(), tf.train.StopAtStepHook(last_step=3)]) as sess:
        with pytest.raises(RuntimeError, match="finalized"):
            tf.constant(1)
        while not sess.should_stop():
            sess.run(train)
    assert seen == ["begin", 16.0, 4.0, 1.0, "end"]
    tf.constant(1)


def test_a_decoder_runs_over_a_list_and_feeds_itself():
    from trivium.tf.contrib import legacy_seq2seq
    cell = tf.contrib.rnn.MultiRNNCell([tf.contrib.rnn.LSTMCell(4) for _ in range(2)], state_is_tuple=True)
    inputs = [tf.ones([3, 4]) * t for t in range(5)]
    outputs, state = legacy_seq2seq.rnn_decoder(inputs, cell.zero_state(3, tf.float32), cell, scope="net")
    loss = legacy_seq2seq.sequence_loss_by_example([tf.concat(outputs, 0)], [tf.zeros([15], tf.int32)], [tf.ones([15])])
    assert loss.shape.as_list() == [15] and len(state) == 2 and len(outputs) == 5
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert np.isfinite(sess.run(loss)).all()


def test_a_device_function_is_asked_for_each_operation():
    def place(op):
        return "/cpu:0" if op.type == "VariableV2" else "/gpu:1"
    with tf.device("/cpu:0"):
        with tf.device(place):
            v = tf.Variable(1.0)
            total = v + 1.0
        with tf.device(None):
            free = tf.constant(1.0)
        after = tf.constant(2.0)
    assert v.device == "/device:CPU:0" and total.device == "/device:GPU:1"
    assert free.device == "" and after.device == "/device:CPU:0"


def test_a_device_function_sees_the_node_of_every_operation():
    seen = {}

    def place(op):
        node = op if isinstance(op, tf.NodeDef) else op.node_def
        seen[node.name] = node
        return "/cpu:0" if node.op in ("Variable", "VariableV2") else "/gpu:0"
    with tf.device(place):
        x = tf.placeholder(tf.float32, [2], name="x")
        v = tf.Variable(3.0, name="v")
        loss = tf.cond(x[0] > 0, lambda: tf.reduce_sum(v * x), lambda: v)
        (gradient, _), = tf.train.GradientDescentOptimizer(0.5).compute_gradients(loss)
    assert v.device == "/device:CPU:0" and gradient.device == "/device:GPU:0"
    assert all(node.op for node in seen.values()) and "v" in seen
    # What graph files have no form for tells its name, type and inputs.
    whole = next(node for node in seen.values() if node.op == "Gradients")
    assert list(whole.input) == [loss.op.name, "v/read"]
    with pytest.raises(NotImplementedError, match="Gradients.* has no attrs"):
        tf.get_default_graph().get_operation_by_name(whole.name).get_attr("T")


def test_what_is_out_of_scope_is_named():
    with pytest.raises(NotImplementedError, match="tf.contrib.slim"):
        tf.contrib.slim
    with pytest.raises(NotImplementedError, match="enable_eager_execution"):
        tf.enable_eager_execution()
