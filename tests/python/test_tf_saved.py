"""MetaGraphs, savers, SavedModels, options, traces and events of trivium.tf."""
import json
import os

import numpy as np
import pytest

import trivium.tf as tf

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "golden", "tf_files")
DATA = np.float32([[1, 2, 3], [-1, 0, 1]])


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def program():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    w = tf.get_variable("w", initializer=np.linspace(-1, 1, 6).reshape(3, 2).astype(np.float32))
    y = tf.matmul(x, w, name="y")
    loss = tf.reduce_mean(tf.square(y - 1.0), name="loss")
    step = tf.train.get_or_create_global_step()
    train = tf.train.AdamOptimizer(0.1).minimize(loss, global_step=step)
    tf.add_to_collection("ends", x)
    tf.add_to_collection("ends", y)
    return x, y, loss, train


def test_training_goes_on_after_import(tmp_path):
    x, y, loss, train = program()
    saver = tf.train.Saver()
    names = [op.name for op in tf.get_default_graph().get_operations()]
    for name in ("filename/input", "filename", "Const", "SaveV2/tensor_names", "SaveV2", "control_dependency",
                 "RestoreV2", "Assign", "restore_all"):
        assert "save/" + name in names
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train, {x: DATA})
        prefix = saver.save(sess, str(tmp_path / "model"), global_step=1)
        before = sess.run(y, {x: DATA})
        after = [sess.run([loss, train], {x: DATA})[0] for _ in range(3)]
    tf.reset_default_graph()
    again = tf.train.import_meta_graph(prefix + ".meta")
    x, y = tf.get_collection("ends")
    [train] = tf.get_collection("train_op")
    assert [v.name for v in tf.trainable_variables()] == ["w:0"] and tf.train.get_global_step().name == "global_step:0"
    with tf.Session() as sess:
        again.restore(sess, prefix)
        np.testing.assert_array_equal(sess.run(y, {x: DATA}), before)
        np.testing.assert_allclose([sess.run(["loss:0", train], {x: DATA})[0] for _ in range(3)], after, rtol=1e-6)
        # The operations of the saver do the same as the object.
        other = str(tmp_path / "other")
        assert sess.run("save/control_dependency:0", {"save/Const:0": other}) == other.encode()
        sess.run("save/restore_all", {"save/Const:0": prefix})
        np.testing.assert_array_equal(sess.run(y, {x: DATA}), before)
        sess.run("save/restore_all", {"save/Const:0": other})
        assert sess.run("global_step:0") == 4
        assert again.save(sess, str(tmp_path / "third")).endswith("third")
        assert sorted(tf.train.load_variable(other, "w").ravel()) == sorted(
            tf.train.load_variable(str(tmp_path / "third"), "w").ravel())


def test_meta_graphs_by_scope_and_text(tmp_path):
    program()
    tf.train.Saver()
    path = str(tmp_path / "graph.meta")
    meta = tf.train.export_meta_graph(path, as_text=True)
    assert sorted(meta.collection_def) == ["ends", "global_step", "train_op", "trainable_variables", "variables"]
    assert tf.MetaGraphDef.FromString(meta.SerializeToString()) == meta
    tf.reset_default_graph()
    tf.train.import_meta_graph(path, import_scope="a")
    assert [v.name for v in tf.trainable_variables()] == ["a/w:0"]
    assert tf.get_collection("ends")[1].name == "a/y:0"
    with pytest.raises(IOError, match="File nothing.meta does not exist."):
        tf.train.import_meta_graph("nothing.meta")


def test_a_checkpoint_of_tensorflow_with_its_graph():
    saver = tf.train.import_meta_graph(os.path.join(GOLDEN, "checkpoint", "model-2.meta"))
    with tf.Session() as sess:
        saver.restore(sess, os.path.join(GOLDEN, "checkpoint", "model-2"))
        weights, bias = sess.run(tf.global_variables())
    assert weights.tolist() == [[0, 1, 2], [3, 4, 5]] and bias.tolist() == [0.5, -1, 2]


