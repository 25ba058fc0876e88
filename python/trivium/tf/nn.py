"""tf.nn: activations, convolutions, pools, losses, normalisation."""
import numpy as np

from trivium import _tf
from trivium.tf import _core, array_ops, math_ops
from trivium.tf._core import inp, op, out, tensor


def _activation(name, type_):
    def function(features, name=None):
        return out(type_, [("features", features)], None, name)
    function.__name__ = name
    return function


for _name, _type in {"relu": "Relu", "relu6": "Relu6", "elu": "Elu", "selu": "Selu", "softplus": "Softplus",
                     "softsign": "Softsign"}.items():
    globals()[_name] = _activation(_name, _type)
sigmoid, tanh = math_ops.sigmoid, math_ops.tanh


def leaky_relu(features, alpha=0.2, name=None):
    return out("LeakyRelu", [("features", features)], {"alpha": float(alpha)}, name)


def swish(features):
    return tensor(features) * sigmoid(features)


def crelu(features, name=None, axis=-1):
    return relu(array_ops.concat([features, -tensor(features)], axis), name)  # noqa: F821


def _last_axis(type_):
    def function(logits, axis=None, name=None, dim=None):
        axis = dim if axis is None else axis
        x = tensor(logits)
        rank = x.shape.ndims
        if axis is None or axis == -1 or (rank is not None and axis == rank - 1):
            return out(type_, [("logits", x)], None, name)
        order = list(range(rank))
        order[axis], order[-1] = order[-1], order[axis]
        return array_ops.transpose(out(type_, [("logits", array_ops.transpose(x, order))]), order, name or "transpose")
    return function


softmax, log_softmax = _last_axis("Softmax"), _last_axis("LogSoftmax")


def bias_add(value, bias, data_format=None, name=None):
    return out("BiasAdd", [("value", value), ("bias", bias)], {"data_format": data_format or "NHWC"}, name)


def conv2d(input, filter=None, strides=None, padding=None, use_cudnn_on_gpu=True, data_format="NHWC",
           dilations=(1, 1, 1, 1), name=None, filters=None):
    """input [N, H, W, C] (or NCHW), filter [h, w, in, out]; strides in the order of data_format."""
    return out("Conv2D", [("input", input), ("filter", filters if filter is None else filter)],
               {"strides": [int(s) for s in strides], "padding": padding, "data_format": data_format,
                "dilations": [int(d) for d in dilations]}, name)


def conv2d_transpose(value, filter, output_shape, strides, padding="SAME", data_format="NHWC", name=None):
    """The gradient of conv2d for its input; filter [h, w, out, in]."""
    return out("Conv2DBackpropInput", [("input_sizes", array_ops._sizes(output_shape)), ("filter", filter),
                                       ("out_backprop", value)],
               {"strides": [int(s) for s in strides], "padding": padding, "data_format": data_format}, name,
               "conv2d_transpose")


def depthwise_conv2d(input, filter, strides, padding, rate=None, name=None, data_format=None):
    rate = [1, 1] if rate is None else list(rate)
    dilations = [1, 1] + rate if data_format == "NCHW" else [1] + rate + [1]
    return out("DepthwiseConv2dNative", [("input", input), ("filter", filter)],
               {"strides": [int(s) for s in strides], "padding": padding, "data_format": data_format or "NHWC",
                "dilations": dilations}, name, "depthwise")


def separable_conv2d(input, depthwise_filter, pointwise_filter, strides, padding, rate=None, name=None,
                     data_format=None):
    with _core.name_scope(name, "separable_conv2d"):
        inner = depthwise_conv2d(input, depthwise_filter, strides, padding, rate, data_format=data_format)
        return conv2d(inner, pointwise_filter, [1, 1, 1, 1], "VALID", data_format=data_format or "NHWC")


def atrous_conv2d(value, filters, rate, padding, name=None):
    return conv2d(value, filters, [1, 1, 1, 1], padding, dilations=[1, rate, rate, 1], name=name)


def _pool(type_):
    def function(value=None, ksize=None, strides=None, padding=None, data_format="NHWC", name=None, input=None):
        return out(type_, [("value", input if value is None else value)],
                   {"ksize": [int(k) for k in ksize], "strides": [int(s) for s in strides], "padding": padding,
                    "data_format": data_format}, name)
    return function


max_pool, avg_pool = _pool("MaxPool"), _pool("AvgPool")


def dropout(x, keep_prob=None, noise_shape=None, seed=None, name=None, rate=None):
    """Keeps each element with probability keep_prob and scales it by 1 / keep_prob."""
    if rate is not None and keep_prob is not None:
        raise ValueError("only one of keep_prob and rate can be set.")
    if rate is not None:
        keep_prob = 1 - rate
    if keep_prob is None:
        raise ValueError("You must provide a rate to dropout.")
    x = tensor(x, None, "x")
    if not x.dtype.is_floating:
        raise ValueError("x has to be a floating point tensor since it's going to be scaled. Got a %s tensor instead."
                         % x.dtype)
    if isinstance(keep_prob, (int, float)):
        if not 0 < keep_prob <= 1:
            raise ValueError("keep_prob must be a scalar tensor or a float in the range (0, 1], got %g" % keep_prob)
        if keep_prob == 1:
            return x
    if noise_shape is not None:
        from trivium.tf import random_ops
        with _core.name_scope(name, "dropout"):
            noise = random_ops.random_uniform(noise_shape, seed=seed, dtype=x.dtype)
            return x / keep_prob * math_ops.floor(noise + keep_prob)
    return _tf.dropout(x, inp(keep_prob), seed, name or "")


