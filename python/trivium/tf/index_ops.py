"""Elements chosen and placed by index, and results whose size depends on values."""
import builtins
import collections

import numpy as np

from trivium.tf import _core, array_ops, math_ops
from trivium.tf._core import op, out, tensor

_UniqueOutput = collections.namedtuple("Unique", ["y", "idx"])
_UniqueCounts = collections.namedtuple("UniqueWithCounts", ["y", "idx", "count"])
_ListDiff = collections.namedtuple("ListDiff", ["out", "idx"])


def gather_nd(params, indices, name=None, batch_dims=0):
    """Slices of params at the index rows in the last axis of indices."""
    if batch_dims:
        raise NotImplementedError("tf.gather_nd: batch_dims")
    return out("GatherNd", [("params", params), ("indices", indices)], None, name)


def batch_gather(params, indices, name=None):
    """gather along the last axis of indices, batch by batch."""
    with _core.name_scope(name, "BatchGather"):
        indices, params = tensor(indices, name="indices"), tensor(params, name="params")
        depth = indices.shape.ndims
        if depth is None:
            raise ValueError("batch_gather does not allow indices with unknown shape.")
        return array_ops.gather(params, indices, axis=depth - 1, batch_dims=depth - 1)


def scatter_nd(indices, updates, shape, name=None):
    """Zeros of a shape with updates added at indices."""
    return out("ScatterNd", [("indices", indices), ("updates", updates), ("shape", array_ops._sizes(shape))], None,
               name)


def unique(x, out_idx=_core.int32, name=None):
    """The distinct elements in order of appearance, and for each element where its like is."""
    return _UniqueOutput(*op("Unique", [("x", x)], {"out_idx": _core.as_dtype(out_idx)}, name).outputs)


def unique_with_counts(x, out_idx=_core.int32, name=None):
    return _UniqueCounts(*op("UniqueWithCounts", [("x", x)], {"out_idx": _core.as_dtype(out_idx)}, name).outputs)


def setdiff1d(x, y, index_dtype=_core.int32, name=None):
    """Elements of x that y has not, and where they were."""
    x = tensor(x)
    return _ListDiff(*op("ListDiff", [("x", x), ("y", y, x._dtype)], {"out_idx": _core.as_dtype(index_dtype)},
                         name).outputs)


def dynamic_stitch(indices, data, name=None):
    """Rows of all data, put at their indices; the last of equal indices stays."""
    if len(indices) != len(data):
        raise ValueError("dynamic_stitch: %d index tensors for %d of data" % (len(indices), len(data)))
    parts = [("indices_%d" % i, x, "int32") for i, x in enumerate(indices)]
    return out("DynamicStitch", parts + [("data_%d" % i, x) for i, x in enumerate(data)], None, name)


def dynamic_partition(data, partitions, num_partitions, name=None):
    """Rows of data by their partition's number."""
    return list(op("DynamicPartition", [("data", data), ("partitions", partitions, "int32")],
                   {"num_partitions": int(num_partitions)}, name).outputs)


def invert_permutation(x, name=None):
    return out("InvertPermutation", [("x", x)], None, name)


def reverse_sequence(input, seq_lengths, seq_axis=None, batch_axis=None, name=None, seq_dim=None, batch_dim=None):
    """Turns round the first seq_lengths[b] elements of each batch entry b."""
    seq = seq_dim if seq_axis is None else seq_axis
    if seq is None:
        raise ValueError("reverse_sequence: seq_axis is missing")
    batch = (batch_dim or 0) if batch_axis is None else batch_axis
    return out("ReverseSequence", [("input", input), ("seq_lengths", seq_lengths)],
               {"seq_dim": int(seq), "batch_dim": int(batch)}, name)


def meshgrid(*args, **kwargs):
    """Coordinates of a grid spanned by vectors; indexing 'xy' (the first two axes exchanged) or 'ij'."""
    indexing, name = kwargs.pop("indexing", "xy"), kwargs.pop("name", "meshgrid")
    if kwargs:
        raise TypeError("'%s' is an invalid keyword argument for this function" % list(kwargs)[0])
    if indexing not in ("xy", "ij"):
        raise ValueError("indexing parameter must be either 'xy' or 'ij'")
    with _core.name_scope(name, "meshgrid"):
        n, vectors = len(args), [tensor(a) for a in args]
        sizes = [array_ops.size(v) for v in vectors]
        flat = []
        for i, v in enumerate(vectors):
            place = 1 - i if indexing == "xy" and n > 1 and i < 2 else i
            flat.append(array_ops.reshape(v, [1] * place + [-1] + [1] * (n - 1 - place)))
        if indexing == "xy" and n > 1:
            sizes[0], sizes[1] = sizes[1], sizes[0]
        ones = array_ops.fill(array_ops.stack(sizes), np.ones((), vectors[0].dtype.as_numpy_dtype)) if n else None
        return [v * ones for v in flat]


def shape_n(input, out_type=_core.int32, name=None):
    return list(op("ShapeN", [("input_%d" % i, x) for i, x in enumerate(input)],
                   {"out_type": _core.as_dtype(out_type)}, name).outputs)


def guarantee_const(input, name=None):
    return array_ops.identity(input, name or "GuaranteeConst")


