"""Recurrent cells and the functions that run them over time."""
import collections
import re

import numpy as np

from trivium.tf import _core, array_ops, control_ops, init_ops, math_ops, nn, variables
from trivium.tf._core import tensor

LSTMStateTuple = collections.namedtuple("LSTMStateTuple", ["c", "h"])


def _snake(name):
    """OwnCell → own_cell, as layers are named after their class."""
    return re.sub("([a-z0-9])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z0-9]+)", r"\1_\2", name)).lower()


class RNNCell:
    """cell(inputs, state) → (output, new state). Its variables are made by the first call, in a scope of its own. A
    program's own cell has state_size, output_size and call (and build, if variables are to be made there)."""
    default_name = None
    _name = _reuse = _scope = None

    def __init__(self, trainable=True, name=None, dtype=None, _reuse=None, reuse=None, **_):
        self._name, self._reuse = name, _reuse if reuse is None else reuse

    def __call__(self, inputs, state, scope=None):
        first = self._scope is None
        with variables.variable_scope(self._scope or scope or self._name, self.default_name or _snake(type(self).__name__),
                                      reuse=self._reuse if first else True) as opened:
            self._scope = opened
            inputs = control_ops._like(inputs, iter([tensor(x) for x in control_ops._flat(inputs)]))
            if first and hasattr(self, "build"):
                self.build(inputs.shape)
            return self.call(inputs, state)

    name = property(lambda self: self._name or self.default_name or _snake(type(self).__name__))
    scope_name = property(lambda self: None if self._scope is None else self._scope.name)

    def _own(self, key):
        return [] if self._scope is None else _core.get_collection(key, self._scope.name + "/")

    variables = weights = property(lambda self: self._own(_core.GraphKeys.GLOBAL_VARIABLES))
    trainable_variables = trainable_weights = property(lambda self: self._own(_core.GraphKeys.TRAINABLE_VARIABLES))

    def add_variable(self, name, shape, dtype=None, initializer=None, regularizer=None, trainable=True, **_):
        return variables.get_variable(name, shape, dtype, initializer, regularizer, trainable)

    add_weight = add_variable

    def zero_state(self, batch_size, dtype):
        with _core.name_scope(type(self).__name__ + "ZeroState"):
            return self._zeros(self.state_size, batch_size, dtype)

    def _zeros(self, size, batch_size, dtype):
        if isinstance(size, (list, tuple)):
            parts = [self._zeros(s, batch_size, dtype) for s in size]
            return type(size)(*parts) if hasattr(size, "_fields") else type(size)(parts)
        return array_ops.zeros([batch_size] + (size.as_list() if isinstance(size, _core.TensorShape) else [size]), dtype)


class _UnitCell(RNNCell):
    """A cell of num_units numbers."""

    def __init__(self, num_units, activation=None, reuse=None, name=None):
        super().__init__(name=name, reuse=reuse)
        self._units, self._activation = num_units, activation or math_ops.tanh

    output_size = property(lambda self: self._units)
    state_size = property(lambda self: self._units)


def _linear(parts, size, bias_start, kernel="kernel", bias="bias", initializer=None):
    x = array_ops.concat(parts, 1)
    w = variables.get_variable(kernel, [x.shape[1].value, size], x.dtype, initializer)
    b = variables.get_variable(bias, [size], x.dtype, init_ops.Constant(bias_start, x.dtype))
    return nn.bias_add(math_ops.matmul(x, w), b)


class BasicRNNCell(_UnitCell):
    default_name = "basic_rnn_cell"

    def call(self, inputs, state):
        output = self._activation(_linear([inputs, state], self._units, 0.0))
        return output, output


class BasicLSTMCell(_UnitCell):
    """Gates in the order i, j, f, o."""
    default_name = "basic_lstm_cell"

    def __init__(self, num_units, forget_bias=1.0, state_is_tuple=True, activation=None, reuse=None, name=None):
        super().__init__(num_units, activation, reuse, name)
        self._forget, self._tuple = forget_bias, state_is_tuple

    @property
    def state_size(self):
        return LSTMStateTuple(self._units, self._units) if self._tuple else 2 * self._units

    def call(self, inputs, state):
        c, h = state if self._tuple else array_ops.split(state, 2, 1)
        i, j, f, o = array_ops.split(_linear([inputs, h], 4 * self._units, 0.0), 4, 1)
        new_c = c * math_ops.sigmoid(f + self._forget) + math_ops.sigmoid(i) * self._activation(j)
        new_h = self._activation(new_c) * math_ops.sigmoid(o)
        return new_h, LSTMStateTuple(new_c, new_h) if self._tuple else array_ops.concat([new_c, new_h], 1)


