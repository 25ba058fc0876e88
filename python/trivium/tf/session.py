"""Sessions: fetches of any nesting, feeds of any tensor."""
import collections
import logging

import numpy as np

from trivium import _tf
from trivium.tf import _core, config_options, errors, host, sparse_ops
from trivium.tf._core import Operation, Tensor, Variable
from trivium.tf.config_options import (  # noqa: F401
    ConfigProto, GPUOptions, GraphOptions, OptimizerOptions, RunMetadata, RunOptions)

_DEFAULT = []
_GROWTHS = 10  # so many runs after changes of the graph are a loop that builds


def get_default_session():
    return _DEFAULT[-1] if _DEFAULT else None


class _Default:
    def __init__(self, session):
        self.session = session

    def __enter__(self):
        _DEFAULT.append(self.session)
        return self.session

    def __exit__(self, *error):
        _DEFAULT.remove(self.session)


class BaseSession:
    def __init__(self, target="", graph=None, config=None):
        if isinstance(target, ConfigProto):
            raise TypeError("target must be a string, but got ConfigProto. Did you do \"Session(config)\" instead of "
                            "\"Session(config=config)\"?")
        if not isinstance(target, (str, bytes)):
            raise TypeError("target must be a string, but got %s" % type(target).__name__)
        if graph is not None and not isinstance(graph, _core.Graph):
            raise TypeError("graph must be a tf.Graph, but got %s" % type(graph).__name__)
        if config is not None and not isinstance(config, ConfigProto):
            raise TypeError("config must be a tf.ConfigProto, but got %s" % type(config).__name__)
        if config is not None:
            config_options.apply_config(config)
        self._graph = graph or _core.get_default_graph()
        self._session = _tf.Session(self._graph)
        self._resources = {}  # queues and positions in data sets
        self._fed = {}  # tensor: dtype and shape of the array it was fed with last
        self._size, self._grown = 0, 0  # of the graph at the last run; runs before which it grew
        host.register(self)

    graph = property(lambda self: self._graph)
    graph_def = property(lambda self: self._graph.as_graph_def())

    def run(self, fetches, feed_dict=None, options=None, run_metadata=None):
        """Values of the fetches, nested as they are; `feed_dict` gives tensors their values for this run."""
        if self._session.closed():
            raise RuntimeError("Attempted to use a closed Session.")
        if self._graph.size() == 0:
            raise RuntimeError("The Session graph is empty.  Add operations to the graph before calling run().")
        if self._graph.size() != self._size:
            self._watch_growth()
        leaves = []
        rebuild = self._flatten(fetches, leaves)
        feeds = self._feeds(feed_dict) if feed_dict else []
        if not leaves and not feeds:
            return rebuild(iter(()))
        fed = {key: value for key, value in feeds}
        if options is not None:
            config_options.check_run_options(options)
        if run_metadata is not None and not isinstance(run_metadata, RunMetadata):
            raise TypeError("run_metadata must be a tf.RunMetadata, but got %s" % type(run_metadata).__name__)
        try:
            if run_metadata is not None and options is not None and options.trace_level:
                values, trace = _tf.traced(self._session, lambda: self._session.run(leaves, feeds))
                run_metadata.step_stats._add(trace)
            else:
                values = self._session.run(leaves, feeds)
        except errors.OpError as error:
            error._find_op(self.graph)
            raise
        if fed:
            values = [fed[leaf] if leaf in fed else value for leaf, value in zip(leaves, values)]
        return rebuild(iter(values))

    def _watch_growth(self):
        """Warns, once, of a loop that adds operations between its runs."""
        if self._size:
            self._grown += 1
        self._size = self._graph.size()
        if self._grown == _GROWTHS:
            site = self._graph.op(self._size - 1).site
            logging.getLogger("trivium.tf").warning(
                "%s: operations were added to the graph before each of %d runs of this session, the last one here. A "
                "loop that builds operations grows the graph, and every run of it is planned anew: build them once, "
                "before the loop.", site or "(unknown line)", _GROWTHS)

    def _flatten(self, fetch, leaves):
        if isinstance(fetch, (Tensor, Operation)):
            self._check_graph(fetch, fetch)
            leaves.append(fetch)
            return next
        if isinstance(fetch, (list, tuple)):
            parts = [self._flatten(f, leaves) for f in fetch]
            if isinstance(fetch, list):
                return lambda values: [p(values) for p in parts]
            if hasattr(fetch, "_fields"):
                return lambda values: type(fetch)(*[p(values) for p in parts])
            return lambda values: tuple(p(values) for p in parts)
        if isinstance(fetch, dict):
            keys, parts = list(fetch), [self._flatten(f, leaves) for f in fetch.values()]
            kind = type(fetch) if isinstance(fetch, collections.OrderedDict) else dict
            return lambda values: kind([(k, p(values)) for k, p in zip(keys, parts)])
        if isinstance(fetch, Variable):
            return self._flatten(fetch._ref, leaves)
        if isinstance(fetch, (sparse_ops.SparseTensor, sparse_ops.IndexedSlices)):
            sliced = isinstance(fetch, sparse_ops.IndexedSlices)
            parts = [self._flatten(p, leaves) if p is not None else None for p in (
                (fetch.values, fetch.indices, fetch.dense_shape) if sliced else
                (fetch.indices, fetch.values, fetch.dense_shape))]
            value = sparse_ops.IndexedSlicesValue if sliced else sparse_ops.SparseTensorValue
            return lambda values: value(*[None if p is None else p(values) for p in parts])
        if hasattr(fetch, "_as_tensor"):
            return self._flatten(fetch._as_tensor(), leaves)
        if isinstance(fetch, str):
            try:
                return self._flatten(self._graph.as_graph_element(fetch), leaves)
            except (KeyError, ValueError) as error:
                raise ValueError("Fetch argument %r cannot be interpreted as a Tensor. (%s)"
                                 % (fetch, error.args[0])) from None
        raise TypeError("Fetch argument %r has invalid type %s, must be a string or Tensor. (Can not convert a %s into "
                        "a Tensor or Operation.)" % (fetch, type(fetch), type(fetch).__name__))

    def _check_graph(self, item, fetch):
        if item.graph is not self._graph:
            raise ValueError("Fetch argument %r cannot be interpreted as a Tensor. (Tensor %r is not an element of "
                             "this graph.)" % (fetch, item))

    def _feeds(self, feed_dict):
        feeds = []
        for key, value in feed_dict.items():
            if type(value) is np.ndarray and type(key) is Tensor:
                if self._fed.get(key) == (value.dtype, value.shape) and value.flags.c_contiguous:
                    feeds.append((key, value))
                    continue
            if isinstance(key, tuple):
                feeds.extend(self._feeds(dict(zip(key, value))))
                continue
            if isinstance(key, sparse_ops.SparseTensor):
                feeds.extend(self._feeds(dict(zip((key.indices, key.values, key.dense_shape), value))))
                continue
            try:
                tensor = self._graph.as_graph_element(key, allow_operation=False)
            except (TypeError, ValueError, KeyError) as error:
                raise TypeError("Cannot interpret feed_dict key as Tensor: %s" % error.args[0]) from None
            if isinstance(value, (Tensor, Variable)):
                raise TypeError("The value of a feed cannot be a tf.Tensor object. Acceptable feed values include "
                                "Python scalars, strings, lists, numpy ndarrays, or TensorHandles.")
            dtype = tensor.dtype
            target = object if dtype == _core.string else dtype.as_numpy_dtype
            if type(value) is int and dtype != _core.bool_ and int(np.asarray(value).astype(target)) != value:
                raise TypeError("Type of feed value %d with type %s is not compatible with Tensor type %s. Try "
                                "explicitly setting the type of the feed tensor to a larger type (e.g. int64)."
                                % (value, type(value), target))
            array = np.asarray(value, dtype=target)
            array = np.ascontiguousarray(array).reshape(array.shape)
            if not tensor.shape.is_compatible_with(array.shape):
                raise ValueError("Cannot feed value of shape %r for Tensor '%s', which has shape '%s'"
                                 % (array.shape, tensor.name, tensor.shape))
            if tensor is key and target is not object:
                self._fed[key] = (array.dtype, array.shape)  # the next array like it needs no look
            feeds.append((tensor, array))
        return feeds

    def make_callable(self, fetches, feed_list=None, accept_options=False):
        keys = list(feed_list or [])
        return lambda *values: self.run(fetches, dict(zip(keys, values)))

    def close(self):
        self._session.close()
        self._resources.clear()

    def as_default(self):
        return _Default(self)

    def list_devices(self):
        return ["/job:localhost/replica:0/task:0/device:CPU:0"]


