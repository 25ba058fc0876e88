"""Sparse tensors: places, values and a shape."""
import collections

import numpy as np

from trivium.tf import _core, array_ops, index_ops, math_ops
from trivium.tf._core import tensor

SparseTensorValue = collections.namedtuple("SparseTensorValue", ["indices", "values", "dense_shape"])
IndexedSlicesValue = collections.namedtuple("IndexedSlicesValue", ["values", "indices", "dense_shape"])


class SparseTensor:
    """values at indices [n, rank] of a tensor of dense_shape; zero elsewhere."""

    def __init__(self, indices, values, dense_shape):
        with _core.name_scope(None, "SparseTensor"):
            self.indices = tensor(indices, "int64", "indices")
            self.values = tensor(values, name="values")
            self.dense_shape = tensor(dense_shape, "int64", "dense_shape")

    dtype = property(lambda self: self.values.dtype)
    graph = property(lambda self: self.values.graph)
    op = property(lambda self: self.values.op)

    @classmethod
    def from_value(cls, value):
        return value if isinstance(value, cls) else cls(value.indices, value.values, value.dense_shape)

    def get_shape(self):
        known = _core._tf.constant_value(self.dense_shape)
        return _core.TensorShape(None if known is None else [int(d) for d in np.atleast_1d(known)])

    shape = property(get_shape)

    def eval(self, feed_dict=None, session=None):
        from trivium.tf import session as sessions
        run = session or sessions.get_default_session()
        return SparseTensorValue(*run.run([self.indices, self.values, self.dense_shape], feed_dict))

    def __str__(self):
        return "SparseTensor(indices=%s, values=%s, dense_shape=%s)" % (self.indices, self.values, self.dense_shape)


def sparse_placeholder(dtype, shape=None, name=None):
    name = name or "Placeholder"
    rank = None if shape is None else len(shape)
    sizes = (array_ops.placeholder("int64", [rank], name + "/shape") if shape is None or None in list(shape)
             else array_ops.constant(np.array(shape, np.int64), name=name + "/shape"))
    return SparseTensor(array_ops.placeholder("int64", [None, rank], name + "/indices"),
                        array_ops.placeholder(dtype, [None], name + "/values"), sizes)


def sparse_to_dense(sparse_indices, output_shape, sparse_values, default_value=0, validate_indices=True, name=None):
    """default_value everywhere but at the indices."""
    with _core.name_scope(name, "SparseToDense"):
        values = tensor(sparse_values)
        indices = tensor(sparse_indices)
        if indices.shape.ndims == 1:
            indices = array_ops.expand_dims(indices, 1)
        if indices.shape.ndims == 0:
            indices = array_ops.reshape(indices, [1, 1])
        sizes = array_ops._sizes(output_shape)
        wide = values + array_ops.zeros(array_ops.shape(indices)[:1], values.dtype)
        placed = index_ops.scatter_nd(indices, wide, sizes)
        if not _core.is_tensor(default_value) and default_value == 0:
            return placed
        given = index_ops.scatter_nd(indices, array_ops.ones_like(wide), sizes)
        rest = array_ops.fill(sizes, tensor(default_value, values.dtype))
        return array_ops.where(math_ops.not_equal(given, array_ops.zeros_like(given)), placed, rest)


def sparse_tensor_to_dense(sp_input, default_value=0, validate_indices=True, name=None):
    return sparse_to_dense(sp_input.indices, sp_input.dense_shape, sp_input.values, default_value, validate_indices,
                           name)


def sparse_tensor_dense_matmul(sp_a, b, adjoint_a=False, adjoint_b=False, name=None):
    """A sparse matrix times a dense one: rows of b by column, summed by row."""
    with _core.name_scope(name, "SparseTensorDenseMatMul"):
        b = array_ops.matrix_transpose(tensor(b)) if adjoint_b else tensor(b)
        rows, columns = sp_a.indices[:, 0], sp_a.indices[:, 1]
        size = sp_a.dense_shape[1 if adjoint_a else 0]
        if adjoint_a:
            rows, columns = columns, rows
        parts = array_ops.expand_dims(sp_a.values, 1) * array_ops.gather(b, columns)
        return index_ops.unsorted_segment_sum(parts, rows, math_ops.cast(size, "int32"))


def sparse_reduce_sum(sp_input, axis=None, keepdims=None, reduction_axes=None, keep_dims=None):
    axis = reduction_axes if axis is None else axis
    return math_ops.reduce_sum(sparse_tensor_to_dense(sp_input), axis, keepdims=bool(keepdims or keep_dims))


class IndexedSlices:
    """Rows `values` of a tensor at `indices`; others are zero. As a tensor, rows of one index are summed."""

    def __init__(self, values, indices, dense_shape=None):
        self.values, self.indices = tensor(values), tensor(indices)
        self.dense_shape = None if dense_shape is None else tensor(dense_shape)

    dtype = property(lambda self: self.values.dtype)
    graph = property(lambda self: self.values.graph)
    op = property(lambda self: self.values.op)
    name = property(lambda self: self.values.name)

    def _as_tensor(self):
        if self.dense_shape is None:
            raise ValueError("Tensor conversion requested for IndexedSlices without dense_shape: %s" % self.name)
        return index_ops.unsorted_segment_sum(self.values, self.indices, math_ops.cast(self.dense_shape[0], "int32"))
