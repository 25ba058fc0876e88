"""tf.layers: functions that make their variables in a scope of their own."""
import numpy as np

from trivium.tf import _core, array_ops, init_ops, math_ops, nn, variables
from trivium.tf._core import GraphKeys, tensor


def _pair(value):
    return [int(value)] * 2 if isinstance(value, (int, np.integer)) else [int(v) for v in value]


def _format(data_format):
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError("The `data_format` argument must be one of \"channels_first\", \"channels_last\". Received: %s"
                         % data_format)
    return "NHWC" if data_format == "channels_last" else "NCHW"


def _window(values, layout):
    return [1] + _pair(values) + [1] if layout == "NHWC" else [1, 1] + _pair(values)


def _finish(x, activation, activity_regularizer):
    x = activation(x) if activation is not None else x
    if activity_regularizer is not None:
        _core.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, activity_regularizer(x))
    return x


def dense(inputs, units, activation=None, use_bias=True, kernel_initializer=None,
          bias_initializer=init_ops.Zeros(), kernel_regularizer=None, bias_regularizer=None,
          activity_regularizer=None, kernel_constraint=None, bias_constraint=None, trainable=True, name=None,
          reuse=None):
    """[.., n] times a kernel [n, units], plus a bias."""
    inputs = tensor(inputs)
    last = inputs.shape[-1].value
    if last is None:
        raise ValueError("The last dimension of the inputs to `Dense` should be defined. Found `None`.")
    with variables.variable_scope(name, "dense", reuse=reuse):
        kernel = variables.get_variable("kernel", [last, units], inputs.dtype, kernel_initializer, kernel_regularizer,
                                        trainable)
        bias = variables.get_variable("bias", [units], inputs.dtype, bias_initializer, bias_regularizer,
                                      trainable) if use_bias else None
        if len(inputs.shape) > 2:
            x = math_ops.tensordot(inputs, kernel, 1)
            x.set_shape(inputs.shape.as_list()[:-1] + [units])
        else:
            x = math_ops.matmul(inputs, kernel)
        x = nn.bias_add(x, bias) if use_bias else x
        return _finish(x, activation, activity_regularizer)


def conv2d(inputs, filters, kernel_size, strides=(1, 1), padding="valid", data_format="channels_last",
           dilation_rate=(1, 1), activation=None, use_bias=True, kernel_initializer=None,
           bias_initializer=init_ops.Zeros(), kernel_regularizer=None, bias_regularizer=None,
           activity_regularizer=None, kernel_constraint=None, bias_constraint=None, trainable=True, name=None,
           reuse=None):
    inputs, layout = tensor(inputs), _format(data_format)
    channels = inputs.shape[-1 if layout == "NHWC" else 1].value
    if channels is None:
        raise ValueError("The channel dimension of the inputs should be defined. Found `None`.")
    with variables.variable_scope(name, "conv2d", reuse=reuse):
        kernel = variables.get_variable("kernel", _pair(kernel_size) + [channels, filters], inputs.dtype,
                                        kernel_initializer, kernel_regularizer, trainable)
        bias = variables.get_variable("bias", [filters], inputs.dtype, bias_initializer, bias_regularizer,
                                      trainable) if use_bias else None
        x = nn.conv2d(inputs, kernel, _window(strides, layout), padding.upper(), data_format=layout,
                      dilations=_window(dilation_rate, layout))
        x = nn.bias_add(x, bias, layout) if use_bias else x
        return _finish(x, activation, activity_regularizer)


def conv2d_transpose(inputs, filters, kernel_size, strides=(1, 1), padding="valid", data_format="channels_last",
                     activation=None, use_bias=True, kernel_initializer=None, bias_initializer=init_ops.Zeros(),
                     kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None,
                     kernel_constraint=None, bias_constraint=None, trainable=True, name=None, reuse=None):
    inputs, layout = tensor(inputs), _format(data_format)
    first = layout == "NCHW"
    channels = inputs.shape[1 if first else -1].value
    kernel_size, strides = _pair(kernel_size), _pair(strides)
    with variables.variable_scope(name, "conv2d_transpose", reuse=reuse):
        kernel = variables.get_variable("kernel", kernel_size + [filters, channels], inputs.dtype, kernel_initializer,
                                        kernel_regularizer, trainable)
        bias = variables.get_variable("bias", [filters], inputs.dtype, bias_initializer, bias_regularizer,
                                      trainable) if use_bias else None
        sizes = array_ops.shape(inputs)
        known = inputs.shape.as_list()

        def spatial(i):
            axis = i + (2 if first else 1)
            size = known[axis] if known[axis] is not None else sizes[axis]
            grown = size * strides[i]
            return grown + max(kernel_size[i] - strides[i], 0) if padding.lower() == "valid" else grown
        batch = known[0] if known[0] is not None else sizes[0]
        plane = [spatial(0), spatial(1)]
        shape = [batch, filters] + plane if first else [batch] + plane + [filters]
        x = nn.conv2d_transpose(inputs, kernel, shape, _window(strides, layout), padding.upper(), layout)
        x = nn.bias_add(x, bias, layout) if use_bias else x
        return _finish(x, activation, activity_regularizer)


