"""tf.nn, losses, metrics, initializers, and the operations of exported graphs."""
import numpy as np
from surface import add, bad, f, i, pos

for name in ("relu", "relu6", "elu", "selu", "leaky_relu", "softplus", "softsign", "softmax", "log_softmax", "crelu"):
    add("nn." + name, lambda tf, x, n=name: getattr(tf.nn, n)(x), f(3, 4, low=-8, high=8), names=name != "crelu")
add("nn.swish", lambda tf, x: tf.nn.swish(x), f(3, 4), names=False)
add("softmax axis", lambda tf, x: [tf.nn.softmax(x, 0), tf.nn.log_softmax(x, axis=1)], f(2, 3, 2), names=False)
SOFT = np.abs(f(3, 4, seed=3))
add("softmax_cross_entropy_with_logits", lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=x), SOFT,
    f(3, 4))
add("softmax_cross_entropy_with_logits_v2", lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=x),
    SOFT, f(3, 4))
add("softmax_cross_entropy rank 3", lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=x),
    np.abs(f(2, 2, 3)), f(2, 2, 3, seed=1))
add("softmax_cross_entropy dim", lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=x, axis=0),
    SOFT, f(3, 4), names=False)
add("sparse_softmax_cross_entropy_with_logits",
    lambda tf, y, x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x), np.array([0, 3, 1], np.int32), f(3, 4))
add("sparse_softmax rank 3", lambda tf, y, x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x),
    np.array([[0, 2], [1, 1]], np.int64), f(2, 2, 3), names=False)
add("sigmoid_cross_entropy_with_logits", lambda tf, y, x: tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x), SOFT,
    f(3, 4), names=False)
add("weighted_cross_entropy_with_logits",
    lambda tf, y, x: tf.nn.weighted_cross_entropy_with_logits(labels=y, logits=x, pos_weight=2.0), SOFT, f(3, 4), names=False)
add("log_poisson_loss", lambda tf, y, x: [tf.nn.log_poisson_loss(y, x), tf.nn.log_poisson_loss(y, x, True)],
    pos(4), f(4, seed=1), names=False)
add("l2_loss", lambda tf, x: tf.nn.l2_loss(x), f(3, 4))

for padding in ("SAME", "VALID"):
    for stride in (1, 2):
        tag = " %s %d" % (padding, stride)
        add("conv2d" + tag, lambda tf, x, w, p=padding, s=stride: tf.nn.conv2d(x, w, [1, s, s, 1], p), f(2, 6, 5, 2),
            f(3, 2, 2, 3, seed=1))
        for kind in ("max_pool", "avg_pool"):
            add(kind + tag, lambda tf, x, k=kind, p=padding, s=stride: getattr(tf.nn, k)(x, [1, 3, 2, 1], [1, s, s, 1], p),
                f(2, 6, 5, 2))
        add("depthwise_conv2d" + tag, lambda tf, x, w, p=padding, s=stride: tf.nn.depthwise_conv2d(x, w, [1, s, s, 1], p),
            f(1, 5, 5, 2), f(2, 2, 2, 2, seed=1))
add("conv2d dilated", lambda tf, x, w: tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME", dilations=[1, 2, 2, 1]), f(1, 6, 6, 1),
    f(3, 3, 1, 2, seed=1), grad=False)
add("conv2d explicit", lambda tf, x, w: tf.nn.conv2d(x, w, [1, 2, 1, 1], [[0, 0], [1, 2], [0, 1], [0, 0]]), f(1, 5, 4, 2),
    f(3, 2, 2, 2, seed=1))
add("conv2d_transpose", lambda tf, x, w: [tf.nn.conv2d_transpose(x, w, [1, 6, 6, 2], [1, 2, 2, 1]),
                                          tf.nn.conv2d_transpose(x, w, [1, 7, 7, 2], [1, 2, 2, 1], "VALID")],
    f(1, 3, 3, 2), f(3, 3, 2, 2, seed=1))
add("conv2d_backprop_filter", lambda tf, x, d: tf.nn.conv2d_backprop_filter(x, [2, 2, 2, 3], d, [1, 1, 1, 1], "VALID"),
    f(1, 4, 4, 2), f(1, 3, 3, 3, seed=1))
add("conv2d_backprop_input", lambda tf, w, d: tf.nn.conv2d_backprop_input([1, 4, 4, 2], w, d, [1, 1, 1, 1], "VALID"),
    f(2, 2, 2, 3), f(1, 3, 3, 3, seed=1))
