"""tf.metrics: each gives the value so far and the operation that takes in a batch, over local variables."""
import numpy as np

from trivium.tf import _core, array_ops, math_ops, nn, variables
from trivium.tf._core import GraphKeys, tensor


def _state(shape, name, dtype=_core.float32):
    return variables.Variable(array_ops.zeros(shape, dtype), trainable=False, name=name,
                              collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES])


def _finish(value, update, metrics_collections, updates_collections):
    for keys, item in ((metrics_collections, value), (updates_collections, update)):
        for key in [keys] if isinstance(keys, str) else keys or []:
            _core.add_to_collection(key, item)
    return value, update


def _ratio(top, bottom, name):
    """top / bottom, 0 where bottom is."""
    return math_ops.div_no_nan(top, math_ops.maximum(bottom, 0.0), name=name)


def _scope(name, default):
    return variables.variable_scope(name, default)


def _weights_like(weights, values):
    return math_ops.cast(tensor(weights), values.dtype) * array_ops.ones_like(values)


def mean(values, weights=None, metrics_collections=None, updates_collections=None, name=None):
    """The (weighted) mean of everything seen."""
    with _scope(name, "mean"):
        values = math_ops.cast(tensor(values), "float32")
        total, count = _state([], "total"), _state([], "count")
        if weights is None:
            here = math_ops.cast(array_ops.size(values), "float32")
        else:
            weights = _weights_like(weights, values)
            values, here = values * weights, math_ops.reduce_sum(weights)
        new_total = variables.assign_add(total, math_ops.reduce_sum(values))
        with _core.control_dependencies([values]):
            new_count = variables.assign_add(count, here)
        return _finish(_ratio(total.value(), count.value(), "value"), _ratio(new_total, new_count, "update_op"),
                       metrics_collections, updates_collections)


def accuracy(labels, predictions, weights=None, metrics_collections=None, updates_collections=None, name=None):
    """How often predictions equal labels."""
    labels, predictions = _same_shapes(labels, predictions)
    right = math_ops.cast(math_ops.equal(math_ops.cast(predictions, labels.dtype), labels), "float32")
    return mean(right, weights, metrics_collections, updates_collections, name or "accuracy")


def _same_shapes(labels, predictions):
    labels, predictions = tensor(labels), tensor(predictions)
    a, b = labels.shape.ndims, predictions.shape.ndims
    if a is not None and b is not None and a != b:
        if b == a + 1 and predictions.shape[-1].value in (1, None):
            predictions = array_ops.squeeze(predictions, [-1])
        elif a == b + 1 and labels.shape[-1].value in (1, None):
            labels = array_ops.squeeze(labels, [-1])
    if not predictions.shape.is_compatible_with(labels.shape):
        raise ValueError("Shapes %s and %s are incompatible" % (predictions.shape, labels.shape))
    return labels, predictions


def _of_error(default, error, after=None):
    def function(labels, predictions, weights=None, metrics_collections=None, updates_collections=None, name=None):
        labels, predictions = _same_shapes(labels, predictions)
        labels = math_ops.cast(labels, predictions.dtype)
        value, update = mean(error(labels, predictions), weights, name=name or default)
        if after is not None:
            value, update = after(value), after(update)
        return _finish(value, update, metrics_collections, updates_collections)
    function.__name__ = default
    return function


mean_absolute_error = _of_error("mean_absolute_error", lambda y, p: math_ops.abs(p - y))
mean_squared_error = _of_error("mean_squared_error", lambda y, p: math_ops.squared_difference(p, y))
root_mean_squared_error = _of_error("root_mean_squared_error", lambda y, p: math_ops.squared_difference(p, y),
                                    math_ops.sqrt)


def mean_relative_error(labels, predictions, normalizer, weights=None, metrics_collections=None,
                        updates_collections=None, name=None):
    labels, predictions = _same_shapes(labels, predictions)
    by = math_ops.cast(tensor(normalizer), predictions.dtype)
    error = math_ops.div_no_nan(math_ops.abs(math_ops.cast(labels, predictions.dtype) - predictions), by)
    return mean(error, weights, metrics_collections, updates_collections, name or "mean_relative_error")


