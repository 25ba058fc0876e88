"""Element by element, reductions, products, segments."""
import numpy as np
from surface import add, bad, f, i, pos

for name in ("negative", "abs", "sign", "square", "exp", "expm1", "sigmoid", "tanh", "sin", "cos", "tan", "atan", "sinh",
             "cosh", "erf", "erfc"):
    add(name, lambda tf, x, n=name: getattr(tf, n)(x), f(2, 3))
for name in ("asin", "acos", "atanh"):
    add(name, lambda tf, x, n=name: getattr(tf, n)(x), f(5, low=-0.9, high=0.9))
for name in ("sqrt", "rsqrt", "log", "log1p", "reciprocal", "lgamma", "digamma", "asinh"):
    add(name, lambda tf, x, n=name: getattr(tf, n)(x), pos(5), grad=name != "digamma")
add("acosh", lambda tf, x: tf.acosh(x), pos(5) + 1)
for name in ("floor", "ceil", "round", "rint", "is_nan", "is_inf", "is_finite"):
    values = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.4] + ([np.nan, np.inf, -np.inf] if name.startswith("is_") else []),
                      np.float32)
    add(name, lambda tf, x, n=name: getattr(tf, n)(x), values)
add("abs int", lambda tf, x: tf.abs(x), i(5))
add("square int64", lambda tf, x: tf.square(x), i(5, dtype=np.int64))
add("double", lambda tf, x: tf.exp(tf.sin(x)), f(4, dtype=np.float64))
add("kinks", lambda tf, x: [tf.abs(x), tf.sign(x), tf.nn.relu(x), tf.nn.relu6(x + 6), tf.nn.elu(x), tf.nn.selu(x),
                            tf.nn.leaky_relu(x), tf.sqrt(x), tf.maximum(x, 0.), tf.minimum(0., x)],
    np.zeros(2, np.float32))
for name in ("add", "subtract", "multiply", "divide", "truediv", "realdiv", "maximum", "minimum", "squared_difference",
             "div_no_nan", "atan2", "floormod", "floordiv", "mod", "div"):
    add(name, lambda tf, x, y, n=name: getattr(tf, n)(x, y), f(2, 3), f(3, seed=1), grad=name not in ("atan2",))
add("atan2 gradient", lambda tf, x, y: tf.atan2(x, y), f(3), f(3, seed=1))
add("div_no_nan by zero", lambda tf, x, y: tf.div_no_nan(x, y), f(3), np.array([0, 1, 0], np.float32))
add("pow", lambda tf, x, y: tf.pow(x, y), pos(2, 3), f(3, seed=1))
add("pow of zero and below", lambda tf, x, y: tf.pow(x, y), np.array([0, -2, -1.5], np.float32),
    np.array([2, 3, 2], np.float32))
add("ties", lambda tf, x, y: [tf.maximum(x, y), tf.minimum(x, y)], np.array([1., 2, 3], np.float32),
    np.array([1., 3, 2], np.float32))
for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
    add(name, lambda tf, x, y, n=name: getattr(tf, n)(x, y), i(2, 4, low=0, high=3), i(4, seed=1, low=0, high=3))
A, B = np.array([True, True, False, False]), np.array([True, False, True, False])
for name in ("logical_and", "logical_or"):
    add(name, lambda tf, x, y, n=name: getattr(tf, n)(x, y), A, B)
add("logical_xor", lambda tf, x, y: tf.logical_xor(x, y), A, B, names=False)
add("logical_not", lambda tf, x: tf.logical_not(x), A)
SEVEN, TWO = np.array([7, -7, 7, -7], np.int32), np.array([2, 2, -2, -2], np.int32)
for name in ("floordiv", "floormod", "truncatediv", "truncatemod", "div", "truediv"):
    add(name + " int", lambda tf, x, y, n=name: getattr(tf, n)(x, y), SEVEN, TWO)
add("operators", lambda tf, x, y: [x + y, x - y, x * y, x / y, x // y, x % y, -x, abs(x), x ** 2.0, 3 - x, 2 / x, x < y,
                                   x <= y, x > y, x >= y], f(3), f(3, seed=1))
