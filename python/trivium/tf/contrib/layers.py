"""tf.contrib.layers: layers with ReLU and SAME padding by default, regularizers, initializers."""
from trivium.tf import _core, array_ops, init_ops, layers as _layers, math_ops, nn, variables
from trivium.tf._core import GraphKeys, tensor
from trivium.tf.contrib.framework import add_arg_scope


def xavier_initializer(uniform=True, seed=None, dtype=_core.float32):
    return init_ops.VarianceScaling(1.0, "fan_avg", "uniform" if uniform else "truncated_normal", seed, dtype)


xavier_initializer_conv2d = xavier_initializer


def variance_scaling_initializer(factor=2.0, mode="FAN_IN", uniform=False, seed=None, dtype=_core.float32):
    """Variance factor / n. Not uniform: normal numbers, truncated, with TensorFlow 1's 1.3 for the cut."""
    modes = {"FAN_IN": "fan_in", "FAN_OUT": "fan_out", "FAN_AVG": "fan_avg"}
    if mode not in modes:
        raise TypeError("Unknown mode %s [FAN_IN, FAN_OUT, FAN_AVG]" % mode)
    scale = factor if uniform else 1.3 * factor * .87962566103423978 ** 2
    return init_ops.VarianceScaling(scale, modes[mode], "uniform" if uniform else "truncated_normal", seed, dtype)


def l2_regularizer(scale, scope=None):
    """scale * half the sum of squares."""
    _check(scale)

    def regularizer(weights):
        with _core.name_scope(scope, "l2_regularizer") as name:
            return math_ops.multiply(nn.l2_loss(weights), float(scale), name=name)
    return regularizer if scale else lambda _: None


def l1_regularizer(scale, scope=None):
    """scale * the sum of absolute values."""
    _check(scale)

    def regularizer(weights):
        with _core.name_scope(scope, "l1_regularizer") as name:
            return math_ops.multiply(math_ops.reduce_sum(math_ops.abs(weights)), float(scale), name=name)
    return regularizer if scale else lambda _: None


def l1_l2_regularizer(scale_l1=1.0, scale_l2=1.0, scope=None):
    one, two = l1_regularizer(scale_l1), l2_regularizer(scale_l2)
    if not scale_l1 or not scale_l2:
        return one if scale_l1 else two
    return lambda weights: one(weights) + two(weights)


def _check(scale):
    if isinstance(scale, int) and not isinstance(scale, bool) and scale != 0:
        raise ValueError("scale cannot be an integer: %s" % scale)
    if scale < 0:
        raise ValueError("Setting a scale less than 0 on a regularizer: %g" % scale)


def _collected(outputs_collections, scope, outputs):
    keys = [outputs_collections] if isinstance(outputs_collections, str) else outputs_collections or []
    for key in keys:
        _core.add_to_collection(key, outputs)
    return outputs


def _after(x, normalizer_fn, normalizer_params, activation_fn):
    if normalizer_fn is not None:
        x = normalizer_fn(x, **(normalizer_params or {}))
    return activation_fn(x) if activation_fn is not None else x


@add_arg_scope
def fully_connected(inputs, num_outputs, activation_fn=nn.relu, normalizer_fn=None, normalizer_params=None,
                    weights_initializer=None, weights_regularizer=None, biases_initializer=init_ops.Zeros(),
                    biases_regularizer=None, reuse=None, variables_collections=None, outputs_collections=None,
                    trainable=True, scope=None):
    """A dense layer; variables `weights` and `biases`."""
    with variables.variable_scope(scope, "fully_connected", reuse=reuse) as opened:
        x = tensor(inputs)
        last = x.shape[-1].value
        if last is None:
            raise ValueError("The last dimension of the inputs to `fully_connected` should be defined.")
        w = variables.get_variable("weights", [last, num_outputs], x.dtype, weights_initializer or xavier_initializer(),
                                   weights_regularizer, trainable,
                                   collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES])
        y = math_ops.matmul(x, w) if len(x.shape) == 2 else math_ops.tensordot(x, w, 1)
        if normalizer_fn is None and biases_initializer is not None:
            y = nn.bias_add(y, variables.get_variable(
                "biases", [num_outputs], x.dtype, biases_initializer, biases_regularizer, trainable,
                collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES]))
        y = _after(y, normalizer_fn, normalizer_params, activation_fn)
        return _collected(outputs_collections, opened.name, y)


@add_arg_scope
def conv2d(inputs, num_outputs, kernel_size, stride=1, padding="SAME", data_format=None, rate=1, activation_fn=nn.relu,
           normalizer_fn=None, normalizer_params=None, weights_initializer=None, weights_regularizer=None,
           biases_initializer=init_ops.Zeros(), biases_regularizer=None, reuse=None, variables_collections=None,
           outputs_collections=None, trainable=True, scope=None):
    """A convolution; variables `weights` and `biases`."""
    layout = data_format or "NHWC"
    with variables.variable_scope(scope, "Conv", reuse=reuse) as opened:
        x = tensor(inputs)
        channels = x.shape[-1 if layout == "NHWC" else 1].value
        w = variables.get_variable("weights", _layers._pair(kernel_size) + [channels, num_outputs], x.dtype,
                                   weights_initializer or xavier_initializer(), weights_regularizer, trainable,
                                   collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES])
        y = nn.conv2d(x, w, _layers._window(stride, layout), padding.upper(), data_format=layout,
                      dilations=_layers._window(rate, layout))
        if normalizer_fn is None and biases_initializer is not None:
            y = nn.bias_add(y, variables.get_variable(
                "biases", [num_outputs], x.dtype, biases_initializer, biases_regularizer, trainable,
                collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES]), layout)
        y = _after(y, normalizer_fn, normalizer_params, activation_fn)
        return _collected(outputs_collections, opened.name, y)