def percentage_below(values, threshold, weights=None, metrics_collections=None, updates_collections=None, name=None):
    below = math_ops.cast(math_ops.less(tensor(values), threshold), "float32")
    return mean(below, weights, metrics_collections, updates_collections, name or "percentage_below_threshold")


def mean_tensor(values, weights=None, metrics_collections=None, updates_collections=None, name=None):
    """The mean of every element over the batches."""
    with _scope(name, "mean"):
        values = math_ops.cast(tensor(values), "float32")
        shape = values.shape.as_list()
        total, count = _state(shape, "total_tensor"), _state(shape, "count_tensor")
        here = array_ops.ones_like(values)
        if weights is not None:
            here = _weights_like(weights, values)
            values = values * here
        new_total, new_count = variables.assign_add(total, values), variables.assign_add(count, here)
        return _finish(_ratio(total.value(), count.value(), "value"), _ratio(new_total, new_count, "update_op"),
                       metrics_collections, updates_collections)


# ---- counts of right and wrong decisions

def _decisions(labels, predictions):
    labels, predictions = _same_shapes(labels, predictions)
    return math_ops.cast(labels, "bool"), math_ops.cast(predictions, "bool")


def _counted(mask, weights, name):
    """A count of true elements: its value now, and after this batch."""
    here = math_ops.cast(mask, "float32")
    if weights is not None:
        here = here * _weights_like(weights, here)
    total = _state([], name)
    return total.value(), variables.assign_add(total, math_ops.reduce_sum(here))


_CELLS = {"true_positives": (True, True), "false_positives": (False, True), "true_negatives": (False, False),
          "false_negatives": (True, False)}


def _cell(labels, predictions, kind):
    label, prediction = _CELLS[kind]
    y = labels if label else math_ops.logical_not(labels)
    return math_ops.logical_and(y, predictions if prediction else math_ops.logical_not(predictions))


def _count_of(kind):
    def function(labels, predictions, weights=None, metrics_collections=None, updates_collections=None, name=None):
        with _scope(name, kind):
            y, p = _decisions(labels, predictions)
            value, update = _counted(_cell(y, p, kind), weights, "count")
            return _finish(array_ops.identity(value), update, metrics_collections, updates_collections)
    function.__name__ = kind
    return function


true_positives, false_positives = _count_of("true_positives"), _count_of("false_positives")
true_negatives, false_negatives = _count_of("true_negatives"), _count_of("false_negatives")


def _share(default, other):
    def function(labels, predictions, weights=None, metrics_collections=None, updates_collections=None, name=None):
        with _scope(name, default):
            y, p = _decisions(labels, predictions)
            hit, new_hit = _counted(_cell(y, p, "true_positives"), weights, "true_positives/count")
            miss, new_miss = _counted(_cell(y, p, other), weights, other + "/count")
            return _finish(_ratio(hit, hit + miss, "value"), _ratio(new_hit, new_hit + new_miss, "update_op"),
                           metrics_collections, updates_collections)
    function.__name__ = default
    return function


precision, recall = _share("precision", "false_positives"), _share("recall", "false_negatives")


def auc(labels, predictions, weights=None, num_thresholds=200, metrics_collections=None, updates_collections=None,
        curve="ROC", name=None, summation_method="trapezoidal", thresholds=None):
    """The area under the ROC curve, from counts at evenly spaced thresholds."""
    if curve != "ROC" or summation_method != "trapezoidal":
        raise NotImplementedError("tf.metrics.auc: curve \"ROC\" with the trapezoidal sum is there, not %r, %r"
                                  % (curve, summation_method))
    if thresholds is None:
        inner = [(i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)]
    else:
        inner = list(thresholds)
    cuts = array_ops.constant(np.array([-1e-7] + inner + [1 + 1e-7], np.float32).reshape(-1, 1))
    with _scope(name, "auc"):
        labels, predictions = _same_shapes(labels, predictions)
        y = array_ops.reshape(math_ops.cast(labels, "bool"), [1, -1])
        p = math_ops.greater(array_ops.reshape(math_ops.cast(predictions, "float32"), [1, -1]), cuts)
        y = math_ops.logical_and(y, array_ops.ones_like(p))
        scale = None if weights is None else array_ops.reshape(
            _weights_like(weights, math_ops.cast(predictions, "float32")), [1, -1])
        now, new = {}, {}
        for kind in _CELLS:
            here = math_ops.cast(_cell(y, p, kind), "float32")
            total = _state([len(inner) + 2], kind)
            now[kind] = total.value()
            new[kind] = variables.assign_add(total, math_ops.reduce_sum(here if scale is None else here * scale, 1))

        def area(c, name):
            small = 1e-6
            rise = (c["true_positives"] + small) / (c["true_positives"] + c["false_negatives"] + small)
            run = c["false_positives"] / (c["false_positives"] + c["true_negatives"] + small)
            return math_ops.reduce_sum((run[:-1] - run[1:]) * (rise[:-1] + rise[1:]) / 2.0, name=name)
        return _finish(area(now, "value"), area(new, "update_op"), metrics_collections, updates_collections)


