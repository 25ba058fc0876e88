"""Makes tensor.json: what PyTorch computes for the cases that tests/notations/nn/golden_tensor_test.cc repeats.

    python make_tensor.py > tensor.json          (needs torch; written with 2.15)

Inputs follow from a formula both sides know; of outputs and gradients two weighted sums are kept.
"""
import json
import math

import torch
import torch.nn.functional as F

CASES = []


def f(*s): return ("f", s)      # floating, -1..1, wants a gradient
def p(*s): return ("p", s)      # floating, 0.1..2.1, wants a gradient
def u(*s): return ("u", s)      # floating, 0.05..0.95, wants a gradient
def c(*s): return ("c", s)      # floating -1..1, no gradient
def i(n, *s): return ("i%d" % n, s)   # int64, 0..n-1
def b(*s): return ("b", s)      # bool


def case(name, ins, fn, f32=True, f64=True):
    CASES.append((name, ins, fn, f32, f64))


def make(kind, shape, seed, dtype):
    n = math.prod(shape)
    raw = torch.tensor([(k * 7929 + seed * 1047 + 13) % 2003 for k in range(n)], dtype=torch.float64)
    if kind[0] == "i":
        return (raw.long() % int(kind[1:])).view(shape)
    if kind == "b":
        return (raw.long() % 2 == 0).view(shape)
    v = raw / 1001.0 - 1.0
    if kind == "p":
        v = v + 1.1
    if kind == "u":
        v = v * 0.45 + 0.5
    t = v.view(shape).to(dtype)
    return t.requires_grad_(kind != "c")


def weights(n, which):
    return torch.tensor([((k * (31 + 6 * which) + 7) % 17 - 8 + 0.25 * which) / 8 for k in range(n)], dtype=torch.float64)


def sums(t):
    v = t.detach().to(torch.float64).reshape(-1)
    v = torch.where(v.isnan(), torch.full_like(v, 3.5), v)
    v = torch.where(v == math.inf, torch.full_like(v, 7.25), v)
    v = torch.where(v == -math.inf, torch.full_like(v, -5.75), v)
    return [float((v * weights(len(v), w)).sum()) for w in (1, 2)]


def digits(v, dtype):
    return [float("%.*g" % (8 if dtype == torch.float32 else 13, x)) for x in v]


def run(name, ins, fn, dtype):
    xs = [make(k, s, seed + 1, dtype) for seed, (k, s) in enumerate(ins)]
    out = fn(*xs)
    out = list(out) if isinstance(out, (tuple, list)) else [out]
    loss = 0
    for o in out:
        if o.dtype.is_floating_point and o.requires_grad:
            loss = loss + (o.double() * weights(o.numel(), 1).view(o.shape)).sum()
    grads = [None] * len(xs)
    if torch.is_tensor(loss):
        loss.backward()
        grads = [digits(sums(x.grad), dtype) if x.grad is not None else None for x in xs]
    return {"op": name, "dtype": str(dtype)[6:], "in": [[k, list(s)] for k, s in ins],
            "out": [[list(o.shape), str(o.dtype)[6:], digits(sums(o), dtype)] for o in out], "grad": grads}


# ---- element by element
for n in ("exp exp2 expm1 sin cos tan atan sinh cosh asinh tanh sigmoid erf erfc abs neg square relu sign floor ceil "
          "trunc frac round").split():
    case(n, [f(3, 5)], lambda x, n=n: getattr(torch, n)(x))
for n in "log log1p log2 log10 sqrt rsqrt reciprocal lgamma digamma".split():
    case(n, [p(3, 5)], lambda x, n=n: getattr(torch, n)(x))
for n in "asin acos atanh erfinv".split():
    case(n, [u(3, 5)], lambda x, n=n: getattr(torch, n)(x))