class LSTMCell(BasicLSTMCell):
    """BasicLSTMCell with what may be added to it: peepholes from the memory c to the gates, a bound of c, a projection
    of h to num_proj numbers and a bound of those (Sak, Senior, Beaufays 2014, equations 1 to 6)."""
    default_name = "lstm_cell"

    def __init__(self, num_units, use_peepholes=False, cell_clip=None, initializer=None, num_proj=None, proj_clip=None,
                 num_unit_shards=None, num_proj_shards=None, forget_bias=1.0, state_is_tuple=True, activation=None,
                 reuse=None, name=None, dtype=None):
        for what, given in (("num_unit_shards", num_unit_shards), ("num_proj_shards", num_proj_shards)):
            if given not in (None, 1):
                raise NotImplementedError("LSTMCell: %s=%r; weights are in one piece here" % (what, given))
        super().__init__(num_units, forget_bias, state_is_tuple, activation, reuse, name)
        self._peepholes, self._clip, self._initializer = use_peepholes, cell_clip, initializer
        self._projection, self._projection_clip = num_proj, proj_clip

    output_size = property(lambda self: self._units if self._projection is None else self._projection)

    @property
    def state_size(self):
        both = LSTMStateTuple(self._units, self.output_size)
        return both if self._tuple else sum(both)

    def _variable(self, name, shape, dtype):
        return variables.get_variable(name, shape, dtype, self._initializer)

    def call(self, inputs, state):
        kind = inputs.dtype
        c, h = state if self._tuple else array_ops.split(state, [self._units, self.output_size], 1)
        gates = _linear([inputs, h], 4 * self._units, 0.0, initializer=self._initializer)
        i, j, f, o = array_ops.split(gates, 4, 1)
        f = f + self._forget
        if self._peepholes:
            w_f, w_i, w_o = (self._variable("w_%s_diag" % gate, [self._units], kind) for gate in "fio")
            f, i = f + w_f * c, i + w_i * c
        c = math_ops.sigmoid(f) * c + math_ops.sigmoid(i) * self._activation(j)
        if self._clip is not None:
            c = math_ops.clip_by_value(c, -self._clip, self._clip)
        if self._peepholes:
            o = o + w_o * c
        h = math_ops.sigmoid(o) * self._activation(c)
        if self._projection is not None:
            h = math_ops.matmul(h, self._variable("projection/kernel", [self._units, self._projection], kind))
            if self._projection_clip is not None:
                h = math_ops.clip_by_value(h, -self._projection_clip, self._projection_clip)
        return h, LSTMStateTuple(c, h) if self._tuple else array_ops.concat([c, h], 1)


class GRUCell(_UnitCell):
    """r, then u."""
    default_name = "gru_cell"

    def call(self, inputs, state):
        gates = math_ops.sigmoid(_linear([inputs, state], 2 * self._units, 1.0, "gates/kernel", "gates/bias"))
        r, u = array_ops.split(gates, 2, 1)
        c = self._activation(_linear([inputs, r * state], self._units, 0.0, "candidate/kernel", "candidate/bias"))
        new = u * state + (1 - u) * c
        return new, new