add("bool operators", lambda tf, x, y: [x & y, x | y, ~x], A, B)
add("matmul operator", lambda tf, x, y: x @ y, f(2, 3), f(3, 2, seed=1))
for to in ("float64", "int32", "int64", "uint8", "bool", "float16", "int8"):
    add("cast float32 to " + to, lambda tf, x, t=to: tf.cast(x, t), np.array([0, 1.7, -1.2 if to[0] != "u" else 3.9, 2.5],
                                                                             np.float32))
add("cast int to others", lambda tf, x: [tf.cast(x, "float32"), tf.cast(x, "int8"), tf.cast(x, "bool"), tf.to_float(x),
                                         tf.to_double(x), tf.to_int64(x)], np.array([0, 1, -3, 100], np.int32))
add("cast bool", lambda tf, x: [tf.cast(x, "float32"), tf.cast(x, "int32")], A)
add("saturate_cast", lambda tf, x: tf.saturate_cast(x, "uint8"), np.array([-5., 3.7, 300], np.float32), names=False)
add("saturate_cast int", lambda tf, x: tf.saturate_cast(x, "int8"), np.array([-500, 3, 300], np.int32), names=False)

for ta in (False, True):
    for tb in (False, True):
        add("matmul %d%d" % (ta, tb), lambda tf, x, y, a=ta, b=tb: tf.matmul(x, y, transpose_a=a, transpose_b=b),
            f(*((4, 3) if ta else (3, 4))), f(*((2, 4) if tb else (4, 2)), seed=1))
add("matmul batched", lambda tf, x, y: tf.matmul(x, y), f(2, 3, 4), f(2, 4, 2, seed=1))
add("matmul batched adjoint", lambda tf, x, y: tf.matmul(x, y, adjoint_b=True), f(2, 3, 4), f(2, 2, 4, seed=1))
add("matmul int", lambda tf, x, y: tf.matmul(x, y), i(2, 3), i(3, 2, seed=1))
add("tensordot", lambda tf, x, y: [tf.tensordot(x, y, 1), tf.tensordot(x, y, [[1], [1]])], f(2, 3), f(3, 3, seed=1))
add("tensordot names", lambda tf, x, y: tf.tensordot(x, y, [[2], [0]]), f(2, 2, 3), f(3, 2, seed=1))
for equation, shapes in {"ij,jk->ik": ((2, 3), (3, 2)), "bij,bjk->bik": ((2, 2, 3), (2, 3, 2)), "ij->ji": ((2, 3),),
                         "ij->": ((2, 3),), "ij,ij->i": ((2, 3), (2, 3)), "i,j->ij": ((2,), (3,)),
                         "ij,jk": ((2, 3), (3, 2)), "ii->i": ((3, 3),), "...ij,...jk->...ik": ((2, 2, 3), (2, 3, 2)),
                         "ab,bc,cd->ad": ((2, 3), (3, 2), (2, 2)), "ii": ((3, 3),)}.items():
    add("einsum " + equation, lambda tf, *xs, e=equation: tf.einsum(e, *xs),
        *[f(*s, seed=k) for k, s in enumerate(shapes)], names=False)
add("trace", lambda tf, x: tf.trace(x), f(2, 3, 3))
add("cross", lambda tf, x, y: tf.cross(x, y), f(2, 3), f(2, 3, seed=1), names=False)
add("add_n", lambda tf, x, y: tf.add_n([x, y, x]), f(2, 3), f(2, 3, seed=1))
add("accumulate_n", lambda tf, x, y: tf.accumulate_n([x, y]), f(2, 3), f(2, 3, seed=1), names=False)

for name in ("reduce_sum", "reduce_mean", "reduce_prod", "reduce_max", "reduce_min", "reduce_logsumexp"):
    for axis in (None, 0, [1], -1, [0, 2]):
        add("%s %s" % (name, axis), lambda tf, x, n=name, a=axis: getattr(tf, n)(x, a), f(2, 3, 2), names=name != "reduce_logsumexp")
    add(name + " keepdims", lambda tf, x, n=name: [getattr(tf, n)(x, 1, keepdims=True), getattr(tf, n)(x, keepdims=True)],
        f(2, 3), names=name != "reduce_logsumexp")