case("logit", [u(4)], lambda x: torch.logit(x))
case("nan_to_num", [p(3, 4)], lambda x: torch.nan_to_num((x - 1.1).log() / 0.0, 1.0, 2.0, -3.0))
case("add", [f(3, 4), f(4)], lambda x, y: x + y)
case("add_alpha", [f(3, 4), f(3, 1)], lambda x, y: torch.add(x, y, alpha=0.3))
case("sub", [f(3, 4), f(3, 1)], lambda x, y: x - y)
case("rsub_scalar", [f(3, 4)], lambda x: 2.5 - x)
case("mul", [f(2, 1, 4), f(3, 1)], lambda x, y: x * y)
case("div", [f(3, 4), p(4)], lambda x, y: x / y)
case("rdiv_scalar", [p(3, 4)], lambda x: 2.5 / x)
case("div_floor", [f(3, 4), p(4)], lambda x, y: torch.div(x, y, rounding_mode="floor"))
case("div_trunc", [f(3, 4), p(4)], lambda x, y: torch.div(x, y, rounding_mode="trunc"))
case("int_div", [i(9, 3, 4)], lambda x: torch.stack([(x - 4) // 3, torch.div(x - 4, 3, rounding_mode="trunc"), (x - 4) % 3, torch.fmod(x - 4, 3)]))
case("int_true_div", [i(9, 3, 4)], lambda x: x / 4)
case("remainder", [f(3, 4), p(4)], lambda x, y: torch.remainder(x, y))
case("fmod", [f(3, 4), p(4)], lambda x, y: torch.fmod(x, y))
for e in (0, 1, 2, 3, -1, 0.5, 1.7, -0.5, -2):
    case("pow_%s" % e, [p(3, 4)], lambda x, e=e: x ** e)
case("pow_tensor", [p(3, 4), f(3, 4)], lambda x, y: x ** y)
case("pow_zero", [i(2, 6)], lambda x: torch.pow(x.double().requires_grad_(), 0.0), f32=False)
case("rpow", [f(3, 4)], lambda x: 2.0 ** x)
case("maximum", [f(3, 4), f(4)], lambda x, y: torch.maximum(x, y))
case("maximum_ties", [f(6)], lambda x: torch.maximum(x, x * 1.0))
case("minimum", [f(3, 4), f(4)], lambda x, y: torch.minimum(x, y))
case("atan2", [f(3, 4), p(3, 4)], lambda x, y: torch.atan2(x, y))
case("hypot", [f(3, 4), p(3, 4)], lambda x, y: torch.hypot(x, y))
case("xlogy", [p(3, 4), p(3, 4)], lambda x, y: torch.xlogy(x, y))
case("logaddexp", [f(3, 4), f(3, 4)], lambda x, y: torch.logaddexp(x, y))
case("clamp", [f(3, 5)], lambda x: x.clamp(-0.4, 0.5))
case("clamp_min", [f(3, 5)], lambda x: x.clamp(min=0))
case("clamp_tensor", [f(3, 5), c(5)], lambda x, y: x.clamp(y, y + 0.3))
case("clamp_bound", [i(3, 9)], lambda x: (x.double().requires_grad_()).clamp(0.0, 1.0), f32=False)
case("addcmul", [f(3, 4), f(4), f(3, 4)], lambda x, y, z: torch.addcmul(x, y, z, value=0.7))
case("addcdiv", [f(3, 4), f(4), p(3, 4)], lambda x, y, z: torch.addcdiv(x, y, z, value=0.7))
case("lerp", [f(3, 4), f(3, 4)], lambda x, y: torch.lerp(x, y, 0.3))
case("lerp_tensor", [f(3, 4), f(3, 4), u(3, 4)], lambda x, y, w: torch.lerp(x, y, w))
case("where", [b(3, 4), f(3, 4), f(4)], lambda m, x, y: torch.where(m, x, y))
case("compare", [f(3, 4), f(4)], lambda x, y: torch.stack([x < y, x <= y, x > y, x >= y, x == y, x != y]))
case("logical", [b(3, 4), b(4)], lambda x, y: torch.stack([x & y, x | y, x ^ y, ~x, x.logical_xor(y)]))
case("bitwise", [i(50, 3, 4), i(20, 4)], lambda x, y: torch.stack([x & y, x | y, x ^ y, ~x, x << 2, x >> 1]))
case("masked_fill", [f(3, 4), b(3, 4)], lambda x, m: x.masked_fill(m, 0.7))
case("inplace", [f(3, 4)], lambda x: (x * 1).add_(2).mul_(x).sub_(0.5).clamp_(min=0.2))
case("inplace_view", [f(3, 4), f(4)], lambda x, y: inplace_view(x, y))
case("inplace_mask", [f(3, 4)], lambda x: inplace_mask(x))


def inplace_view(x, y):
    z = x * 1
    z[1] = y
    z[:, 2] *= 3
    return z


def inplace_mask(x):
    z = x * 2
    z[z < 0] = 0.25
    return z


# ---- reductions
for d, n in ((None, "all"), (0, "0"), (1, "1"), (-1, "m1")):
    def red(op, d=d):
        return (lambda x: op(x)) if d is None else (lambda x: op(x, dim=d))
    case("sum_" + n, [f(3, 4, 2)], red(torch.sum))
    case("mean_" + n, [f(3, 4, 2)], red(torch.mean))
    case("prod_" + n, [p(3, 4, 2)], red(torch.prod))
    case("var_" + n, [f(3, 4, 2)], red(torch.var))
    case("std_" + n, [f(3, 4, 2)], red(torch.std))
    case("norm_" + n, [f(3, 4, 2)], red(lambda x, **k: torch.norm(x, **k)))
    case("norm1_" + n, [f(3, 4, 2)], red(lambda x, **k: torch.norm(x, p=1, **k)))
    case("norm3_" + n, [f(3, 4, 2)], red(lambda x, **k: torch.norm(x, p=3, **k)))
    case("norminf_" + n, [f(3, 4, 2)], red(lambda x, **k: torch.norm(x, p=math.inf, **k)))
    case("amax_" + n, [f(3, 4, 2)], red(torch.amax))
    case("amin_" + n, [f(3, 4, 2)], red(torch.amin))
    case("any_" + n, [b(3, 4, 2)], red(torch.any))
    case("all_" + n, [b(3, 4, 2)], red(torch.all))
    case("argmax_" + n, [f(3, 4, 2)], red(torch.argmax))
    case("argmin_" + n, [f(3, 4, 2)], red(torch.argmin))
case("prod_zero", [f(4, 3)], lambda x: torch.prod((x * 1).masked_fill(x > 0.6, 0.0), dim=1))
case("sum_dims", [f(3, 4, 2)], lambda x: x.sum((0, 2), keepdim=True))
case("max_all_ties", [i(3, 8)], lambda x: x.double().requires_grad_().max(), f32=False)
case("max_dim", [f(3, 4, 2)], lambda x: x.max(1))
case("min_dim", [f(3, 4, 2)], lambda x: x.min(0, keepdim=True))
case("logsumexp", [f(3, 4)], lambda x: x.logsumexp(1))
case("cumsum", [f(3, 4)], lambda x: x.cumsum(1))
case("cumprod", [f(3, 4)], lambda x: x.cumprod(0))
case("cummax", [f(3, 4)], lambda x: x.cummax(1))
case("cummin", [f(3, 4)], lambda x: x.cummin(1))
case("median_all", [f(3, 4)], lambda x: x.median())
case("median_dim", [f(3, 5)], lambda x: x.median(1))
case("mode", [i(3, 4, 6)], lambda x: x.mode(1)[0])
case("topk", [f(3, 5)], lambda x: x.topk(2, 1))
case("topk_smallest", [f(5, 3)], lambda x: x.topk(2, 0, largest=False))
case("sort", [f(3, 5)], lambda x: x.sort(1))
case("sort_desc", [f(5, 3)], lambda x: x.sort(0, descending=True))
case("kthvalue", [f(3, 5)], lambda x: x.kthvalue(2, 1))
case("unique", [i(5, 12)], lambda x: torch.unique(x, return_inverse=True, return_counts=True))
case("bincount", [i(5, 12), c(12)], lambda x, w: (x.bincount(), x.bincount(w, 8)))
case("histc", [c(20)], lambda x: x.histc(5, -1, 1))
case("count_nonzero", [i(3, 4, 5)], lambda x: x.count_nonzero(1))
case("softmax", [f(3, 4)], lambda x: x.softmax(1))
case("log_softmax", [f(3, 4, 2)], lambda x: x.log_softmax(1))
case("nansum", [p(3, 4)], lambda x: ((x - 1.1).log()).nansum(1).detach())

# ---- views, joins, selection
case("view", [f(3, 4)], lambda x: x.view(2, -1))
case("reshape_t", [f(3, 4)], lambda x: x.t().reshape(6, 2))
case("flatten", [f(2, 3, 4)], lambda x: x.flatten(1))
case("squeeze", [f(2, 1, 3, 1)], lambda x: (x.squeeze(), x.squeeze(1), x.unsqueeze(-1)))
case("expand", [f(3, 1)], lambda x: x.expand(2, 3, 4))
case("permute", [f(2, 3, 4)], lambda x: x.permute(2, 0, 1))
case("transpose", [f(2, 3, 4)], lambda x: x.transpose(0, 2))
case("movedim", [f(2, 3, 4)], lambda x: x.movedim(0, 2))
case("narrow", [f(4, 5)], lambda x: x.narrow(1, 1, 3))
case("select", [f(4, 5)], lambda x: (x[1], x.select(1, -1)))
case("split", [f(5, 3)], lambda x: x.split(2))
case("chunk", [f(5, 3)], lambda x: x.chunk(3))
case("unbind", [f(3, 2)], lambda x: x.unbind(0))
case("diagonal", [f(3, 4)], lambda x: (x.diagonal(), x.diagonal(1), x.diagonal(-1)))
case("diag", [f(3)], lambda x: (torch.diag(x), torch.diag(x, 1), torch.diag(x, -2)))
case("unfold_dim", [f(7, 2)], lambda x: x.unfold(0, 3, 2))
case("repeat", [f(2, 3)], lambda x: x.repeat(2, 1, 2))
case("repeat_interleave", [f(2, 3)], lambda x: x.repeat_interleave(2, 1))
case("roll", [f(3, 4)], lambda x: (x.roll(1, 0), x.roll((1, -2), (0, 1)), x.roll(3)))
case("flip", [f(3, 4)], lambda x: x.flip(0, 1))
case("rot90", [f(3, 4)], lambda x: (torch.rot90(x), torch.rot90(x, 3)))
case("tril", [f(3, 4)], lambda x: (x.tril(), x.triu(1)))
case("cat", [f(2, 3), f(4, 3)], lambda x, y: torch.cat([x, y]))
case("stack", [f(2, 3), f(2, 3)], lambda x, y: torch.stack([x, y], 1))
case("gather", [f(3, 4), i(4, 3, 2)], lambda x, k: x.gather(1, k))
case("index_select", [f(3, 4), i(3, 5)], lambda x, k: x.index_select(0, k))
case("take", [f(3, 4), i(12, 5)], lambda x, k: x.take(k))
case("masked_select", [f(3, 4), b(3, 4)], lambda x, m: x.masked_select(m))
case("nonzero", [b(3, 4)], lambda m: m.nonzero())
case("scatter", [f(3, 4), i(4, 3, 2), f(3, 4)], lambda x, k, s: x.scatter(1, k % 2 + torch.tensor([0, 2]), s[:, :2]))
case("scatter_value", [f(3, 4), i(4, 3, 2)], lambda x, k: x.scatter(1, k, 0.5))
case("scatter_add", [f(3, 4), i(4, 3, 2), f(3, 4)], lambda x, k, s: x.scatter_add(1, k, s[:, :2]))
case("scatter_amax", [c(3, 4), i(4, 3, 2), c(3, 4)], lambda x, k, s: x.scatter_reduce(1, k, s[:, :2], "amax"))
case("scatter_mean", [c(3, 4), i(4, 3, 2), c(3, 4)], lambda x, k, s: (x.scatter_reduce(1, k, s[:, :2], "mean"), x.scatter_reduce(1, k, s[:, :2], "mean", include_self=False)))
case("index_add", [f(3, 4), i(3, 5), f(5, 4)], lambda x, k, s: x.index_add(0, k, s, alpha=0.5))
case("index_fill", [f(3, 4), i(4, 2)], lambda x, k: x.index_fill(1, k, 0.5))
case("index_mixed", [f(4, 5, 3)], lambda x: (x[1:3, None, ..., 2], x[:, [0, 2]], x[..., -1], x[::2, 1:4:2]))
case("index_advanced", [f(2, 3, 4, 5)], lambda x: (x[:, [0, 1], :, [1, 2]], x[:, [0, 1], [1, 2]], x[[0, 1], 1:, [1, 0]]))
case("index_mask", [f(3, 4), b(3)], lambda x, m: x[m])
case("index_mask2", [f(3, 4, 2), b(3, 4)], lambda x, m: x[m])
case("index_repeat", [f(3, 4), i(3, 6)], lambda x, k: x[k])
case("index_put", [f(4, 3), f(2, 3)], lambda x, y: index_put(x, y))


def index_put(x, y):
    z = x * 1
    z[[0, 2]] = y
    z[1:3, 1] = 5.0
    z.index_put_((torch.tensor([3, 3]), torch.tensor([1, 1])), y[0, :2], accumulate=True)
    return z


# ---- products
case("mm", [f(3, 4), f(4, 2)], lambda x, y: x.mm(y))
case("mv", [f(3, 4), f(4)], lambda x, y: x.mv(y))
case("dot", [f(4), f(4)], lambda x, y: x.dot(y))
case("bmm", [f(2, 3, 4), f(2, 4, 2)], lambda x, y: x.bmm(y))
case("matmul_batch", [f(5, 1, 3, 4), f(2, 4, 2)], lambda x, y: x @ y)
case("matmul_nd2", [f(2, 3, 4), f(4, 2)], lambda x, y: x @ y)
case("matmul_1n", [f(4), f(2, 4, 3)], lambda x, y: x @ y)
case("matmul_t", [f(4, 3), f(2, 4)], lambda x, y: x.t() @ y.t())
case("int_mm", [i(5, 3, 4), i(4, 4, 2)], lambda x, y: x @ y)
case("addmm", [f(2), f(3, 4), f(4, 2)], lambda x, a, b: (torch.addmm(x, a, b), torch.addmm(x, a, b, beta=0.5, alpha=2)))
case("baddbmm", [f(2, 3, 2), f(2, 3, 4), f(2, 4, 2)], lambda x, a, b: torch.baddbmm(x, a, b))
case("outer", [f(3), f(4)], lambda x, y: torch.outer(x, y))
case("trace", [f(3, 3)], lambda x: x.trace())
for n, (eq, shapes) in enumerate([("ij,jk->ik", [(3, 4), (4, 2)]), ("bij,bjk", [(2, 3, 4), (2, 4, 2)]), ("ii->i", [(3, 3)]), ("ij->", [(3, 4)]),
                                  ("...i,oij,...j->...o", [(2, 3), (4, 3, 5), (2, 5)]), ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)]), ("i,j->ij", [(3,), (4,)]), ("ba", [(2, 3)])]):
    case("einsum_%d" % n, [f(*s) for s in shapes], lambda *t, eq=eq: torch.einsum(eq, *t))
