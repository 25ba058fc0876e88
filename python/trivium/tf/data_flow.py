"""Queues: tf.FIFOQueue and its relatives, and the producers of tf.train that stand on them."""
import collections
import time

import numpy as np

from trivium import _tf
from trivium.tf import _core, array_ops, control_ops, errors, host, math_ops, random_ops, variables
from trivium.tf._core import GraphKeys, tensor
from trivium.tf.coordinator import QueueRunner, add_queue_runner
from trivium.tf.data.elements import stack

_PATIENCE = 10.0  # seconds somebody waits for another thread


class _State:
    """What a queue holds in one session."""

    def __init__(self):
        self.rows, self.closed, self.runners, self.shuffler = collections.deque(), False, [], None


class QueueBase:
    def __init__(self, kind, capacity, dtypes, shapes, names, name):
        self._dtypes = [_core.as_dtype(t) for t in (dtypes if isinstance(dtypes, (list, tuple)) else [dtypes])]
        if shapes is not None and len(self._dtypes) == 1 and not (
                isinstance(shapes, (list, tuple)) and shapes and isinstance(shapes[0], (list, tuple, _core.TensorShape))):
            shapes = [shapes]
        self._shapes = [_core.TensorShape(None)] * len(self._dtypes) if shapes is None else [
            _core.TensorShape(s) for s in shapes]
        if len(self._shapes) != len(self._dtypes):
            raise ValueError("Queue shapes must have the same length as dtypes")
        self._names, self._capacity, self._kind = names, capacity, kind
        self._graph = _core.get_default_graph()
        self._name = self._graph.unique_name(name or kind)

    name, dtypes, shapes, names = (property(lambda self: self._name), property(lambda self: list(self._dtypes)),
                                   property(lambda self: list(self._shapes)), property(lambda self: self._names))

    # -- in a session

    def _state(self, session):
        return session._resources.setdefault(id(self), _State())

    def _pull(self, session, state):
        """Runs one operation that fills the queue; false when there is none left to run."""
        while state.runners:
            runner, coord = state.runners[0]
            if coord is not None and coord.should_stop():
                state.closed = True
                return False
            try:
                session._session.run([runner._ops[0]], [])
                return True
            except errors.OutOfRangeError:
                state.runners.pop(0)
                state.closed = not state.runners
            except Exception as error:
                if coord is not None:
                    coord.request_stop(error)
                raise
        return False

    def _wait(self, session, state, count, least, node):
        """Until the queue holds `count` rows (and `least` besides, while it is open)."""
        deadline = None
        while len(state.rows) < count + (0 if state.closed else least):
            if state.closed:
                return
            if state.runners:
                self._pull(session, state)
                continue
            deadline = deadline or time.monotonic() + _PATIENCE
            if time.monotonic() > deadline:
                raise errors.DeadlineExceededError(None, None, (
                    "%s is empty and nothing fills it: call tf.train.start_queue_runners(sess) before the run, or "
                    "enqueue from another thread.%s" % (self._name, host.node_mark(node))))
            time.sleep(0.002)

    def _take(self, state):
        return state.rows.popleft()

    _least = 0

    def _dequeue(self, session, count, up_to, node):
        state = self._state(session)
        wanted = 1 if count is None else count
        self._wait(session, state, wanted, self._least, node)
        have = len(state.rows)
        if have < wanted and not (up_to and have > 0):
            raise errors.OutOfRangeError(None, None, (
                "%s '%s' is closed and has insufficient elements (requested %d, current size %d)%s"
                % (self._kind_name, self._name, wanted, have, host.node_mark(node))))
        return [self._take(state) for _ in range(min(wanted, have))]

    _kind_name = "FIFOQueue"

    # -- operations

    def _flat(self, vals):
        if isinstance(vals, dict):
            vals = [vals[n] for n in self._names]
        vals = list(vals) if isinstance(vals, (list, tuple)) else [vals]
        if len(vals) != len(self._dtypes):
            raise ValueError("Expected %d components, got %d" % (len(self._dtypes), len(vals)))
        return [tensor(v, t) for v, t in zip(vals, self._dtypes)]

    def _add(self, session, rows, node):
        state = self._state(session)
        if state.closed:
            raise errors.CancelledError(None, None, "%s '%s' is closed.%s" % (self._kind_name, self._name, host.node_mark(node)))
        deadline = time.monotonic() + _PATIENCE
        while not state.runners and self._capacity > 0 and len(state.rows) + len(rows) > self._capacity:
            if time.monotonic() > deadline:
                raise errors.DeadlineExceededError(None, None, (
                    "%s is full (%d elements) and nothing takes from it.%s"
                    % (self._name, len(state.rows), host.node_mark(node))))
            time.sleep(0.002)
        state.rows.extend(rows)

    def _enqueue(self, type_, vals, many, name):
        inputs, made = self._flat(vals), []
        for t, shape in zip(inputs, self._shapes):
            held = t.shape[1:] if many and t.shape.ndims is not None else t.shape
            if not many and not shape.is_compatible_with(held):
                raise ValueError("Shapes %s and %s are incompatible" % (shape, held))

        def work(key, values):
            columns = values if many else [[v] for v in values]
            self._add(host.session_of(key), [list(row) for row in zip(*columns)], made[0].name)
            return []
        made.append(_tf.host_operation(type_, inputs, [], work, name or "%s_%s" % (
            self._name.split("/")[-1], "EnqueueMany" if many else "enqueue")))
        return made[0]

    def enqueue(self, vals, name=None):
        return self._enqueue("QueueEnqueueV2", vals, False, name)

    def enqueue_many(self, vals, name=None):
        return self._enqueue("QueueEnqueueManyV2", vals, True, name)

    def _outputs(self, type_, count, up_to, name, suffix):
        made, sizes = [], [] if count is None else [tensor(count, "int32")]
        fixed = count if isinstance(count, (int, np.integer)) and not up_to else None
        shapes = [s if count is None else _core.TensorShape([fixed]).concatenate(s) for s in self._shapes]

        def work(key, values):
            number = int(values[0]) if sizes else None
            rows = self._dequeue(host.session_of(key), number, up_to, made[0].name)
            row = rows[0] if number is None else self._batch(rows)
            return [np.asarray(v, object) if t == _core.string else np.ascontiguousarray(v).reshape(np.shape(v))
                    for v, t in zip(row, self._dtypes)]
        made.append(_tf.host_operation(type_, sizes, [(t.name, s._dims) for t, s in zip(self._dtypes, shapes)], work,
                                       name or "%s_%s" % (self._name.split("/")[-1], suffix)))
        outputs = list(made[0].outputs)
        if self._names:
            return dict(zip(self._names, outputs))
        return outputs[0] if len(outputs) == 1 else outputs

    def _batch(self, rows):
        return stack(rows)

    def dequeue(self, name=None):
        return self._outputs("QueueDequeueV2", None, False, name, "Dequeue")

    def dequeue_many(self, n, name=None):
        return self._outputs("QueueDequeueManyV2", n, False, name, "DequeueMany")

    def dequeue_up_to(self, n, name=None):
        return self._outputs("QueueDequeueUpToV2", n, True, name, "DequeueUpTo")

    def size(self, name=None):
        return _tf.host_operation(
            "QueueSizeV2", [], [("int32", ())],
            lambda key, values: [np.array(len(self._state(host.session_of(key)).rows), np.int32)],
            name or "%s_Size" % self._name.split("/")[-1]).outputs[0]

    def close(self, cancel_pending_enqueues=False, name=None):
        def work(key, values):
            self._state(host.session_of(key)).closed = True
            return []
        return _tf.host_operation("QueueCloseV2", [], [], work, name or "%s_Close" % self._name.split("/")[-1])

    def is_closed(self, name=None):
        return _tf.host_operation(
            "QueueIsClosedV2", [], [("bool", ())],
            lambda key, values: [np.array(self._state(host.session_of(key)).closed)],
            name or "%s_IsClosed" % self._name.split("/")[-1]).outputs[0]