class MultiRNNCell(RNNCell):
    """Cells on top of one another; state_is_tuple=False: their states side by side in one tensor."""
    default_name = "multi_rnn_cell"

    def __init__(self, cells, state_is_tuple=True):
        super().__init__()
        if not isinstance(cells, (list, tuple)):
            raise TypeError("cells must be a list or tuple, but saw: %s." % (cells,))
        if not cells:
            raise ValueError("Must specify at least one cell for MultiRNNCell.")
        self._cells, self._tuple = list(cells), state_is_tuple
        if not state_is_tuple and any(isinstance(c.state_size, (list, tuple)) for c in cells):
            raise ValueError("Some cells return tuples of states, but the flag state_is_tuple is not set.  State sizes "
                             "are: %s" % ([c.state_size for c in cells],))

    output_size = property(lambda self: self._cells[-1].output_size)

    @property
    def state_size(self):
        sizes = tuple(c.state_size for c in self._cells)
        return sizes if self._tuple else sum(sizes)

    def zero_state(self, batch_size, dtype):
        if not self._tuple:
            return super().zero_state(batch_size, dtype)
        with _core.name_scope("MultiRNNCellZeroState"):
            return tuple(c.zero_state(batch_size, dtype) for c in self._cells)

    def call(self, inputs, state):
        if not self._tuple:
            state = array_ops.split(state, [c.state_size for c in self._cells], 1)
        elif not isinstance(state, (list, tuple)) or len(state) != len(self._cells):
            raise ValueError("Expected state to be a tuple of length %d, but received: %s" % (len(self._cells), state))
        states = []
        for i, (cell, old) in enumerate(zip(self._cells, state)):
            with variables.variable_scope("cell_%d" % i):
                inputs, new = cell(inputs, old)
            states.append(new)
        return inputs, tuple(states) if self._tuple else array_ops.concat(states, 1)


def _chosen(live, new, old):
    """New values where `live` (a bool a row), else old ones; through tuples."""
    if isinstance(new, tuple):
        parts = [_chosen(live, n, o) for n, o in zip(new, old)]
        return type(new)(*parts) if hasattr(new, "_fields") else tuple(parts)
    return array_ops.where(live, new, old)


def _run(cell, inputs, state, sequence_length):
    outputs = []
    for time, x in enumerate(inputs):
        if time > 0:
            variables.get_variable_scope().reuse_variables()
        output, new = cell(x, state)
        if sequence_length is not None:
            live = math_ops.less(np.array(time, sequence_length.dtype.as_numpy_dtype), sequence_length)
            output = array_ops.where(live, output, array_ops.zeros_like(output))
            new = _chosen(live, new, state)
        outputs.append(output)
        state = new
    return outputs, state


def _start(cell, first, initial_state, dtype):
    if initial_state is not None:
        return initial_state
    if dtype is None:
        raise ValueError("If there is no initial_state, you must give a dtype.")
    first = control_ops._flat(first)[0]
    batch = first.shape[0].value
    if batch is None:
        rows = first.tensor if isinstance(first, _Row) else first
        batch = array_ops.shape(rows)[1 if isinstance(first, _Row) else 0]
    return cell.zero_state(batch, dtype)


def static_rnn(cell, inputs, initial_state=None, dtype=None, sequence_length=None, scope=None):
    """Runs a cell over a list of inputs [batch, n]; past a row's length outputs are 0 and its state stays."""
    if not inputs:
        raise ValueError("inputs must not be empty")
    inputs = [tensor(x) for x in inputs]
    with variables.variable_scope(scope or "rnn"):
        length = None if sequence_length is None else tensor(sequence_length)
        return _run(cell, inputs, _start(cell, inputs[0], initial_state, dtype), length)


def _reversed(xs, length):
    if length is None:
        return xs[::-1]
    return array_ops.unstack(_backwards(array_ops.stack(xs), tensor(length), 0, 1))


def static_bidirectional_rnn(cell_fw, cell_bw, inputs, initial_state_fw=None, initial_state_bw=None, dtype=None,
                             sequence_length=None, scope=None):
    with variables.variable_scope(scope, "bidirectional_rnn"):
        with variables.variable_scope("fw") as fw:
            forward, state_fw = static_rnn(cell_fw, inputs, initial_state_fw, dtype, sequence_length, fw)
        with variables.variable_scope("bw") as bw:
            backward, state_bw = static_rnn(cell_bw, _reversed(inputs, sequence_length), initial_state_bw, dtype,
                                            sequence_length, bw)
        backward = _reversed(backward, sequence_length)
        return [array_ops.concat([f, b], 1) for f, b in zip(forward, backward)], state_fw, state_bw


def _state_leaves(size):
    return [leaf for s in size for leaf in _state_leaves(s)] if isinstance(size, tuple) else [size]


