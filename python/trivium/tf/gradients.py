"""tf.gradients."""
from trivium import _tf
from trivium.tf import _core
from trivium.tf._core import tensor


def _list(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def gradients(ys, xs, grad_ys=None, name="gradients", colocate_gradients_with_ops=False, gate_gradients=False,
              aggregation_method=None, stop_gradients=None, unconnected_gradients="none"):
    """d sum(ys * grad_ys) / dx for each x; None where ys do not depend on x."""
    ys, xs = [tensor(y) for y in _list(ys)], [tensor(x) for x in _list(xs)]
    seeds = None
    if grad_ys is not None:
        seeds = [None if g is None else tensor(g, y.dtype) for g, y in zip(_list(grad_ys), ys)]
        if len(_list(grad_ys)) != len(ys):
            raise ValueError("Passed %d grad_ys for %d ys" % (len(_list(grad_ys)), len(ys)))
    stops = [tensor(s) for s in _list(stop_gradients)] if stop_gradients is not None else []
    with _core.graph_of(ys[0]):
        zeros = unconnected_gradients == "zero"
        gathers = _gathered(ys, xs, stops)
        wanted = [t for x in xs for t in (gathers[x] if x in gathers else [x])]
        found = iter(_tf.gradients(ys, wanted, seeds, stops, name or "gradients", zeros))
        return [_slices(x, gathers[x], [next(found) for _ in gathers[x]]) if x in gathers else next(found) for x in xs]


def _gathered(ys, xs, stops):
    """{x: [rows taken from it]} for each x that the ys depend on through gathers of its rows alone."""
    candidates = [x for x in xs if x.shape.ndims and any(op.type == "GatherV2" for op in x.consumers())]
    if not candidates or any(x in ys for x in candidates):
        return {}
    behind, stack = set(), [y.op for y in ys]
    stopped = set(stops)
    while stack:
        op = stack.pop()
        if op not in behind:
            behind.add(op)
            stack.extend(t.op for t in op.inputs if t not in stopped)
    found = {}
    for x in candidates:
        users = [op for op in x.consumers() if op in behind and op.type != "Gradients"]
        if users and all(op.type == "GatherV2" and op.inputs[0] == x and _first_axis(op) for op in users):
            found[x] = [op.outputs[0] for op in dict.fromkeys(users)]
    return found


def _first_axis(op):
    axis = _tf.constant_value(op.inputs[2])
    return axis is not None and int(axis) == 0


def _slices(x, rows, gradients_of_rows):
    """IndexedSlices of the gradients of gathered rows; None when there is none."""
    from trivium.tf import array_ops
    from trivium.tf.sparse_ops import IndexedSlices
    pairs = [(r, g) for r, g in zip(rows, gradients_of_rows) if g is not None]
    if not pairs:
        return None
    inner = x.shape.as_list()[1:]
    shape = [-1] + inner if None not in inner else array_ops.concat([[-1], array_ops.shape(x)[1:]], 0)
    values = [array_ops.reshape(g, shape) for _, g in pairs]
    indices = [array_ops.reshape(r.op.inputs[1], [-1]) for r, _ in pairs]
    if len(pairs) > 1:
        return IndexedSlices(array_ops.concat(values, 0), array_ops.concat(indices, 0), array_ops.shape(x))
    return IndexedSlices(values[0], indices[0], array_ops.shape(x))


