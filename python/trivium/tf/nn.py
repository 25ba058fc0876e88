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


def _padding(padding):
    """Attributes of a padding: a name, or [[before, after], …] for every axis."""
    if isinstance(padding, (list, tuple)):
        return {"padding": "EXPLICIT", "explicit_paddings": [int(p) for pair in padding for p in pair]}
    return {"padding": padding}


def _window(strides, padding, data_format, dilations=None):
    attrs = {"strides": [int(s) for s in strides], "data_format": data_format, **_padding(padding)}
    if dilations is not None:
        attrs["dilations"] = [int(d) for d in dilations]
    return attrs


def conv2d(input, filter=None, strides=None, padding=None, use_cudnn_on_gpu=True, data_format="NHWC",
           dilations=(1, 1, 1, 1), name=None, filters=None):
    """input [N, H, W, C] (or NCHW), filter [h, w, in, out]; strides in the order of data_format."""
    return out("Conv2D", [("input", input), ("filter", filters if filter is None else filter)],
               _window(strides, padding, data_format, dilations), name)


def conv3d(input, filter=None, strides=None, padding=None, data_format="NDHWC", dilations=(1, 1, 1, 1, 1), name=None,
           filters=None):
    """input [N, D, H, W, C], filter [d, h, w, in, out]."""
    return out("Conv3D", [("input", input), ("filter", filters if filter is None else filter)],
               _window(strides, padding, data_format, dilations), name)


def conv1d(value=None, filters=None, stride=None, padding=None, use_cudnn_on_gpu=None, data_format=None, name=None,
           input=None, dilations=None):
    """value [N, W, C] (or NCW), filters [w, in, out]: a convolution over images of one row."""
    value = input if value is None else value
    first = data_format in ("NCW", "NCHW")
    step = int(np.ravel(stride)[-1 if np.size(stride) == 1 else (2 if first else 1)])
    dilation = 1 if dilations is None else int(np.ravel(dilations)[-1])
    axis, layout = (2, "NCHW") if first else (1, "NHWC")
    with _core.name_scope(name, "conv1d") as scope:
        rows = array_ops.expand_dims(value, axis)
        kernel = array_ops.expand_dims(filters, 0)
        window = [1, 1, 1, step] if first else [1, 1, step, 1]
        rates = [1, 1, 1, dilation] if first else [1, 1, dilation, 1]
        result = conv2d(rows, kernel, window, padding, data_format=layout, dilations=rates)
        return array_ops.squeeze(result, [axis])


def _spatial(x, data_format):
    rank = len(x.shape) - 2
    first = data_format is not None and data_format.startswith("NC")
    layout = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}.get(rank)
    if layout is None:
        raise ValueError("1, 2 or 3 spatial axes expected, the input has shape %s" % x.shape)
    return rank, layout[first], (lambda v: [1, 1] + v if first else [1] + v + [1])


def convolution(input, filter=None, padding=None, strides=None, dilation_rate=None, name=None, data_format=None,
                filters=None, dilations=None):
    """A convolution over 1, 2 or 3 spatial axes; strides and rates one number an axis."""
    with _core.name_scope(name, "convolution") as scope:
        x = tensor(input, name="input")
        rank, layout, wide = _spatial(x, data_format)
        steps = [1] * rank if strides is None else [int(s) for s in strides]
        rate = dilation_rate if dilation_rate is not None else dilations
        rates = [1] * rank if rate is None else [int(d) for d in rate]
        if max(steps) > 1 and max(rates) > 1:
            raise ValueError("strides > 1 not supported in conjunction with dilation_rate > 1")
        kernel = tensor(filters if filter is None else filter, name="filter")
        if rank == 1:
            return conv1d(x, kernel, steps[0], padding, data_format=layout, dilations=rates, name=scope)
        fn = conv2d if rank == 2 else conv3d
        return fn(x, kernel, wide(steps), padding, data_format=layout, dilations=wide(rates), name=scope)


def pool(input, window_shape, pooling_type, padding, dilation_rate=None, strides=None, name=None, data_format=None,
         dilations=None):
    """MAX or AVG pooling over 1, 2 or 3 spatial axes."""
    if any(d != 1 for d in (dilation_rate or dilations or [1])):
        raise NotImplementedError("tf.nn.pool: dilation_rate")
    with _core.name_scope(name, "pool"):
        x = tensor(input)
        rank, layout, wide = _spatial(x, data_format)
        steps = [1] * rank if strides is None else [int(s) for s in strides]
        sizes = [int(w) for w in window_shape]
        if rank == 1:
            axis = 2 if layout == "NCW" else 1
            whole = _POOLS[2][pooling_type](array_ops.expand_dims(x, axis), wide([1] + sizes), wide([1] + steps),
                                            padding, "NCHW" if layout == "NCW" else "NHWC")
            return array_ops.squeeze(whole, [axis])
        return _POOLS[rank][pooling_type](x, wide(sizes), wide(steps), padding, layout)


