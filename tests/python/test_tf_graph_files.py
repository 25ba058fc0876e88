"""GraphDefs in and out of trivium.tf: numbers of published models, names, errors, training graphs."""
import os

import numpy as np
import pytest

import trivium.tf as tf

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "golden", "tf_files")


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def read_graph(*path):
    with open(os.path.join(GOLDEN, *path), "rb") as file:
        return tf.GraphDef.FromString(file.read())


def ramp():
    rows, columns = np.mgrid[0:8, 0:8]
    return (((((7 * rows + 3 * columns) % 256) - 127.5) / 128 + 1) / 2).astype(np.float32).reshape(1, 8, 8, 1)


# Row 0 of the output, computed with PyTorch on the constants of the file (see the model's README).
FSRCNN = [0.0090351, 0.0079859, 0.0137724, 0.0116245, 0.0217628, 0.0262871, 0.0310772, 0.037741, 0.042063,
          0.0489724, 0.0562143, 0.0629161, 0.0700702, 0.0730786, 0.0767172, 0.0874109]


def test_a_frozen_graph_gives_its_reference_numbers():
    graph_def = read_graph("published", "fsrcnn", "FSRCNN_x2.pb")
    assert len(graph_def.node) == 92
    y, = tf.import_graph_def(graph_def, return_elements=["NHWC_output:0"], name="")
    with tf.Session() as sess:
        out = sess.run(y, {"IteratorGetNext:0": ramp()})
    assert out.shape == (1, 16, 16, 1) and abs(out.mean() - 0.138389) < 1e-6
    np.testing.assert_allclose(out[0, 0, :, 0], FSRCNN, atol=1e-6)


def test_what_is_written_is_read_again():
    tf.import_graph_def(read_graph("published", "fsrcnn", "FSRCNN_x2.pb"), name="")
    with tf.Session() as sess:
        first = sess.run("NHWC_output:0", {"IteratorGetNext:0": ramp()})
    again = tf.GraphDef.FromString(tf.get_default_graph().as_graph_def().SerializeToString())
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(again, name="")
        np.testing.assert_array_equal(sess.run("NHWC_output:0", {"IteratorGetNext:0": ramp()}), first)


def test_names_scopes_maps_and_elements():
    a = tf.placeholder(tf.float32, [2], name="a")
    tf.identity(tf.add(a, 1.0, name="sum"), name="y")
    graph_def = tf.get_default_graph().as_graph_def()
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        assert tf.import_graph_def(graph_def) is None
        one = tf.constant([5.0, 6.0])
        y, op = tf.import_graph_def(graph_def, input_map={"a:0": one}, return_elements=["y:0", "sum"])
        assert y.name == "import_1/y:0" and op.name == "import_1/sum" and op.type == "Add"
        assert list(sess.run(y)) == [6.0, 7.0]
        with tf.name_scope("p"):
            z, = tf.import_graph_def(graph_def, return_elements=["y"], name="q")
        assert z.name == "p/q/y"
        tf.import_graph_def(graph_def, name="")
        tf.import_graph_def(graph_def, name="")
        assert graph.get_operation_by_name("y_1").inputs[0].name == "sum_1:0"
        assert op.get_attr("T") == tf.float32 and op.node_def.input == ["Const", "import_1/sum/y"]


def test_gradients_and_optimizers_survive():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    w = tf.Variable(tf.constant(np.linspace(-1, 1, 12).reshape(3, 4).astype(np.float32)), name="w")
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.constant([1, 2]), logits=tf.nn.dropout(tf.matmul(x, w), 1.0)), name="loss")
    tf.train.MomentumOptimizer(0.5, 0.9).minimize(loss + tf.nn.l2_loss(w), name="train")
    tf.global_variables_initializer()
    data = np.float32([[1, 2, 3], [-1, 0, 1]])

    def losses():
        with tf.Session() as sess:
            sess.run("init")
            return [sess.run(["loss:0", "train"], {"x:0": data})[0] for _ in range(4)]

    first = losses()
    graph_def = tf.get_default_graph().as_graph_def(add_shapes=True)
    assert not [n for n in graph_def.node if n.op == "Gradients"]
    tf.reset_default_graph()
    tf.import_graph_def(graph_def, name="")
    np.testing.assert_allclose(losses(), first, rtol=1e-6)


@pytest.mark.parametrize("change, error, text", [
    (lambda g: g.node[1].input.__setitem__(0, "missing"), ValueError, "Node 'y': Unknown input node 'missing'"),
    (lambda g: setattr(g.node[1], "name", "a"), ValueError, "Node 'a' is not unique"),
    (lambda g: setattr(g.versions, "min_consumer", 99999), ValueError, "GraphDef min consumer version 99999"),
    (lambda g: setattr(g.node[1], "op", "Foo"), NotImplementedError, "Op type not registered 'Foo'"),
    (lambda g: setattr(g.node[1].attr["T"], "type", tf.int32), ValueError,
     "Input 0 of node import/y was passed float from import/a:0 incompatible with expected int32."),
    (lambda g: g.node[1].input.append("a"), ValueError, "which do not match 2 inputs specified"),
    (lambda g: g.node[1].input.__setitem__(0, "y"), ValueError, "cycle through node 'y'")])
