"""Branches and loops, which the run takes and repeats; tensor arrays; functions over rows."""
from trivium import _tf
from trivium.tf import _core, array_ops, math_ops
from trivium.tf._core import Operation, tensor


# ---- structures: lists, tuples, named tuples and dicts of tensors and tensor arrays

def _flat(value):
    if isinstance(value, (list, tuple)):
        return [leaf for v in value for leaf in _flat(v)]
    if isinstance(value, dict):
        return [leaf for k in sorted(value) for leaf in _flat(value[k])]
    return [value]


def _like(structure, leaves):
    if isinstance(structure, (list, tuple)):
        parts = [_like(s, leaves) for s in structure]
        return type(structure)(*parts) if hasattr(structure, "_fields") else type(structure)(parts)
    if isinstance(structure, dict):
        return {k: _like(structure[k], leaves) for k in sorted(structure)}
    leaf = next(leaves)
    if isinstance(structure, TensorArray):
        return structure._with(leaf)
    return leaf


def _leaf(value):
    if isinstance(value, TensorArray):
        return value.flow
    if isinstance(value, Operation):  # a bool that waits for it
        with _core.control_dependencies([value]):
            return array_ops.identity(_core.tensor(True))
    return tensor(value)


def cond(pred, true_fn=None, false_fn=None, strict=False, name=None, fn1=None, fn2=None):
    """true_fn() where pred holds, else false_fn(). Both are called here, to describe what they make; a run
    computes only what the function of the branch taken made inside, assignments included. Results must agree
    in structure and dtype."""
    true_fn, false_fn = fn1 if true_fn is None else true_fn, fn2 if false_fn is None else false_fn
    if isinstance(pred, bool):
        raise TypeError("'pred' must not be a Python bool.")
    for what, fn in (("true_fn", true_fn), ("false_fn", false_fn)):
        if not callable(fn):
            raise TypeError("%s must be callable." % what)
    results = []

    def branch(fn, what):
        def run():
            value = fn()
            if value is None:
                raise ValueError("%s must have a return value." % what)
            results.append(value)
            return [_leaf(v) for v in _flat(value)]
        return run

    with _core.name_scope(name, "cond") as scope:
        made = _tf.cond(tensor(pred), branch(true_fn, "true_fn"), branch(false_fn, "false_fn"), scope)
    left, right = results
    if isinstance(left, (list, tuple)) != isinstance(right, (list, tuple)):
        raise TypeError("Incompatible return types of true_fn and false_fn: %r and %r" % (left, right))
    out = _like(left, iter(made))
    return out[0] if not strict and isinstance(out, (list, tuple)) and len(out) == 1 else out


def case(pred_fn_pairs, default=None, exclusive=False, strict=False, name="case"):
    """The first function whose predicate holds; with `exclusive`, at most one may."""
    pairs = list(pred_fn_pairs.items()) if isinstance(pred_fn_pairs, dict) else list(pred_fn_pairs)
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError("Each entry in pred_fn_pairs must be a 2-tuple. Received %r." % (pair,))
        if not callable(pair[1]):
            raise TypeError("fn for pred %r must be callable." % (pair[0],))
    with _core.name_scope(name, "case"):
        waits = []
        if exclusive and len(pairs) > 1:
            count = math_ops.reduce_sum(math_ops.cast(array_ops.stack([tensor(p) for p, _ in pairs]), _core.int32))
            waits = [Assert(math_ops.less_equal(count, 1), ["More than one condition evaluated as True:", count])]
        if default is None:
            pairs, default = pairs[:-1], pairs[-1][1]
        for pred, fn in reversed(pairs):
            default = (lambda p, f, d: lambda: cond(p, f, d, strict))(pred, fn, default)
        with _core.control_dependencies(waits):
            return default()


def while_loop(cond, body, loop_vars, shape_invariants=None, parallel_iterations=10, back_prop=True,
               swap_memory=False, name=None, maximum_iterations=None, return_same_structure=False):
    """Repeats body while cond holds. dtypes stay the same from one iteration to the next, and so do shapes,
    unless the number of iterations follows from constants."""
    if not callable(cond):
        raise TypeError("'cond' must be callable.")
    if not callable(body):
        raise TypeError("'body' must be callable.")
    if not _flat(loop_vars):
        raise ValueError("'loop_vars' must be provided.")
    single = not isinstance(loop_vars, (list, tuple, dict))
    variables = [loop_vars] if single else loop_vars

    def call(fn, leaves):
        state = _like(variables, iter(leaves))
        return fn(**state) if isinstance(state, dict) else fn(*state)

    def step(leaves):
        result = call(body, leaves)
        if not isinstance(result, (list, tuple, dict)) or hasattr(result, "_fields") and len(variables) == 1:
            result = [result]
        flat = _flat(result)
        if len(flat) != len(leaves):
            raise ValueError("The two structures don't have the same nested structure. First structure: %r, second "
                             "structure: %r" % (variables, result))
        return [_leaf(v) for v in flat]

    shapes = None
    if shape_invariants is not None:
        kept = [shape_invariants] if single else shape_invariants
        given = iter(_shapes(kept))
        shapes = [_core.shape_arg(next(given)) for _ in _flat(variables)]
    with _core.name_scope(name, "while") as scope:
        maximum = None if maximum_iterations is None else tensor(maximum_iterations)
        made = _tf.while_loop(lambda leaves: tensor(call(cond, leaves)), step,
                              [_leaf(v) for v in _flat(variables)], shapes, maximum, scope)
    if not back_prop:
        made = [array_ops.stop_gradient(t) for t in made]
    state = _like(variables, iter(made))
    return state[0] if len(state) == 1 and not return_same_structure and not isinstance(state, dict) else state


