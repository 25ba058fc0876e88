#!/usr/bin/env python3
"""Writes trivium/engine/core/ziggurat_tables.inc: layers of equal area under a density.

X[i], Y[i] cover f(x) = exp(-x^2/2) with 128 layers, P[i], Q[i] cover exp(-x) with 256. The rightmost
edge r is the root of Y[n-1] + A/X[n-1] = 1, found here by the secant rule with 60 digits; the entries
are then rounded to double once.

    python3 scripts/make_ziggurat_tables.py > trivium/engine/core/ziggurat_tables.inc
"""
from decimal import Decimal, getcontext

getcontext().prec = 60
HALF = Decimal("0.5")


def half_normal_area():
    """sqrt(pi / 2), with pi from Machin's formula."""
    def arctan_inverse(k):
        term, total, n, sign = Decimal(1) / k, Decimal(0), 1, 1
        while abs(term) > Decimal(10) ** -70:
            total += sign * term / n
            term, n, sign = term / (k * k), n + 2, -sign
        return total
    return (2 * (4 * arctan_inverse(5) - arctan_inverse(239))).sqrt()


def normal_tail(r):
    """Integral of exp(-x^2/2) from r to infinity: the whole half minus the series from 0 to r."""
    term, total, k = r, Decimal(0), 0
    while abs(term) > Decimal(10) ** -75:
        total += term / (2 * k + 1)
        k += 1
        term = -term * r * r / (2 * k)
    return half_normal_area() - total


NORMAL = dict(layers=128, guess="3.4426198558966521", tail=normal_tail,
              f=lambda x: (-x * x * HALF).exp(), inverse=lambda y: (-2 * y.ln()).sqrt())
EXPONENTIAL = dict(layers=256, guess="7.6971174701310497", tail=lambda r: (-r).exp(),
                   f=lambda x: (-x).exp(), inverse=lambda y: -y.ln())


def layers(density, r):
    """X, Y and how far the top layer misses 1 when the rightmost edge is r."""
    n, f = density["layers"], density["f"]
    area = r * f(r) + density["tail"](r)
    x, y = [area / f(r), r], [Decimal(0), f(r)]
    for i in range(1, n - 1):
        y.append(y[i] + area / x[i])
        x.append(density["inverse"](y[i + 1]))
    excess = y[n - 1] + area / x[n - 1] - 1
    return x + [Decimal(0)], y + [Decimal(1)], excess


def solve(density):
    a = Decimal(density["guess"])
    b = a + Decimal("1e-18")
    fa, fb = layers(density, a)[2], layers(density, b)[2]
    while abs(b - a) > Decimal("1e-45"):
        a, b, fa = b, b - fb * (b - a) / (fb - fa), fb
        fb = layers(density, b)[2]
    return layers(density, b)


def emit(name, values):
    print(f"constexpr double {name}[{len(values)}] = {{")
    for i in range(0, len(values), 4):
        print("    " + ", ".join(float(v).hex() for v in values[i:i + 4]) + ",")
    print("};")


print("// Written by scripts/make_ziggurat_tables.py; change that script instead.")
print("// Edges X and heights Y of 128 layers under exp(-x^2/2); P and Q of 256 layers under exp(-x).")
for name_x, name_y, density in (("kNormalX", "kNormalY", NORMAL),
                                ("kExponentialP", "kExponentialQ", EXPONENTIAL)):
    x, y, _ = solve(density)
    emit(name_x, x)
    emit(name_y, y)
