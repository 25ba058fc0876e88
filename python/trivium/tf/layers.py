"""tf.layers: functions that make their variables in a scope of their own."""
import contextlib
import functools

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


def _triple(value):
    return [int(value)] * 3 if isinstance(value, (int, np.integer)) else [int(v) for v in value]


_opened = []  # scopes of layers as they are opened: a layer object keeps its own


@contextlib.contextmanager
def _open(name, default_name, reuse):
    with variables.variable_scope(name, default_name, reuse=reuse) as scope:
        _opened.append(scope)
        yield scope


def _weights(scope, name, shape, inputs, initializer, regularizer, trainable):
    return variables.get_variable(name, shape, inputs.dtype, initializer, regularizer, trainable)


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
    with _open(name, "dense", reuse):
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
    with _open(name, "conv2d", reuse):
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
    with _open(name, "conv2d_transpose", reuse):
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


def _pooling(fn, default_name, axes=2):
    def layer(inputs, pool_size, strides, padding="valid", data_format="channels_last", name=None):
        first = _format(data_format) == "NCHW"

        def wide(values):
            values = [int(values)] * axes if isinstance(values, (int, np.integer)) else [int(v) for v in values]
            return [1, 1] + values if first else [1] + values + [1]
        with _core.name_scope(name, default_name):
            if axes != 1:
                layout = ("NCHW", "NCDHW") if first else ("NHWC", "NDHWC")
                return fn(inputs, wide(pool_size), wide(strides), padding.upper(), layout[axes - 2])
            image = array_ops.expand_dims(inputs, 3 if first else 2)  # a plane that is one wide
            size, step = wide(pool_size), wide(strides)
            size.insert(3 if first else 2, 1)
            step.insert(3 if first else 2, 1)
            pooled = fn(image, size, step, padding.upper(), "NCHW" if first else "NHWC")
            return array_ops.squeeze(pooled, [3 if first else 2])
    layer.__name__ = default_name
    return layer


max_pooling2d = _pooling(nn.max_pool, "max_pooling2d")
average_pooling2d = _pooling(nn.avg_pool, "average_pooling2d")
max_pooling1d = _pooling(nn.max_pool, "max_pooling1d", 1)
average_pooling1d = _pooling(nn.avg_pool, "average_pooling1d", 1)
max_pooling3d = _pooling(nn.max_pool3d, "max_pooling3d", 3)
average_pooling3d = _pooling(nn.avg_pool3d, "average_pooling3d", 3)


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


def separable_conv2d(inputs, filters, kernel_size, strides=(1, 1), padding="valid", data_format="channels_last",
                     dilation_rate=(1, 1), depth_multiplier=1, activation=None, use_bias=True,
                     depthwise_initializer=None, pointwise_initializer=None, bias_initializer=init_ops.Zeros(),
                     depthwise_regularizer=None, pointwise_regularizer=None, bias_regularizer=None,
                     activity_regularizer=None, depthwise_constraint=None, pointwise_constraint=None,
                     bias_constraint=None, trainable=True, name=None, reuse=None):
    """A convolution of each channel by itself, then one of 1 x 1 across channels."""
    inputs, layout = tensor(inputs), _format(data_format)
    channels = inputs.shape[-1 if layout == "NHWC" else 1].value
    with _open(name, "separable_conv2d", reuse) as scope:
        depthwise = _weights(scope, "depthwise_kernel", _pair(kernel_size) + [channels, depth_multiplier], inputs,
                             depthwise_initializer, depthwise_regularizer, trainable)
        pointwise = _weights(scope, "pointwise_kernel", [1, 1, channels * depth_multiplier, filters], inputs,
                             pointwise_initializer, pointwise_regularizer, trainable)
        x = nn.separable_conv2d(inputs, depthwise, pointwise, _window(strides, layout), padding.upper(),
                                _pair(dilation_rate), data_format=layout)
        if use_bias:
            bias = _weights(scope, "bias", [filters], inputs, bias_initializer, bias_regularizer, trainable)
            x = nn.bias_add(x, bias, layout)
        return _finish(x, activation, activity_regularizer)


def conv1d(inputs, filters, kernel_size, strides=1, padding="valid", data_format="channels_last", dilation_rate=1,
           activation=None, use_bias=True, kernel_initializer=None, bias_initializer=init_ops.Zeros(),
           kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None,
           bias_constraint=None, trainable=True, name=None, reuse=None):
    inputs, layout = tensor(inputs), {"NHWC": "NWC", "NCHW": "NCW"}[_format(data_format)]
    channels = inputs.shape[-1 if layout == "NWC" else 1].value
    size, step, rate = (int(np.ravel(v)[0]) for v in (kernel_size, strides, dilation_rate))
    with _open(name, "conv1d", reuse) as scope:
        kernel = _weights(scope, "kernel", [size, channels, filters], inputs, kernel_initializer, kernel_regularizer,
                          trainable)
        x = nn.conv1d(inputs, kernel, step, padding.upper(), data_format=layout, dilations=rate)
        if use_bias:
            bias = _weights(scope, "bias", [filters], inputs, bias_initializer, bias_regularizer, trainable)
            x = nn.bias_add(x, bias, "NHWC" if layout == "NWC" else "NCHW")
        return _finish(x, activation, activity_regularizer)