case("tensordot", [f(2, 3, 4), f(4, 3, 5)], lambda x, y: torch.tensordot(x, y, dims=([1, 2], [1, 0])))
case("cdist", [f(3, 4), f(2, 4)], lambda x, y: torch.cdist(x, y))

# ---- functional
case("linear", [f(3, 4), f(2, 4), f(2)], F.linear)
case("linear_nd", [f(2, 3, 4), f(2, 4), f(2)], F.linear)
case("linear_nobias", [f(3, 4), f(2, 4)], F.linear)
case("conv1d", [f(2, 3, 8), f(4, 3, 3), f(4)], lambda x, w, b: F.conv1d(x, w, b, 2, 1))
case("conv2d", [f(2, 3, 6, 5), f(4, 3, 3, 3), f(4)], lambda x, w, b: F.conv2d(x, w, b, (2, 1), (1, 0)))
case("conv2d_group", [f(2, 4, 6, 5), f(4, 2, 3, 3)], lambda x, w: F.conv2d(x, w, None, 1, 1, 2, 2))
case("conv2d_same", [f(2, 3, 6, 5), f(4, 3, 4, 2), f(4)], lambda x, w, b: F.conv2d(x, w, b, padding="same"))
case("conv2d_single", [f(3, 6, 5), f(4, 3, 3, 3), f(4)], F.conv2d)
case("conv3d", [f(1, 2, 4, 4, 3), f(2, 2, 2, 2, 2), f(2)], F.conv3d)
case("conv_transpose1d", [f(2, 3, 5), f(3, 4, 3), f(4)], lambda x, w, b: F.conv_transpose1d(x, w, b, 2, 1, 1))
case("conv_transpose2d", [f(2, 3, 4, 3), f(3, 2, 3, 3), f(2)], lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1, 1))
case("conv_transpose_dil", [f(2, 4, 4, 3), f(4, 2, 2, 2)], lambda x, w: F.conv_transpose2d(x, w, None, 1, 0, 1, 2, 2))
case("unfold", [f(2, 2, 5, 4)], lambda x: F.unfold(x, (3, 2), padding=1, stride=2))
case("fold", [f(2, 12, 6)], lambda x: F.fold(x, (4, 4), (3, 2), padding=(0, 1), stride=(1, 2)))
case("max_pool2d", [f(2, 2, 6, 5)], lambda x: F.max_pool2d(x, 2))
case("max_pool2d_idx", [f(2, 2, 7, 5)], lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True, return_indices=True))
case("max_pool2d_dil", [f(2, 2, 7, 6)], lambda x: F.max_pool2d(x, 2, 1, 0, 2))
case("max_pool1d", [f(2, 2, 7)], lambda x: F.max_pool1d(x, 3, 2, 1))
case("max_pool3d", [f(1, 2, 4, 4, 4)], lambda x: F.max_pool3d(x, 2))
case("avg_pool2d", [f(2, 2, 6, 5)], lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True))
case("avg_pool2d_nopad", [f(2, 2, 6, 5)], lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False))
case("avg_pool2d_div", [f(2, 2, 6, 5)], lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, divisor_override=5))
case("avg_pool1d", [f(2, 2, 7)], lambda x: F.avg_pool1d(x, 3, 2, 1))
case("lp_pool2d", [p(2, 2, 6, 5)], lambda x: F.lp_pool2d(x, 2, 2))
case("adaptive_avg", [f(2, 2, 7, 5)], lambda x: F.adaptive_avg_pool2d(x, (3, 2)))
case("adaptive_avg_even", [f(2, 2, 6, 4)], lambda x: F.adaptive_avg_pool2d(x, (3, 1)))
case("adaptive_max", [f(2, 2, 7, 5)], lambda x: F.adaptive_max_pool2d(x, (3, 2), return_indices=True))
case("max_unpool", [f(1, 2, 4, 4)], lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2))
for n in "relu relu6 leaky_relu elu selu celu gelu silu mish softplus softsign softshrink hardshrink tanhshrink hardtanh hardsigmoid hardswish logsigmoid".split():
    # PyTorch's hardsigmoid has a sixth of float32 whatever the dtype.
    case("F_" + n, [f(3, 5)], lambda x, n=n: getattr(F, n)(x * 3), f64=n != "hardsigmoid")