def _shapes(value):
    if isinstance(value, (list, tuple)) and not all(v is None or isinstance(v, int) for v in value):
        return [leaf for v in value for leaf in _shapes(v)]
    return [value]


# ---- tensor arrays

class TensorArray:
    """Tensors by position, all of one dtype and shape. A change gives a new array. A position is written once, before
    it is read, and, without clear_after_read=False, read once: else an InvalidArgumentError. One never written reads
    as zeros; without infer_shape and a known element_shape that is an InvalidArgumentError too. Of a dynamic size the
    array grows by writes to positions that are known when a run begins, also where a loop's iterations can be counted
    then."""

    def __init__(self, dtype, size=None, dynamic_size=None, clear_after_read=None, tensor_array_name=None, handle=None,
                 flow=None, infer_shape=True, element_shape=None, colocate_with_first_write_call=True, name=None,
                 _checked=True):
        self._dtype = _core.as_dtype(dtype)
        self._known = {"element": _core.TensorShape(element_shape)}
        if flow is not None:
            self.flow = flow
            return
        if size is None:
            raise ValueError("Size must be provided if handle is not provided")
        self.flow = _tf.tensor_array(
            self._dtype.name, _core.inp(size, "int32"), self._known["element"]._dims, bool(dynamic_size),
            clear_after_read is None or bool(clear_after_read), bool(infer_shape), _checked, name or "TensorArray",
            tensor_array_name or name or "TensorArray")

    dtype = property(lambda self: self._dtype)
    handle = property(lambda self: self.flow)
    element_shape = property(lambda self: self._known["element"])

    def _with(self, flow):
        other = TensorArray.__new__(TensorArray)
        other._dtype, other._known, other.flow = self._dtype, self._known, flow
        return other

    def _merge(self, shape):
        self._known["element"] = self._known["element"].merge_with(shape)

    def _value(self, value):
        value = tensor(value, None if _core.is_tensor(value) else self._dtype)
        if value.dtype != self._dtype:
            raise TypeError("TensorArray dtype is %s but Op is trying to write dtype %s."
                            % (self._dtype.name, value._dtype))
        return value

    def _shaped(self, value, leading=()):
        element = self._known["element"]
        if element.ndims is not None:
            value.set_shape(list(leading) + element.as_list())
        return value

    def identity(self):
        return self._with(array_ops.identity(self.flow))

    def write(self, index, value, name=None):
        value = self._value(value)
        self._merge(value.shape)
        parts = [("handle", self.flow), ("index", index, "int32"), ("value", value)]
        return self._with(_core.out("TensorArrayWriteV3", parts, None, name or "TensorArrayWrite"))

    def read(self, index, name=None):
        inputs = [("handle", self.flow), ("index", index, "int32")]
        return self._shaped(_core.out("TensorArrayReadV3", inputs, None, name or "TensorArrayRead"))

    def stack(self, name=None):
        return self._shaped(_core.out("TensorArrayStack", [("handle", self.flow)], None, name), [None])

    def gather(self, indices, name=None):
        inputs = [("handle", self.flow), ("indices", indices, "int32")]
        return self._shaped(_core.out("TensorArrayGatherV3", inputs, None, name or "TensorArrayGather"), [None])

    def concat(self, name=None):
        return _core.out("TensorArrayConcatV3", [("handle", self.flow)], None, name or "TensorArrayConcat")

    def unstack(self, value, name=None):
        value = self._value(value)
        self._merge(value.shape[1:])
        return self._with(_core.out("TensorArrayUnstack", [("handle", self.flow), ("value", value)], None, name))

    def scatter(self, indices, value, name=None):
        value = self._value(value)
        self._merge(value.shape[1:])
        parts = [("handle", self.flow), ("indices", indices, "int32"), ("value", value)]
        return self._with(_core.out("TensorArrayScatterV3", parts, None, name or "TensorArrayScatter"))

    def split(self, value, lengths, name=None):
        """Pieces of equal length."""
        value = self._value(value)
        known = _tf.constant_value(tensor(lengths))
        if known is None or len(set(known.tolist())) > 1:
            raise NotImplementedError("TensorArray.split: pieces of different, or unknown, lengths")
        return self.unstack(array_ops.reshape(value, [len(known), int(known[0])] + value.shape.as_list()[1:]), name)

    def size(self, name=None):
        return _core.out("TensorArraySizeV3", [("handle", self.flow)], None, name or "TensorArraySize")

    def close(self, name=None):
        return _tf.group([], name or "TensorArrayClose")


