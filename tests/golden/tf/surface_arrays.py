"""Shapes, slices, rows by index, rearrangement, random numbers."""
import numpy as np
from surface import add, bad, f, i, pos

X = f(2, 3, 4)
add("shape", lambda tf, x: [tf.shape(x), tf.size(x), tf.rank(x), tf.shape(x, out_type=tf.int64)], X)
add("shape unknown", lambda tf, x: (lambda p: [tf.shape(p), tf.size(p), tf.rank(p)])(
    tf.placeholder_with_default(x, [None, None, 4])), X)
add("shape_n", lambda tf, x, y: tf.shape_n([x, y]), X, f(2))
add("reshape", lambda tf, x: [tf.reshape(x, [4, -1]), tf.reshape(x, [-1]), tf.reshape(x, [24])], X)
add("reshape by shape", lambda tf, x: (lambda p: tf.reshape(p, tf.stack([tf.shape(p)[0], 12])))(
    tf.placeholder_with_default(x, [None, 3, 4])), X)
add("expand_dims", lambda tf, x: [tf.expand_dims(x, 0), tf.expand_dims(x, -1), tf.expand_dims(x, 2)], X)
add("squeeze", lambda tf, x: [tf.squeeze(x), tf.squeeze(x, [0]), tf.squeeze(x, -1)], f(1, 3, 1))
add("transpose", lambda tf, x: [tf.transpose(x), tf.transpose(x, [1, 0, 2]), tf.matrix_transpose(x)], X, names=False)
add("transpose names", lambda tf, x: tf.transpose(x, [1, 0, 2]), X)
add("concat", lambda tf, x, y: [tf.concat([x, y], 1), tf.concat([y, x], -2)], f(2, 3), f(2, 3, seed=1))
add("stack", lambda tf, x, y: [tf.stack([x, y]), tf.stack([x, y], 1), tf.stack([x, y], -1)], f(2, 3), f(2, 3, seed=1))
add("unstack", lambda tf, x: [tf.unstack(x), tf.unstack(x, axis=1)], X)
add("split", lambda tf, x: [tf.split(x, 2, 2), tf.split(x, [1, -1], 1), tf.split(x, [1, 2], axis=1)], X)
add("slice", lambda tf, x: tf.slice(x, [0, 1, 0], [2, -1, 3]), X)
add("slice moving", lambda tf, x, b: tf.slice(x, tf.placeholder_with_default(b, [3]), [1, 2, 2]), X,
    np.array([1, 0, 2], np.int32))
for text in ("x[0]", "x[:, 1]", "x[0, ::2, 1:]", "x[..., ::-1]", "x[:, tf.newaxis, -1]", "x[1:, ..., 2]", "x[:, :, -3:-1]",
             "x[::-1, ::-2]", "x[..., tf.newaxis]", "x[1, 2, 3]", "x[5:]", "x[tf.constant(1)]"):
    add("index " + text, lambda tf, x, t=text: eval(t, {"x": x, "tf": tf}), X)
add("index by a run's number", lambda tf, x, k: (lambda n: [x[n], x[:, n], x[..., -1 - n], x[n, 1:]])(
    tf.placeholder_with_default(k, [])), X, np.array(1, np.int32), names=False, shapes=False)
add("strided_slice", lambda tf, x: tf.strided_slice(x, [0, 1], [2, 3], [1, 1]), X)
for axis in (0, 1, 2):
    add("gather %d" % axis, lambda tf, x, k, a=axis: tf.gather(x, k, axis=a), X, np.array([[1, 0], [1, 1]], np.int32))