@pytest.mark.parametrize("signature", ["serving_default", "regress_x_to_y", "regress_x2_to_y3"])
def test_half_plus_two(signature):
    with tf.Session(graph=tf.Graph()) as sess:
        meta = tf.saved_model.loader.load(sess, ["serve"], os.path.join(GOLDEN, "published", "half_plus_two"))
        info = meta.signature_def[signature]
        if signature == "regress_x_to_y":  # takes serialized examples
            assert info.method_name == "tensorflow/serving/regress"
            assert sess.run("y:0", {"x:0": [[4.0]]}).tolist() == [[4.0]]
            return
        (x,), (y,) = info.inputs.values(), info.outputs.values()
        add = 3 if signature == "regress_x2_to_y3" else 2
        np.testing.assert_allclose(sess.run(y.name, {x.name: [[1], [2], [5]]}), [[.5 + add], [1 + add], [2.5 + add]])


@pytest.mark.skipif("TRIVIUM_MODELS" not in os.environ, reason="TRIVIUM_MODELS names the folder of larger models")
def test_a_large_training_graph_of_tensorflow():
    prefix = os.path.join(os.environ["TRIVIUM_MODELS"], "tf_checkpoint_fsrcnn", "fsrcnn_ckpt")
    saver = tf.train.import_meta_graph(prefix + ".meta")
    rows, columns = np.mgrid[0:8, 0:8]
    x = (((((7 * rows + 3 * columns) % 256) - 127.5) / 128 + 1) / 2).astype(np.float32).reshape(1, 8, 8, 1)
    with tf.Session() as sess:
        saver.restore(sess, prefix)
        y = sess.run("NHWC_output:0", {"IteratorGetNext:0": x})
    assert abs(y.mean() - 0.138389) < 1e-6 and abs(y[0, 0, 3, 0] - 0.0116245) < 1e-6


def test_saved_models(tmp_path):
    x, y, _, _ = program()
    words = tmp_path / "words.txt"
    words.write_text("one two")
    asset = tf.constant(str(words), name="asset")
    tf.add_to_collection("asset_filepaths", asset)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        expected = sess.run(y, {x: DATA})
        tf.saved_model.simple_save(sess, str(tmp_path / "simple"), {"x": x}, {"y": y})
        made = tf.saved_model.builder.SavedModelBuilder(str(tmp_path / "built"))
        signature = tf.saved_model.signature_def_utils.predict_signature_def({"in": x}, {"out": y})
        made.add_meta_graph_and_variables(sess, ["train"], {"s": signature})
        made.add_meta_graph(["serve", "gpu"])
        with pytest.raises(AssertionError, match="already been saved"):
            made.add_meta_graph_and_variables(sess, ["x"])
        made.save(as_text=True)
        with pytest.raises(AssertionError, match="already exists"):
            tf.saved_model.builder.SavedModelBuilder(str(tmp_path / "built"))
    assert tf.saved_model.signature_def_utils.is_valid_signature(signature)
    for name, tags, key, end in (("simple", ["serve"], "serving_default", "y"), ("built", ["train"], "s", "out")):
        with tf.Session(graph=tf.Graph()) as sess:
            meta = tf.saved_model.loader.load(sess, tags, str(tmp_path / name))
            info = meta.signature_def[key]
            assert [d.size for d in info.outputs[end].tensor_shape.dim] == [-1, 2]
            np.testing.assert_array_equal(sess.run(info.outputs[end].name, {"x:0": DATA}), expected)
    assert (tmp_path / "simple" / "assets" / "words.txt").read_text() == "one two"
    with tf.Session(graph=tf.Graph()) as sess:
        with pytest.raises(RuntimeError, match="associated with tags 'foo' could not be found"):
            tf.saved_model.loader.load(sess, ["foo"], str(tmp_path / "simple"))
        with pytest.raises(IOError, match="SavedModel file does not exist at"):
            tf.saved_model.loader.load(sess, ["serve"], str(tmp_path))


