"""Cells around a cell: dropout, residual connections, devices, projections, embeddings."""
import hashlib

from trivium import _tf
from trivium.tf import _core, array_ops, control_ops, init_ops, math_ops, nn, random_ops, rnn, variables
from trivium.tf._core import tensor
from trivium.tf.rnn import LSTMStateTuple, RNNCell

__all__ = """DropoutWrapper ResidualWrapper DeviceWrapper HighwayWrapper OutputProjectionWrapper InputProjectionWrapper
    EmbeddingWrapper""".split()


class _Around(RNNCell):
    """A wrapper without variables of its own: those of its cell are named as if it were not there."""

    def __init__(self, cell):
        for method in ("output_size", "state_size", "zero_state"):
            if not hasattr(cell, method):
                raise TypeError("The argument 'cell' (%r) is not an RNNCell: '%s' property is missing" % (cell, method))
        super().__init__()
        self._cell = cell

    wrapped_cell = property(lambda self: self._cell)
    state_size = property(lambda self: self._cell.state_size)
    output_size = property(lambda self: self._cell.output_size)
    variables = weights = property(lambda self: self._cell.variables)
    trainable_variables = trainable_weights = property(lambda self: self._cell.trainable_variables)

    def zero_state(self, batch_size, dtype):
        with _core.name_scope(type(self).__name__ + "ZeroState"):
            return self._cell.zero_state(batch_size, dtype)


def _probability(value, name):
    """A number in [0, 1], or the tensor given."""
    known = value
    if _core.is_tensor(value):
        value = tensor(value)
        known = _tf.constant_value(value)
    if known is None:
        return value
    known = float(known)
    if not 0 <= known <= 1:
        raise ValueError("Parameter %s must be between 0 and 1: %g" % (name, known))
    return known


def _drops(keep_prob):
    return not isinstance(keep_prob, float) or keep_prob < 1


def _all_but_memory(state):
    """The c of an LSTM is not dropped; anything else is."""
    return LSTMStateTuple(c=False, h=True) if isinstance(state, LSTMStateTuple) else True


class DropoutWrapper(_Around):
    """Dropout of a cell's inputs, outputs and new states. variational_recurrent: one mask for all steps and rows of a
    run (Gal and Ghahramani 2016); it needs dtype, and input_size when inputs are dropped."""

    def __init__(self, cell, input_keep_prob=1.0, output_keep_prob=1.0, state_keep_prob=1.0, variational_recurrent=False,
                 input_size=None, dtype=None, seed=None, dropout_state_filter_visitor=None):
        super().__init__(cell)
        if dropout_state_filter_visitor is not None and not callable(dropout_state_filter_visitor):
            raise TypeError("dropout_state_filter_visitor must be callable")
        self._keep = {what: _probability(value, what + "_keep_prob") for what, value in (
            ("input", input_keep_prob), ("state", state_keep_prob), ("output", output_keep_prob))}
        self._seed, self._filter = seed, dropout_state_filter_visitor or _all_but_memory
        self._noise = None
        if not variational_recurrent:
            return
        if dtype is None:
            raise ValueError("When variational_recurrent=True, dtype must be provided")
        if input_size is None and _drops(self._keep["input"]):
            raise ValueError("When variational_recurrent=True and input_keep_prob < 1.0 or is unknown, input_size must be "
                             "provided")
        sizes = {"input": input_size, "state": cell.state_size, "output": cell.output_size}
        with _core.name_scope("DropoutWrapperInit"):
            self._noise = {what: self._masks(what, sizes[what], dtype) for what in sizes if _drops(self._keep[what])}

    def _seed_of(self, what, index):
        """A seed for each tensor that is dropped, from the digits of the one given."""
        if self._seed is None:
            return None
        text = "%s%s_%d" % (self._seed, what, index)
        return int(hashlib.md5(text.encode()).hexdigest()[:8], 16) & 0x7FFFFFFF

    def _masks(self, what, sizes, dtype):
        """Uniform numbers [1, size] for each leaf, the same for all rows."""
        masks = []
        for i, size in enumerate(_leaves(sizes)):
            dims = [1] + (_core.TensorShape(size).as_list() if not isinstance(size, int) else [size])
            masks.append(random_ops.random_uniform(dims, seed=self._seed_of(what, i), dtype=dtype))
        return masks

    def _one(self, what, index, value):
        keep = self._keep[what]
        if self._noise is None:
            return nn.dropout(value, keep, seed=self._seed_of(what, index))
        kept = math_ops.floor(keep + self._noise[what][index])
        result = value / keep * kept
        result.set_shape(value.shape)
        return result

    def _dropped(self, what, values):
        if not _drops(self._keep[what]):
            return values
        leaves = [tensor(v) for v in control_ops._flat(values)]
        return control_ops._like(values, iter([self._one(what, i, v) for i, v in enumerate(leaves)]))

    def _dropped_state(self, state):
        """A filter says True, False, or the same of the parts of a tuple; places count along all that it speaks of."""
        if not _drops(self._keep["state"]):
            return state
        place = iter(range(10 ** 9))

        def visit(says, value):
            if isinstance(says, (list, tuple)):
                parts = [visit(s, v) for s, v in zip(says, value)]
                return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
            if isinstance(value, (list, tuple)):
                parts = [visit(self._filter(v) if says else False, v) for v in value]
                return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
            index = next(place)
            return self._one("state", index, tensor(value)) if says else value

        return visit(self._filter(state), state)

    def __call__(self, inputs, state, scope=None):
        output, new = self._cell(self._dropped("input", inputs), state, scope)
        new = self._dropped_state(new)
        return self._dropped("output", output), new


