"""torch.linalg, the part that ordinary programs use. inv, solve, det, slogdet and cholesky have
derivatives; the factorisations that NumPy computes have none and refuse a matrix that requires one."""

from trivium import _C

def norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    if dtype is not None:
        A = A.to(dtype)
    if ord in (None, "fro"):
        return A.norm(2, dim, keepdim)
    return A.norm(ord, dim, keepdim)


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    return norm(x, ord, dim, keepdim, dtype=dtype)


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    if ord == "fro":
        return norm(A, 2, dim, keepdim, dtype=dtype)
    raise NotImplementedError(f"matrix_norm of order {ord!r} is not provided; 'fro' is")


def matmul(a, b):
    return a @ b


def multi_dot(tensors):
    out = tensors[0]
    for t in tensors[1:]:
        out = out @ t
    return out


def matrix_power(A, n):
    if n < 0:
        A, n = inv(A), -n
    out = _C.eye(A.shape[-1], dtype=A.dtype).expand(A.shape)
    while n:
        if n & 1:
            out = out @ A
        A, n = A @ A, n >> 1
    return out


def _eliminate(A, B):
    """Gauss elimination with pivots on matrices (n, n) and (n, k): A becomes the identity. Returns
    B and the determinant; differentiable except through the choice of pivots."""
    n = A.shape[-1]
    M = _C.cat([A, B], 1)
    det = _C.ones((), dtype=A.dtype)
    for k in range(n):
        pivot = k + int(M[k:, k].detach().abs().argmax())
        if float(M[pivot, k]) == 0:
            raise RuntimeError("the matrix is singular")
        if pivot != k:
            order = list(range(n))
            order[k], order[pivot] = order[pivot], order[k]
            M = M[order]
            det = -det
        head = M[k, k]
        det = det * head
        row = M[k:k + 1] / head
        others = M - M[:, k:k + 1] * row
        M = _C.cat([others[:k], row, others[k + 1:]])
    return M[:, n:], det


def _each(A, function):
    if A.dim() == 2:
        return function(A)
    flat = A.reshape(-1, *A.shape[-2:])
    results = _C.stack([function(m) for m in flat])
    return results.reshape(*A.shape[:-2], *results.shape[1:])


def inv(A):
    n = A.shape[-1]
    return _each(A, lambda m: _eliminate(m, _C.eye(n, dtype=A.dtype))[0])


def det(A):
    def one(m):
        try:
            return _eliminate(m, m.new_zeros(m.shape[0], 0))[1]
        except RuntimeError:
            return m.new_zeros(())
    return _each(A, one)


def slogdet(A):
    d = det(A)
    return d.sign(), d.abs().log()


def solve(A, B):
    vector = B.dim() == 1
    if A.dim() == 2:
        X = _eliminate(A, B.unsqueeze(1) if vector else B)[0]
        return X.squeeze(1) if vector else X
    return _C.stack([solve(a, b) for a, b in zip(A, B)])


def cholesky(A, *, upper=False):
    def one(m):
        n = m.shape[0]
        rows = []
        for i in range(n):
            row = []
            for j in range(i + 1):
                s = m[i, j]
                for k in range(j):
                    s = s - row[k] * (row[k] if i == j else rows[j][k])
                if i == j:
                    if float(s) <= 0:
                        raise RuntimeError("cholesky: the matrix is not positive definite")
                    row.append(s.sqrt())
                else:
                    row.append(s / rows[j][j])
            rows.append(row)
        zero = m.new_zeros(())
        return _C.stack([_C.stack(r + [zero] * (n - len(r))) for r in rows])

    L = _each(A, one)
    return L.mT if upper else L


def _by_numpy(name, A, *args):
    """NumPy's factorisation, which has no derivative: refused where one would be lost."""
    import numpy

    if A.requires_grad and _C.is_grad_enabled():
        raise NotImplementedError(f"linalg.{name} has no derivative in Trivium and the matrix requires "
                                  "a gradient: call it under no_grad, or on A.detach()")
    return getattr(numpy.linalg, name)(A.detach().numpy(), *args)


def svd(A, full_matrices=True):
    u, s, v = _by_numpy("svd", A, full_matrices)
    return _C.tensor(u), _C.tensor(s), _C.tensor(v)


def svdvals(A):
    return svd(A, False)[1]


def qr(A, mode="reduced"):
    q, r = _by_numpy("qr", A, mode)
    return _C.tensor(q), _C.tensor(r)


def eigh(A, UPLO="L"):
    w, v = _by_numpy("eigh", A, UPLO)
    return _C.tensor(w), _C.tensor(v)


def eigvalsh(A, UPLO="L"):
    return eigh(A, UPLO)[0]


def pinv(A):
    return _C.tensor(_by_numpy("pinv", A))


def lstsq(A, B):
    if B.requires_grad and _C.is_grad_enabled():
        raise NotImplementedError("linalg.lstsq has no derivative in Trivium and the right-hand side "
                                  "requires a gradient: call it under no_grad, or on B.detach()")
    return (_C.tensor(_by_numpy("lstsq", A, B.detach().numpy(), None)[0]),)


def matrix_rank(A):
    return _C.tensor(int(_by_numpy("matrix_rank", A)))


def cross(a, b, *, dim=-1):
    from trivium.torch._more_functions import cross as _cross

    return _cross(a, b, dim)
