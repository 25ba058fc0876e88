"""Cells and the wrappers around them: values by the published equations, names of variables, what is refused."""
import numpy as np
import pytest

import trivium.tf as tf

RNN = tf.nn.rnn_cell
X = np.random.RandomState(0).uniform(-1, 1, (3, 4)).astype(np.float32)


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def values(*fetches, feed=None, runs=1):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        results = [sess.run(list(fetches), feed) for _ in range(runs)]
    return results[0] if runs == 1 else results


def names():
    return [v.op.name for v in tf.global_variables()]


@pytest.mark.parametrize("kind", ["BasicLSTMCell", "LSTMCell"])
def test_an_lstm_keeps_its_state_in_one_tensor(kind):
    tf.set_random_seed(3)
    pair, whole = (getattr(RNN, kind)(5, state_is_tuple=t, name="net") for t in (True, False))
    assert whole.state_size == 10 and whole.zero_state(3, tf.float32).shape.as_list() == [3, 10]
    old = tf.constant(np.random.RandomState(1).randn(3, 10).astype(np.float32))
    out, new = pair(tf.constant(X), RNN.LSTMStateTuple(old[:, :5], old[:, 5:]))
    tf.get_variable_scope().reuse_variables()
    again, joined = whole(tf.constant(X), old)
    assert joined.shape.as_list() == [3, 10] and len(tf.trainable_variables()) == 2
    ws = tf.trainable_variables()
    a, b, c, d, ga, gb = values(out, again, tf.concat(new, 1), joined, tf.gradients(out, ws), tf.gradients(again, ws))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(c, d)
    for p, q in zip(ga, gb):
        np.testing.assert_allclose(p, q, rtol=1e-6, atol=1e-7)


def test_one_tensor_holds_cell_and_projected_output():
    cell = RNN.LSTMCell(5, num_proj=2, state_is_tuple=False)
    output, state = tf.nn.dynamic_rnn(cell, tf.constant(X[:, None]), dtype=tf.float32)
    assert cell.state_size == 7 and state.shape.as_list() == [3, 7]
    out, last = values(output, state)
    np.testing.assert_array_equal(out[:, 0], last[:, 5:])


def test_lstm_cell_draws_kernels_with_its_initializer():
    cell = RNN.LSTMCell(5, use_peepholes=True, num_proj=2, initializer=tf.constant_initializer(0.25))
    cell(tf.constant(X), cell.zero_state(3, tf.float32))
    assert names() == ["lstm_cell/" + n for n in ("kernel", "bias", "w_f_diag", "w_i_diag", "w_o_diag", "projection/kernel")]
    for name, value in zip(names(), values(*tf.global_variables())):
        assert set(value.ravel()) == ({0.0} if "bias" in name else {0.25}), name


def test_layers_of_cells_keep_their_states_in_one_tensor():
    cells = [RNN.GRUCell(4), RNN.BasicLSTMCell(3, state_is_tuple=False)]
    cell = RNN.MultiRNNCell(cells, state_is_tuple=False)
    assert cell.state_size == 10 and cell.output_size == 3
    output, state = cell(tf.constant(X), cell.zero_state(3, tf.float32))
    assert names()[0] == "multi_rnn_cell/cell_0/gru_cell/gates/kernel" and state.shape.as_list() == [3, 10]
    out, new = values(output, state)
    np.testing.assert_array_equal(out, new[:, 7:])
    with pytest.raises(ValueError, match="Some cells return tuples of states"):
        RNN.MultiRNNCell([RNN.BasicLSTMCell(3)], state_is_tuple=False)
    with pytest.raises(TypeError, match="cells must be a list or tuple"):
        RNN.MultiRNNCell(RNN.BasicLSTMCell(3))
    with pytest.raises(ValueError, match="at least one cell"):
        RNN.MultiRNNCell([])