def _named_only(labels, logits, sentinel, what):
    if sentinel is not None or labels is None or logits is None:
        raise ValueError("Only call `%s` with named arguments (labels=..., logits=..., ...)" % what)


def softmax_cross_entropy_with_logits(_sentinel=None, labels=None, logits=None, dim=-1, name=None, axis=None):
    """-sum(labels * log_softmax(logits)); no gradient goes to the labels."""
    _named_only(labels, logits, _sentinel, "softmax_cross_entropy_with_logits")
    if (dim if axis is None else axis) != -1:
        raise NotImplementedError("tf.nn.softmax_cross_entropy_with_logits: dim other than -1")
    return _tf.loss("softmax", inp(labels), inp(logits), name or "")


def softmax_cross_entropy_with_logits_v2(_sentinel=None, labels=None, logits=None, axis=None, name=None, dim=None):
    _named_only(labels, logits, _sentinel, "softmax_cross_entropy_with_logits_v2")
    return _tf.loss("softmax", inp(labels), inp(logits), name or "softmax_cross_entropy_with_logits")


def sparse_softmax_cross_entropy_with_logits(_sentinel=None, labels=None, logits=None, name=None):
    _named_only(labels, logits, _sentinel, "sparse_softmax_cross_entropy_with_logits")
    return _tf.loss("sparse", inp(labels), inp(logits), name or "")


def sigmoid_cross_entropy_with_logits(_sentinel=None, labels=None, logits=None, name=None):
    _named_only(labels, logits, _sentinel, "sigmoid_cross_entropy_with_logits")
    return _tf.loss("sigmoid", inp(labels), inp(logits), name or "")


def l2_loss(t, name=None):
    return out("L2Loss", [("t", t)], None, name)


def l2_normalize(x, axis=None, epsilon=1e-12, name=None, dim=None):
    with _core.name_scope(name, "l2_normalize") as scope:
        x = tensor(x)
        total = math_ops.reduce_sum(math_ops.square(x), dim if axis is None else axis, keepdims=True)
        return math_ops.multiply(x, math_ops.rsqrt(math_ops.maximum(total, epsilon)), name=scope)


def moments(x, axes, shift=None, name=None, keep_dims=None, keepdims=None):
    """Mean and biased variance over axes."""
    keep = bool(keepdims or keep_dims)
    with _core.name_scope(name, "moments"):
        x = tensor(x)
        mean = math_ops.reduce_mean(x, axes, keepdims=True, name="mean")
        spread = math_ops.squared_difference(x, array_ops.stop_gradient(mean))
        variance = math_ops.reduce_mean(spread, axes, keepdims=True, name="variance")
        if keep:
            return mean, variance
        return array_ops.squeeze(mean, axes), array_ops.squeeze(variance, axes)


def batch_normalization(x, mean, variance, offset, scale, variance_epsilon, name=None):
    with _core.name_scope(name, "batchnorm"):
        inv = math_ops.rsqrt(variance + variance_epsilon)
        if scale is not None:
            inv = inv * scale
        shift = offset - mean * inv if offset is not None else -mean * inv
        return math_ops.add(x * inv, shift, name="add_1")


def fused_batch_norm(x, scale, offset, mean=None, variance=None, epsilon=0.001, data_format="NHWC", is_training=True,
                     name=None):
    """y, mean and variance; in training of the batch (the variance times n / (n - 1))."""
    if not is_training and (mean is None or variance is None):
        raise ValueError("Both 'mean' and 'variance' must not be None when is_training is False")
    empty = np.zeros(0, np.float32)
    outputs = op("FusedBatchNorm", [("x", x), ("scale", scale), ("offset", offset),
                                    ("mean", empty if mean is None else mean),
                                    ("variance", empty if variance is None else variance)],
                 {"epsilon": max(epsilon, 1.001e-5), "data_format": data_format, "is_training": bool(is_training)},
                 name).outputs
    return outputs[0], outputs[1], outputs[2]


def local_response_normalization(input, depth_radius=5, bias=1, alpha=1, beta=0.5, name=None):
    return out("LRN", [("input", input)], {"depth_radius": int(depth_radius), "bias": float(bias),
                                           "alpha": float(alpha), "beta": float(beta)}, name)


lrn = local_response_normalization


def embedding_lookup(params, ids, partition_strategy="mod", name=None, validate_indices=True, max_norm=None):
    if isinstance(params, (list, tuple)):
        if len(params) != 1:
            raise NotImplementedError("tf.nn.embedding_lookup of several shards")
        params = params[0]
    if max_norm is not None:
        raise NotImplementedError("tf.nn.embedding_lookup: max_norm")
    return array_ops.gather(params, ids, name=name or "embedding_lookup")


def top_k(input, k=1, sorted=True, name=None):
    return tuple(op("TopKV2", [("input", input), ("k", k, "int32")], None, name).outputs)


def in_top_k(predictions, targets, k, name=None):
    return out("InTopK", [("predictions", predictions), ("targets", targets)], {"k": int(k)}, name)


def zero_fraction(value, name=None):
    with _core.name_scope(name, "zero_fraction"):
        value = tensor(value)
        return math_ops.reduce_mean(math_ops.cast(math_ops.equal(value, array_ops.zeros_like(value)), "float32"))


def xw_plus_b(x, weights, biases, name=None):
    with _core.name_scope(name, "xw_plus_b") as scope:
        return bias_add(math_ops.matmul(x, weights), biases, name=scope)


_RECURRENT = ("static_rnn", "static_bidirectional_rnn", "dynamic_rnn")


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _RECURRENT or name == "rnn_cell":
        from trivium.tf import rnn
        return rnn if name == "rnn_cell" else getattr(rnn, name)
    raise _core.Absent("tf.nn.%s is not in this version" % name)
