"""tf.losses: weighted means of losses, gathered in the collection "losses"."""
import numpy as np

from trivium.tf import _core, array_ops, math_ops, nn
from trivium.tf._core import GraphKeys, tensor


class Reduction:
    NONE, SUM, MEAN = "none", "weighted_sum", "weighted_mean"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"

    @classmethod
    def all(cls):
        return (cls.NONE, cls.SUM, cls.MEAN, cls.SUM_OVER_BATCH_SIZE, cls.SUM_BY_NONZERO_WEIGHTS)

    @classmethod
    def validate(cls, key):
        if key not in cls.all():
            raise ValueError("Invalid Reduction Key %s." % key)


def compute_weighted_loss(losses, weights=1.0, scope=None, loss_collection=GraphKeys.LOSSES,
                          reduction=Reduction.SUM_BY_NONZERO_WEIGHTS):
    """Reduces losses times weights; all-zero weights give 0."""
    with _core.name_scope(scope, "weighted_loss"):
        losses = tensor(losses)
        weights = math_ops.cast(tensor(weights), losses.dtype)
        weighted = losses * weights
        if reduction == Reduction.NONE:
            result = weighted
        else:
            ones = array_ops.ones_like(losses)
            if reduction == Reduction.SUM:
                result = math_ops.reduce_sum(weighted, name="value")
            else:
                total = math_ops.reduce_sum(weighted)
                if reduction == Reduction.MEAN:
                    count = math_ops.reduce_sum(ones * weights)
                elif reduction == Reduction.SUM_OVER_BATCH_SIZE:
                    count = math_ops.reduce_sum(ones)
                else:
                    Reduction.validate(reduction)
                    present = math_ops.cast(math_ops.not_equal(weights, array_ops.zeros_like(weights)), losses.dtype)
                    count = math_ops.reduce_sum(ones * present)
                result = math_ops.div_no_nan(total, count, name="value")
        if loss_collection:
            _core.add_to_collection(loss_collection, result)
        return result


def _pairs(labels, predictions):
    predictions = tensor(predictions)
    labels = math_ops.cast(labels, predictions.dtype) if _core.is_tensor(labels) else tensor(labels, predictions.dtype)
    if not predictions.shape.is_compatible_with(labels.shape):
        raise ValueError("Shapes %s and %s are incompatible" % (labels.shape, predictions.shape))
    return labels, predictions


def mean_squared_error(labels, predictions, weights=1.0, scope=None, loss_collection=GraphKeys.LOSSES,
                       reduction=Reduction.SUM_BY_NONZERO_WEIGHTS):
    with _core.name_scope(scope, "mean_squared_error") as scope:
        labels, predictions = _pairs(labels, predictions)
        return compute_weighted_loss(math_ops.squared_difference(predictions, labels), weights, scope,
                                     loss_collection, reduction)


def absolute_difference(labels, predictions, weights=1.0, scope=None, loss_collection=GraphKeys.LOSSES,
                        reduction=Reduction.SUM_BY_NONZERO_WEIGHTS):
    with _core.name_scope(scope, "absolute_difference") as scope:
        labels, predictions = _pairs(labels, predictions)
        return compute_weighted_loss(math_ops.abs(predictions - labels), weights, scope, loss_collection, reduction)


def log_loss(labels, predictions, weights=1.0, epsilon=1e-7, scope=None, loss_collection=GraphKeys.LOSSES,
             reduction=Reduction.SUM_BY_NONZERO_WEIGHTS):
    with _core.name_scope(scope, "log_loss") as scope:
        y, p = _pairs(labels, predictions)
        losses = -y * math_ops.log(p + epsilon) - (1.0 - y) * math_ops.log(1.0 - p + epsilon)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def hinge_loss(labels, logits, weights=1.0, scope=None, loss_collection=GraphKeys.LOSSES,
               reduction=Reduction.SUM_BY_NONZERO_WEIGHTS):
    with _core.name_scope(scope, "hinge_loss") as scope:
        y, x = _pairs(labels, logits)
        return compute_weighted_loss(nn.relu(1.0 - (2.0 * y - 1.0) * x), weights, scope, loss_collection, reduction)