def test_errors_of_import(change, error, text):
    tf.identity(tf.placeholder(tf.float32, [2], name="a"), name="y")
    graph_def = tf.get_default_graph().as_graph_def()
    change(graph_def)
    with tf.Graph().as_default(), pytest.raises(error) as caught:
        tf.import_graph_def(graph_def)
    assert text in str(caught.value)


def test_more_errors_of_import():
    tf.identity(tf.placeholder(tf.float32, [2], name="a"), name="y")
    graph_def = tf.get_default_graph().as_graph_def()
    with tf.Graph().as_default():
        with pytest.raises(TypeError, match="graph_def must be a GraphDef proto."):
            tf.import_graph_def(b"bytes")
        with pytest.raises(ValueError, match=r"Attempted to map inputs that were not found in graph_def: \[foo:0\]"):
            tf.import_graph_def(graph_def, {"foo:0": tf.constant(1.0)})
        with pytest.raises(ValueError, match="Requested return tensor 'nope:0' not found in graph def"):
            tf.import_graph_def(graph_def, return_elements=["nope:0"])


def test_nodes_that_are_not_supported_can_stay():
    tf.identity(tf.placeholder(tf.float32, [2], name="a"), name="y")
    graph_def = tf.get_default_graph().as_graph_def()
    graph_def.node.add(name="odd", op="NoSuchOp", input=["a"]).attr["T"].type = tf.float32
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        tf.import_graph_def(graph_def, name="", strict=False)
        assert list(sess.run("y:0", {"a:0": [1, 2]})) == [1, 2]
        with pytest.raises(tf.errors.UnimplementedError, match="operation type NoSuchOp of node 'odd'"):
            sess.run("odd", {"a:0": [1, 2]})
        assert [n.op for n in graph.as_graph_def().node] == ["Placeholder", "Identity", "NoSuchOp"]


def test_freezing_and_cutting(tmp_path):
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    w = tf.Variable([[1.0], [2.0]], name="w")
    y = tf.matmul(x, w, name="y")
    tf.square(y, name="other")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        frozen = tf.graph_util.convert_variables_to_constants(sess, sess.graph_def, ["y"])
        with pytest.raises(AssertionError, match="nope is not in graph"):
            tf.graph_util.convert_variables_to_constants(sess, sess.graph_def, ["nope"])
    assert [(n.name, n.op) for n in frozen.node] == [
        ("x", "Placeholder"), ("w", "Const"), ("w/read", "Identity"), ("y", "MatMul")]
    small = tf.graph_util.remove_training_nodes(frozen)
    assert [n.name for n in small.node] == ["x", "w", "y"] and list(small.node[2].input) == ["x", "w"]
    for as_text in (False, True):
        path = tf.train.write_graph(small, str(tmp_path), "g.pb", as_text=as_text)
        again = tf.protos.read_file(tf.GraphDef, path)
        assert again == small
        with tf.Graph().as_default(), tf.Session() as sess:
            tf.import_graph_def(again, name="")
            assert sess.run("y:0", {"x:0": [[3, 4]]}).tolist() == [[11.0]]


def test_messages():
    node = tf.NodeDef(name="n", op="Foo", input=["a", "^b"])
    node.attr["list"].list.i.extend([1, -2])
    node.attr["text"].s = "x"
    copy = tf.NodeDef()
    copy.CopyFrom(node)
    assert copy == node and copy.attr["list"].list.i == [1, -2] and copy.attr["text"].WhichOneof("value") == "s"
    copy.attr["text"].b = False
    assert copy.attr["text"].WhichOneof("value") == "b" and copy != node
    assert 'key: "text"' in str(node) and node.HasField("experimental_debug_info") is False
    with pytest.raises(AttributeError):
        node.nothing = 1
    with pytest.raises(ValueError):
        tf.NodeDef(nothing=1)
    with pytest.raises(TypeError):
        node.name = 3
    with pytest.raises(ValueError):
        tf.GraphDef.FromString(b"\xff\xff")


def test_updates_of_an_exported_graph_wait_for_all_gradients():
    """TensorFlow takes the gradient's function apart; an update that ran before the rest had read its variable gave
    other steps in six runs of eight (Adam on three matrices)."""
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    h = tf.matmul(tf.matmul(x, tf.Variable(tf.ones([3, 3]))), tf.Variable(tf.ones([3, 2])))
    tf.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(h * h))
    tf.summary.image("picture", tf.zeros([1, 2, 2, 3])), tf.global_variables_initializer()

    def nodes():
        return {n.name: n for n in tf.get_default_graph().as_graph_def().node}

    made = nodes()
    [gradient] = [n for n in made.values() if n.op == "SymbolicGradient"]
    gate = gradient.name + "/ready"
    assert made[gate].op == "NoOp" and list(made[gate].input) == ["^" + gradient.name]
    readers = [n for n in made.values() if any(i.split(":")[0] == gradient.name for i in n.input)]
    assert len(readers) == 2 and all("^" + gate in n.input for n in readers)
    assert list(made["picture"].attr["bad_color"].tensor.tensor_content) == [255, 0, 0, 255]
    given = tf.get_default_graph().as_graph_def()
    tf.reset_default_graph()
    tf.import_graph_def(given, name="")
    again = nodes()
    assert sum(n.op == "NoOp" and n.name.endswith("/ready") for n in again.values()) == 1
    with tf.Session() as sess:
        sess.run("init")
        sess.run("Adam", {"x:0": np.ones((2, 3))})
        assert sess.run("Variable:0")[0, 0] == pytest.approx(0.9)