case("F_gelu_tanh", [f(3, 5)], lambda x: F.gelu(x * 3, approximate="tanh"))
case("F_zero", [i(3, 9)], lambda x: zero_grads(x), f32=False)
case("F_elu_big", [f(6)], lambda x: F.elu(x * 2000))
case("F_softplus_beta", [f(6)], lambda x: F.softplus(x * 30, 2, 10))
case("F_threshold", [f(6)], lambda x: F.threshold(x, 0.1, 0.7))
case("F_glu", [f(3, 6)], lambda x: F.glu(x))
case("F_prelu", [f(2, 3, 4), f(3)], lambda x, w: F.prelu(x, w))
case("F_softmin", [f(3, 5)], lambda x: F.softmin(x, 1))
case("batch_norm", [f(4, 3, 2), c(3), p(3), f(3), f(3)], lambda x, m, v, w, b: batch_norm(x, m, v, w, b))
case("batch_norm_eval", [f(4, 3), c(3), p(3), f(3), f(3)], lambda x, m, v, w, b: F.batch_norm(x, m, v.detach(), w, b))
case("batch_norm_plain", [f(4, 3, 2)], lambda x: F.batch_norm(x, None, None, training=True))
case("instance_norm", [f(2, 3, 4), f(3), f(3)], lambda x, w, b: F.instance_norm(x, weight=w, bias=b))
case("layer_norm", [f(2, 3, 4), f(3, 4), f(3, 4)], lambda x, w, b: F.layer_norm(x, (3, 4), w, b))
case("layer_norm_plain", [f(2, 3, 4)], lambda x: F.layer_norm(x, (4,)))
case("group_norm", [f(2, 4, 3), f(4), f(4)], lambda x, w, b: F.group_norm(x, 2, w, b))
case("rms_norm", [f(2, 3, 4), f(4)], lambda x, w: F.rms_norm(x, (4,), w))
case("lrn", [f(2, 5, 3)], lambda x: F.local_response_norm(x, 3, 0.5, 0.75, 2.0))
case("lrn_even", [f(2, 5, 3)], lambda x: F.local_response_norm(x, 4, 0.5, 0.75, 2.0))
case("normalize", [f(3, 4)], lambda x: F.normalize(x))
case("embedding", [i(5, 2, 3), f(5, 4)], lambda k, w: F.embedding(k, w))
case("embedding_pad", [i(5, 2, 3), f(5, 4)], lambda k, w: F.embedding(k, w, padding_idx=2))
case("embedding_bag", [i(5, 2, 3), f(5, 4)], lambda k, w: (F.embedding_bag(k, w), F.embedding_bag(k, w, mode="sum"), F.embedding_bag(k, w, mode="max")))
case("one_hot", [i(5, 2, 3)], lambda k: (F.one_hot(k), F.one_hot(k, 7)))
case("cosine", [f(3, 4), f(3, 4)], lambda x, y: F.cosine_similarity(x, y))
case("pairwise", [f(3, 4), f(3, 4)], lambda x, y: F.pairwise_distance(x, y))
case("sdpa", [f(2, 2, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 4)], lambda q, k, v: F.scaled_dot_product_attention(q, k, v))
case("sdpa_causal", [f(2, 3, 4), f(2, 3, 4), f(2, 3, 4)], lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True))
case("sdpa_mask", [f(2, 3, 4), f(2, 3, 4), f(2, 3, 4), b(3, 3)], lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m | torch.eye(3, dtype=torch.bool)))
for m in ("reflect", "replicate", "circular"):
    case("pad_" + m, [f(2, 2, 4, 5)], lambda x, m=m: F.pad(x, (1, 2, 2, 1), m))