def conv2d_backprop_input(input_sizes, filter=None, out_backprop=None, strides=None, padding=None,
                          use_cudnn_on_gpu=True, data_format="NHWC", dilations=(1, 1, 1, 1), name=None, filters=None):
    return out("Conv2DBackpropInput", [("input_sizes", array_ops._sizes(input_sizes)),
                                       ("filter", filters if filter is None else filter),
                                       ("out_backprop", out_backprop)],
               _window(strides, padding, data_format, dilations), name)


def conv2d_backprop_filter(input, filter_sizes, out_backprop, strides=None, padding=None, use_cudnn_on_gpu=True,
                           data_format="NHWC", dilations=(1, 1, 1, 1), name=None):
    return out("Conv2DBackpropFilter", [("input", input), ("filter_sizes", array_ops._sizes(filter_sizes)),
                                        ("out_backprop", out_backprop)],
               _window(strides, padding, data_format, dilations), name)


def depthwise_conv2d_native_backprop_input(input_sizes, filter, out_backprop, strides, padding, data_format="NHWC",
                                           dilations=(1, 1, 1, 1), name=None):
    return out("DepthwiseConv2dNativeBackpropInput", [("input_sizes", array_ops._sizes(input_sizes)),
                                                      ("filter", filter), ("out_backprop", out_backprop)],
               _window(strides, padding, data_format, dilations), name)


def depthwise_conv2d_native_backprop_filter(input, filter_sizes, out_backprop, strides, padding, data_format="NHWC",
                                            dilations=(1, 1, 1, 1), name=None):
    return out("DepthwiseConv2dNativeBackpropFilter", [("input", input),
                                                       ("filter_sizes", array_ops._sizes(filter_sizes)),
                                                       ("out_backprop", out_backprop)],
               _window(strides, padding, data_format, dilations), name)


depthwise_conv2d_backprop_input = depthwise_conv2d_native_backprop_input
depthwise_conv2d_backprop_filter = depthwise_conv2d_native_backprop_filter


def depthwise_conv2d_native(input, filter, strides, padding, data_format="NHWC", dilations=(1, 1, 1, 1), name=None):
    return out("DepthwiseConv2dNative", [("input", input), ("filter", filter)],
               _window(strides, padding, data_format, dilations), name)


def max_pool_with_argmax(input, ksize, strides, padding, data_format="NHWC", Targmax=_core.int64, name=None,
                         output_dtype=None, include_batch_in_index=False):
    """The maxima, and for each its place in the flat [H, W, C] image."""
    return tuple(op("MaxPoolWithArgmax", [("input", input)],
                    {"ksize": [int(k) for k in ksize], "strides": [int(s) for s in strides], "padding": padding,
                     "Targmax": _core.as_dtype(output_dtype or Targmax),
                     "include_batch_in_index": bool(include_batch_in_index)}, name).outputs)


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
    with _core.name_scope(name, "separable_conv2d") as scope:
        inner = depthwise_conv2d(input, depthwise_filter, strides, padding, rate, data_format=data_format)
        return conv2d(inner, pointwise_filter, [1, 1, 1, 1], "VALID", data_format=data_format or "NHWC", name=scope)


def atrous_conv2d(value, filters, rate, padding, name=None):
    return conv2d(value, filters, [1, 1, 1, 1], padding, dilations=[1, rate, rate, 1], name=name)


def _pool(type_, layout="NHWC"):
    def function(value=None, ksize=None, strides=None, padding=None, data_format=layout, name=None, input=None):
        return out(type_, [("value", input if value is None else value)],
                   {"ksize": [int(k) for k in ksize], "strides": [int(s) for s in strides], "padding": padding,
                    "data_format": data_format}, name)
    return function


max_pool, avg_pool = _pool("MaxPool"), _pool("AvgPool")
max_pool3d, avg_pool3d = _pool("MaxPool3D", "NDHWC"), _pool("AvgPool3D", "NDHWC")
_POOLS = {2: {"MAX": max_pool, "AVG": avg_pool}, 3: {"MAX": max_pool3d, "AVG": avg_pool3d}}


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
    return _soft_loss("softmax", labels, logits, dim if axis is None else axis, name)