for name in ("reduce_sum", "reduce_mean", "reduce_prod", "reduce_max", "reduce_min"):
    add(name + " int", lambda tf, x, n=name: getattr(tf, n)(x, 1), np.array([[-1, -2], [5, 4], [2, 0]], np.int32))
    add(name + " of nothing", lambda tf, x, n=name: getattr(tf, n)(x, 0), np.zeros((0, 2), np.float32), grad=False)
for name in ("reduce_all", "reduce_any"):
    add(name, lambda tf, x, n=name: [getattr(tf, n)(x), getattr(tf, n)(x, 1), getattr(tf, n)(x, 0, keepdims=True)],
        np.array([[True, False], [True, True]]))
add("reduction_indices", lambda tf, x: tf.reduce_sum(x, reduction_indices=1, keep_dims=True), f(2, 3))
add("reduce_prod with zeros", lambda tf, x: tf.reduce_prod(x, 1), np.array([[0, 2, 3], [0, 0, 4], [1, 2, 3]], np.float32))
add("reduce ties", lambda tf, x: [tf.reduce_max(x, 1), tf.reduce_min(x, 1)],
    np.array([[1, 3, 3], [0, 0, 0]], np.float32))
for name in ("argmax", "argmin"):
    add(name, lambda tf, x, n=name: [getattr(tf, n)(x), getattr(tf, n)(x, 1), getattr(tf, n)(x, -1, output_type=tf.int32)],
        np.array([[1, 3, 3], [0, -1, -1]], np.float32))
add("arg_max", lambda tf, x: [tf.arg_max(x, 0), tf.arg_min(x, 1)], f(3, 4))
for exclusive in (False, True):
    for reverse in (False, True):
        add("cumsum %d%d" % (exclusive, reverse),
            lambda tf, x, e=exclusive, r=reverse: tf.cumsum(x, 1, exclusive=e, reverse=r), f(2, 4))
        add("cumprod %d%d" % (exclusive, reverse),
            lambda tf, x, e=exclusive, r=reverse: tf.cumprod(x, 1, exclusive=e, reverse=r), f(2, 4))

IDS = np.array([0, 0, 2, 2, 3], np.int32)
for name in ("segment_sum", "segment_mean", "segment_prod", "segment_max", "segment_min"):
    add(name, lambda tf, x, s, n=name: getattr(tf, n)(x, s), f(5, 2), IDS, grad=name != "segment_prod")
for name in ("unsorted_segment_sum", "unsorted_segment_mean", "unsorted_segment_prod", "unsorted_segment_max",
             "unsorted_segment_min", "unsorted_segment_sqrt_n"):
    add(name, lambda tf, x, s, n=name: getattr(tf, n)(x, s, 4), f(5, 2), np.array([3, 0, -1, 0, 1], np.int32),
        names="_mean" not in name and "sqrt" not in name)
add("unsorted_segment_max int", lambda tf, x, s: tf.unsorted_segment_max(x, s, 3), i(4), np.array([0, 2, 2, 0], np.int32))
add("bincount", lambda tf, x: tf.bincount(x), np.array([1, 1, 3, 0], np.int32), names=False, shapes=False)
add("bincount weights", lambda tf, x, w: tf.bincount(x, w, minlength=6), np.array([1, 1, 3, 0], np.int32), f(4),
    names=False, grad=False, shapes=False)
add("confusion_matrix", lambda tf, y, p: [tf.confusion_matrix(y, p), tf.confusion_matrix(y, p, 4, weights=[1, 2, 3, 4])],
    np.array([0, 1, 2, 2], np.int32), np.array([0, 2, 2, 2], np.int32), names=False, shapes=False)

add("clip_by_value", lambda tf, x: [tf.clip_by_value(x, -1., 1.), tf.clip_by_value(x, 1., -1.)], f(2, 4), names=False)
add("clip_by_value bounds", lambda tf, x: tf.clip_by_value(x, -1., 1.), np.array([-1, 1, 0, 3, -3], np.float32), names=False)
add("clip_by_norm", lambda tf, x: [tf.clip_by_norm(x, 1.0), tf.clip_by_norm(x, 100.0), tf.clip_by_norm(x, 1.0, [1])],
    f(2, 3), names=False)