add("depthwise backprops", lambda tf, x, w, d: [
    tf.nn.depthwise_conv2d_native_backprop_input([1, 4, 4, 2], w, d, [1, 1, 1, 1], "VALID"),
    tf.nn.depthwise_conv2d_native_backprop_filter(x, [2, 2, 2, 2], d, [1, 1, 1, 1], "VALID")],
    f(1, 4, 4, 2), f(2, 2, 2, 2, seed=1), f(1, 3, 3, 4, seed=2))
add("separable_conv2d", lambda tf, x, d, p: tf.nn.separable_conv2d(x, d, p, [1, 1, 1, 1], "SAME"), f(1, 4, 4, 2),
    f(2, 2, 2, 2, seed=1), f(1, 1, 4, 3, seed=2))
add("atrous_conv2d", lambda tf, x, w: tf.nn.atrous_conv2d(x, w, 2, "SAME"), f(1, 6, 6, 1), f(3, 3, 1, 2, seed=1), names=False)
add("conv1d", lambda tf, x, w: [tf.nn.conv1d(x, w, 1, "SAME"), tf.nn.conv1d(x, w, 2, "VALID")], f(2, 6, 2), f(3, 2, 2, seed=1),
    names=False)
add("conv3d", lambda tf, x, w: [tf.nn.conv3d(x, w, [1, 1, 1, 1, 1], "SAME"), tf.nn.conv3d(x, w, [1, 2, 1, 1, 1], "VALID")],
    f(1, 4, 3, 3, 2), f(2, 2, 2, 2, 2, seed=1))
add("convolution", lambda tf, x, w: [tf.nn.convolution(x, w, "SAME"), tf.nn.convolution(x, w, "VALID", strides=[2, 1])],
    f(1, 5, 4, 2), f(2, 2, 2, 3, seed=1))
add("convolution dilated", lambda tf, x, w: tf.nn.convolution(x, w, "SAME", dilation_rate=[2, 2]), f(1, 6, 6, 1),
    f(3, 3, 1, 2, seed=1), names=False)
add("pool", lambda tf, x: [tf.nn.pool(x, [2, 2], "MAX", "SAME"), tf.nn.pool(x, [2, 2], "AVG", "VALID", strides=[2, 2])],
    f(1, 4, 5, 2), names=False)
add("pool3d", lambda tf, x: [tf.nn.max_pool3d(x, [1, 2, 2, 2, 1], [1, 1, 1, 1, 1], "VALID"),
                             tf.nn.avg_pool3d(x, [1, 2, 2, 2, 1], [1, 2, 2, 2, 1], "SAME")], f(1, 3, 4, 3, 2))
