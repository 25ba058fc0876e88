"""tf.contrib.legacy_seq2seq: decoders over lists of inputs, and their losses."""
from trivium.tf import _core, array_ops, math_ops, nn, variables
from trivium.tf._core import tensor


def rnn_decoder(decoder_inputs, initial_state, cell, loop_function=None, scope=None):
    """Runs a cell over a list; loop_function(previous output, i) gives the next input when there is one."""
    with variables.variable_scope(scope or "rnn_decoder"):
        state, outputs, previous = initial_state, [], None
        for i, given in enumerate(decoder_inputs):
            if loop_function is not None and previous is not None:
                with variables.variable_scope("loop_function", reuse=True):
                    given = loop_function(previous, i)
            if i > 0:
                variables.get_variable_scope().reuse_variables()
            output, state = cell(given, state)
            outputs.append(output)
            if loop_function is not None:
                previous = output
    return outputs, state


def basic_rnn_seq2seq(encoder_inputs, decoder_inputs, cell, dtype=_core.float32, scope=None):
    """One cell reads, a copy of it writes, starting from the state the first ended in."""
    import copy

    from trivium.tf import rnn
    with variables.variable_scope(scope or "basic_rnn_seq2seq"):
        _, state = rnn.static_rnn(copy.deepcopy(cell), encoder_inputs, dtype=dtype)
        return rnn_decoder(decoder_inputs, state, cell)


def sequence_loss_by_example(logits, targets, weights, average_across_timesteps=True, softmax_loss_function=None,
                             name=None):
    """The weighted cross entropy of each example of a batch, over all time steps."""
    if len(targets) != len(logits) or len(weights) != len(logits):
        raise ValueError("Lengths of logits, weights, and targets must be the same %d, %d, %d."
                         % (len(logits), len(weights), len(targets)))
    with _core.name_scope(name, "sequence_loss_by_example"):
        parts = []
        for logit, target, weight in zip(logits, targets, weights):
            if softmax_loss_function is None:
                target = array_ops.reshape(target, [-1])
                loss = nn.sparse_softmax_cross_entropy_with_logits(labels=target, logits=logit)
            else:
                loss = softmax_loss_function(labels=target, logits=logit)
            parts.append(loss * tensor(weight))
        total = math_ops.add_n(parts)
        return total / (math_ops.add_n(weights) + 1e-12) if average_across_timesteps else total


def sequence_loss(logits, targets, weights, average_across_timesteps=True, average_across_batch=True,
                  softmax_loss_function=None, name=None):
    """The sum of sequence_loss_by_example, over the batch size when asked."""
    with _core.name_scope(name, "sequence_loss"):
        cost = math_ops.reduce_sum(sequence_loss_by_example(
            logits, targets, weights, average_across_timesteps, softmax_loss_function))
        if not average_across_batch:
            return cost
        return cost / math_ops.cast(array_ops.shape(targets[0])[0], cost.dtype)


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.contrib.legacy_seq2seq.%s is not in this version" % name)
