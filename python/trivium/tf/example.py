"""The operations that take serialized tf.train.Examples apart; the messages themselves are in protos.py."""
import collections

import numpy as np

from trivium import _tf
from trivium.tf import _core, errors, host

FixedLenFeature = collections.namedtuple("FixedLenFeature", ["shape", "dtype", "default_value"], defaults=[None])
VarLenFeature = collections.namedtuple("VarLenFeature", ["dtype"])
FixedLenSequenceFeature = collections.namedtuple(
    "FixedLenSequenceFeature", ["shape", "dtype", "allow_missing", "default_value"], defaults=[False, None])
_WANTED = {"string": "bytes", "float32": "floats", "int64": "ints"}
_NAMES = {"bytes": "string", "floats": "float", "ints": "int64", "": "none"}


def _fail(message):
    raise errors.InvalidArgumentError(None, None, message)


def _values(example, key, dtype, what):
    kind, values = example.get(key, ("", []))
    if values and kind != _WANTED[dtype.name]:
        _fail("%s: Key: %s. Data types don't match. Expected type: %s, got %s" % (what, key, dtype.name, _NAMES[kind]))
    return values


def _array(values, shape, dtype):
    return np.array(values, object if dtype == _core.string else dtype.as_numpy_dtype).reshape(shape)


def _fixed(example, key, spec, what):
    dtype, shape = _core.as_dtype(spec.dtype), _core.TensorShape(spec.shape).as_list()
    values = _values(example, key, dtype, what)
    if not values:
        if spec.default_value is None:
            _fail("%s: Feature: %s (data type: %s) is required but could not be found." % (what, key, dtype.name))
        default = np.asarray(spec.default_value, object if dtype == _core.string else dtype.as_numpy_dtype)
        return np.broadcast_to(default, shape) if default.ndim == 0 else default.reshape(shape)
    if len(values) != int(np.prod(shape)):
        _fail("%s: Key: %s. Number of %s values != expected. Values size: %d but output shape: %s"
              % (what, key, dtype.name, len(values), _core.TensorShape(shape)))
    return _array(values, shape, dtype)


def _sequence(examples, key, spec, what):
    dtype, inner = _core.as_dtype(spec.dtype), _core.TensorShape(spec.shape).as_list()
    rows = [_array(_values(e, key, dtype, what), [-1] + inner, dtype) for e in examples]
    longest = max(len(r) for r in rows)
    fill = spec.default_value if spec.default_value is not None else b"" if dtype == _core.string else 0
    out = np.full([len(rows), longest] + inner, fill, rows[0].dtype)
    for i, r in enumerate(rows):
        out[i, :len(r)] = r
    return out


def _ragged(examples, key, spec, what, single):
    dtype = _core.as_dtype(spec.dtype)
    rows = [_values(e, key, dtype, what) for e in examples]
    places = [[j] if single else [i, j] for i, r in enumerate(rows) for j in range(len(r))]
    longest = max([len(r) for r in rows] or [0])
    shape = [longest] if single else [len(rows), longest]
    return [np.array(places, np.int64).reshape(-1, len(shape)),
            _array([v for r in rows for v in r], [-1], dtype), np.array(shape, np.int64)]


def _parse(serialized, features, name, single):
    if not features:
        raise ValueError("Missing: features was %s." % features)
    keys, outputs = sorted(features), []
    batch = [] if single else [None]
    for key in keys:
        spec = features[key]
        dtype = _core.as_dtype(spec.dtype)
        if dtype.name not in _WANTED:
            raise TypeError("parse_example: feature %s: an Example holds string, float32 and int64, not %s" % (key, dtype.name))
        if isinstance(spec, VarLenFeature):
            rank = 1 if single else 2
            outputs += [("int64", (None, rank)), (dtype.name, (None,)), ("int64", (rank,))]
        elif isinstance(spec, FixedLenSequenceFeature):
            if not spec.allow_missing:
                raise ValueError("Unsupported: FixedLenSequenceFeature requires allow_missing to be True.")
            outputs.append((dtype.name, tuple(batch + [None] + _core.TensorShape(spec.shape).as_list())))
        else:
            outputs.append((dtype.name, tuple(batch + _core.TensorShape(spec.shape).as_list())))

    def work(_, values):
        texts = [values[0]] if single else list(np.ravel(values[0]))
        examples, results = [_tf.parse_example(t) for t in texts], []
        what = "Name: <unknown>"
        for key in keys:
            spec = features[key]
            if isinstance(spec, VarLenFeature):
                results += _ragged(examples, key, spec, what, single)
            elif isinstance(spec, FixedLenSequenceFeature):
                made = _sequence(examples, key, spec, what)
                results.append(made[0] if single else made)
            else:
                rows = [_fixed(e, key, spec, what) for e in examples]
                results.append(rows[0] if single else np.stack(rows))
        return [np.ascontiguousarray(r).reshape(np.shape(r)) for r in results]
    made = _tf.host_operation("PyFunc", [_core.tensor(serialized, "string")], outputs, work, name).outputs
    found, at = {}, 0
    for key in keys:
        if isinstance(features[key], VarLenFeature):
            from trivium.tf.sparse_ops import SparseTensor
            found[key] = SparseTensor(*made[at:at + 3])
            at += 3
        else:
            found[key] = made[at]
            at += 1
    return found


def parse_single_example(serialized, features, name=None, example_names=None):
    """The features of one serialized Example, by name."""
    return _parse(serialized, features, name or "ParseSingleExample", True)


def parse_example(serialized, features, name=None, example_names=None):
    """The features of a vector of serialized Examples, by name."""
    return _parse(serialized, features, name or "ParseExample", False)