class FIFOQueue(QueueBase):
    """First in, first out."""

    def __init__(self, capacity, dtypes, shapes=None, names=None, shared_name=None, name="fifo_queue"):
        super().__init__("fifo_queue", capacity, dtypes, shapes, names, name)


class PaddingFIFOQueue(QueueBase):
    """A FIFOQueue whose batches are padded with zeros to the longest element."""
    _kind_name = "PaddingFIFOQueue"

    def __init__(self, capacity, dtypes, shapes, names=None, shared_name=None, name="padding_fifo_queue"):
        super().__init__("padding_fifo_queue", capacity, dtypes, shapes, names, name)

    def _batch(self, rows):
        out = []
        for column, dtype in zip(zip(*rows), self._dtypes):
            column = [np.asarray(v, object if dtype == _core.string else None) for v in column]
            dims = [max(n) for n in zip(*[v.shape for v in column])]
            batch = np.full([len(column)] + dims, b"" if dtype == _core.string else 0, column[0].dtype)
            for i, v in enumerate(column):
                batch[(i,) + tuple(slice(0, n) for n in v.shape)] = v if v.ndim else v[()]
            out.append(batch)
        return out


class RandomShuffleQueue(QueueBase):
    """Gives out any of its elements; keeps min_after_dequeue of them while it is open."""
    _kind_name = "RandomShuffleQueue"

    def __init__(self, capacity, min_after_dequeue, dtypes, shapes=None, names=None, seed=None, shared_name=None,
                 name="random_shuffle_queue"):
        super().__init__("random_shuffle_queue", capacity, dtypes, shapes, names, name)
        self._least = min_after_dequeue
        self._seeds = self._graph.op_seeds(None if seed is None else int(seed))

    def _take(self, state):
        state.shuffler = state.shuffler or _tf.Shuffler(*self._seeds)
        state.rows[0], j = state.rows[0], state.shuffler.word() % len(state.rows)
        state.rows.rotate(-j)
        row = state.rows.popleft()
        state.rows.rotate(j)
        return row


