"""Branches and loops. A branch is chosen between results; a loop is unrolled, so how often it runs must follow
from constants."""
from trivium import _tf
from trivium.tf import _core, array_ops
from trivium.tf._core import Operation, tensor

_WRITES = ("Assign", "AssignAdd", "AssignSub", "ScatterUpdate", "ScatterAdd", "ScatterSub", "Assert")


def _flat(value):
    if isinstance(value, (list, tuple)):
        return [leaf for v in value for leaf in _flat(v)]
    return [value]


def _like(structure, leaves):
    if isinstance(structure, (list, tuple)):
        parts = [_like(s, leaves) for s in structure]
        return type(structure)(*parts) if hasattr(structure, "_fields") else type(structure)(parts)
    return next(leaves)


def cond(pred, true_fn=None, false_fn=None, strict=False, name=None, fn1=None, fn2=None):
    """true_fn() where pred holds, else false_fn(). Both are computed, so neither may change a variable; results
    must agree in structure, dtype and shape."""
    true_fn, false_fn = true_fn or fn1, false_fn or fn2
    if isinstance(pred, bool):
        raise TypeError("'pred' must not be a Python bool.")
    if not callable(true_fn) or not callable(false_fn):
        raise TypeError("true_fn and false_fn must be callable.")
    with _core.name_scope(name, "cond"):
        pred = tensor(pred)
        graph, results = _core.get_default_graph(), []
        for fn in (true_fn, false_fn):
            first, value = graph.size(), fn()
            for i in range(first, graph.size()):
                if graph.op(i).type in _WRITES or graph.op(i).type.startswith("Apply"):
                    raise NotImplementedError("tf.cond: a branch that changes a variable (%s)" % graph.op(i).name)
            if value is None:
                raise ValueError("%s must have a return value." % ("true_fn" if not results else "false_fn"))
            results.append(value)
        left, right = _flat(results[0]), _flat(results[1])
        if len(left) != len(right):
            raise ValueError("Incompatible return values of true_fn and false_fn: %r and %r" % tuple(results))
        merged = []
        for a, b in zip(left, right):
            if isinstance(a, Operation) or isinstance(b, Operation):
                raise NotImplementedError("tf.cond: a branch that returns an operation")
            merged.append(array_ops.where(pred, tensor(a), tensor(b), name="Merge"))
        out = _like(results[0], iter(merged))
        return out[0] if not strict and isinstance(out, (list, tuple)) and len(out) == 1 else out


def case(pred_fn_pairs, default=None, exclusive=False, strict=False, name="case"):
    """The first function whose predicate holds."""
    pairs = list(pred_fn_pairs.items()) if isinstance(pred_fn_pairs, dict) else list(pred_fn_pairs)
    if default is None:
        pairs, default = pairs[:-1], pairs[-1][1]
    for pred, fn in reversed(pairs):
        default = (lambda p, f, d: lambda: cond(p, f, d, strict))(pred, fn, default)
    with _core.name_scope(name):
        return default()


_MOST_STEPS = 10000


def while_loop(cond, body, loop_vars, shape_invariants=None, parallel_iterations=10, back_prop=True,
               swap_memory=False, name=None, maximum_iterations=None, return_same_structure=False):
    """Repeats body while cond holds. The loop is unrolled while the graph is built: cond must follow from
    constants (a counter and a fixed bound), else NotImplementedError."""
    with _core.name_scope(name, "while"):
        state = _like(loop_vars, iter([tensor(v) for v in _flat(loop_vars)]))
        types = [t._dtype for t in _flat(state)]
        steps = 0
        while maximum_iterations is None or steps < maximum_iterations:
            holds = _tf.constant_value(tensor(cond(*state)))
            if holds is None:
                raise NotImplementedError("tf.while_loop: how often the loop runs depends on values of the run")
            if not holds:
                break
            if steps == _MOST_STEPS:
                raise NotImplementedError("tf.while_loop: more than %d steps" % _MOST_STEPS)
            result = body(*state)
            result = result if isinstance(result, (list, tuple)) else [result]
            leaves = [tensor(v) for v in _flat(result)]
            if [t._dtype for t in leaves] != types:
                raise TypeError("tf.while_loop: body turns %s into %s" % (types, [t._dtype for t in leaves]))
            state, steps = _like(loop_vars, iter(leaves)), steps + 1
        return state[0] if len(state) == 1 and not return_same_structure else state


def _rows(elems):
    parts = [array_ops.unstack(tensor(e)) for e in _flat(elems)]
    return [_like(elems, iter(row)) for row in zip(*parts)]


def _stacked(results):
    return _like(results[0], iter([array_ops.stack(list(column)) for column in zip(*[_flat(r) for r in results])]))


def map_fn(fn, elems, dtype=None, parallel_iterations=10, back_prop=True, swap_memory=False, infer_shape=True, name=None):
    """fn of each row, stacked; the number of rows must be known."""
    with _core.name_scope(name, "map"):
        return _stacked([fn(row) for row in _rows(elems)])


def foldl(fn, elems, initializer=None, parallel_iterations=10, back_prop=True, swap_memory=False, name=None):
    with _core.name_scope(name, "foldl"):
        rows = _rows(elems)
        total = rows.pop(0) if initializer is None else initializer
        for row in rows:
            total = fn(total, row)
        return total


def foldr(fn, elems, initializer=None, parallel_iterations=10, back_prop=True, swap_memory=False, name=None):
    with _core.name_scope(name, "foldr"):
        rows = _rows(elems)[::-1]
        total = rows.pop(0) if initializer is None else initializer
        for row in rows:
            total = fn(total, row)
        return total


def scan(fn, elems, initializer=None, parallel_iterations=10, back_prop=True, swap_memory=False, infer_shape=True,
         reverse=False, name=None):
    with _core.name_scope(name, "scan"):
        rows = _rows(elems)
        rows = rows[::-1] if reverse else rows
        total = rows.pop(0) if initializer is None else initializer
        results = [total] if initializer is None else []
        for row in rows:
            total = fn(total, row)
            results.append(total)
        return _stacked(results[::-1] if reverse else results)


def Assert(condition, data, summarize=3, name=None):
    parts = [("condition", condition)] + [("data_%d" % i, d) for i, d in enumerate(data)]
    return _core.op("Assert", parts, {"summarize": summarize}, name)


