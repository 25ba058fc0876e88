"""tf.debugging: assertions, and small questions about tensors."""
import numpy as np

from trivium import _tf
from trivium.tf import _core, array_ops, errors, math_ops
from trivium.tf._core import op, tensor


def is_numeric_tensor(tensor):
    return isinstance(tensor, (_core.Tensor, _core.Variable)) and (tensor.dtype.is_floating or tensor.dtype.is_integer)


def _assert(condition, data, summarize, name):
    return op("Assert", [("condition", condition)] + [("data_%d" % i, d) for i, d in enumerate(data)],
              {"summarize": 3 if summarize is None else int(summarize)}, name)


def _comparison(name, sign, compare):
    def function(x, y, data=None, summarize=None, message=None, name=name):
        with _core.name_scope(name, name):
            x = tensor(x, name="x") if _core.is_tensor(x) or not _core.is_tensor(y) else tensor(x, tensor(y).dtype, "x")
            y = tensor(y, None if _core.is_tensor(y) else x.dtype, "y")
            known = _tf.constant_value(x), _tf.constant_value(y)
            text = "Condition x %s y did not hold element-wise:" % sign
            if known[0] is not None and known[1] is not None and not np.all(compare(known[0], known[1])):
                raise errors.InvalidArgumentError(None, None, "%s%s x (%s) = %s y (%s) = %s" % (
                    message + ". " if message else "", text, x.name, known[0], y.name, known[1]))
            if data is None:
                data = ([message] if message else []) + [text, "x (%s) = " % x.name, x, "y (%s) = " % y.name, y]
            return _assert(math_ops.reduce_all(getattr(math_ops, name[len("assert_"):])(x, y)), data, summarize,
                           "Assert")
    function.__name__ = name
    return function


assert_equal = _comparison("assert_equal", "==", np.equal)
assert_less = _comparison("assert_less", "<", np.less)
assert_less_equal = _comparison("assert_less_equal", "<=", np.less_equal)
assert_greater = _comparison("assert_greater", ">", np.greater)
assert_greater_equal = _comparison("assert_greater_equal", ">=", np.greater_equal)


def assert_none_equal(x, y, data=None, summarize=None, message=None, name="assert_none_equal"):
    with _core.name_scope(name, "assert_none_equal"):
        x = tensor(x)
        y = tensor(y, None if _core.is_tensor(y) else x.dtype)
        data = data or ["Condition x != y did not hold for every single element:", x, y]
        return _assert(math_ops.reduce_all(math_ops.not_equal(x, y)), data, summarize, "Assert")


def _of_zero(name, compare):
    def function(x, data=None, summarize=None, message=None, name=name):
        x = tensor(x)
        return compare(np.zeros((), x.dtype.as_numpy_dtype), x, data, summarize, message, name=name)
    return function


def assert_positive(x, data=None, summarize=None, message=None, name="assert_positive"):
    x = tensor(x)
    return assert_greater(x, np.zeros((), x.dtype.as_numpy_dtype), data, summarize, message)


def assert_non_negative(x, data=None, summarize=None, message=None, name="assert_non_negative"):
    x = tensor(x)
    return assert_greater_equal(x, np.zeros((), x.dtype.as_numpy_dtype), data, summarize, message)


def assert_negative(x, data=None, summarize=None, message=None, name="assert_negative"):
    x = tensor(x)
    return assert_less(x, np.zeros((), x.dtype.as_numpy_dtype), data, summarize, message)


def assert_rank(x, rank, data=None, summarize=None, message=None, name=None):
    x = tensor(x)
    if x.shape.ndims is not None and x.shape.ndims != int(rank):
        raise ValueError("%s.  Tensor %s must have rank %d.  Received rank %d, shape %s"
                         % (message or "assert_rank", x.name, rank, x.shape.ndims, x.shape))
    return assert_equal(array_ops.rank(x), int(rank), data, summarize, message)


def assert_rank_at_least(x, rank, data=None, summarize=None, message=None, name=None):
    x = tensor(x)
    if x.shape.ndims is not None and x.shape.ndims < int(rank):
        raise ValueError("%s.  Tensor %s must have rank at least %d.  Received rank %d, shape %s"
                         % (message or "assert_rank_at_least", x.name, rank, x.shape.ndims, x.shape))
    return assert_greater_equal(array_ops.rank(x), int(rank), data, summarize, message)


def assert_type(tensor, tf_type, message=None, name=None):
    x = _core.tensor(tensor)
    if x.dtype != tf_type:
        raise TypeError("%s%s must be of type %r; got %r" % (message + ": " if message else "", x.name,
                                                            _core.as_dtype(tf_type), x.dtype))
    return array_ops.no_op("statically_determined_correct_type")


def assert_scalar(tensor, name=None, message=None):
    x = _core.tensor(tensor)
    if x.shape.ndims not in (0, None):
        raise ValueError("Expected scalar shape for %s, saw shape: %s." % (x.name, x.shape))
    return x


def check_numerics(tensor, message, name=None):
    """The tensor itself; a run fails with `message` where it holds NaN or infinity."""
    return _core.out("CheckNumerics", [("tensor", tensor)], {"message": message}, name)


def verify_tensor_all_finite(t=None, msg=None, name=None, x=None, message=None):
    with _core.name_scope(name, "VerifyFinite"):
        x = tensor(t if x is None else x, name="t")
        checked = check_numerics(x, msg if message is None else message)
        with _core.control_dependencies([checked]):
            return array_ops.identity(x)


def confusion_matrix(labels, predictions, num_classes=None, dtype=_core.int32, name=None, weights=None):
    """How often each label (row) was predicted as each class (column)."""
    from trivium.tf import index_ops
    with _core.name_scope(name, "confusion_matrix"):
        y = math_ops.cast(array_ops.reshape(labels, [-1]), "int64")
        p = math_ops.cast(array_ops.reshape(predictions, [-1]), "int64")
        if num_classes is None:
            num_classes = math_ops.maximum(math_ops.reduce_max(p), math_ops.reduce_max(y)) + 1
        n = math_ops.cast(num_classes, "int64")
        kind = _core.as_dtype(dtype)
        values = array_ops.ones_like(p, dtype=kind) if weights is None else math_ops.cast(weights, kind)
        return index_ops.scatter_nd(array_ops.stack([y, p], 1), values, array_ops.stack([n, n]))