case("pad_constant", [f(2, 3, 4)], lambda x: F.pad(x, (1, -1, 2, 0), value=0.5))
for m in ("nearest", "nearest-exact", "bilinear", "bicubic", "area"):
    case("interp_" + m, [f(1, 2, 4, 5)], lambda x, m=m: F.interpolate(x, (7, 3), mode=m))
case("interp_linear", [f(1, 2, 5)], lambda x: (F.interpolate(x, scale_factor=1.5, mode="linear"), F.interpolate(x, 8, mode="linear", align_corners=True)))
case("interp_trilinear", [f(1, 1, 3, 4, 2)], lambda x: F.interpolate(x, (4, 3, 5), mode="trilinear"))
case("interp_corners", [f(1, 2, 4, 5)], lambda x: F.interpolate(x, (7, 3), mode="bicubic", align_corners=True))
case("interp_aa", [f(1, 2, 8, 7)], lambda x: (F.interpolate(x, (3, 4), mode="bilinear", antialias=True), F.interpolate(x, (3, 4), mode="bicubic", antialias=True)))
case("grid_sample", [f(1, 2, 4, 5), f(1, 3, 3, 2)], lambda x, g: F.grid_sample(x, g, align_corners=False))
case("grid_sample_border", [f(1, 2, 4, 5), c(1, 3, 3, 2)], lambda x, g: (F.grid_sample(x, g * 1.7, padding_mode="border", align_corners=True), F.grid_sample(x, g * 1.7, padding_mode="reflection", align_corners=False)))
case("affine_grid", [f(2, 2, 3)], lambda t: (F.affine_grid(t, (2, 1, 3, 4), align_corners=False), F.affine_grid(t, (2, 1, 3, 4), align_corners=True)))
case("pixel_shuffle", [f(1, 8, 2, 3)], lambda x: (F.pixel_shuffle(x, 2), F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2), F.channel_shuffle(x, 4)))

