"""Losses over a sample of many classes."""
import collections

import numpy as np

from trivium import _tf
from trivium.tf import _core, array_ops, math_ops, nn
from trivium.tf._core import op, tensor

_Sampled = collections.namedtuple("LogUniformCandidateSampler",
                                  ["sampled_candidates", "true_expected_count", "sampled_expected_count"])


def log_uniform_candidate_sampler(true_classes, num_true, num_sampled, unique, range_max, seed=None, name=None):
    """Classes k with probability log((k + 2) / (k + 1)) / log(range_max + 1), and expected counts."""
    first, second = _tf.default_graph().op_seeds(seed)
    return _Sampled(*op("LogUniformCandidateSampler", [("true_classes", true_classes, "int64")],
                        {"num_true": int(num_true), "num_sampled": int(num_sampled), "unique": bool(unique),
                         "range_max": int(range_max), "seed": first, "seed2": second}, name).outputs)


def _sampled_logits(weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
                    remove_accidental_hits, partition_strategy, seed):
    """Logits and labels [batch, num_true + num_sampled]: the true classes, then the sampled ones."""
    labels = math_ops.cast(labels, "int64")
    flat = array_ops.reshape(labels, [-1])
    if sampled_values is None:
        sampled_values = log_uniform_candidate_sampler(labels, num_true, num_sampled, True, num_classes, seed)
    sampled, true_count, sampled_count = (array_ops.stop_gradient(tensor(v)) for v in sampled_values)
    sampled = math_ops.cast(sampled, "int64")
    every = array_ops.concat([flat, sampled], 0)
    rows = nn.embedding_lookup(weights, every, partition_strategy)
    offsets = nn.embedding_lookup(biases, every, partition_strategy)
    batch = inputs.shape[0].value
    count = array_ops.shape(flat)[0] if batch is None else batch * num_true
    depth = inputs.shape[-1].value
    true_rows, other_rows = rows[:count], rows[count:]
    dots = array_ops.expand_dims(inputs, 1) * array_ops.reshape(true_rows, [-1, num_true, depth])
    true_logits = math_ops.reduce_sum(dots, 2) + array_ops.reshape(offsets[:count], [-1, num_true])
    other_logits = math_ops.matmul(inputs, other_rows, transpose_b=True) + offsets[count:]
    if remove_accidental_hits:
        same = math_ops.equal(array_ops.expand_dims(labels, 2), array_ops.reshape(sampled, [1, 1, -1]))
        hit = math_ops.reduce_any(same, 1)
        other_logits += math_ops.cast(hit, other_logits.dtype) * float(np.finfo(np.float32).min)
    true_logits -= math_ops.log(true_count)
    other_logits -= math_ops.log(sampled_count)
    logits = array_ops.concat([true_logits, other_logits], 1)
    wanted = array_ops.concat([array_ops.ones_like(true_logits) / float(num_true),
                               array_ops.zeros_like(other_logits)], 1)
    return logits, wanted


def nce_loss(weights, biases, labels, inputs, num_sampled, num_classes, num_true=1, sampled_values=None,
             remove_accidental_hits=False, partition_strategy="mod", name="nce_loss"):
    """Noise-contrastive estimation: one number an example."""
    with _core.name_scope(name, "nce_loss"):
        logits, wanted = _sampled_logits(weights, biases, tensor(labels), tensor(inputs), num_sampled, num_classes,
                                         num_true, sampled_values, remove_accidental_hits, partition_strategy, None)
        losses = nn.sigmoid_cross_entropy_with_logits(labels=wanted, logits=logits, name="sampled_losses")
        return math_ops.reduce_sum(losses, 1)


def sampled_softmax_loss(weights, biases, labels, inputs, num_sampled, num_classes, num_true=1, sampled_values=None,
                         remove_accidental_hits=True, partition_strategy="mod", name="sampled_softmax_loss",
                         seed=None):
    """Softmax cross entropy over the true and the sampled classes."""
    with _core.name_scope(name, "sampled_softmax_loss"):
        logits, wanted = _sampled_logits(weights, biases, tensor(labels), tensor(inputs), num_sampled, num_classes,
                                         num_true, sampled_values, remove_accidental_hits, partition_strategy, seed)
        return nn.softmax_cross_entropy_with_logits(labels=array_ops.stop_gradient(wanted), logits=logits)


def compute_accidental_hits(*args, **kwargs):
    raise NotImplementedError("tf.nn.compute_accidental_hits; remove_accidental_hits of the losses does its work")