add("gather_nd", lambda tf, x, k: tf.gather_nd(x, k), X, np.array([[0, 1], [1, 2], [0, 1]], np.int32))
add("gather_nd full", lambda tf, x, k: tf.gather_nd(x, k), X, np.array([[[0, 1, 3]], [[1, 2, 0]]], np.int32))
add("batch_gather", lambda tf, x, k: tf.batch_gather(x, k), f(2, 3, 2), np.array([[2, 0], [1, 1]], np.int32), names=False)
add("boolean_mask", lambda tf, x, m: tf.boolean_mask(x, m), f(3, 2), np.array([True, False, True]))
add("boolean_mask matrix", lambda tf, x, m: tf.boolean_mask(x, m), f(2, 3), np.array([[True, False, True], [False, True, False]]))
add("boolean_mask axis", lambda tf, x, m: tf.boolean_mask(x, m, axis=1), f(2, 3), np.array([True, False, True]))
add("where places", lambda tf, c: tf.where(c), np.array([[True, False], [True, True]]))
add("where", lambda tf, c, x, y: tf.where(c, x, y), np.array([True, False]), f(2), f(2, seed=1))
add("where rows", lambda tf, c, x, y: tf.where(c, x, y), np.array([True, False]), f(2, 3), f(2, 3, seed=1))
add("zeros", lambda tf, x: [tf.zeros([2, 3]), tf.ones([2], tf.int32), tf.zeros_like(x), tf.ones_like(x),
                            tf.zeros_like(x, dtype=tf.int32), tf.fill([2, 2], 7), tf.fill([3], 1.5)], f(2), names=False)
add("zeros names", lambda tf, x: [tf.zeros([2, 3]), tf.ones([2]), tf.fill([2, 2], 7)], f(2))
add("range", lambda tf: [tf.range(3, 10, 2), tf.range(4), tf.range(5, 1, -1), tf.range(0., 1., 0.25)])
add("one_hot", lambda tf, k: [tf.one_hot(k, 4), tf.one_hot(k, 3, on_value=5, off_value=-1), tf.one_hot(k, 4, axis=0),
                              tf.one_hot(k, 4, dtype=tf.int32)], np.array([0, 2, 5, -1], np.int32))
add("tile", lambda tf, x: [tf.tile(x, [1, 2, 1]), tf.tile(x, [2, 1, 3])], f(2, 1, 2))
add("pad", lambda tf, x: [tf.pad(x, [[1, 0], [1, 2]]), tf.pad(x, [[1, 1], [2, 1]], "REFLECT"),
                          tf.pad(x, [[1, 1], [2, 3]], "symmetric"), tf.pad(x, [[0, 1], [1, 0]], constant_values=9.)], f(2, 3))
add("reverse", lambda tf, x: [tf.reverse(x, [0]), tf.reverse(x, [-1, 1])], X)
add("reverse_sequence", lambda tf, x, n: tf.reverse_sequence(x, n, seq_axis=1, batch_axis=0), f(2, 4, 2),
    np.array([3, 1], np.int32))
add("reverse_sequence time", lambda tf, x, n: tf.reverse_sequence(x, n, seq_axis=0, batch_axis=1), f(4, 2),
    np.array([3, 4], np.int64))
add("sequence_mask", lambda tf, n: [tf.sequence_mask(n, 5), tf.sequence_mask(n, 4, tf.float32)], np.array([1, 3, 2], np.int32),
    names=False)
