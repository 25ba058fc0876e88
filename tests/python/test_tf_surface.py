"""Every operation and function of trivium.tf beside what TensorFlow computed for it (tests/golden/tf/surface.json):
names, types, static shapes, values, gradients, errors."""
import importlib
import json
import pathlib
import sys

import numpy as np
import pytest

import trivium.tf as tf

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "tf"
sys.path.insert(0, str(GOLDEN))
surface = importlib.import_module("surface")
for part in ("surface_math", "surface_arrays", "surface_nn", "surface_train"):
    importlib.import_module(part)
EXPECTED = json.loads((GOLDEN / "surface.json").read_text())
# float32 sums and functions differ by a few units in the last place, and derivatives by a few more.
RELATIVE, ABSOLUTE = 2e-5, 2e-6
# Twenty steps of an optimizer carry rounding on.
LONG = {name: 2e-4 for name in EXPECTED if name.startswith("train.")}


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def test_every_case_has_what_tensorflow_said():
    assert sorted(EXPECTED) == sorted(surface.CASES)


def check_arrays(name, what, arrays, expected):
    assert len(arrays) == len(expected), "%s: %d %s, TensorFlow has %d" % (name, len(arrays), what, len(expected))
    for k, (array, (dtype, shape, values)) in enumerate(zip(arrays, expected)):
        place = "%s, %s[%d]" % (name, what, k)
        assert array.dtype.name == dtype, place
        assert list(array.shape) == shape, place
        wanted = np.array([float(v) if isinstance(v, str) else v for v in values]).reshape(shape)
        if dtype.startswith("float"):
            loose = 1e-3 if dtype == "float16" else LONG.get(name, RELATIVE)
            np.testing.assert_allclose(array.astype(np.float64), wanted, rtol=loose, atol=ABSOLUTE, err_msg=place)
        else:
            np.testing.assert_array_equal(array, wanted, err_msg=place)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_surface(name):
    expected, got = EXPECTED[name], surface.facts(tf, name)
    if "error" in expected:
        assert got["error"] == expected["error"], got["text"]
        assert got["said"], "%r is not in: %s" % (surface.CASES[name][1], got["text"])
        return
    for what in ("names", "shapes", "unconnected"):
        assert got.get(what) == expected.get(what), what
    check_arrays(name, "values", got["values"], expected["values"])
    check_arrays(name, "gradients", got["gradients"], expected["gradients"])


def test_every_class_of_errors_is_there():
    names = ("Cancelled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted "
             "FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated").split()
    for code, name in enumerate(names, 1):
        cls = getattr(tf.errors, name + "Error")
        error = cls(None, None, "said")
        assert isinstance(error, tf.errors.OpError) and error.error_code == code and error.message == "said"
        assert tf.errors.exception_type_from_error_code(code) is cls
        assert tf.errors.OpError(None, None, "said", code).error_code == code


def test_an_error_of_a_run_knows_its_operation():
    x = tf.placeholder(tf.float32, [2], name="x")
    y = tf.check_numerics(x, "odd", name="watched")
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match="odd : Tensor had Inf values") as error:
        sess.run(y + 1, {x: [1, np.inf]})
    assert error.value.op is y.op and error.value.message.startswith("odd")


def test_what_is_missing_is_refused_by_name():
    for name in ("svd", "cholesky", "random_gamma"):
        with pytest.raises(NotImplementedError, match=name):
            getattr(tf, name)(None)
    for module, name in ((tf.nn, "ctc_loss"), (tf.train, "SyncReplicasOptimizer"), (tf.layers, "Embedding")):
        with pytest.raises(NotImplementedError, match=name):
            getattr(module, name)


def test_layers_as_objects_share_their_variables():
    layer = tf.layers.Dense(3, activation=tf.nn.relu)
    x = tf.placeholder(tf.float32, [None, 4])
    first, second = layer(x), layer(x * 2)
    assert [v.name for v in tf.global_variables()] == ["dense/kernel:0", "dense/bias:0"]
    assert layer.kernel.name == "dense/kernel:0" and len(layer.trainable_variables) == 2
    other = tf.layers.Dense(3)
    other(x)
    assert other.bias.name == "dense_1/bias:0"
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        a, b, kernel = sess.run([first, second, layer.kernel], {x: np.ones((1, 4))})
    np.testing.assert_allclose(a[0], np.maximum(kernel.sum(0), 0), rtol=1e-5)
    np.testing.assert_allclose(b, 2 * a, rtol=1e-5)


def test_batch_normalization_follows_its_flag_and_axis():
    images = np.random.RandomState(0).rand(4, 3, 2, 2).astype(np.float32)
    flag = tf.placeholder(tf.bool, [])
    for axis in (1, 2):
        y = tf.layers.batch_normalization(tf.constant(images), axis=axis, training=flag, momentum=0.5)
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)[-2:]
        moving = [v for v in tf.global_variables() if "moving" in v.name][-2:]
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            others = tuple(k for k in range(4) if k != axis)
            mean, variance = images.mean(others, keepdims=True), images.var(others, keepdims=True)
            np.testing.assert_allclose(sess.run(y, {flag: True}), (images - mean) / np.sqrt(variance + 1e-3), rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(sess.run(y, {flag: False}), images / np.sqrt(1 + 1e-3), rtol=1e-5)
            sess.run(updates, {flag: False})
            np.testing.assert_allclose(sess.run(moving[0]), np.zeros(images.shape[axis]))
            sess.run(updates, {flag: True})
            np.testing.assert_allclose(sess.run(moving[0]), 0.5 * mean.ravel(), rtol=1e-5)


@pytest.mark.parametrize("name", ["conv1d", "conv3d", "separable_conv2d", "max_pooling1d", "average_pooling3d"])
def test_layers_equal_their_functions(name):
    rank = 2 if "2d" in name else int(name[-2])
    x = tf.constant(np.random.RandomState(0).rand(*([2] + [6] * rank + [3])).astype(np.float32))
    if "pooling" in name:
        y = getattr(tf.layers, name)(x, 2, 2)
        z = tf.nn.pool(x, [2] * rank, "MAX" if "max" in name else "AVG", "VALID", strides=[2] * rank)
    else:
        y = getattr(tf.layers, name)(x, 4, 3, padding="same", use_bias=False)
        kernels = tf.trainable_variables()
        if name == "separable_conv2d":
            z = tf.nn.separable_conv2d(x, kernels[0], kernels[1], [1, 1, 1, 1], "SAME")
        else:
            z = tf.nn.convolution(x, kernels[0], "SAME")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        a, b = sess.run([y, z])
    np.testing.assert_allclose(a, b, rtol=1e-5)
    assert y.op.name.startswith(name)