def test_a_program_may_write_its_own_cell():
    class OwnCell(RNN.RNNCell):
        def __init__(self, n, reuse=None):
            super(OwnCell, self).__init__(_reuse=reuse)
            self._n = n

        state_size = property(lambda self: self._n)
        output_size = property(lambda self: self._n)

        def build(self, shape):
            self.kernel = self.add_variable("kernel", [shape[1].value, self._n], initializer=tf.ones_initializer())

        def call(self, inputs, state):
            new = tf.matmul(inputs, self.kernel) + state
            return new, new

    class BareCell(RNN.RNNCell):
        def __init__(self):
            self.built_here = True
        state_size = output_size = 4

        def __call__(self, inputs, state, scope=None):
            with tf.variable_scope(scope or type(self).__name__):
                return inputs + state, inputs + state

    total, _ = tf.nn.dynamic_rnn(OwnCell(2), tf.constant(np.stack([X, X], 1)), dtype=tf.float32)
    plain, _ = tf.nn.static_rnn(BareCell(), [tf.constant(X)] * 2, dtype=tf.float32, scope="bare")
    assert names() == ["rnn/own_cell/kernel"]
    a, b = values(total, plain[1])
    np.testing.assert_allclose(a[:, 1], np.repeat(2 * X.sum(1, keepdims=True), 2, 1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(b, X + X)


# ---- dropout

def masked(out, plain, keep):
    """Which elements were kept; what is kept must be plain / keep."""
    kept = out != 0
    np.testing.assert_allclose(out[kept], (plain / np.float32(keep))[kept], rtol=1e-6)
    return kept


def wide(**options):
    """A cell of 200 numbers that passes its inputs on, in dropout; its inputs, output and states."""
    class Pass(RNN.RNNCell):
        state_size = RNN.LSTMStateTuple(200, 200)
        output_size = 200

        def call(self, inputs, state):
            return inputs, RNN.LSTMStateTuple(inputs + 1, inputs + 2)
    cell = RNN.DropoutWrapper(Pass(), **options)
    data = np.random.RandomState(2).uniform(1, 2, (8, 200)).astype(np.float32)
    return data, *cell(tf.constant(data), cell.zero_state(8, tf.float32))


def test_dropout_of_inputs_outputs_and_states():
    data, out, state = wide(output_keep_prob=0.7, seed=1)
    kept = masked(values(out)[0], data, 0.7)
    assert 0.65 < kept.mean() < 0.75
    tf.reset_default_graph()
    data, out, state = wide(state_keep_prob=0.5, seed=1)
    y, c, h = values(out, *state)
    np.testing.assert_array_equal(y, data)
    np.testing.assert_array_equal(c, data + 1)  # the memory is never dropped
    assert 0.45 < masked(h, data + 2, 0.5).mean() < 0.55
    tf.reset_default_graph()
    data, out, state = wide(input_keep_prob=0.5, seed=1)
    assert 0.45 < masked(values(out)[0], data, 0.5).mean() < 0.55


def test_a_filter_says_which_states_are_dropped():
    data, out, state = wide(state_keep_prob=0.5, seed=1, dropout_state_filter_visitor=lambda s: RNN.LSTMStateTuple(True, False))
    c, h = values(*state)
    assert (c == 0).any()
    np.testing.assert_array_equal(h, data + 2)


def test_a_seed_is_hashed_for_each_place():
    """The uniform numbers that decide are those of TensorFlow: seed = the digest of "<seed><what>_<index>"."""
    import hashlib
    data, out, _ = wide(output_keep_prob=0.6, seed=7)
    seed = int(hashlib.md5(b"7output_0").hexdigest()[:8], 16) & 0x7FFFFFFF
    same = tf.nn.dropout(tf.constant(data), 0.6, seed=seed)
    first, second = values(out, same, runs=2)
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(second[0], second[1])
    assert (first[0] != second[0]).any()


def test_keep_probabilities_may_be_fed():
    keep = tf.placeholder_with_default(1.0, [])
    data, out, _ = wide(output_keep_prob=keep)
    np.testing.assert_array_equal(values(out)[0], data)
    masked(values(out, feed={keep: 0.25})[0], data, 0.25)


def test_variational_dropout_has_one_mask_for_steps_and_rows():
    class Same(RNN.RNNCell):
        state_size = output_size = 100

        def call(self, inputs, state):
            return inputs, state
    cell = RNN.DropoutWrapper(Same(), output_keep_prob=0.5, variational_recurrent=True, dtype=tf.float32, seed=4)
    out, _ = tf.nn.dynamic_rnn(cell, tf.ones([3, 6, 100]), dtype=tf.float32)
    first, second = values(out, runs=2)
    assert set(first[0].ravel()) == {0.0, 2.0} and 0.3 < (first[0] == 0).mean() < 0.7
    np.testing.assert_array_equal(first[0], np.broadcast_to(first[0][:1, :1], first[0].shape))
    assert (first[0] != second[0]).any()


def test_dropout_refuses_what_tensorflow_refuses():
    cell = RNN.GRUCell(3)
    with pytest.raises(ValueError, match="Parameter output_keep_prob must be between 0 and 1"):
        RNN.DropoutWrapper(cell, output_keep_prob=1.5)
    with pytest.raises(ValueError, match="dtype must be provided"):
        RNN.DropoutWrapper(cell, output_keep_prob=0.5, variational_recurrent=True)
    with pytest.raises(ValueError, match="input_size must be provided"):
        RNN.DropoutWrapper(cell, input_keep_prob=0.5, variational_recurrent=True, dtype=tf.float32)
    with pytest.raises(TypeError, match="not an RNNCell"):
        RNN.DropoutWrapper(3)


# ---- the others

def test_wrappers_leave_names_of_variables_alone():
    cells = [RNN.DropoutWrapper(RNN.BasicLSTMCell(4), 0.5), RNN.ResidualWrapper(RNN.DeviceWrapper(RNN.GRUCell(4), "/cpu:0"))]
    out, state = tf.nn.dynamic_rnn(RNN.MultiRNNCell(cells), tf.constant(X[:, None]), dtype=tf.float32)
    assert names() == ["rnn/multi_rnn_cell/cell_0/basic_lstm_cell/kernel", "rnn/multi_rnn_cell/cell_0/basic_lstm_cell/bias"] + [
        "rnn/multi_rnn_cell/cell_1/gru_cell/%s/%s" % (g, v) for g in ("gates", "candidate") for v in ("kernel", "bias")]
    assert isinstance(state[0], RNN.LSTMStateTuple) and tf.global_variables()[2].device == "/device:CPU:0"
    grads = tf.gradients(tf.reduce_sum(out), tf.trainable_variables())
    assert all(np.isfinite(g).all() for g in values(*grads))


def test_a_residual_cell_adds_its_input():
    cell = RNN.GRUCell(4)
    state = cell.zero_state(3, tf.float32)
    plain, _ = cell(tf.constant(X), state)
    added, _ = RNN.ResidualWrapper(cell)(tf.constant(X), state)
    own, _ = RNN.ResidualWrapper(cell, residual_fn=lambda i, o: i * o)(tf.constant(X), state)
    p, a, o = values(plain, added, own)
    np.testing.assert_array_equal(a, p + X)
    np.testing.assert_array_equal(o, p * X)
    with pytest.raises(ValueError, match="incompatible"):
        RNN.ResidualWrapper(RNN.GRUCell(5))(tf.constant(X), tf.zeros([3, 5]))


def test_projections_and_embeddings():
    cell = tf.contrib.rnn.OutputProjectionWrapper(RNN.BasicRNNCell(5), 2)
    out, state = tf.nn.dynamic_rnn(cell, tf.constant(X[:, None]), dtype=tf.float32)
    assert names() == ["rnn/output_projection_wrapper/" + n for n in ("basic_rnn_cell/kernel", "basic_rnn_cell/bias", "kernel", "bias")]
    y, h, k = values(out, state, tf.global_variables()[2])
    np.testing.assert_allclose(y[:, 0], h @ k, rtol=1e-5, atol=1e-6)
    tf.reset_default_graph()
    cell = tf.contrib.rnn.InputProjectionWrapper(RNN.BasicRNNCell(5), 3, activation=tf.nn.relu)
    assert cell.output_size == 5 and cell(tf.constant(X), tf.zeros([3, 5]))[0].shape.as_list() == [3, 5]
    assert [v.shape.as_list() for v in tf.global_variables()] == [[4, 3], [3], [8, 5], [5]]
    tf.reset_default_graph()
    cell = tf.contrib.rnn.EmbeddingWrapper(RNN.BasicRNNCell(5), 9, 4)
    out, _ = cell(tf.constant([[1], [1], [8]]), cell.zero_state(3, tf.float32))
    assert names()[0] == "embedding_wrapper/embedding"
    y, table = values(out, tf.global_variables()[0])
    np.testing.assert_array_equal(y[0], y[1])
    assert abs(table).max() <= 3 ** 0.5 and table.std() > 0.5


def test_a_highway_mixes_input_and_output():
    cell = RNN.GRUCell(4)
    plain, _ = cell(tf.constant(X), tf.zeros([3, 4]))
    mixed, _ = tf.contrib.rnn.HighwayWrapper(cell)(tf.constant(X), tf.zeros([3, 4]))
    p, m, w, b = values(plain, mixed, *tf.global_variables()[-2:])
    carry = 1 / (1 + np.exp(-(X @ w + b)))
    assert (b == 1).all()
    np.testing.assert_allclose(m, X * carry + p * (1 - carry), rtol=1e-5, atol=1e-6)
