"""tf.summary: numbers of a run for TensorBoard."""
import contextlib
import re

from trivium import _tf
from trivium.tf import _core, graph_files, protos
from trivium.tf.protos import Event, SessionLog, Summary  # noqa: F401
from trivium.tf._core import GraphKeys, out


@contextlib.contextmanager
def _tagged(name, family):
    """Opens the scope of a summary; gives it and the tag."""
    clean = re.sub(r"[^-/\w.]", "_", name).lstrip("/")
    with _core.name_scope(family + "/" + clean if family else clean) as scope:
        tag = scope.rstrip("/")
        yield scope, family + "/" + tag if family else tag


def _collected(made, collections):
    for key in [GraphKeys.SUMMARIES] if collections is None else collections:
        _core.add_to_collection(key, made)
    return made


def _summary(type_, argument):
    def function(name, value, collections=None, family=None):
        with _tagged(name, family) as (scope, tag):
            made = out(type_, [(argument, tag), ("values", value)], None, scope)
        return _collected(made, collections)
    return function


_scalar, _histogram = _summary("ScalarSummary", "tags"), _summary("HistogramSummary", "tag")


def scalar(name, tensor, collections=None, family=None):
    """A summary of one number."""
    return _scalar(name, tensor, collections, family)


def histogram(name, values, collections=None, family=None):
    """A summary of how the values of a tensor are spread."""
    return _histogram(name, values, collections, family)


def image(name, tensor, max_outputs=3, collections=None, family=None):
    """A summary of pictures [n, height, width, 1, 3 or 4]; floats are scaled to what can be shown."""
    with _tagged(name, family) as (scope, tag):
        made = out("ImageSummary", [("tag", tag), ("tensor", tensor)], {"max_images": int(max_outputs)}, scope)
    return _collected(made, collections)


def text(name, tensor, collections=None):
    """A summary of strings."""
    metadata = protos.SummaryMetadata()
    metadata.plugin_data.plugin_name = "text"
    if _core.tensor(tensor).dtype != _core.string:
        raise ValueError("Expected tensor %s to have dtype string, got %s" % (tensor.name, tensor.dtype))
    with _tagged(name, None) as (scope, tag):
        made = out("TensorSummaryV2", [("tag", tag), ("tensor", tensor),
                                       ("serialized_summary_metadata", metadata.SerializeToString())], None, scope)
    return _collected(made, collections)


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
        if graph is not None or graph_def is not None:
            self.add_graph(graph if graph is not None else graph_def)

    def get_logdir(self):
        return self._logdir

    def add_summary(self, summary, global_step=None):
        if isinstance(summary, protos.Message):
            summary = summary.SerializeToString()
        self._events.add_summary(summary, 0 if global_step is None else int(global_step))

    def add_graph(self, graph, global_step=None, graph_def=None):
        """A graph (or a GraphDef) for TensorBoard's page of graphs."""
        if isinstance(graph, _core.Graph):
            graph_def = graph_files.graph_def_of(graph, add_shapes=True, what="FileWriter.add_graph")
        elif graph is not None:
            graph_def = graph
        if not protos.is_message(graph_def, "GraphDef"):
            raise TypeError("The passed graph must be an instance of `Graph` or the deprecated `GraphDef`")
        self.add_event(protos.Event(graph_def=graph_def.SerializeToString(), step=int(global_step or 0)))

    def add_meta_graph(self, meta_graph_def, global_step=None):
        if not protos.is_message(meta_graph_def, "MetaGraphDef"):
            raise TypeError("meta_graph_def must be type MetaGraphDef, saw type: %s" % type(meta_graph_def))
        self.add_event(protos.Event(meta_graph_def=meta_graph_def.SerializeToString(), step=int(global_step or 0)))

    def add_session_log(self, session_log, global_step=None):
        event = protos.Event(step=int(global_step or 0))
        event.session_log.CopyFrom(session_log)
        self.add_event(event)

    def add_event(self, event):
        """An event as it is, with the present time when it has none."""
        _tf.write_event(self._events, event.SerializeToString())

    def add_run_metadata(self, run_metadata, tag, global_step=None):
        """What a traced run took is shown by timeline.Timeline; TensorBoard's form of it is not written."""
        _core.warn_once("FileWriter.add_run_metadata: %r is not written; tf.python.client.timeline.Timeline makes a "
                        "trace of it" % tag)

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


def summary_iterator(path):
    """The events of a file."""
    for raw in _tf.read_events(path):
        yield protos.Event.FromString(raw)


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.summary.%s is not in this version" % name)
