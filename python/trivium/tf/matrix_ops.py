"""Matrices: diagonals, bands, products by index letters."""
import numpy as np

from trivium.tf import _core, array_ops, math_ops
from trivium.tf._core import out, tensor


def diag(diagonal, name=None):
    return out("Diag", [("diagonal", diagonal)], None, name)


def diag_part(input, name=None):
    return out("DiagPart", [("input", input)], None, name)


def matrix_diag(diagonal, name=None):
    """[.., n] on the diagonals of [.., n, n]."""
    return out("MatrixDiag", [("diagonal", diagonal)], None, name)


def matrix_diag_part(input, name=None):
    return out("MatrixDiagPart", [("input", input)], None, name)


def matrix_set_diag(input, diagonal, name=None):
    return out("MatrixSetDiag", [("input", input), ("diagonal", diagonal)], None, name)


def matrix_band_part(input, num_lower, num_upper, name=None):
    """Keeps so many diagonals below and above the main one; -1 keeps all."""
    return out("MatrixBandPart", [("input", input), ("num_lower", num_lower, "int64"),
                                  ("num_upper", num_upper, "int64")], None, name)


def trace(x, name=None):
    """The sum of each matrix's diagonal."""
    with _core.name_scope(name, "Trace") as scope:
        return math_ops.reduce_sum(matrix_diag_part(tensor(x, name="x")), [-1], name=scope)


def cross(a, b, name=None):
    return out("Cross", [("a", a), ("b", b)], None, name)


def eye(num_rows, num_columns=None, batch_shape=None, dtype=_core.float32, name=None):
    """Ones on the diagonal, zeros elsewhere."""
    columns = num_rows if num_columns is None else num_columns
    if any(map(_core.is_tensor, (num_rows, columns))):
        raise NotImplementedError("tf.eye: sizes as tensors; give numbers")
    one = np.eye(int(num_rows), int(columns), dtype=_core.as_dtype(dtype).as_numpy_dtype)
    if batch_shape is not None:
        one = np.broadcast_to(one, [int(_core.dim_value(d)) for d in batch_shape] + list(one.shape))
    return array_ops.constant(np.ascontiguousarray(one), name=name or "eye")


def _letters(equation, operands):
    """Index letters of every operand and of the result; an ellipsis becomes capitals that count from the end."""
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError("Unexpected number of arguments for equation %s: %d, expected %d"
                         % (equation, len(operands), len(terms)))
    spread = 0
    for term, x in zip(terms, operands):
        if "..." in term:
            spread = max(spread, len(x.shape) - len(term.replace("...", "")))
    outer = "ABCDEFGHIJ"[:spread]
    full = []
    for term, x in zip(terms, operands):
        own = len(x.shape) - len(term.replace("...", ""))
        full.append(term.replace("...", outer[spread - own:] if own else ""))
        if len(full[-1]) != len(x.shape):
            raise ValueError("einsum: \"%s\" names %d axes, the operand has shape %s" % (term, len(term), x.shape))
    if arrow:
        return full, right.replace("...", outer)
    flat = "".join(full)
    return full, outer + "".join(sorted(c for c in set(flat) - set(outer) if flat.count(c) == 1))


def _without_repeats(x, term):
    """Letters that one operand has twice: its diagonal along them."""
    for c in sorted(set(term)):
        while term.count(c) > 1:
            i = term.index(c)
            j = term.index(c, i + 1)
            order = [k for k in range(len(term)) if k not in (i, j)] + [i, j]
            x = matrix_diag_part(array_ops.transpose(x, order))
            term = "".join(term[k] for k in order[:-1])
    return x, term


def _product(a, ta, b, tb, keep):
    """Two operands by one batched matmul; letters of both that nobody needs later are summed."""
    batch = [c for c in ta if c in tb and c in keep]
    inner = [c for c in ta if c in tb and c not in keep]
    free_a, free_b = [c for c in ta if c not in tb], [c for c in tb if c not in ta]
    sa, sb = array_ops.shape(a), array_ops.shape(b)
    size = {c: sb[tb.index(c)] for c in tb}
    size.update({c: sa[ta.index(c)] for c in ta})

    def merged(x, term, groups):
        x = array_ops.transpose(x, [term.index(c) for g in groups for c in g])
        sizes = [size[c] for c in groups[0]]
        sizes += [math_ops.reduce_prod(array_ops.stack([size[c] for c in g])) if g else 1 for g in groups[1:]]
        return array_ops.reshape(x, array_ops.stack(sizes))
    x, y = merged(a, ta, [batch, free_a, inner]), merged(b, tb, [batch, inner, free_b])
    term = "".join(batch + free_a + free_b)
    result = math_ops.matmul(x, y)
    if not term:
        return array_ops.reshape(result, np.zeros(0, np.int32)), term
    return array_ops.reshape(result, array_ops.stack([size[c] for c in term])), term


def einsum(equation, *inputs, **kwargs):
    """Sums of products by index letters: einsum("bij,bjk->bik", a, b)."""
    name = kwargs.pop("name", None)
    if kwargs:
        raise TypeError("invalid keyword arguments for this function: " + ", ".join(sorted(kwargs)))
    with _core.name_scope(name, "einsum"):
        operands = [tensor(x) for x in inputs]
        terms, result = _letters(equation, operands)
        static = {}
        for term, x in zip(terms, operands):
            for c, n in zip(term, x.shape.as_list()):
                if static.get(c) is not None and n is not None and static[c] != n:
                    raise ValueError("einsum: axis \"%s\" has sizes %d and %d" % (c, static[c], n))
                static[c] = n if static.get(c) is None else static[c]
        parts = [_without_repeats(x, t) for x, t in zip(operands, terms)]
        x, term = parts[0]
        for i, (y, other) in enumerate(parts[1:]):
            keep = set(result).union(*[t for _, t in parts[i + 2:]])
            lone = [k for k, c in enumerate(term) if c not in keep and c not in other]
            if lone:
                x, term = math_ops.reduce_sum(x, lone), "".join(c for k, c in enumerate(term) if k not in lone)
            lone = [k for k, c in enumerate(other) if c not in keep and c not in term]
            if lone:
                y, other = math_ops.reduce_sum(y, lone), "".join(c for k, c in enumerate(other) if k not in lone)
            x, term = _product(x, term, y, other, keep)
        lone = [k for k, c in enumerate(term) if c not in result]
        if lone:
            x, term = math_ops.reduce_sum(x, lone), "".join(c for c in term if c in result)
        x = array_ops.transpose(x, [term.index(c) for c in result]) if term != result else x
        x.set_shape([static[c] for c in result])
        return x