add("space_to_batch_nd", lambda tf, x: tf.space_to_batch_nd(x, [2, 2], [[0, 1], [1, 0]]), f(2, 3, 3, 1))
add("batch_to_space_nd", lambda tf, x: tf.batch_to_space_nd(x, [2, 2], [[0, 1], [1, 0]]), f(8, 2, 2, 1))
add("space_to_depth", lambda tf, x: tf.space_to_depth(x, 2), f(1, 4, 2, 2))
add("depth_to_space", lambda tf, x: tf.depth_to_space(x, 2), f(1, 2, 1, 8))
add("scatter_nd", lambda tf, k, u: tf.scatter_nd(k, u, [4, 2]), np.array([[0], [2], [0]], np.int32), f(3, 2))
add("scatter_nd points", lambda tf, k, u: tf.scatter_nd(k, u, [2, 3]), np.array([[0, 1], [1, 2]], np.int32), f(2))
add("dynamic_stitch", lambda tf, x, y: tf.dynamic_stitch([[0, 2], [1, 3]], [x, y]), f(2, 3), f(2, 3, seed=1))
add("dynamic_stitch over", lambda tf, x, y: tf.dynamic_stitch([[0, 1], [1, 0]], [x, y]), f(2), f(2, seed=1), grad=False)
add("dynamic_partition", lambda tf, x, p: tf.dynamic_partition(x, p, 3), f(4, 2), np.array([0, 2, 0, 2], np.int32))
add("meshgrid", lambda tf, x, y: [tf.meshgrid(x, y), tf.meshgrid(x, y, indexing="ij")], f(2), f(3, seed=1), names=False)
add("broadcast_to", lambda tf, x: tf.broadcast_to(x, [2, 3]), f(3))
add("invert_permutation", lambda tf, p: tf.invert_permutation(p), np.array([2, 0, 1], np.int32))
add("setdiff1d", lambda tf, x, y: tuple(tf.setdiff1d(x, y)), np.array([1, 2, 3, 2, 5], np.int32), np.array([2], np.int32))
add("unique", lambda tf, x: tuple(tf.unique(x)), np.array([3, 1, 3, 2, 1], np.int32))
add("unique_with_counts", lambda tf, x: tuple(tf.unique_with_counts(x, out_idx=tf.int64)), np.array([3, 1, 3, 2, 1], np.int64))
add("diag", lambda tf, x: [tf.diag(x), tf.diag_part(tf.diag(x))], f(3), names=False)
add("matrix_diag", lambda tf, x: [tf.matrix_diag(x), tf.matrix_diag_part(tf.matrix_diag(x))], f(2, 3), names=False)
add("matrix_diag_part wide", lambda tf, x: tf.matrix_diag_part(x), f(2, 4), names=False)
add("matrix_set_diag", lambda tf, x, d: tf.matrix_set_diag(x, d), f(2, 3, 2), f(2, 2, seed=1), names=False)
add("matrix_band_part", lambda tf, x: [tf.matrix_band_part(x, 1, 0), tf.matrix_band_part(x, 0, -1)], f(3, 4))
add("eye", lambda tf: [tf.eye(2), tf.eye(2, 3), tf.eye(2, batch_shape=[2])], names=False)
add("guarantee_const", lambda tf, x: tf.guarantee_const(x), f(2), names=False, grad=False)
add("sparse_to_dense", lambda tf, k: [tf.sparse_to_dense(k, [4], 1.0), tf.sparse_to_dense(k, [4], 2, default_value=-1)],
    np.array([1, 3], np.int32), names=False)
add("sparse_tensor_dense_matmul", lambda tf, v, b: tf.sparse_tensor_dense_matmul(
    tf.SparseTensor([[0, 1], [2, 0]], v, [3, 2]), b), f(2), f(2, 2, seed=1), names=False)
add("sparse_tensor_to_dense", lambda tf, v: tf.sparse_tensor_to_dense(tf.SparseTensor([[0, 1], [2, 0]], v, [3, 2])), f(2),
    names=False, grad=False)
add("constant", lambda tf: [tf.constant(3), tf.constant([1., 2]), tf.constant(1, shape=[2, 2]),
                            tf.constant([1, 2], shape=[4]), tf.constant(2, tf.float64), tf.constant(np.arange(3)),
                            tf.constant([np.float64(1)]), tf.constant(True)])
add("packed", lambda tf, x: [tf.convert_to_tensor([x, 2.0]), tf.add(x, [1.0, 2.0][0])], np.array(3, np.float32))


def seeded(tf):
    tf.set_random_seed(1234)
    return tf


add("random_uniform", lambda tf: [tf.random_uniform([5], seed=42), tf.random_uniform([3], -2.0, 3.0, seed=1)], names=False)
add("random_uniform int", lambda tf: [tf.random_uniform([5], 0, 1000, tf.int32, seed=42),
                                      tf.random_uniform([3], 0, 10 ** 12, tf.int64, seed=42)])
