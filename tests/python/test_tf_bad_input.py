"""Mistakes in graph programs: the message names the operation, its node, the line that made it, and a remedy."""
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import trivium.tf as tf

HERE = "test_tf_bad_input.py:"


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def said(error):
    return str(error.value)


def test_an_unfed_placeholder():
    x = tf.placeholder(tf.float32, [None, 784], name="images")
    y = tf.square(x)
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError) as error:
        sess.run(y)
    text = said(error)
    assert "You must feed a value for placeholder tensor 'images' with dtype float and shape [?,784]" in text
    assert "{{node images}}" in text and HERE in text
    assert error.value.op is x.op and error.value.error_code == 3


def test_an_uninitialized_variable():
    v, w = tf.Variable(1.0, name="v"), tf.Variable(2.0, name="w")
    total = v + w
    with tf.Session() as sess, pytest.raises(tf.errors.FailedPreconditionError) as error:
        sess.run(total)
    text = said(error)
    assert "Attempting to use uninitialized value v" in text and "{{node v}}" in text
    assert "run tf.global_variables_initializer() first" in text
    lines = [line for line in text.splitlines() if line.strip().startswith(("v,", "w,"))]
    assert len(lines) == 2 and all(HERE in line for line in lines)


def test_a_shape_clash_while_building():
    x = tf.placeholder(tf.float32, [None, 784])
    with pytest.raises(ValueError) as error:
        tf.matmul(x, tf.zeros([10, 10]), name="logits")
    text = said(error)
    assert "Dimensions must be equal, but are 784 and 10 for 'logits' (op: 'MatMul') with input shapes: [?,784], [10,10]" in text
    assert HERE in text


def test_a_shape_clash_in_a_run():
    x, y = tf.placeholder(tf.float32, [None, None]), tf.placeholder(tf.float32, [None, None])
    product = tf.matmul(x, y, name="product")
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError) as error:
        sess.run(product, {x: np.ones((2, 3)), y: np.ones((4, 5))})
    assert "{{node product}}" in said(error) and HERE in said(error) and error.value.op is product.op


def test_a_nan_that_was_watched_for():
    x = tf.placeholder(tf.float32, [2])
    checked = tf.check_numerics(tf.log(x), "the logarithm", name="watch")
    with tf.Session() as sess:
        assert np.isfinite(sess.run(checked, {x: [1, 2]})).all()
        with pytest.raises(tf.errors.InvalidArgumentError) as error:
            sess.run(checked, {x: [1, -1]})
    text = said(error)
    assert "the logarithm : Tensor had NaN values" in text and "{{node watch}}" in text and HERE in text


def test_a_label_out_of_range():
    labels, logits = tf.placeholder(tf.int64, [2]), tf.zeros([2, 10])
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError) as error:
        sess.run(loss, {labels: [3, 10]})
    assert "Received a label value of 10 which is outside the valid range of [0, 10)" in said(error)
    assert "{{node SparseSoftmaxCrossEntropyWithLogits" in said(error) and HERE in said(error)


def _saved(folder):
    v = tf.Variable(np.arange(1000.0), name="v")
    saver = tf.train.Saver([v])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return v, saver.save(sess, str(folder / "model"))


def test_a_corrupt_checkpoint(tmp_path):
    v, prefix = _saved(tmp_path)
    data = next(pathlib.Path(tmp_path).glob("*.data-*"))
    bytes_ = bytearray(data.read_bytes())
    bytes_[100] ^= 1
    data.write_bytes(bytes_)
    with tf.Session() as sess, pytest.raises(Exception) as error:
        tf.train.Saver([v]).restore(sess, prefix)
    assert "v" in said(error) and "checksum" in said(error).lower() or "corrupt" in said(error).lower()


def test_a_key_or_a_shape_a_checkpoint_does_not_have(tmp_path):
    _, prefix = _saved(tmp_path)
    tf.reset_default_graph()
    w = tf.Variable(1.0, name="w")
    with tf.Session() as sess, pytest.raises(tf.errors.NotFoundError, match="Key w not found in checkpoint"):
        tf.train.Saver([w]).restore(sess, prefix)
    v = tf.Variable(1.0, name="v", dtype=tf.float64)
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match="Assign requires shapes of both tensors"):
        tf.train.Saver({"v": v}).restore(sess, prefix)


def test_feeds_that_can_not_be():
    x = tf.placeholder(tf.int32, [2], name="x")
    with tf.Session() as sess:
        with pytest.raises(ValueError, match=r"Cannot feed value of shape \(3,\) for Tensor 'x:0', which has shape '\(2,\)'"):
            sess.run(x, {x: [1, 2, 3]})
        with pytest.raises(TypeError, match="The value of a feed cannot be a tf.Tensor object"):
            sess.run(x, {x: tf.constant([1, 2])})
        with pytest.raises(TypeError, match="Type of feed value 3000000000 with type <class 'int'> is not compatible"):
            sess.run(tf.placeholder(tf.int32, []), {tf.get_default_graph().get_tensor_by_name("Placeholder:0"): 3000000000})
    with pytest.raises(RuntimeError, match="Attempted to use a closed Session"):
        sess.run(x)


def test_without_numpy_the_error_says_what_to_install():
    code = "import sys; sys.modules['numpy'] = None; import trivium.tf"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode != 0
    assert "ImportError: trivium.tf: values are NumPy arrays" in run.stderr
    assert "pip install numpy" in run.stderr