# ---- functions over rows

def _count(rows):
    for r in rows:
        if r.shape.ndims == 0:
            raise ValueError("elems must be a 1+ dimensional Tensor, not a scalar")
    known = [r.shape[0].value for r in rows if r.shape.ndims and r.shape[0].value is not None]
    return known[0] if known else array_ops.shape(rows[0])[0]


def _arrays(rows):
    return [TensorArray(r.dtype, _count(rows), _checked=False).unstack(r) for r in rows]


def _dims(n):
    return [n if isinstance(n, int) else None]


def _finished(array, n):
    out = array.stack()
    if out.shape.ndims is not None:
        out.set_shape(_dims(n) + out.shape.as_list()[1:])
    return out


def map_fn(fn, elems, dtype=None, parallel_iterations=10, back_prop=True, swap_memory=False, infer_shape=True, name=None):
    """fn of each row, stacked."""
    if not callable(fn):
        raise TypeError("fn must be callable.")
    with _core.name_scope(name, "map"):
        rows = [tensor(e) for e in _flat(elems)]
        n, arrays = _count(rows), _arrays(rows)
        types = [r.dtype for r in rows] if dtype is None else [_core.as_dtype(d) for d in _flat(dtype)]
        structure = elems if dtype is None else dtype
        made = [TensorArray(t, n, _checked=False) for t in types]

        def body(i, made):
            result = fn(_like(elems, iter([a.read(i) for a in arrays])))
            flat = _flat(result)
            if len(flat) != len(made):
                raise ValueError("The two structures don't have the same nested structure. First structure: %r, "
                                 "second structure: %r" % (structure, result))
            return i + 1, [a.write(i, v) for a, v in zip(made, flat)]

        _, made = while_loop(lambda i, made: math_ops.less(i, n), body, (tensor(0), made), back_prop=back_prop)
        return _like(structure, iter([_finished(a, n) for a in made]))


def _fold(fn, elems, initializer, back_prop, reverse):
    if not callable(fn):
        raise TypeError("fn must be callable.")
    rows = [tensor(e) for e in _flat(elems)]
    n, arrays = _count(rows), _arrays(rows)
    at = (lambda i: n - 1 - i) if reverse else (lambda i: i)
    row = lambda i: _like(elems, iter([a.read(at(i)) for a in arrays]))
    start = 0 if initializer is not None else 1
    first = initializer if initializer is not None else row(0)
    first = _like(first, iter([tensor(v) for v in _flat(first)]))
    _, total = while_loop(lambda i, total: math_ops.less(i, n), lambda i, total: (i + 1, fn(total, row(i))),
                          (tensor(start), first), back_prop=back_prop)
    return total


def foldl(fn, elems, initializer=None, parallel_iterations=10, back_prop=True, swap_memory=False, name=None):
    with _core.name_scope(name, "foldl"):
        return _fold(fn, elems, initializer, back_prop, False)


def foldr(fn, elems, initializer=None, parallel_iterations=10, back_prop=True, swap_memory=False, name=None):
    with _core.name_scope(name, "foldr"):
        return _fold(fn, elems, initializer, back_prop, True)


def scan(fn, elems, initializer=None, parallel_iterations=10, back_prop=True, swap_memory=False, infer_shape=True,
         reverse=False, name=None):
    """Results of foldl after each row."""
    if not callable(fn):
        raise TypeError("fn must be callable.")
    with _core.name_scope(name, "scan"):
        rows = [tensor(e) for e in _flat(elems)]
        n, arrays = _count(rows), _arrays(rows)
        at = (lambda i: n - 1 - i) if reverse else (lambda i: i)
        row = lambda i: _like(elems, iter([a.read(at(i)) for a in arrays]))
        first = initializer if initializer is not None else row(0)
        total = [tensor(v) for v in _flat(first)]
        made = [TensorArray(t.dtype, n, _checked=False) for t in total]
        start = 0
        if initializer is None:
            start, made = 1, [a.write(at(0), t) for a, t in zip(made, total)]

        def body(i, total, made):
            result = _flat(fn(_like(first, iter(total)), row(i)))
            result = [tensor(v) for v in result]
            return i + 1, result, [a.write(at(i), v) for a, v in zip(made, result)]

        _, _, made = while_loop(lambda i, total, made: math_ops.less(i, n), body, (tensor(start), total, made),
                                back_prop=back_prop)
        return _like(first, iter([_finished(a, n) for a in made]))


def Assert(condition, data, summarize=3, name=None):
    parts = [("condition", condition)] + [("data_%d" % i, d) for i, d in enumerate(data)]
    return _core.op("Assert", parts, {"summarize": summarize}, name)
