"""Python in a graph: tf.py_func and tf.Print, and what host operations know of their session."""
import weakref

import numpy as np

from trivium import _tf
from trivium.tf import _core, errors

_SESSIONS = weakref.WeakValueDictionary()


def register(session):
    """Makes a session known to the host operations that run in it."""
    _SESSIONS[session._session.key()] = session


def session_of(key):
    return _SESSIONS[key]


def node_mark(name):
    return "\n\t [[{{node %s}}]]" % name


_C_NAMES = {"float32": "float", "float64": "double"}
_counter = [0]
_ERRORS = ((StopIteration, errors.OutOfRangeError), (ValueError, errors.InvalidArgumentError),
           (TypeError, errors.InvalidArgumentError), (MemoryError, errors.ResourceExhaustedError),
           (NotImplementedError, errors.UnimplementedError), (Exception, errors.UnknownError))


def _as_result(value, dtype, place, token, node):
    array = np.asarray(value)
    if array.dtype.kind in "SU":
        array = np.array(array.tolist(), dtype=object)
    got = "string" if array.dtype == object else array.dtype.name
    if got != dtype.name:
        raise errors.InvalidArgumentError(None, None, "%d-th value returned by %s is %s, but expects %s%s" % (
            place, token, _C_NAMES.get(got, got), _C_NAMES.get(dtype.name, dtype.name), node_mark(node)))
    return np.ascontiguousarray(array).reshape(array.shape)


def py_func(func, inp, Tout, stateful=True, name=None):
    """func(*values of inp) as an operation: NumPy arrays in, NumPy arrays of the dtypes Tout out. It has no
    gradient, and runs before the numbers of a run that uses its results."""
    single = not isinstance(Tout, (list, tuple))
    dtypes = [_core.as_dtype(t) for t in ([Tout] if single else Tout)]
    token = "pyfunc_%d" % _counter[0]
    _counter[0] += 1
    made = []

    def call(_, values):
        node = made[0].name if made else ""
        try:
            result = func(*values)
        except errors.OpError:
            raise
        except Exception as error:
            kind = next(ours for theirs, ours in _ERRORS if isinstance(error, theirs))
            raise kind(None, None, "%s: %s%s" % (type(error).__name__, error, node_mark(node))) from error
        if not dtypes:
            return []
        results = [result] if single or (not isinstance(result, (list, tuple)) and len(dtypes) == 1) else list(result)
        if len(results) != len(dtypes):
            raise errors.InvalidArgumentError(None, None, "%s returns %d values, but expects to see %d values.%s" % (
                token, len(results), len(dtypes), node_mark(node)))
        return [_as_result(v, t, i, token, node) for i, (v, t) in enumerate(zip(results, dtypes))]

    inputs = [_core.inp(v) for v in inp]
    made.append(_tf.host_operation("PyFunc", inputs, [(t.name, None) for t in dtypes], call, name or "PyFunc"))
    outputs = list(made[0].outputs)
    if not dtypes:
        return made[0]
    return outputs[0] if single else outputs


def Print(input_, data, message=None, first_n=None, summarize=None, name=None):
    """input_ itself; a run that uses it writes the message and the data to stderr."""
    attrs = {"message": message or "", "first_n": -1 if first_n is None else int(first_n),
             "summarize": 3 if summarize is None else int(summarize)}
    parts = [("input", input_)] + [("data_%d" % i, d) for i, d in enumerate(data)]
    return _core.out("Print", parts, attrs, name)