# ---- losses
for r in ("mean", "sum", "none"):
    case("mse_" + r, [f(3, 4), f(3, 4)], lambda x, y, r=r: F.mse_loss(x, y, reduction=r))
    case("l1_" + r, [f(3, 4), f(3, 4)], lambda x, y, r=r: F.l1_loss(x, y, reduction=r))
    case("nll_" + r, [f(3, 4), i(4, 3)], lambda x, y, r=r: F.nll_loss(x, y, reduction=r))
    case("nll_weight_" + r, [f(3, 4, 2), i(4, 3, 2), c(4)], lambda x, y, w, r=r: F.nll_loss(x, y, w + 1.5, ignore_index=1, reduction=r))
    case("ce_" + r, [f(3, 4), i(4, 3)], lambda x, y, r=r: F.cross_entropy(x, y, reduction=r))
    case("ce_ignore_" + r, [f(3, 4, 5), i(4, 3, 5)], lambda x, y, r=r: F.cross_entropy(x, y, ignore_index=2, reduction=r))
    case("ce_smooth_" + r, [f(3, 4), i(4, 3), c(4)], lambda x, y, w, r=r: F.cross_entropy(x, y, w + 1.5, ignore_index=3, label_smoothing=0.1, reduction=r))
    case("ce_prob_" + r, [f(3, 4), u(3, 4)], lambda x, y, r=r: F.cross_entropy(x, y, label_smoothing=0.2, reduction=r))
    case("bce_" + r, [u(3, 4), u(3, 4)], lambda x, y, r=r: F.binary_cross_entropy(x, y.detach(), reduction=r))
    case("bce_logits_" + r, [f(3, 4), u(3, 4), p(4)], lambda x, y, w, r=r: F.binary_cross_entropy_with_logits(x * 4, y.detach(), pos_weight=w.detach(), reduction=r))
    case("smooth_l1_" + r, [f(3, 4), f(3, 4)], lambda x, y, r=r: F.smooth_l1_loss(x, y, beta=0.5, reduction=r))
    case("huber_" + r, [f(3, 4), f(3, 4)], lambda x, y, r=r: F.huber_loss(x, y, delta=0.5, reduction=r))
    case("kl_" + r, [f(3, 4), u(3, 4)], lambda x, y, r=r: F.kl_div(x, y, reduction=r))
