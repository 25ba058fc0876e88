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
        return _tf.gradients(ys, xs, seeds, stops, name or "gradients", unconnected_gradients == "zero")