def huber_loss(labels, predictions, weights=1.0, delta=1.0, scope=None, loss_collection=GraphKeys.LOSSES,
               reduction=Reduction.SUM_BY_NONZERO_WEIGHTS):
    with _core.name_scope(scope, "huber_loss") as scope:
        y, p = _pairs(labels, predictions)
        error = math_ops.abs(p - y)
        near = math_ops.minimum(error, delta)
        return compute_weighted_loss(0.5 * near * near + delta * (error - near), weights, scope, loss_collection,
                                     reduction)


def cosine_distance(labels, predictions, axis=None, weights=1.0, scope=None, loss_collection=GraphKeys.LOSSES,
                    reduction=Reduction.SUM_BY_NONZERO_WEIGHTS, dim=None):
    """1 - the sum of products over an axis; both sides are expected to be normalised."""
    axis = dim if axis is None else axis
    if axis is None:
        raise ValueError("You must specify 'axis'.")
    with _core.name_scope(scope, "cosine_distance_loss") as scope:
        y, p = _pairs(labels, predictions)
        losses = 1 - math_ops.reduce_sum(math_ops.multiply(p, y), axis, keepdims=True)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def mean_pairwise_squared_error(labels, predictions, weights=1.0, scope=None, loss_collection=GraphKeys.LOSSES):
    raise NotImplementedError("tf.losses.mean_pairwise_squared_error")


def softmax_cross_entropy(onehot_labels, logits, weights=1.0, label_smoothing=0, scope=None,
                          loss_collection=GraphKeys.LOSSES, reduction=Reduction.SUM_BY_NONZERO_WEIGHTS):
    with _core.name_scope(scope, "softmax_cross_entropy_loss") as scope:
        y, x = _pairs(onehot_labels, logits)
        if label_smoothing > 0:
            y = y * (1.0 - label_smoothing) + label_smoothing / x.shape[1].value
        y = array_ops.stop_gradient(y, name="labels_stop_gradient")
        losses = nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=x, name="xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def sparse_softmax_cross_entropy(labels, logits, weights=1.0, scope=None, loss_collection=GraphKeys.LOSSES,
                                 reduction=Reduction.SUM_BY_NONZERO_WEIGHTS):
    with _core.name_scope(scope, "sparse_softmax_cross_entropy_loss") as scope:
        labels, logits = tensor(labels), tensor(logits)
        if labels.shape.ndims is not None and labels.shape.ndims == logits.shape.ndims:
            labels = array_ops.squeeze(labels, -1)
        losses = nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def sigmoid_cross_entropy(multi_class_labels, logits, weights=1.0, label_smoothing=0, scope=None,
                          loss_collection=GraphKeys.LOSSES, reduction=Reduction.SUM_BY_NONZERO_WEIGHTS):
    with _core.name_scope(scope, "sigmoid_cross_entropy_loss") as scope:
        y, x = _pairs(multi_class_labels, logits)
        if label_smoothing > 0:
            y = y * (1.0 - label_smoothing) + 0.5 * label_smoothing
        losses = nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x, name="xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def get_losses(scope=None, loss_collection=GraphKeys.LOSSES):
    return _core.get_collection(loss_collection, scope)


def get_regularization_losses(scope=None):
    return _core.get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


def get_regularization_loss(scope=None, name="total_regularization_loss"):
    found = get_regularization_losses(scope)
    return math_ops.add_n(found, name=name) if found else array_ops.constant(np.float32(0.0))


def get_total_loss(add_regularization_losses=True, name="total_loss", scope=None):
    found = get_losses(scope)
    if add_regularization_losses:
        found = found + get_regularization_losses(scope)
    return math_ops.add_n(found, name=name)


def add_loss(loss, loss_collection=GraphKeys.LOSSES):
    if loss_collection:
        _core.add_to_collection(loss_collection, loss)