case("bce_edge", [i(2, 6), i(2, 6)], lambda x, y: F.binary_cross_entropy(x.double().requires_grad_(), y.double()), f32=False)
case("ce_1d", [f(4), i(4)], lambda x, y: F.cross_entropy(x, y))
case("kl_log", [f(3, 4), f(3, 4)], lambda x, y: F.kl_div(x, y, reduction="batchmean", log_target=True))
case("poisson", [f(3, 4), p(3, 4)], lambda x, y: F.poisson_nll_loss(x, y.detach() * 2, full=True))
case("gaussian", [f(3, 4), f(3, 4), p(3, 4)], lambda x, y, v: F.gaussian_nll_loss(x, y, v, full=True))
case("hinge", [f(3, 4), b(3, 4)], lambda x, y: F.hinge_embedding_loss(x, y * 2.0 - 1))
case("margin_ranking", [f(5), f(5), b(5)], lambda x, y, t: F.margin_ranking_loss(x, y, t * 2.0 - 1, margin=0.2))
case("cosine_embedding", [f(3, 4), f(3, 4), b(3)], lambda x, y, t: F.cosine_embedding_loss(x, y, t * 2 - 1, margin=0.1))
case("soft_margin", [f(3, 4), b(3, 4)], lambda x, y: F.soft_margin_loss(x, y * 2.0 - 1))
case("multi_margin", [f(3, 4), i(4, 3)], lambda x, y: (F.multi_margin_loss(x, y), F.multi_margin_loss(x, y, p=2, margin=0.7)))
case("multilabel_margin", [f(3, 4), i(4, 3, 1)], lambda x, y: F.multilabel_margin_loss(x, torch.cat([y, (y + 1) % 4, -torch.ones(3, 2, dtype=torch.int64)], 1)))
case("multilabel_soft", [f(3, 4), b(3, 4)], lambda x, y: F.multilabel_soft_margin_loss(x, y * 1.0))
case("triplet", [f(3, 4), f(3, 4), f(3, 4)], lambda a, p, n: (F.triplet_margin_loss(a, p, n), F.triplet_margin_loss(a, p, n, swap=True)))
case("ctc", [f(6, 2, 4), i(3, 2, 2)], lambda x, t: ctc(x, t))


# ---- draws, second derivatives, and what is left
def drawn(fn):
    def run_drawn(*x):
        torch.manual_seed(3)
        return fn(*x)
    return run_drawn


def slope(fn, *x):
    return torch.autograd.grad((fn(*x) ** 2).sum(), x[0], create_graph=True)[0]