def test_options():
    config = tf.ConfigProto(device_count={"GPU": 0}, allow_soft_placement=True, intra_op_parallelism_threads=1)
    config.gpu_options.allow_growth = True
    config.graph_options.optimizer_options.global_jit_level = tf.OptimizerOptions.ON_1
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    from trivium import _tf
    before = _tf.threads()
    try:
        with tf.Session(config=config) as sess:
            assert _tf.threads() == 1 and sess.run(tf.constant(3)) == 3
    finally:
        _tf.set_threads(before)
    for wrong in (lambda: tf.ConfigProto(nothing=1), lambda: setattr(config.gpu_options, "nothing", 1)):
        with pytest.raises(ValueError, match='has no "nothing" field'):
            wrong()
    with pytest.raises(NotImplementedError, match="operation_timeout_in_ms"):
        tf.Session(config=tf.ConfigProto(operation_timeout_in_ms=10))
    with pytest.raises(TypeError):
        tf.ConfigProto(intra_op_parallelism_threads="two")
    with tf.Session() as sess, pytest.raises(NotImplementedError, match="timeout_in_ms"):
        sess.run(tf.constant(1), options=tf.RunOptions(timeout_in_ms=5))


def test_traces():
    from trivium.tf.python.client import timeline
    x, _, _, train = program()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        metadata = tf.RunMetadata()
        sess.run(train, {x: DATA}, options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=metadata)
    nodes = [n.node_name for n in metadata.step_stats.dev_stats[0].node_stats]
    assert "y" in nodes
    trace = json.loads(timeline.Timeline(metadata.step_stats).generate_chrome_trace_format())
    steps = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert len(steps) == len(nodes) and all(e["dur"] >= 0 and e["args"]["name"] for e in steps)


def test_events_hold_the_graph(tmp_path):
    program()
    with tf.summary.FileWriter(str(tmp_path), tf.get_default_graph()) as writer:
        writer.add_session_log(tf.summary.SessionLog(status=tf.summary.SessionLog.START), 1)
        writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="by hand", simple_value=2.5)]), 7)
    [path] = tmp_path.iterdir()
    events = list(tf.train.summary_iterator(str(path)))
    assert events[0].file_version == "brain.Event:2"
    names = [n.name for n in tf.GraphDef.FromString(events[1].graph_def).node]
    assert names[:3] == ["x", "w/initial_value", "w"] and "loss" in names
    assert events[2].session_log.status == 1 and events[3].step == 7
    assert events[3].summary.value[0].simple_value == 2.5


def switched():
    """cond(p, x * 2, x + 1) as graph files have it."""
    text = """node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
      node { name: "p" op: "Placeholder" attr { key: "dtype" value { type: DT_BOOL } } }
      node { name: "s" op: "Switch" input: "x" input: "p" attr { key: "T" value { type: DT_FLOAT } } }
      node { name: "two" op: "Const" input: "^s" attr { key: "dtype" value { type: DT_FLOAT } }
        attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 2 } } } }
      node { name: "one" op: "OnesLike" input: "s" attr { key: "T" value { type: DT_FLOAT } } }
      node { name: "t" op: "Mul" input: "s:1" input: "two" attr { key: "T" value { type: DT_FLOAT } } }
      node { name: "f" op: "Add" input: "s" input: "one" attr { key: "T" value { type: DT_FLOAT } } }
      node { name: "m" op: "Merge" input: "f" input: "t" attr { key: "T" value { type: DT_FLOAT } }
        attr { key: "N" value { i: 2 } } }"""
    return tf.protos.merge_text(text, tf.GraphDef())


def test_conditions_of_graph_files():
    tf.import_graph_def(switched(), name="")
    with tf.Session() as sess:
        for p, expected, which in ((True, [2.0, 6.0], 1), (False, [2.0, 4.0], 0)):
            value, index = sess.run(["m:0", "m:1"], {"x:0": [1, 3], "p:0": p})
            assert value.tolist() == expected and index == which
    # Where numbers of the run decide, both sides are computed and one is chosen.
    tf.reset_default_graph()
    v = tf.placeholder(tf.float32, [100], name="v")
    tf.import_graph_def(switched(), {"p:0": tf.reduce_sum(v) > 0}, name="")
    with tf.Session() as sess:
        for sign, expected in ((1, [2.0, 6.0]), (-1, [2.0, 4.0])):
            assert sess.run("m:0", {"x:0": [1, 3], "v:0": np.full(100, sign)}).tolist() == expected
        assert sess._session.plans_made() == 1