def mean_per_class_accuracy(labels, predictions, num_classes, weights=None, metrics_collections=None,
                            updates_collections=None, name=None):
    with _scope(name, "mean_accuracy"):
        y = array_ops.one_hot(array_ops.reshape(math_ops.cast(labels, "int64"), [-1]), num_classes)
        right = math_ops.equal(math_ops.cast(labels, "int64"), math_ops.cast(predictions, "int64"))
        hits = y * array_ops.reshape(math_ops.cast(right, "float32"), [-1, 1])
        if weights is not None:
            scale = array_ops.reshape(_weights_like(weights, math_ops.cast(right, "float32")), [-1, 1])
            y, hits = y * scale, hits * scale
        total, count = _state([num_classes], "total"), _state([num_classes], "count")
        new_count = variables.assign_add(count, math_ops.reduce_sum(y, 0))
        new_total = variables.assign_add(total, math_ops.reduce_sum(hits, 0))
        value = math_ops.reduce_mean(_ratio(total.value(), count.value(), None), name="mean_accuracy")
        return _finish(value, _ratio(new_total, new_count, "update_op"), metrics_collections, updates_collections)


def mean_iou(labels, predictions, num_classes, weights=None, metrics_collections=None, updates_collections=None,
             name=None):
    """Intersection over union, averaged over the classes that appear."""
    with _scope(name, "mean_iou"):
        matrix = _state([num_classes, num_classes], "total_confusion_matrix", _core.float64)
        y = array_ops.one_hot(array_ops.reshape(math_ops.cast(labels, "int64"), [-1]), num_classes, dtype="float64")
        p = array_ops.one_hot(array_ops.reshape(math_ops.cast(predictions, "int64"), [-1]), num_classes,
                              dtype="float64")
        if weights is not None:
            y = y * array_ops.reshape(math_ops.cast(weights, "float64"), [-1, 1])
        update = variables.assign_add(matrix, math_ops.matmul(y, p, transpose_a=True), name="update_op")
        m = math_ops.cast(matrix.value(), "float32")
        hits = array_ops.constant(np.eye(num_classes, dtype=np.float32)) * m
        hits = math_ops.reduce_sum(hits, 1)
        whole = math_ops.reduce_sum(m, 0) + math_ops.reduce_sum(m, 1) - hits
        present = math_ops.reduce_sum(math_ops.cast(math_ops.not_equal(whole, 0.0), "float32"))
        value = math_ops.div_no_nan(math_ops.reduce_sum(math_ops.div_no_nan(hits, whole)), present, name="mean_iou")
        return _finish(value, update, metrics_collections, updates_collections)


def _in_top(labels, predictions, k):
    return math_ops.cast(nn.in_top_k(tensor(predictions), math_ops.cast(labels, "int32"), k), "float32")


def recall_at_k(labels, predictions, k, class_id=None, weights=None, metrics_collections=None,
                updates_collections=None, name=None):
    if class_id is not None:
        raise NotImplementedError("tf.metrics.recall_at_k: class_id")
    return mean(_in_top(array_ops.reshape(labels, [-1]), predictions, k), weights, metrics_collections,
                updates_collections, name or "recall_at_%d" % k)


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.metrics.%s is not in this version" % name)