def _soft_loss(kind, labels, logits, axis, name):
    """The loss along the last axis; another one is moved there first."""
    logits = tensor(logits)
    labels = math_ops.cast(labels, logits.dtype) if _core.is_tensor(labels) else labels
    axis = -1 if axis is None else axis
    rank = logits.shape.ndims
    if axis != -1 and axis != (rank or 0) - 1:
        order = [i for i in range(rank) if i != axis % rank] + [axis % rank]
        labels, logits = array_ops.transpose(labels, order), array_ops.transpose(logits, order)
    return _tf.loss(kind, inp(labels), inp(logits), name or "")


def softmax_cross_entropy_with_logits_v2(_sentinel=None, labels=None, logits=None, axis=None, name=None, dim=None):
    _named_only(labels, logits, _sentinel, "softmax_cross_entropy_with_logits_v2")
    return _soft_loss("softmax_v2", labels, logits, dim if axis is None else axis, name)


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


def _clipped(rows, ids, max_norm):
    if max_norm is None:
        return rows
    axes = list(range(len(tensor(ids).shape), len(rows.shape)))
    return math_ops.clip_by_norm(rows, max_norm, axes)


def embedding_lookup(params, ids, partition_strategy="mod", name=None, validate_indices=True, max_norm=None):
    """Rows of params by id; several shards hold row i in shard i mod n ("mod") or in blocks ("div")."""
    shards = list(params) if isinstance(params, (list, tuple)) else [params]
    if not shards:
        raise ValueError("Need at least one param")
    if len(shards) == 1:
        with _core.name_scope(name, "embedding_lookup") as scope:
            rows = array_ops.gather(shards[0], ids, name=scope)
            return array_ops.identity(_clipped(rows, ids, max_norm))
    if partition_strategy not in ("mod", "div"):
        raise ValueError("Unrecognized partition strategy: " + partition_strategy)
    from trivium.tf import index_ops
    with _core.name_scope(name, "embedding_lookup"):
        ids = tensor(ids, name="ids")
        flat, n = array_ops.reshape(ids, [-1]), len(shards)
        if partition_strategy == "mod":
            shard, place = math_ops.floormod(flat, n), math_ops.floordiv(flat, n)
        else:
            total = sum(tensor(p).shape[0].value for p in shards)
            each, extra = total // n, total % n
            shard = math_ops.maximum(math_ops.floordiv(flat, each + 1), math_ops.floordiv(flat - extra, each))
            long = math_ops.floormod(flat, each + 1)
            place = array_ops.where(shard < extra, long, math_ops.floormod(flat - extra, each))
        shard = math_ops.cast(shard, "int32")
        places = index_ops.dynamic_partition(place, shard, n)
        where_from = index_ops.dynamic_partition(array_ops.range(array_ops.size(flat)), shard, n)
        rows = [array_ops.gather(p, i) for p, i in zip(shards, places)]
        joined = index_ops.dynamic_stitch(where_from, rows)
        inner = array_ops.shape(tensor(shards[0]))[1:]
        result = array_ops.reshape(joined, array_ops.concat([array_ops.shape(ids), inner], 0))
        result.set_shape(ids.shape.concatenate(tensor(shards[0]).shape[1:]))
        return _clipped(result, ids, max_norm)


def weighted_cross_entropy_with_logits(labels=None, logits=None, pos_weight=None, name=None, targets=None):
    """Sigmoid cross entropy whose positive part is multiplied by pos_weight."""
    labels = targets if labels is None else labels
    with _core.name_scope(name, "logistic_loss") as scope:
        x, z = tensor(logits, name="logits"), tensor(labels, name="labels")
        if not x.shape.is_compatible_with(z.shape):
            raise ValueError("logits and targets must have the same shape, received %s and %s" % (x.shape, z.shape))
        weight = 1 + (pos_weight - 1) * z
        tail = math_ops.log1p(math_ops.exp(-math_ops.abs(x))) + relu(-x)  # noqa: F821
        return math_ops.add((1 - z) * x, weight * tail, name=scope)