add("clip_by_norm of zero", lambda tf, x: tf.clip_by_norm(x, 1.0), np.zeros(3, np.float32), grad=False, names=False)
add("clip_by_average_norm", lambda tf, x: tf.clip_by_average_norm(x, 0.1), f(2, 3), names=False)
add("global_norm", lambda tf, x, y: tf.global_norm([x, None, y]), f(2, 3), f(4, seed=1))
add("clip_by_global_norm", lambda tf, x, y: [t for part in tf.clip_by_global_norm([x, None, y], 1.5)
                                             for t in (part if isinstance(part, list) else [part]) if t is not None],
    f(2, 3), f(4, seed=1), names=False)
for ord in ("euclidean", 1, np.inf):
    add("norm %s" % ord, lambda tf, x, o=ord: [tf.norm(x, o), tf.norm(x, o, axis=1), tf.norm(x, o, axis=0, keepdims=True)],
        f(2, 3), names=False)
add("linspace", lambda tf: [tf.linspace(1.0, 4.0, 4), tf.lin_space(0.0, 1.0, 3)], names=False)
add("qr", lambda tf, x: tf.qr(x), f(4, 3), grad=False)
add("qr wide", lambda tf, x: tf.qr(x), f(2, 4), grad=False)
add("stop_gradient", lambda tf, x: [tf.stop_gradient(x), tf.stop_gradient(x) * x], f(3))
add("identity", lambda tf, x: tf.identity(x), f(3))

bad("int times float", lambda tf: tf.constant([1]) * 2.0, "Expected int32")
bad("dtypes differ", lambda tf: tf.constant(1.0) + tf.constant(1), "type int32 that does not match type float32")
bad("matmul inner", lambda tf: tf.matmul(tf.placeholder("float", [None, 784]), tf.zeros([10, 10])),
    "Dimensions must be equal, but are 784 and 10 for ")
bad("matmul rank", lambda tf: tf.matmul(tf.placeholder("float", [3]), tf.zeros([3, 3])), "hape must be ")
bad("add shapes", lambda tf: tf.placeholder("float", [2, 3]) + tf.placeholder("float", [4, 5]),
    "Dimensions must be equal, but are ")
bad("sqrt of ints", lambda tf: tf.sqrt(tf.constant([1])), "Value passed to parameter 'x' has DataType int32 not in list")
bad("reduce bool", lambda tf: tf.reduce_sum(tf.constant([True])), "has DataType bool not in list of allowed values")
bad("reduction axis", lambda tf: tf.reduce_sum(tf.placeholder("float", [2, 3]), 2),
    "Invalid reduction dimension 2 for input with 2 dimensions. for ")
bad("both axes", lambda tf: tf.reduce_sum(tf.zeros([2]), 0, reduction_indices=0), "")
bad("global norm of one", lambda tf: tf.global_norm(tf.zeros([2])), "should be a sequence")
bad("add_n shapes", lambda tf: tf.add_n([tf.placeholder("float", [2]), tf.placeholder("float", [3])]),
    "From merging shape 0 with other shapes. for ")
bad("convert operation", lambda tf: tf.convert_to_tensor(tf.no_op()), "convert Operation 'NoOp' to Tensor")
bad("convert none", lambda tf: tf.convert_to_tensor(None), "None values not supported.")
bad("tensor as bool", lambda tf: bool(tf.constant(True)), "Using a ")
bad("iterate", lambda tf: list(tf.constant([1, 2])), "")
bad("zeros divided", lambda tf: tf.Session().run(tf.placeholder_with_default([1], [1]) // tf.placeholder_with_default([0], [1])),
    "Integer division by zero")
bad("unsorted id", lambda tf: tf.Session().run(tf.unsorted_segment_sum(tf.zeros([2]), tf.placeholder_with_default([0, 5], [2]), 3)),
    "")
bad("run shapes", lambda tf: tf.Session().run(tf.matmul(tf.placeholder_with_default(tf.zeros([2, 3]), [None, None]),
                                                        tf.placeholder_with_default(tf.zeros([4, 5]), [None, None]))),
    "Matrix size-incompatible: In[0]: [2,3], In[1]: [4,5]")
bad("run broadcast", lambda tf: tf.Session().run(tf.placeholder_with_default(tf.zeros([2, 3]), [None, None]) +
                                                 tf.placeholder_with_default(tf.zeros([4, 5]), [None, None])),
    "Incompatible shapes: [2,3] vs. [4,5]")