# ---- segments

def _sorted(type_):
    def function(data, segment_ids, name=None):
        return out(type_, [("data", data), ("segment_ids", segment_ids)], None, name)
    function.__doc__ = "Rows of data combined by their increasing segment numbers (operation %s)." % type_
    return function


segment_sum, segment_mean, segment_prod = _sorted("SegmentSum"), _sorted("SegmentMean"), _sorted("SegmentProd")
segment_max, segment_min = _sorted("SegmentMax"), _sorted("SegmentMin")


def _unsorted(type_):
    def function(data, segment_ids, num_segments, name=None):
        return out(type_, [("data", data), ("segment_ids", segment_ids), ("num_segments", num_segments, "int32")],
                   None, name)
    function.__doc__ = "Rows of data combined by segment number; negative numbers are dropped (%s)." % type_
    return function


unsorted_segment_sum, unsorted_segment_prod = _unsorted("UnsortedSegmentSum"), _unsorted("UnsortedSegmentProd")
unsorted_segment_max, unsorted_segment_min = _unsorted("UnsortedSegmentMax"), _unsorted("UnsortedSegmentMin")


def _segment_sizes(data, segment_ids, num_segments):
    """How many rows each segment has, at least 1, in a shape that divides the sums."""
    ones = array_ops.ones_like(segment_ids, dtype=data.dtype)
    count = math_ops.maximum(unsorted_segment_sum(ones, segment_ids, num_segments), 1)
    inner = len(data.shape) - len(segment_ids.shape)
    return array_ops.reshape(count, [-1] + [1] * inner)


def unsorted_segment_mean(data, segment_ids, num_segments, name=None):
    with _core.name_scope(name, "UnsortedSegmentMean"):
        data, ids = tensor(data), tensor(segment_ids)
        return unsorted_segment_sum(data, ids, num_segments) / _segment_sizes(data, ids, num_segments)


def unsorted_segment_sqrt_n(data, segment_ids, num_segments, name=None):
    with _core.name_scope(name, "UnsortedSegmentSqrtN"):
        data, ids = tensor(data), tensor(segment_ids)
        return unsorted_segment_sum(data, ids, num_segments) / math_ops.sqrt(_segment_sizes(data, ids, num_segments))


def bincount(arr, weights=None, minlength=None, maxlength=None, dtype=_core.int32, name=None):
    """How often each number from 0 on appears, or the sum of its weights."""
    with _core.name_scope(name, "bincount"):
        arr = tensor(arr, "int32", "arr")
        size = math_ops.cast(math_ops.reduce_prod(array_ops.shape(arr)) > 0, "int32") * (math_ops.reduce_max(arr) + 1)
        if minlength is not None:
            size = math_ops.maximum(tensor(minlength, "int32"), size)
        if maxlength is not None:
            size = math_ops.minimum(tensor(maxlength, "int32"), size)
        weights = array_ops.constant(np.zeros(0, _core.as_dtype(dtype).as_numpy_dtype)) if weights is None else weights
        return out("Bincount", [("arr", arr), ("size", size), ("weights", weights)])


# ---- space, batch, depth

def space_to_batch_nd(input, block_shape, paddings, name=None):
    return out("SpaceToBatchND", [("input", input), ("block_shape", array_ops._sizes(block_shape)),
                                  ("paddings", array_ops._sizes(paddings))], None, name)


def batch_to_space_nd(input, block_shape, crops, name=None):
    return out("BatchToSpaceND", [("input", input), ("block_shape", array_ops._sizes(block_shape)),
                                  ("crops", array_ops._sizes(crops))], None, name)


def space_to_batch(input, paddings, block_size, name=None):
    return space_to_batch_nd(input, [block_size, block_size], paddings, name)


def batch_to_space(input, crops, block_size, name=None):
    return batch_to_space_nd(input, [block_size, block_size], crops, name)


def _blocks(type_):
    def function(input, block_size, name=None, data_format="NHWC"):
        if block_size < 2:
            raise ValueError("%s: block_size %d; at least 2 is expected" % (type_, block_size))
        return out(type_, [("input", input)], {"block_size": int(block_size), "data_format": data_format}, name)
    return function


space_to_depth, depth_to_space = _blocks("SpaceToDepth"), _blocks("DepthToSpace")


def required_space_to_batch_paddings(input_shape, block_shape, base_paddings=None, name=None):
    """Paddings that make sizes divisible by a block, and the crops that undo them."""
    sizes, block = np.asarray(input_shape), np.asarray(block_shape)
    base = np.zeros((len(block), 2), np.int32) if base_paddings is None else np.asarray(base_paddings)
    whole = sizes + base.sum(1)
    extra = (block - whole % block) % block
    pads = np.stack([base[:, 0], base[:, 1] + extra], 1).astype(np.int32)
    crops = np.stack([np.zeros_like(extra), extra], 1).astype(np.int32)
    return array_ops.constant(pads, name="paddings"), array_ops.constant(crops, name="crops")


def scatter_nd_add(*args, **kwargs):
    raise NotImplementedError("tf.scatter_nd_add; tf.assign_add(ref, tf.scatter_nd(...)) does the same")


def reverse_axes(x):
    return list(builtins.range(len(x.shape)))[::-1]
