"""tf.summary: numbers of a run for TensorBoard."""
import re

from trivium import _tf
from trivium.tf import _core
from trivium.tf._core import GraphKeys, out


def _summary(type_, argument):
    def function(name, value, collections=None, family=None):
        clean = re.sub(r"[^-/\w.]", "_", name).lstrip("/")
        if family:
            clean = family + "/" + clean
        with _core.name_scope(clean) as scope:
            tag = scope.rstrip("/")
            made = out(type_, [(argument, (family + "/" + tag) if family else tag), ("values", value)], None, scope)
        for key in [GraphKeys.SUMMARIES] if collections is None else collections:
            _core.add_to_collection(key, made)
        return made
    return function


_scalar, _histogram = _summary("ScalarSummary", "tags"), _summary("HistogramSummary", "tag")


def scalar(name, tensor, collections=None, family=None):
    """A summary of one number."""
    return _scalar(name, tensor, collections, family)


def histogram(name, values, collections=None, family=None):
    """A summary of how the values of a tensor are spread."""
    return _histogram(name, values, collections, family)


def merge(inputs, collections=None, name=None):
    with _core.name_scope(name, "Merge"):
        made = out("MergeSummary", [("inputs_%d" % i, s) for i, s in enumerate(inputs)])
    for key in collections or []:
        _core.add_to_collection(key, made)
    return made


def merge_all(key=GraphKeys.SUMMARIES, scope=None, name=None):
    found = _core.get_collection(key, scope)
    return merge(found, name=name) if found else None


class FileWriter:
    """Writes summaries to an event file in `logdir`."""

    def __init__(self, logdir, graph=None, max_queue=10, flush_secs=120, graph_def=None, filename_suffix=None):
        self._logdir, self._suffix = logdir, filename_suffix or ""
        self._events = _tf.EventWriter(logdir, self._suffix)

    def get_logdir(self):
        return self._logdir

    def add_summary(self, summary, global_step=None):
        self._events.add_summary(summary, 0 if global_step is None else int(global_step))

    def add_graph(self, graph, global_step=None):
        raise NotImplementedError("tf.summary.FileWriter.add_graph")

    def flush(self):
        self._events.flush()

    def close(self):
        self._events.close()

    def reopen(self):
        self._events = _tf.EventWriter(self._logdir, self._suffix)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.summary.%s is not in this version" % name)
