"""Decompositions of matrices."""
import collections

from trivium.tf._core import op

_Qr = collections.namedtuple("Qr", ["q", "r"])


def qr(input, full_matrices=False, name=None):
    """input [m, n] = q r: orthonormal columns times an upper triangle."""
    return _Qr(*op("Qr", [("input", input)], {"full_matrices": bool(full_matrices)}, name).outputs)


def _missing(name):
    def function(*args, **kwargs):
        raise NotImplementedError("tf.%s: of the decompositions only tf.qr is there" % name)
    function.__name__ = name
    return function


MISSING = ("cholesky", "cholesky_solve", "matrix_inverse", "matrix_determinant", "matrix_solve", "matrix_solve_ls",
           "matrix_triangular_solve", "self_adjoint_eig", "self_adjoint_eigvals", "svd", "logdet", "expm", "slogdet")
for _name in MISSING:
    globals()[_name] = _missing(_name)