def log_poisson_loss(targets, log_input, compute_full_loss=False, name=None):
    """exp(c) - targets * c, with Stirling's approximation of the constant part when asked for."""
    with _core.name_scope(name, "log_poisson_loss"):
        c, z = tensor(log_input, name="log_input"), tensor(targets, name="targets")
        result = math_ops.exp(c) - c * z
        if compute_full_loss:
            stirling = z * math_ops.log(z) - z + 0.5 * math_ops.log(2.0 * np.pi * z)
            small = math_ops.logical_and(z >= 0.0, z <= 1.0)
            result += array_ops.where(small, array_ops.zeros_like(z), stirling)
        return result


def sufficient_statistics(x, axes, shift=None, keep_dims=None, name=None, keepdims=None):
    """Count, sum, sum of squares and shift, from which normalize_moments makes mean and variance."""
    with _core.name_scope(name, "sufficient_stats"):
        x = tensor(x)
        axes = [a % len(x.shape) for a in axes]
        count = array_ops.constant(np.float32(np.prod([x.shape[a].value for a in axes])), x.dtype, name="count")
        moved = x if shift is None else x - shift
        squares = math_ops.square(x) if shift is None else math_ops.squared_difference(x, shift)
        keep = bool(keepdims or keep_dims)
        return (count, math_ops.reduce_sum(moved, axes, keepdims=keep, name="mean_ss"),
                math_ops.reduce_sum(squares, axes, keepdims=keep, name="var_ss"), shift)


def normalize_moments(counts, mean_ss, variance_ss, shift, name=None):
    with _core.name_scope(name, "normalize"):
        divisor = math_ops.reciprocal(counts, name="divisor")
        moved = math_ops.multiply(mean_ss, divisor, name="mean")
        mean = moved if shift is None else math_ops.add(moved, shift, name="mean")
        return mean, math_ops.subtract(math_ops.multiply(variance_ss, divisor), math_ops.square(moved), name="variance")


def weighted_moments(x, axes, frequency_weights, name=None, keep_dims=None, keepdims=None):
    keep = bool(keepdims or keep_dims)
    with _core.name_scope(name, "weighted_moments"):
        x = tensor(x, name="x")
        weights = math_ops.cast(frequency_weights, x.dtype)
        whole = weights + array_ops.zeros_like(x)
        total = math_ops.reduce_sum(whole, axes, keepdims=True)
        mean = math_ops.reduce_sum(weights * x, axes, keepdims=True) / total
        spread = math_ops.reduce_sum(weights * math_ops.squared_difference(x, mean), axes, keepdims=True) / total
        if keep:
            return mean, spread
        return array_ops.squeeze(mean, axes), array_ops.squeeze(spread, axes)


def batch_norm_with_global_normalization(t=None, m=None, v=None, beta=None, gamma=None, variance_epsilon=None,
                                         scale_after_normalization=None, name=None):
    return batch_normalization(t, m, v, beta, gamma if scale_after_normalization else None, variance_epsilon, name)


def relu_layer(x, weights, biases, name=None):
    with _core.name_scope(name, "relu_layer") as scope:
        return relu(bias_add(math_ops.matmul(x, weights), biases), name=scope)  # noqa: F821


def top_k(input, k=1, sorted=True, name=None):
    return tuple(op("TopKV2", [("input", input), ("k", k, "int32")], None, name).outputs)


def in_top_k(predictions, targets, k, name=None):
    """Whether each target is among the k largest predictions of its row."""
    with _core.name_scope(name, "in_top_k"):
        return out("InTopKV2", [("predictions", predictions), ("targets", targets), ("k", k, "int32")])


def zero_fraction(value, name=None):
    with _core.name_scope(name, "zero_fraction"):
        value = tensor(value)
        return math_ops.reduce_mean(math_ops.cast(math_ops.equal(value, array_ops.zeros_like(value)), "float32"))


def xw_plus_b(x, weights, biases, name=None):
    with _core.name_scope(name, "xw_plus_b") as scope:
        return bias_add(math_ops.matmul(x, weights), biases, name=scope)


_SAMPLED = ("nce_loss", "sampled_softmax_loss", "log_uniform_candidate_sampler", "compute_accidental_hits")
_RECURRENT = ("static_rnn", "static_bidirectional_rnn", "dynamic_rnn", "bidirectional_dynamic_rnn")


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _RECURRENT or name == "rnn_cell":
        from trivium.tf import rnn
        return rnn if name == "rnn_cell" else getattr(rnn, name)
    if name in _SAMPLED:
        from trivium.tf import nn_sampling
        return getattr(nn_sampling, name)
    raise _core.Absent("tf.nn.%s is not in this version" % name)