@add_arg_scope
def max_pool2d(inputs, kernel_size, stride=2, padding="VALID", data_format="NHWC", outputs_collections=None, scope=None):
    with _core.name_scope(scope, "MaxPool2D"):
        return nn.max_pool(inputs, _layers._window(kernel_size, data_format), _layers._window(stride, data_format),
                           padding.upper(), data_format)


@add_arg_scope
def avg_pool2d(inputs, kernel_size, stride=2, padding="VALID", data_format="NHWC", outputs_collections=None, scope=None):
    with _core.name_scope(scope, "AvgPool2D"):
        return nn.avg_pool(inputs, _layers._window(kernel_size, data_format), _layers._window(stride, data_format),
                           padding.upper(), data_format)


@add_arg_scope
def batch_norm(inputs, decay=0.999, center=True, scale=False, epsilon=0.001, activation_fn=None, param_initializers=None,
               param_regularizers=None, updates_collections=GraphKeys.UPDATE_OPS, is_training=True, reuse=None,
               variables_collections=None, outputs_collections=None, trainable=True, batch_weights=None, fused=None,
               data_format="NHWC", zero_debias_moving_mean=False, scope=None, **unused):
    """Batch normalisation in a scope `BatchNorm`."""
    if zero_debias_moving_mean or batch_weights is not None:
        raise NotImplementedError("tf.contrib.layers.batch_norm: zero_debias_moving_mean and batch_weights")
    before = len(_core.get_collection(GraphKeys.UPDATE_OPS))
    with variables.variable_scope(scope, "BatchNorm", reuse=reuse) as opened:
        y = _layers.batch_normalization(inputs, -1 if data_format == "NHWC" else 1, decay, epsilon, center, scale,
                                        training=is_training, trainable=trainable, name=opened, fused=fused)
    updates = _core.get_collection(GraphKeys.UPDATE_OPS)[before:]
    if updates_collections != GraphKeys.UPDATE_OPS and updates:
        del _core.get_default_graph().get_collection_ref(GraphKeys.UPDATE_OPS)[-len(updates):]
        if updates_collections is None:
            with _core.control_dependencies(updates):
                y = array_ops.identity(y)
        else:
            for u in updates:
                _core.add_to_collection(updates_collections, u)
    y = activation_fn(y) if activation_fn is not None else y
    return _collected(outputs_collections, opened.name, y)


@add_arg_scope
def dropout(inputs, keep_prob=0.5, noise_shape=None, is_training=True, outputs_collections=None, scope=None, seed=None):
    return _layers.dropout(inputs, 1 - keep_prob, noise_shape, seed, is_training, scope)


@add_arg_scope
def flatten(inputs, outputs_collections=None, scope=None):
    return _layers.flatten(inputs, scope)


def embed_sequence(ids, vocab_size=None, embed_dim=None, unique=False, initializer=None, regularizer=None,
                   trainable=True, scope=None, reuse=None):
    """Ids as rows of a variable `embeddings`."""
    with variables.variable_scope(scope, "EmbedSequence", reuse=reuse):
        table = variables.get_variable("embeddings", [vocab_size, embed_dim], initializer=initializer,
                                       regularizer=regularizer, trainable=trainable)
        return nn.embedding_lookup(table, ids)


def one_hot_encoding(labels, num_classes, on_value=1.0, off_value=0.0, outputs_collections=None, scope=None):
    with _core.name_scope(scope, "OneHotEncoding"):
        return array_ops.one_hot(labels, num_classes, on_value, off_value)


def stack(inputs, layer, stack_args, **kwargs):
    """A layer several times, one set of arguments each."""
    scope = kwargs.pop("scope", None)
    with variables.variable_scope(scope, "Stack"):
        for i, args in enumerate(stack_args):
            args = args if isinstance(args, (list, tuple)) else [args]
            inputs = layer(inputs, *args, scope="%s_%d" % (layer.__name__, i + 1), **kwargs)
        return inputs


def repeat(inputs, repetitions, layer, *args, **kwargs):
    """A layer so many times."""
    scope = kwargs.pop("scope", None)
    with variables.variable_scope(scope, "Repeat"):
        base = scope or layer.__name__
        for i in range(repetitions):
            inputs = layer(inputs, *args, scope="%s_%d" % (base, i + 1), **kwargs)
        return inputs


relu, linear = fully_connected, lambda *args, **kwargs: fully_connected(*args, **dict(kwargs, activation_fn=None))
convolution2d = conv2d


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.contrib.layers.%s is not in this version" % name)