# ---- producers

def limit_epochs(tensor_, num_epochs=None, name=None):
    """The tensor, num_epochs times; then OutOfRangeError. The count is a local variable."""
    if num_epochs is None:
        return tensor_
    if num_epochs <= 0:
        raise ValueError("num_epochs must be > 0 not %d." % num_epochs)
    with _core.name_scope(name, "limit_epochs") as scope:
        epochs = variables.Variable(array_ops.constant(0, "int64"), name="epochs", trainable=False,
                                    collections=[GraphKeys.LOCAL_VARIABLES])
        with _core.control_dependencies([_count_up_to(epochs, num_epochs)]):
            return array_ops.identity(tensor_, scope)


def _count_up_to(variable, limit):
    """Adds one; OutOfRangeError when the variable has reached the limit."""
    made = []

    def check(_, values):
        if int(values[0]) >= limit:
            raise errors.OutOfRangeError(None, None, "Reached limit of %d%s" % (limit, host.node_mark(made[0].name)))
        return [np.array(values[0])]
    made.append(_tf.host_operation("PyFunc", [variable.value()], [("int64", ())], check, "CountUpTo"))
    return variables.assign(variable, made[0].outputs[0] + np.int64(1))


def input_producer(input_tensor, element_shape=None, num_epochs=None, shuffle=True, seed=None, capacity=32,
                   shared_name=None, summary_name=None, name=None, cancel_op=None):
    """A queue of the rows of a tensor, epoch after epoch."""
    with _core.name_scope(name, "input_producer"):
        rows = tensor(input_tensor, name="input_tensor")
        shape = rows.shape[1:] if element_shape is None else _core.TensorShape(element_shape)
        if not shape.is_fully_defined():
            raise ValueError("Either `input_tensor` must have a fully defined shape or `element_shape` must be specified")
        rows = limit_epochs(_shuffled(rows, seed) if shuffle else rows, num_epochs)
        queue = FIFOQueue(capacity, [rows.dtype], [shape], name=None)
        add_queue_runner(QueueRunner(queue, [queue.enqueue_many([rows])]))
        return queue


