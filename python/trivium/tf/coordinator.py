"""tf.train's queue runners and coordinator. Queues are filled when somebody takes from them, so no thread
runs; the classes keep TensorFlow's protocol of starting, stopping and joining."""
import contextlib
import sys

from trivium.tf import _core, errors, session as _session
from trivium.tf._core import GraphKeys


class Coordinator:
    """Tells the parts of a program when to stop."""

    def __init__(self, clean_stop_exception_types=None):
        self._clean = tuple(clean_stop_exception_types or (errors.OutOfRangeError,))
        self._stop, self._error = False, None

    def should_stop(self):
        return self._stop

    def request_stop(self, ex=None):
        self._stop = True
        if ex is not None and not isinstance(ex, self._clean):
            self._error = self._error or (ex if isinstance(ex, BaseException) else ex[1])

    def clear_stop(self):
        self._stop = False

    def join(self, threads=None, stop_grace_period_secs=120, ignore_live_threads=False):
        for thread in threads or []:
            thread.join(stop_grace_period_secs)
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def wait_for_stop(self, timeout=None):
        return self._stop

    def register_thread(self, thread):
        pass

    def raise_requested_exception(self):
        if self._error is not None:
            raise self._error

    @property
    def joined(self):
        return self._stop

    @contextlib.contextmanager
    def stop_on_exception(self):
        try:
            yield
        except Exception:
            self.request_stop(sys.exc_info()[1])


class RunnerThread:
    """What create_threads gives: the runner itself works when its queue is asked."""
    daemon, name = True, "QueueRunner"

    def start(self):
        pass

    def join(self, timeout=None):
        pass

    def is_alive(self):
        return False


class QueueRunner:
    """Says which operations fill a queue."""

    def __init__(self, queue=None, enqueue_ops=None, close_op=None, cancel_op=None, queue_closed_exception_types=None,
                 queue_runner_def=None, import_scope=None):
        if queue is None or not enqueue_ops:
            raise ValueError("Must provide queue and enqueue_ops.")
        self._queue, self._ops = queue, list(enqueue_ops)

    queue = property(lambda self: self._queue)
    enqueue_ops = property(lambda self: list(self._ops))
    name = property(lambda self: self._queue.name)

    def create_threads(self, sess, coord=None, daemon=False, start=False):
        self._queue._state(sess).runners.append((self, coord))
        return [RunnerThread() for _ in self._ops]


def add_queue_runner(qr, collection=GraphKeys.QUEUE_RUNNERS):
    _core.add_to_collection(collection, qr)


def start_queue_runners(sess=None, coord=None, daemon=True, start=True, collection=GraphKeys.QUEUE_RUNNERS):
    """Lets the queues of the graph fill themselves in a session."""
    sess = sess or _session.get_default_session()
    if sess is None:
        raise ValueError("Cannot start queue runners: No default session is registered. Use `with sess.as_default()` or "
                         "pass an explicit session to tf.start_queue_runners(sess=sess)")
    with sess.graph.as_default():
        return [t for qr in _core.get_collection(collection) for t in qr.create_threads(sess, coord, daemon, start)]