def _leaves(sizes):
    return [leaf for s in sizes for leaf in _leaves(s)] if isinstance(sizes, (list, tuple)) else [sizes]


class ResidualWrapper(_Around):
    """The cell's output plus its input, or residual_fn(input, output)."""

    def __init__(self, cell, residual_fn=None):
        super().__init__(cell)
        self._residual = residual_fn or self._sum

    @staticmethod
    def _sum(inputs, outputs):
        ins, outs = control_ops._flat(inputs), control_ops._flat(outputs)
        if len(ins) != len(outs):
            raise ValueError("The two structures don't have the same nested structure: inputs %r, outputs %r" % (
                inputs, outputs))
        for x, y in zip(ins, outs):
            if not x.shape.is_compatible_with(y.shape):
                raise ValueError("Shapes %s and %s are incompatible: ResidualWrapper adds inputs and outputs" % (
                    x.shape, y.shape))
        return control_ops._like(outputs, iter([x + y for x, y in zip(ins, outs)]))

    def __call__(self, inputs, state, scope=None):
        inputs = control_ops._like(inputs, iter([tensor(x) for x in control_ops._flat(inputs)]))
        output, new = self._cell(inputs, state, scope)
        return self._residual(inputs, output), new


class DeviceWrapper(_Around):
    """The cell's operations on a device."""

    def __init__(self, cell, device):
        super().__init__(cell)
        self._device = device

    def zero_state(self, batch_size, dtype):
        with _core.device(self._device):
            return super().zero_state(batch_size, dtype)

    def __call__(self, inputs, state, scope=None):
        with _core.device(self._device):
            return self._cell(inputs, state, scope)


class HighwayWrapper(_Around):
    """carry · input + transform · output, carry = sigmoid(input W + b), transform = 1 - carry unless it is learnt too
    (Srivastava, Greff, Schmidhuber 2015)."""

    def __init__(self, cell, couple_carry_transform_gates=True, carry_bias_init=1.0):
        super().__init__(cell)
        self._coupled, self._start = couple_carry_transform_gates, carry_bias_init

    def _gate(self, name, x, start):
        size = x.shape[1].value
        w = variables.get_variable(name + "_w", [size, size], x.dtype)
        b = variables.get_variable(name + "_b", [size], x.dtype, init_ops.Constant(start, x.dtype))
        return math_ops.sigmoid(nn.xw_plus_b(x, w, b))

    def __call__(self, inputs, state, scope=None):
        inputs = tensor(inputs)
        output, new = self._cell(inputs, state, scope)
        if not inputs.shape.is_compatible_with(output.shape):
            raise ValueError("Shapes %s and %s are incompatible: HighwayWrapper adds inputs and outputs" % (
                inputs.shape, output.shape))
        carry = self._gate("carry", inputs, self._start)
        transform = 1 - carry if self._coupled else self._gate("transform", inputs, -self._start)
        return inputs * carry + output * transform, new


class _Beside(RNNCell):
    """A wrapper that has variables: they and its cell's are in its scope."""

    def __init__(self, cell, reuse=None):
        super().__init__(reuse=reuse)
        self._cell = cell

    state_size = property(lambda self: self._cell.state_size)
    output_size = property(lambda self: self._cell.output_size)

    def zero_state(self, batch_size, dtype):
        with _core.name_scope(type(self).__name__ + "ZeroState"):
            return self._cell.zero_state(batch_size, dtype)


class OutputProjectionWrapper(_Beside):
    """A linear layer after the cell."""

    def __init__(self, cell, output_size, activation=None, reuse=None):
        super().__init__(cell, reuse)
        if output_size < 1:
            raise ValueError("Parameter output_size must be > 0: %d." % output_size)
        self._size, self._activation = output_size, activation or (lambda x: x)

    output_size = property(lambda self: self._size)

    def call(self, inputs, state):
        output, new = self._cell(inputs, state)
        return self._activation(rnn._linear([output], self._size, 0.0)), new


class InputProjectionWrapper(_Beside):
    """A linear layer before the cell."""

    def __init__(self, cell, num_proj, activation=None, input_size=None, reuse=None):
        super().__init__(cell, reuse)
        self._size, self._activation = num_proj, activation or (lambda x: x)

    def call(self, inputs, state):
        return self._cell(self._activation(rnn._linear([inputs], self._size, 0.0)), state)


class EmbeddingWrapper(_Beside):
    """Inputs are numbers of words; the cell sees their vectors."""

    def __init__(self, cell, embedding_classes, embedding_size, initializer=None, reuse=None):
        super().__init__(cell, reuse)
        if embedding_classes <= 0 or embedding_size <= 0:
            raise ValueError("Both embedding_classes and embedding_size must be > 0: %d, %d." % (
                embedding_classes, embedding_size))
        self._shape, self._initializer = [embedding_classes, embedding_size], initializer

    def call(self, inputs, state):
        bound = 3 ** 0.5  # variance 1
        initializer = self._initializer or variables.get_variable_scope().initializer or (
            init_ops.random_uniform_initializer(-bound, bound))
        kind = control_ops._flat(state)[0].dtype
        with _core.device("/cpu:0"):
            table = variables.get_variable("embedding", self._shape, kind, initializer)
            rows = nn.embedding_lookup(table, array_ops.reshape(inputs, [-1]))
        return self._cell(rows, state)