case("draw_dropout", [f(5, 7)], drawn(lambda x: F.dropout(x, 0.3)))
case("draw_dropout2d", [f(3, 4, 2, 2)], drawn(lambda x: F.dropout2d(x, 0.4)))
case("draw_alpha", [f(5, 7)], drawn(lambda x: F.alpha_dropout(x, 0.3, True)))
case("draw_rrelu", [f(5, 7)], drawn(lambda x: F.rrelu(x, training=True)))
case("draw_gumbel", [f(3, 4)], drawn(lambda x: F.gumbel_softmax(x, 0.7)))
case("draw_gumbel_hard", [f(3, 4)], drawn(lambda x: F.gumbel_softmax(x, hard=True)))
case("draw_normal", [c(4, 5), u(4, 5)], drawn(lambda m, s: torch.normal(m, s.detach())))
case("draw_bernoulli", [u(4, 5)], drawn(lambda p: torch.bernoulli(p.detach())))
case("draw_multinomial", [u(3, 5)], drawn(lambda p: torch.multinomial(p.detach(), 3)))
case("draw_transposed", [c(5, 7)], drawn(lambda x: x.clone().t().uniform_()))
case("draw_strided", [c(6, 8)], drawn(lambda x: x.clone()[:, ::2].normal_()))
case("draw_sdpa", [f(2, 3, 4), f(2, 3, 4), f(2, 3, 4)], drawn(lambda q, k, v: F.dropout((q @ k.transpose(1, 2)).softmax(-1), 0.5) @ v))
case("double_tanh", [f(3, 4)], lambda x: slope(torch.tanh, x))
case("double_sigmoid", [f(3, 4)], lambda x: slope(torch.sigmoid, x))
case("double_matmul", [f(3, 4), f(4, 2)], lambda x, y: slope(torch.matmul, x, y))
case("double_conv", [f(1, 2, 5, 5), f(3, 2, 3, 3)], lambda x, w: slope(F.conv2d, x, w))
case("double_pow", [p(3, 4)], lambda x: slope(lambda t: t ** 2.5, x))
case("double_index", [f(4, 3)], lambda x: slope(lambda t: t[[0, 2, 0]] ** 2, x))
case("double_softmax", [f(3, 4)], lambda x: slope(lambda t: t.softmax(1), x))
case("double_layer_norm", [f(3, 4), f(4)], lambda x, w: slope(lambda t, v: F.layer_norm(t, (4,), v), x, w))
case("double_batch_norm", [f(5, 3), f(3)], lambda x, w: slope(lambda t, v: F.batch_norm(t, None, None, v, training=True), x, w))
case("double_cross_entropy", [f(3, 4), i(4, 3)], lambda x, y: torch.autograd.grad(F.cross_entropy(x, y), x, create_graph=True)[0] ** 2)
case("masked_scatter", [f(3, 4), b(3, 4), f(12)], lambda x, m, s: x.masked_scatter(m, s))
case("searchsorted", [c(6), c(2, 3)], lambda x, v: (torch.searchsorted(x.sort()[0], v), torch.searchsorted(x.sort()[0], v, right=True)))
case("meshgrid", [f(3), f(2)], lambda x, y: torch.meshgrid(x, y, indexing="ij") + torch.meshgrid(x, y, indexing="xy"))
case("take_along", [f(3, 4), i(3, 2, 4)], lambda x, k: x.take_along_dim(k, 0))
case("diag_embed", [f(2, 3)], lambda x: (x.diag_embed(), x.diag_embed(1), x.diag_embed(-1, 0, 2)))
case("bilinear", [f(4, 3), f(4, 2), f(5, 3, 2), f(5)], F.bilinear)
case("addmv", [f(3), f(3, 4), f(4)], lambda x, a, b: torch.addmv(x, a, b, beta=0.5, alpha=2))
case("addbmm", [f(3, 2), f(2, 3, 4), f(2, 4, 2)], lambda x, a, b: torch.addbmm(x, a, b))
case("addr", [f(3, 2), f(3), f(2)], lambda x, a, b: torch.addr(x, a, b))
case("var_biased", [f(3, 4)], lambda x: (x.var(1, unbiased=False), x.std(1, unbiased=False)))
case("unique_dim", [i(2, 6, 2)], lambda x: torch.unique(x, return_inverse=True, return_counts=True, dim=0))
case("unique_consecutive", [i(2, 12)], lambda x: torch.unique_consecutive(x, return_inverse=True, return_counts=True))
case("tensor_split", [f(7, 2)], lambda x: x.tensor_split(3))
case("repeat_tensor", [f(3, 2), i(3, 3)], lambda x, r: x.repeat_interleave(r, 0))
case("half", [c(3, 4)], lambda x: (x.half() * 3 + 1).float(), f64=False)
case("bf16", [c(3, 4), c(4, 2)], lambda x, y: (x.bfloat16().sum(1).float(), x.bfloat16().relu().float()), f64=False)


def batch_norm(x, m, v, w, b):
    m, v = m.clone(), v.detach().clone()
    y = F.batch_norm(x, m, v, w, b, True, 0.3)
    return y, m, v


def zero_grads(x):
    """Derivatives at -1, 0 and 1 of functions with a corner there."""
    out = []
    for g in (F.relu, F.elu, F.selu, F.leaky_relu, torch.abs, torch.sign, F.hardtanh, lambda t: F.relu6(t), lambda t: t.norm() * 0, lambda t: F.hardswish(t * 3),
              lambda t: F.softshrink(t, 1.0), lambda t: F.threshold(t, 0.0, 1.0), lambda t: F.smooth_l1_loss(t, t * 0, reduction="none"), lambda t: F.huber_loss(t, t * 0, reduction="none")):
        t = (x.double() - 1).requires_grad_()
        g(t).sum().backward()
        out.append(t.grad)
    return torch.stack(out)


def ctc(x, t):
    logs = x.log_softmax(2)
    lengths, sizes = torch.tensor([6, 5]), torch.tensor([2, 1])
    return (F.ctc_loss(logs, t + 1, lengths, sizes), F.ctc_loss(logs, t + 1, lengths, sizes, reduction="none"))


def main():
    rows = []
    for k, (name, ins, fn, f32, f64) in enumerate(CASES):
        floats = any(kind in "fpuc" for kind, _ in ins)
        if f64:
            rows.append(run(name, ins, fn, torch.float64))
        if f32 and floats and (k % 2 == 0 or not f64):
            rows.append(run(name, ins, fn, torch.float32))
    print("[\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "\n]")


main()