def dynamic_rnn(cell, inputs, sequence_length=None, initial_state=None, dtype=None, parallel_iterations=None,
                swap_memory=False, time_major=False, scope=None):
    """inputs [batch, time, n] ([time, batch, n] with time_major), or a tuple of such. One loop over time; past a
    row's length outputs are 0 and its state stays."""
    with variables.variable_scope(scope or "rnn"):
        flat = [tensor(x) for x in control_ops._flat(inputs)]
        if not time_major:
            flat = [array_ops.transpose(x, [1, 0] + list(range(2, x.shape.ndims))) for x in flat]
        steps = control_ops._count(flat)
        length = None if sequence_length is None else array_ops.identity(
            math_ops.cast(tensor(sequence_length), _core.int32), name="sequence_length")
        state = _start(cell, control_ops._like(inputs, iter([_Row(x) for x in flat])), initial_state, dtype)
        outputs, state = _loop(cell, inputs, flat, steps, length, state, dtype or flat[0].dtype)
        for out in control_ops._flat(outputs):
            if out.shape.ndims is not None:
                out.set_shape([steps if isinstance(steps, int) else None] + out.shape.as_list()[1:])
        if not time_major:
            flip = [array_ops.transpose(x, [1, 0] + list(range(2, x.shape.ndims)))
                    for x in control_ops._flat(outputs)]
            outputs = control_ops._like(outputs, iter(flip))
        return outputs, state


class _Row:
    """What one row of a [time, batch, …] tensor looks like, before there is one."""

    def __init__(self, x):
        self.tensor, self.shape = x, x.shape[1:]


def _loop(cell, structure, inputs, steps, length, state, dtype):
    rows = [control_ops.TensorArray(x.dtype, steps, name="input_%d" % i, _checked=False).unstack(x)
            for i, x in enumerate(inputs)]
    made = [control_ops.TensorArray(dtype, steps, name="output_%d" % i, _checked=False)
            for i, _ in enumerate(_state_leaves(cell.output_size))]
    first = control_ops._flat(state)

    def body(time, leaves, made):
        x = control_ops._like(structure, iter([r.read(time) for r in rows]))
        old = control_ops._like(state, iter(leaves))
        output, new = cell(x, old)
        flat = control_ops._flat(output)
        if length is not None:
            live = math_ops.less(time, length)
            flat = [array_ops.where(live, o, array_ops.zeros_like(o)) for o in flat]
            new = _chosen(live, new, old)
        after = control_ops._flat(new)
        for old_leaf, leaf in zip(leaves, after):
            leaf.set_shape(old_leaf.shape)
        outputs.append(output)
        return time + 1, after, [a.write(time, o) for a, o in zip(made, flat)]

    outputs = []
    time = _core.tensor(0, name="time")
    _, last, made = control_ops.while_loop(lambda time, *_: math_ops.less(time, steps), body, (time, first, made))
    return (control_ops._like(outputs[0], iter([a.stack() for a in made])),
            control_ops._like(state, iter(last)))


def _backwards(x, length, time_axis, batch_axis):
    if length is not None:
        return _core.out("ReverseSequence", [("input", x), ("seq_lengths", length)],
                         {"seq_dim": time_axis, "batch_dim": batch_axis})
    return array_ops.reverse(x, [time_axis])


def bidirectional_dynamic_rnn(cell_fw, cell_bw, inputs, sequence_length=None, initial_state_fw=None,
                              initial_state_bw=None, dtype=None, parallel_iterations=None, swap_memory=False,
                              time_major=False, scope=None):
    """One cell from the first step on, another from the last: ((outputs_fw, outputs_bw), (state_fw, state_bw))."""
    time_axis, batch_axis = (0, 1) if time_major else (1, 0)
    with variables.variable_scope(scope or "bidirectional_rnn"):
        with variables.variable_scope("fw") as fw:
            forward, state_fw = dynamic_rnn(cell_fw, inputs, sequence_length, initial_state_fw, dtype,
                                            time_major=time_major, scope=fw)
        with variables.variable_scope("bw") as bw:
            length = None if sequence_length is None else tensor(sequence_length)
            turned = _backwards(tensor(inputs), length, time_axis, batch_axis)
            backward, state_bw = dynamic_rnn(cell_bw, turned, sequence_length, initial_state_bw, dtype,
                                             time_major=time_major, scope=bw)
        return (forward, _backwards(backward, length, time_axis, batch_axis)), (state_fw, state_bw)


def __getattr__(name):
    from trivium.tf import rnn_wrappers
    if name in rnn_wrappers.__all__:
        return getattr(rnn_wrappers, name)
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.nn.rnn_cell.%s is not in this version" % name)