def conv3d(inputs, filters, kernel_size, strides=(1, 1, 1), padding="valid", data_format="channels_last",
           dilation_rate=(1, 1, 1), activation=None, use_bias=True, kernel_initializer=None,
           bias_initializer=init_ops.Zeros(), kernel_regularizer=None, bias_regularizer=None,
           activity_regularizer=None, kernel_constraint=None, bias_constraint=None, trainable=True, name=None,
           reuse=None):
    inputs, first = tensor(inputs), _format(data_format) == "NCHW"
    layout = "NCDHW" if first else "NDHWC"
    channels = inputs.shape[1 if first else -1].value

    def wide(values):
        return [1, 1] + _triple(values) if first else [1] + _triple(values) + [1]
    with _open(name, "conv3d", reuse) as scope:
        kernel = _weights(scope, "kernel", _triple(kernel_size) + [channels, filters], inputs, kernel_initializer,
                          kernel_regularizer, trainable)
        x = nn.conv3d(inputs, kernel, wide(strides), padding.upper(), data_format=layout,
                      dilations=wide(dilation_rate))
        if use_bias:
            bias = _weights(scope, "bias", [filters], inputs, bias_initializer, bias_regularizer, trainable)
            x = nn.bias_add(x, bias, "NCHW" if first else "NHWC")
        return _finish(x, activation, activity_regularizer)


def _moving_step(moving, now, momentum):
    step = variables.assign_sub(moving, (moving.value() - now) * (1 - momentum))
    _core.add_to_collection(GraphKeys.UPDATE_OPS, step.op)


_UNUSED = {"renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99, "virtual_batch_size": None,
           "adjustment": None}


def batch_normalization(inputs, axis=-1, momentum=0.99, epsilon=1e-3, center=True, scale=True,
                        beta_initializer=init_ops.Zeros(), gamma_initializer=init_ops.Ones(),
                        moving_mean_initializer=init_ops.Zeros(), moving_variance_initializer=init_ops.Ones(),
                        beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, gamma_constraint=None,
                        training=False, trainable=True, name=None, reuse=None, fused=None, **more):
    """Normalises by the batch when training (a bool, or a bool tensor), by the moving averages otherwise; their
    updates join UPDATE_OPS."""
    for key, value in more.items():
        if key not in _UNUSED:
            raise TypeError("batch_normalization() got an unexpected keyword argument %r" % key)
        if value != _UNUSED[key]:
            raise NotImplementedError("tf.layers.batch_normalization: %s" % key)
    x = tensor(inputs)
    rank = len(x.shape)
    axis = (axis[0] if isinstance(axis, (list, tuple)) else axis) % rank
    size = [x.shape[axis].value]
    with _open(name, "batch_normalization", reuse) as scope:
        def make(key, initializer, regularizer=None, learns=True):
            return _weights(scope, key, size, x, initializer, regularizer, trainable and learns)
        gamma = make("gamma", gamma_initializer, gamma_regularizer) if scale else array_ops.ones(size, x.dtype)
        beta = make("beta", beta_initializer, beta_regularizer) if center else array_ops.zeros(size, x.dtype)
        mean = make("moving_mean", moving_mean_initializer, learns=False)
        variance = make("moving_variance", moving_variance_initializer, learns=False)
        layout = {3: "NHWC", 1: "NCHW"}.get(axis) if rank == 4 and fused is not False else None

        def normalised(now):
            if layout:
                return nn.fused_batch_norm(x, gamma, beta, None if now else mean, None if now else variance, epsilon,
                                           layout, now)
            wide = [1] * rank
            wide[axis] = size[0]

            def spread(v):
                return tensor(v) if axis == rank - 1 else array_ops.reshape(v, wide)
            m, v = nn.moments(x, [i for i in range(rank) if i != axis]) if now else (mean.value(), variance.value())
            return nn.batch_normalization(x, spread(m), spread(v), spread(beta), spread(gamma), epsilon), m, v
        if not _core.is_tensor(training):
            y, batch_mean, batch_variance = normalised(bool(training))
            if training:
                _moving_step(mean, batch_mean, momentum)
                _moving_step(variance, batch_variance, momentum)
            return y
        y, batch_mean, batch_variance = normalised(True)
        y = array_ops.where(math_ops.logical_and(training, array_ops.ones_like(x, dtype="bool")), y,
                            normalised(False)[0])
        kept = array_ops.where(training, tensor(float(momentum), x.dtype), tensor(1.0, x.dtype))
        _moving_step(mean, batch_mean, kept)
        _moving_step(variance, batch_variance, kept)
        return y