def _shuffled(rows, seed):
    if rows.dtype != _core.string:
        return random_ops.random_shuffle(rows, seed)
    count = rows.shape[0].value  # strings are arranged by the host
    order = random_ops.random_shuffle(array_ops.range(count), seed)
    return host.py_func(lambda text, at: np.asarray(text, object)[at], [rows, order], "string")


def string_input_producer(string_tensor, num_epochs=None, shuffle=True, seed=None, capacity=32, shared_name=None,
                          name=None, cancel_op=None):
    """A queue of strings (file names)."""
    if not _core.is_tensor(string_tensor) and not list(string_tensor):
        raise ValueError("string_input_producer requires a non-null input tensor")
    with _core.name_scope(name, "input_producer") as scope:
        return input_producer(tensor(string_tensor, "string"), [], num_epochs, shuffle, seed, capacity, name=scope)


def range_input_producer(limit, num_epochs=None, shuffle=True, seed=None, capacity=32, shared_name=None, name=None):
    with _core.name_scope(name, "input_producer") as scope:
        return input_producer(array_ops.range(limit), [], num_epochs, shuffle, seed, capacity, name=scope)


def _row(value, index):
    if value.dtype == _core.string:
        shape = value.shape[1:] if value.shape.ndims is not None else _core.TensorShape(None)
        made = host.py_func(lambda text, at: np.asarray(np.asarray(text, object)[at], object), [value, index], "string")
        made.set_shape(shape)
        return made
    return array_ops.gather(value, index)


def slice_input_producer(tensor_list, num_epochs=None, shuffle=True, seed=None, capacity=32, shared_name=None, name=None):
    """One slice of each tensor at a time."""
    with _core.name_scope(name, "input_producer"):
        values = [tensor(t) for t in tensor_list]
        if not values:
            raise ValueError("Expected at least one tensor in slice_input_producer().")
        count = values[0].shape[0].value
        queue = range_input_producer(count if count is not None else array_ops.shape(values[0])[0], num_epochs, shuffle,
                                     seed, capacity)
        index = queue.dequeue()
        return [_row(v, index) for v in values]


def _batch(tensors, make_queue, count, many, partial, name, default):
    """tensors (list or dict) through a queue, `count` at a time."""
    names = sorted(tensors) if isinstance(tensors, dict) else None
    flat = [tensor(tensors[n]) for n in names] if names else [
        tensor(t) for t in (tensors if isinstance(tensors, (list, tuple)) else [tensors])]
    with _core.name_scope(name, default):
        shapes = [t.shape[1:] if many and t.shape.ndims is not None else t.shape for t in flat]
        queue = make_queue([t.dtype for t in flat], shapes)
        add_queue_runner(QueueRunner(queue, [queue.enqueue_many(flat) if many else queue.enqueue(flat)]))
        out = queue.dequeue_up_to(count) if partial else queue.dequeue_many(count)
        out = out if isinstance(out, list) else [out]
    if names:
        return dict(zip(names, out))
    return out if isinstance(tensors, (list, tuple)) and len(out) > 1 else out[0] if not isinstance(
        tensors, (list, tuple)) else out


def _known(shapes):
    if not all(s.is_fully_defined() for s in shapes):
        raise ValueError("All shapes must be fully defined: %s" % [s for s in shapes])


def batch(tensors, batch_size, num_threads=1, capacity=32, enqueue_many=False, shapes=None, dynamic_pad=False,
          allow_smaller_final_batch=False, shared_name=None, name=None):
    """Elements in their order, batch_size at a time."""
    def make(dtypes, inferred):
        used = inferred if shapes is None else [_core.TensorShape(s) for s in shapes]
        if dynamic_pad:
            return PaddingFIFOQueue(capacity, dtypes, used, name=None)
        _known(used)
        return FIFOQueue(capacity, dtypes, used, name=None)
    return _batch(tensors, make, batch_size, enqueue_many, allow_smaller_final_batch, name, "batch")