def _pooling(fn, default_name):
    def layer(inputs, pool_size, strides, padding="valid", data_format="channels_last", name=None):
        layout = _format(data_format)
        with _core.name_scope(name, default_name):
            return fn(inputs, _window(pool_size, layout), _window(strides, layout), padding.upper(), layout)
    return layer


max_pooling2d = _pooling(nn.max_pool, "max_pooling2d")
average_pooling2d = _pooling(nn.avg_pool, "average_pooling2d")


def dropout(inputs, rate=0.5, noise_shape=None, seed=None, training=False, name=None):
    """Drops elements with probability `rate` when training (a bool or a bool tensor)."""
    with _core.name_scope(name, "dropout"):
        x = tensor(inputs)
        if not _core.is_tensor(training):
            return nn.dropout(x, 1 - rate, noise_shape, seed) if training else array_ops.identity(x)
        keep = array_ops.where(training, array_ops.constant(1 - rate, x.dtype), array_ops.constant(1.0, x.dtype))
        return nn.dropout(x, keep, noise_shape, seed)


def flatten(inputs, name=None):
    """[batch, all the rest]"""
    with _core.name_scope(name, "flatten"):
        x = tensor(inputs)
        rest = x.shape.as_list()[1:]
        known = None not in rest
        out = array_ops.reshape(x, array_ops.stack([array_ops.shape(x)[0], int(np.prod(rest)) if known else -1]))
        out.set_shape([x.shape[0].value, int(np.prod(rest)) if known else None])
        return out


def batch_normalization(inputs, axis=-1, momentum=0.99, epsilon=1e-3, center=True, scale=True,
                        beta_initializer=init_ops.Zeros(), gamma_initializer=init_ops.Ones(),
                        moving_mean_initializer=init_ops.Zeros(), moving_variance_initializer=init_ops.Ones(),
                        beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, gamma_constraint=None,
                        training=False, trainable=True, name=None, reuse=None, fused=None, **unused):
    """Normalises by the batch when training, by the moving averages otherwise; their updates join UPDATE_OPS."""
    if _core.is_tensor(training):
        raise NotImplementedError("tf.layers.batch_normalization: training as a tensor")
    x = tensor(inputs)
    rank = len(x.shape)
    axis %= rank
    if axis != rank - 1:
        raise NotImplementedError("tf.layers.batch_normalization: axis other than the last")
    size = [x.shape[axis].value]
    with variables.variable_scope(name, "batch_normalization", reuse=reuse):
        def make(key, initializer, regularizer=None, learns=True):
            return variables.get_variable(key, size, x.dtype, initializer, regularizer, trainable and learns)
        gamma = make("gamma", gamma_initializer, gamma_regularizer) if scale else array_ops.ones(size, x.dtype)
        beta = make("beta", beta_initializer, beta_regularizer) if center else array_ops.zeros(size, x.dtype)
        mean = make("moving_mean", moving_mean_initializer, learns=False)
        variance = make("moving_variance", moving_variance_initializer, learns=False)
        if rank == 4 and fused is not False:
            y, batch_mean, batch_variance = nn.fused_batch_norm(
                x, gamma, beta, None if training else mean, None if training else variance, epsilon,
                is_training=training)
        elif training:
            batch_mean, batch_variance = nn.moments(x, list(range(rank - 1)))
            y = nn.batch_normalization(x, batch_mean, batch_variance, beta, gamma, epsilon)
        else:
            return nn.batch_normalization(x, mean, variance, beta, gamma, epsilon)
        if training:
            for moving, now in ((mean, batch_mean), (variance, batch_variance)):
                step = variables.assign_sub(moving, (moving.value() - now) * (1 - momentum))
                _core.add_to_collection(GraphKeys.UPDATE_OPS, step.op)
        return y


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.layers.%s is not in this version" % name)