def _unconstrained(fn):
    """Refuses constraints of weights, which no optimizer here applies."""
    @functools.wraps(fn)
    def checked(*args, **kwargs):
        for key, value in kwargs.items():
            if key.endswith("_constraint") and value is not None:
                raise NotImplementedError("tf.layers.%s: %s" % (fn.__name__, key))
        return fn(*args, **kwargs)
    return checked


dense, conv1d, conv2d, conv3d = map(_unconstrained, (dense, conv1d, conv2d, conv3d))
conv2d_transpose, separable_conv2d, batch_normalization = map(_unconstrained, (
    conv2d_transpose, separable_conv2d, batch_normalization))


# ---- layers as objects

class Layer:
    """A layer that makes its variables at the first call and shares them at the later ones."""
    _function = None
    _places = ()

    def __init__(self, *args, **kwargs):
        kwargs.update(zip(self._places, args))
        self._given_name, self._dtype = kwargs.pop("name", None), kwargs.pop("dtype", None)
        self._reuse, self._kwargs, self._scope = kwargs.pop("_reuse", None), kwargs, None
        self.trainable = kwargs.get("trainable", True)

    def __call__(self, inputs, training=None, **more):
        kwargs = dict(self._kwargs, **more)
        if training is not None:
            kwargs["training"] = training
        fn = type(self)._function
        if self._scope is None:
            del _opened[:]
            result = fn(inputs, name=self._given_name, reuse=self._reuse, **kwargs)
            self._scope = _opened[0]
            return result
        return fn(inputs, name=self._scope, reuse=True, **kwargs)

    apply = __call__

    @property
    def name(self):
        return self._given_name if self._scope is None else self._scope.name

    @property
    def variables(self):
        if self._scope is None:
            return []
        return [v for v in variables.global_variables() if v.name.startswith(self._scope.name + "/")]

    weights = variables

    @property
    def trainable_variables(self):
        return [v for v in self.variables if v.trainable]

    trainable_weights = trainable_variables
    non_trainable_variables = property(lambda self: [v for v in self.variables if not v.trainable])

    def _variable(self, name):
        found = [v for v in self.variables if v.op.name == "%s/%s" % (self._scope.name, name)]
        if not found:
            raise AttributeError("layer %r has no variable %r (yet)" % (self.name, name))
        return found[0]

    kernel, bias = (property(lambda self, n=n: self._variable(n)) for n in ("kernel", "bias"))
    gamma, beta = (property(lambda self, n=n: self._variable(n)) for n in ("gamma", "beta"))


class _Plain(Layer):
    """A layer without variables."""

    def __call__(self, inputs, training=None, **more):
        kwargs = dict(self._kwargs, **more)
        if training is not None:
            kwargs["training"] = training
        return type(self)._function(inputs, name=self._given_name, **kwargs)

    apply = __call__
    variables = weights = trainable_variables = trainable_weights = ()


def _class(name, function, places, base=Layer):
    return type(name, (base,), {"_function": staticmethod(function), "_places": tuple(places.split()),
                                "__doc__": "The layer of tf.layers.%s." % function.__name__, "__module__": __name__})


Dense = _class("Dense", dense, "units activation use_bias kernel_initializer bias_initializer")
_CONV = "filters kernel_size strides padding data_format dilation_rate activation use_bias"
Conv1D, Conv2D, Conv3D = (_class(n, f, _CONV) for n, f in (("Conv1D", conv1d), ("Conv2D", conv2d), ("Conv3D", conv3d)))
SeparableConv2D = _class("SeparableConv2D", separable_conv2d,
                         "filters kernel_size strides padding data_format dilation_rate depth_multiplier activation")
Conv2DTranspose = _class("Conv2DTranspose", conv2d_transpose,
                         "filters kernel_size strides padding data_format activation use_bias")
BatchNormalization = _class("BatchNormalization", batch_normalization, "axis momentum epsilon center scale")
Dropout = _class("Dropout", dropout, "rate noise_shape seed", _Plain)
Flatten = _class("Flatten", flatten, "", _Plain)
MaxPooling2D = _class("MaxPooling2D", max_pooling2d, "pool_size strides padding data_format", _Plain)
AveragePooling2D = _class("AveragePooling2D", average_pooling2d, "pool_size strides padding data_format", _Plain)
MaxPooling1D = _class("MaxPooling1D", max_pooling1d, "pool_size strides padding data_format", _Plain)
AveragePooling1D = _class("AveragePooling1D", average_pooling1d, "pool_size strides padding data_format", _Plain)
MaxPooling3D = _class("MaxPooling3D", max_pooling3d, "pool_size strides padding data_format", _Plain)
AveragePooling3D = _class("AveragePooling3D", average_pooling3d, "pool_size strides padding data_format", _Plain)


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.layers.%s is not in this version" % name)