add("max_pool_with_argmax", lambda tf, x: tuple(tf.nn.max_pool_with_argmax(x, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")),
    f(2, 4, 4, 2))
add("bias_add", lambda tf, x, b: [tf.nn.bias_add(x, b)], f(2, 3, 4), f(4, seed=1))
add("bias_add channels first", lambda tf, x, b: tf.nn.bias_add(x, b, "NCHW"), f(2, 3, 2, 2), f(3, seed=1))
add("dropout", lambda tf, x: tf.nn.dropout(x, 0.5, seed=42), np.ones(8, np.float32), names=False)
add("dropout noise_shape", lambda tf, x: tf.nn.dropout(x, 0.5, [4, 1], seed=42), f(4, 3), names=False)
add("embedding_lookup", lambda tf, w, k: tf.nn.embedding_lookup(w, k), f(4, 3), np.array([[1, 0], [3, 1]], np.int32))
add("embedding_lookup max_norm", lambda tf, w, k: tf.nn.embedding_lookup(w, k, max_norm=1.0), f(4, 3),
    np.array([1, 0, 3], np.int32), names=False)
for strategy in ("mod", "div"):
    add("embedding_lookup " + strategy, lambda tf, a, b, k, s=strategy: tf.nn.embedding_lookup([a, b], k, s), f(3, 2),
        f(2, 2, seed=1), np.array([4, 0, 3, 1, 2], np.int32), names=False)
add("nce_loss", lambda tf, w, b, x: (tf.set_random_seed(7), tf.nn.nce_loss(w, b, tf.constant([[1], [4]]), x, 3, 10))[1], f(10, 4), f(10, seed=1),
    f(2, 4, seed=2), names=False)
add("sampled_softmax_loss", lambda tf, w, b, x: tf.nn.sampled_softmax_loss(w, b, tf.constant([[1], [4]]), x, 5, 10, seed=3), f(10, 4),
    f(10, seed=1), f(2, 4, seed=2), names=False)
add("moments", lambda tf, x: [tf.nn.moments(x, [0]), tf.nn.moments(x, [0, 1], keep_dims=True)], f(4, 3))
add("batch_normalization", lambda tf, x, m, v, b, g: tf.nn.batch_normalization(x, m, v, b, g, 1e-3), f(4, 3), f(3, seed=1),
    pos(3, seed=2), f(3, seed=3), pos(3, seed=4))
add("fused_batch_norm", lambda tf, x, g, b: tuple(tf.nn.fused_batch_norm(x, g, b, epsilon=0.01)), f(2, 3, 3, 2), pos(2, seed=1),
    f(2, seed=2), names=False, shapes=False)
add("fused_batch_norm inference", lambda tf, x, g, b, m, v: tf.nn.fused_batch_norm(x, g, b, m, v, 0.01, is_training=False)[0],
    f(2, 3, 3, 2), pos(2, seed=1), f(2, seed=2), f(2, seed=3), pos(2, seed=4), grad=False, names=False)
add("lrn", lambda tf, x: [tf.nn.lrn(x, 1, 1.0, 0.5, 0.75), tf.nn.local_response_normalization(x)], f(1, 2, 2, 5))
add("l2_normalize", lambda tf, x: [tf.nn.l2_normalize(x, 1), tf.nn.l2_normalize(x)], f(2, 3), names=False)
add("zero_fraction", lambda tf, x: tf.nn.zero_fraction(x), np.array([0, 1, 0, 3], np.float32), names=False, grad=False)
add("top_k", lambda tf, x: tuple(tf.nn.top_k(x, 2)), np.array([[1, 3, 3, 0], [2, 2, 1, 5]], np.float32))
add("in_top_k", lambda tf, x, y: tf.nn.in_top_k(x, y, 2), np.array([[1, 3, 3, 0], [2, 2, 1, 5]], np.float32),
    np.array([0, 1], np.int32))
add("xw_plus_b", lambda tf, x, w, b: tf.nn.xw_plus_b(x, w, b), f(2, 3), f(3, 2, seed=1), f(2, seed=2))
add("sufficient_statistics", lambda tf, x: [t for t in tf.nn.sufficient_statistics(x, [0]) if t is not None], f(4, 3), names=False)
add("weighted_moments", lambda tf, x, w: tf.nn.weighted_moments(x, [0], w), f(4, 3), pos(4, 1), names=False)

LOSSES = {"absolute_difference": f(3, 2), "mean_squared_error": f(3, 2), "huber_loss": f(3, 2)}
for name, y in LOSSES.items():
    for reduction in ("none", "weighted_sum", "weighted_mean", "weighted_sum_over_batch_size",
                      "weighted_sum_by_nonzero_weights"):
        add("losses.%s %s" % (name, reduction), lambda tf, y, x, n=name, r=reduction: getattr(tf.losses, n)(
            y, x, weights=np.array([[1.], [0.], [2.]], np.float32), reduction=r), y, f(3, 2, seed=1, low=-4, high=4), names=False)
    add("losses." + name, lambda tf, y, x, n=name: getattr(tf.losses, n)(y, x), y, f(3, 2, seed=1), names=True)
BITS = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
add("losses.log_loss", lambda tf, y, x: tf.losses.log_loss(y, x), BITS, f(3, 2, low=0.1, high=0.9))
add("losses.hinge_loss", lambda tf, y, x: tf.losses.hinge_loss(y, x), BITS, f(3, 2))
add("losses.cosine_distance", lambda tf, y, x: tf.losses.cosine_distance(y, x, axis=1), f(3, 2), f(3, 2, seed=1))
add("losses.softmax_cross_entropy", lambda tf, y, x: [tf.losses.softmax_cross_entropy(y, x),
                                                      tf.losses.softmax_cross_entropy(y, x, label_smoothing=0.1)], BITS, f(3, 2))
add("losses.sparse_softmax_cross_entropy", lambda tf, y, x: tf.losses.sparse_softmax_cross_entropy(y, x),
    np.array([1, 0, 1], np.int32), f(3, 2))
add("losses.sigmoid_cross_entropy", lambda tf, y, x: [tf.losses.sigmoid_cross_entropy(y, x),
                                                      tf.losses.sigmoid_cross_entropy(y, x, label_smoothing=0.1)], BITS, f(3, 2))
add("losses.get_total_loss", lambda tf, y, x: (tf.losses.mean_squared_error(y, x), tf.losses.absolute_difference(y, x),
                                               tf.losses.get_total_loss())[2], f(3), f(3, seed=1))
add("losses zero weights", lambda tf, y, x: tf.losses.mean_squared_error(y, x, 0.0), f(3), f(3, seed=1), grad=False)


def twice(tf, *metrics):
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        out = list(sess.run([m[0] for m in metrics]))
        for _ in range(2):
            out += sess.run([m[1] for m in metrics])
        out += sess.run([m[0] for m in metrics])
        return [tf.constant(np.asarray(v, np.float32)) for v in out]


Y, P = np.array([1, 0, 1, 1, 0], np.int64), np.array([1, 1, 1, 0, 0], np.int64)
W = np.array([1, 2, 1, 0, 1], np.float32)
add("metrics.accuracy", lambda tf, y, p: twice(tf, tf.metrics.accuracy(y, p), tf.metrics.accuracy(y, p, W)), Y, P, names=False)
add("metrics.mean", lambda tf, x: twice(tf, tf.metrics.mean(x), tf.metrics.mean(x, W)), f(5), names=False, grad=False)
for name in ("precision", "recall", "true_positives", "false_positives", "true_negatives", "false_negatives"):
    add("metrics." + name, lambda tf, y, p, n=name: twice(tf, getattr(tf.metrics, n)(y, p), getattr(tf.metrics, n)(y, p, W)), Y, P,
        names=False)
for name in ("mean_absolute_error", "mean_squared_error", "root_mean_squared_error"):
    add("metrics." + name, lambda tf, y, p, n=name: twice(tf, getattr(tf.metrics, n)(y, p)), f(4), f(4, seed=1), names=False, grad=False)
add("metrics.auc", lambda tf, y, p: twice(tf, tf.metrics.auc(y, p)), Y, np.array([.9, .4, .35, .8, .1], np.float32), names=False, grad=False)
add("metrics.mean_iou", lambda tf, y, p: twice(tf, tf.metrics.mean_iou(y, p, 2))[-1], Y, P, names=False)
add("metrics.mean_per_class_accuracy", lambda tf, y, p: twice(tf, tf.metrics.mean_per_class_accuracy(y, p, 2))[-1], Y, P, names=False)
add("metrics.percentage_below", lambda tf, x: twice(tf, tf.metrics.percentage_below(x, 0.5)), f(5), names=False, grad=False)
add("metrics names", lambda tf, y, p: tf.metrics.accuracy(y, p)[1], Y, P, shapes=False)

for name, make in {"zeros": "tf.zeros_initializer()", "ones": "tf.ones_initializer()",
                   "constant": "tf.constant_initializer(2.5)", "constant list": "tf.constant_initializer([1, 2, 3, 4, 5, 6])",
                   "random_uniform": "tf.random_uniform_initializer(-1, 1, seed=4)",
                   "random_normal": "tf.random_normal_initializer(1.0, 2.0, seed=4)",
                   "truncated_normal": "tf.truncated_normal_initializer(seed=4)",
                   "glorot_uniform": "tf.glorot_uniform_initializer(seed=4)",
                   "glorot_normal": "tf.glorot_normal_initializer(seed=4)",
                   "variance_scaling": "tf.variance_scaling_initializer(2.0, 'fan_out', 'uniform', seed=4)",
                   "he_normal": "tf.initializers.he_normal(seed=4)", "he_uniform": "tf.initializers.he_uniform(seed=4)",
                   "lecun_normal": "tf.initializers.lecun_normal(seed=4)",
                   "lecun_uniform": "tf.initializers.lecun_uniform(seed=4)",
                   "uniform_unit_scaling": "tf.uniform_unit_scaling_initializer(seed=4)",
                   "orthogonal": "tf.orthogonal_initializer(seed=4)", "identity": "tf.initializers.identity(2.0)"}.items():
    add("initializer " + name, lambda tf, m=make: eval(m, {"tf": tf})([2, 3]), names=False)

# ---- operations of exported graphs, by their own names
RAW = {"SigmoidGrad": ("y dy", pos(3), f(3)), "TanhGrad": ("y dy", f(3, low=-.9, high=.9), f(3)),
       "SqrtGrad": ("y dy", pos(3), f(3)), "RsqrtGrad": ("y dy", pos(3), f(3)), "ReciprocalGrad": ("y dy", pos(3), f(3)),
       "ReluGrad": ("gradients features", f(3), f(3, seed=1)), "Relu6Grad": ("gradients features", f(3), f(3, seed=1, high=9)),
       "EluGrad": ("gradients outputs", f(3), f(3, seed=1, low=-.9)), "SeluGrad": ("gradients outputs", f(3), f(3, seed=1)),
       "SoftplusGrad": ("gradients features", f(3), f(3, seed=1)), "SoftsignGrad": ("gradients features", f(3), f(3, seed=1)),
       "LeakyReluGrad": ("gradients features", f(3), f(3, seed=1)), "BiasAddGrad": ("out_backprop", f(2, 2, 3)),
       "BroadcastGradientArgs": ("s0 s1", np.array([2, 3, 1], np.int32), np.array([3, 4], np.int32)),
       "SelectV2": ("condition t e", np.array([True, False]), f(2, 2), f(2, seed=1)), "IdentityN": ("", f(2)),
       "Snapshot": ("input", f(2))}


def raw(tf, kind, names, xs):
    op = getattr(tf.raw_ops, kind)
    return op(input=list(xs)) if not names else op(**dict(zip(names.split(), xs)))


for kind, (names, *inputs) in RAW.items():
    add("raw " + kind, lambda tf, *xs, k=kind, n=names: raw(tf, k, n, xs), *inputs, grad=False,
        shapes=kind != "BroadcastGradientArgs")
IMAGE = f(1, 4, 4, 2)
add("raw MaxPoolGrad", lambda tf, x, d: tf.raw_ops.MaxPoolGrad(
    orig_input=x, orig_output=tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "VALID"), grad=d, ksize=[1, 2, 2, 1],
    strides=[1, 2, 2, 1], padding="VALID"), IMAGE, f(1, 2, 2, 2, seed=1), grad=False)
add("raw AvgPoolGrad", lambda tf, d: tf.raw_ops.AvgPoolGrad(
    orig_input_shape=[1, 5, 4, 2], grad=d, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME"), f(1, 3, 2, 2), grad=False)
add("raw LRNGrad", lambda tf, d, x: tf.raw_ops.LRNGrad(input_grads=d, input_image=x, output_image=tf.nn.lrn(x, 1),
                                                       depth_radius=1), f(1, 2, 2, 4), f(1, 2, 2, 4, seed=1), grad=False)
add("raw MaxPoolV2", lambda tf, x: tf.raw_ops.MaxPoolV2(input=x, ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="SAME"), IMAGE)

bad("conv window", lambda tf: tf.nn.conv2d(tf.placeholder("float", [1, 2, 2, 1]), tf.zeros([3, 3, 1, 1]), [1, 1, 1, 1], "VALID"),
    "Negative dimension size caused by subtracting 3 from 2 for ")
bad("pool window", lambda tf: tf.nn.max_pool(tf.placeholder("float", [1, 2, 2, 1]), [1, 3, 3, 1], [1, 1, 1, 1], "VALID"),
    "Negative dimension size caused by subtracting 3 from 2 for ")
bad("softmax of ints", lambda tf: tf.nn.softmax(tf.constant([1])), "has DataType int32 not in list of allowed values")
bad("sparse labels", lambda tf: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.zeros([2], tf.int32), logits=tf.zeros([2])),
    "Rank mismatch: ")
bad("bad label", lambda tf: tf.Session().run(tf.nn.sparse_softmax_cross_entropy_with_logits(
    labels=tf.placeholder_with_default([10], [1]), logits=tf.zeros([1, 10]))),
    "Received a label value of 10 which is outside the valid range of [0, 10).")
bad("batch norm inference", lambda tf: tf.nn.fused_batch_norm(tf.zeros([1, 2, 2, 1]), [1.], [0.], is_training=False), "mean")
bad("loss shapes", lambda tf: tf.losses.mean_squared_error(tf.zeros([3]), tf.zeros([2])), ") are incompatible")
bad("check_numerics", lambda tf: tf.Session().run(tf.check_numerics(tf.placeholder_with_default([np.nan], [1]), "here")),
    "here : Tensor had NaN values")
bad("assert_equal", lambda tf: tf.assert_equal(1, 2), "Condition x == y did not hold")