add("random_uniform double", lambda tf: tf.random_uniform([3], dtype=tf.float64, seed=42), names=False)
add("random_uniform half", lambda tf: tf.random_uniform([4], dtype=tf.float16, seed=42), names=False)
add("random_normal", lambda tf: [tf.random_normal([5], seed=42), tf.random_normal([2, 3], 5.0, 0.5, seed=7)])
add("random_normal by tensors", lambda tf, m, s: tf.random_normal([3], m, s, seed=7), f(3), pos(3))
add("truncated_normal", lambda tf: tf.truncated_normal([9], seed=42))
add("random_shuffle", lambda tf, x: tf.random_shuffle(x, seed=42), np.arange(8, dtype=np.int32))
add("graph seed", lambda tf: (seeded(tf), [tf.random_uniform([2]), tf.random_uniform([2])])[1], names=False)
add("multinomial", lambda tf, x: (tf.set_random_seed(1234), tf.multinomial(x, 5, seed=42))[1],
    np.log(np.array([[.1, .2, .3, .4], [.7, .1, .1, .1]], np.float32)))
add("random_crop", lambda tf, x: tf.random_crop(x, [2, 2, 3], seed=42), f(4, 5, 3), names=False)
add("log_uniform_candidate_sampler", lambda tf, y: (tf.set_random_seed(7), tuple(
    tf.nn.log_uniform_candidate_sampler(y, 1, 8, True, 100, seed=3)))[1], np.array([[1], [50]], np.int64), names=False)
add("log_uniform with repeats", lambda tf, y: tuple(tf.nn.log_uniform_candidate_sampler(y, 1, 6, False, 10, seed=3)),
    np.array([[1], [5]], np.int64), names=False)

bad("reshape count", lambda tf: tf.reshape(tf.placeholder("float", [2, 3]), [4]),
    "Cannot reshape a tensor with 6 elements to shape [4] (4 elements) for ")
bad("reshape divides", lambda tf: tf.reshape(tf.placeholder("float", [2, 3]), [4, -1]),
    "Dimension size must be evenly divisible by 4 but is 6 for ")
bad("squeeze axis", lambda tf: tf.squeeze(tf.placeholder("float", [2, 3]), [0]),
    "Can not squeeze dim[0], expected a dimension of 1, got 2 for ")
bad("range", lambda tf: tf.range(3, 0), "Requires start <= limit when delta > 0: 3/0 for ")
bad("index outside", lambda tf: tf.placeholder("float", [2])[5], "slice index 5 of dimension 0 out of bounds")
bad("unstack", lambda tf: tf.unstack(tf.placeholder("float", [None, 2])), "Cannot infer ")
bad("float index", lambda tf: tf.constant([1, 2])[1.5], "")
bad("gather outside", lambda tf: tf.Session().run(tf.gather(tf.constant([1, 2]), tf.placeholder_with_default([5], [1]))),
    "indices[0] = 5 is not in [0, 2)")
bad("concat shapes", lambda tf: tf.concat([tf.placeholder("float", [2, 3]), tf.placeholder("float", [3, 3])], 1), "imension")
bad("stack shapes", lambda tf: tf.stack([tf.placeholder("float", [2]), tf.placeholder("float", [3])]),
    "From merging shape 0 with other shapes. for ")
bad("split", lambda tf: tf.split(tf.placeholder("float", [5]), 2), "")
bad("where shapes", lambda tf: tf.where(tf.constant([True, False]), tf.constant(1.), tf.constant(2.)), "")
bad("constant too long", lambda tf: tf.constant([1, 2, 3], shape=[2]), "")
bad("verify_shape", lambda tf: tf.constant([1, 2], shape=[3], verify_shape=True), "Expected Tensor's shape: (3,), ")
bad("mask scalar", lambda tf: tf.boolean_mask(tf.zeros([2]), tf.constant(True)), "mask cannot be scalar.")
bad("set_shape", lambda tf: tf.placeholder("float", [None, 3]).set_shape([2, 4]), "Dimension 1 in both shapes must be equal, but are 3 and 4. Shapes are [?,3] and [2,4].")
bad("as_list", lambda tf: tf.placeholder("float").shape.as_list(), "as_list() is not defined on an unknown TensorShape.")
bad("ints need maxval", lambda tf: tf.random_uniform([2], dtype=tf.int32), "Must specify maxval for integer dtype")