def shuffle_batch(tensors, batch_size, capacity, min_after_dequeue, num_threads=1, seed=None, enqueue_many=False,
                  shapes=None, allow_smaller_final_batch=False, shared_name=None, name=None):
    """Elements in random order, batch_size at a time."""
    def make(dtypes, inferred):
        used = inferred if shapes is None else [_core.TensorShape(s) for s in shapes]
        _known(used)
        return RandomShuffleQueue(capacity, min_after_dequeue, dtypes, used, seed=seed, name=None)
    return _batch(tensors, make, batch_size, enqueue_many, allow_smaller_final_batch, name, "shuffle_batch")


# ---- readers

class ReaderBase:
    """Takes work items (file names) from a queue and gives (key, value) pairs of strings."""

    def __init__(self, name):
        self._name = _core.get_default_graph().unique_name(name)

    def _records(self, item):
        raise NotImplementedError

    def _next(self, session, queue, node):
        state = session._resources.setdefault(id(self), {"records": None})
        while True:
            if state["records"] is None:
                state["records"] = iter(self._records(queue._dequeue(session, None, False, node)[0][0].decode()))
            pair = next(state["records"], None)
            if pair is not None:
                return pair
            state["records"] = None

    def read(self, queue, name=None):
        made = []

        def work(key, values):
            pair = self._next(host.session_of(key), queue, made[0].name)
            return [np.asarray(v, object) for v in pair]
        made.append(_tf.host_operation("ReaderReadV2", [], [("string", ()), ("string", ())], work,
                                       name or "ReaderReadV2"))
        return tuple(made[0].outputs)


class WholeFileReader(ReaderBase):
    """A file name and the whole file."""

    def __init__(self, name=None):
        super().__init__(name or "WholeFileReaderV2")

    def _records(self, item):
        with open(item, "rb") as file:
            return [(item.encode(), file.read())]


class IdentityReader(ReaderBase):
    def __init__(self, name=None):
        super().__init__(name or "IdentityReaderV2")

    def _records(self, item):
        return [(item.encode(), item.encode())]


class TextLineReader(ReaderBase):
    """The lines of text files, with their numbers."""

    def __init__(self, skip_header_lines=None, name=None):
        super().__init__(name or "TextLineReaderV2")
        self._skip = skip_header_lines or 0

    def _records(self, item):
        with open(item, "rb") as file:
            lines = file.read().splitlines()
        return [(b"%s:%d" % (item.encode(), i + 1), line) for i, line in enumerate(lines) if i >= self._skip]


class TFRecordReader(ReaderBase):
    def __init__(self, name=None, options=None):
        super().__init__(name or "TFRecordReaderV2")
        self._compression = "" if options is None else options.text()

    def _records(self, item):
        reader = _tf.RecordReader(item, self._compression)
        return ((b"%s:%d" % (item.encode(), i), r) for i, r in enumerate(iter(reader.next, None)))


class FixedLengthRecordReader(ReaderBase):
    def __init__(self, record_bytes, header_bytes=None, footer_bytes=None, hop_bytes=None, name=None, encoding=None):
        super().__init__(name or "FixedLengthRecordReaderV2")
        if hop_bytes or encoding:
            raise NotImplementedError("tf.FixedLengthRecordReader: hop_bytes and encoding")
        self._size, self._header, self._footer = record_bytes, header_bytes or 0, footer_bytes or 0

    def _records(self, item):
        with open(item, "rb") as file:
            data = file.read()
        body = data[self._header:len(data) - self._footer]
        return [(b"%s:%d" % (item.encode(), i // self._size), body[i:i + self._size])
                for i in range(0, len(body) - self._size + 1, self._size)]


def match_filenames_once(pattern, name=None):
    """The files of a pattern, as they are when a session first asks."""
    import glob
    patterns = [pattern] if isinstance(pattern, (str, bytes)) else list(pattern)

    def work(_, values):
        found = sorted(f for p in patterns for f in glob.glob(p if isinstance(p, str) else p.decode()))
        return [np.array([f.encode() for f in found], object)]
    with _core.name_scope(name, "matching_filenames"):
        return _tf.host_operation("PyFunc", [], [("string", (None,))], work, "MatchingFiles").outputs[0]