class Session(BaseSession):
    """Runs a graph; holds the values of its variables. As a context it is the default session, its graph
    the default graph, and it closes at the end."""

    def __enter__(self):
        if getattr(self, "_entered", None):
            raise RuntimeError("Session context managers are not re-entrant. Use `Session.as_default()` if you want to "
                               "enter a session multiple times.")
        self._entered = self._graph.as_default()
        self._entered.__enter__()
        _DEFAULT.append(self)
        return self

    def __exit__(self, *error):
        _DEFAULT.remove(self)
        entered, self._entered = self._entered, None
        entered.__exit__(None, None, None)
        self.close()


class InteractiveSession(BaseSession):
    """A session that is the default one from now on."""

    def __init__(self, target="", graph=None, config=None):
        super().__init__(target, graph, config)
        _DEFAULT.append(self)

    def close(self):
        if self in _DEFAULT:
            _DEFAULT.remove(self)
        super().close()


def _session_for(item, session, what, call):
    session = session or get_default_session()
    if session is None:
        raise ValueError("Cannot %s using `%s`: No default session is registered. Use `with sess.as_default()` or pass "
                         "an explicit session to `%s`" % (what, call, call.replace("()", "(session=sess)")))
    if session.graph is not item.graph:
        raise ValueError("Cannot use the default session to %s: the tensor's graph is different from the session's "
                         "graph." % what)
    return session


def _eval(self, feed_dict=None, session=None):
    return _session_for(self, session, "evaluate tensor", "eval()").run(self, feed_dict)


Tensor.eval = _eval
Operation.run = lambda self, feed_dict=None, session=None: _session_for(
    self, session, "execute operation", "run()").run(self, feed_dict)
Variable.eval = lambda self, session=None: _eval(self._ref, None, session)


def _load(self, value, session=None):
    session = _session_for(self, session, "evaluate tensor", "eval()")
    session._session.load(self, _core.to_array(value, self.dtype.name))


Variable.load = _load
