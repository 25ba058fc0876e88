#!/usr/bin/env python3
"""Writes trivium/engine/backends/cpu/vector_math_coefficients.h (needs the package mpmath).

Each polynomial interpolates its function at Chebyshev nodes, which is within a small factor of the best
uniform fit. Coefficients are listed constant term first. The comment gives the largest error of the
polynomial on its interval, before rounding the coefficients.

    python3 scripts/fit_polynomials.py > trivium/engine/backends/cpu/vector_math_coefficients.h
"""
import struct

from mpmath import mp, mpf, atan, cos, erf, erfc, exp, log, lu_solve, matrix, pi, polyval, sin, sqrt, tanh

mp.dps = 60
HALF_LN2 = log(2) / 2


def fit(f, low, high, degree):
    n = degree + 1
    nodes = [(low + high) / 2 + (high - low) / 2 * cos(pi * (2 * k + 1) / (2 * n)) for k in range(n)]
    vandermonde = matrix(n, n)
    for i, x in enumerate(nodes):
        for j in range(n):
            vandermonde[i, j] = x ** j
    coefficients = list(lu_solve(vandermonde, matrix([f(x) for x in nodes])))
    error = max(abs(polyval(coefficients[::-1], x) - f(x))
                for x in (low + (high - low) * (k + mpf(1) / 3) / 400 for k in range(400)))
    return coefficients, error


def text(value, kind):
    if kind == "double":
        return float(value).hex()
    return struct.unpack("f", struct.pack("f", float(value)))[0].hex() + "f"


def emit(name, kind, what, f, low, high, degree):
    coefficients, error = fit(f, mpf(low), mpf(high), degree)
    print(f"// {what}; error {float(error):.1e}")
    print(f"inline constexpr {kind} {name}[] = {{")
    for c in coefficients:
        print(f"    {text(c, kind)},  // {float(c):.9g}")
    print("};")


def odd(g):
    """(g(x) / x - 1) / x^2 as a function of z = x^2."""
    return lambda z: (g(sqrt(z)) / sqrt(z) - 1) / z


print("// Written by scripts/fit_polynomials.py; change that script instead. Constant term first.")
print("#pragma once\n\nnamespace trivium::cpu::fitted {\n")
emit("kExp", "float", "(e^r - 1 - r) / r^2, |r| <= ln(2) / 2",
     lambda r: (exp(r) - 1 - r) / r ** 2, -HALF_LN2 * 1.001, HALF_LN2 * 1.001, 5)
emit("kLog", "float", "(log(1 + f) - f + f^2 / 2) / f^3, sqrt(1/2) <= 1 + f <= sqrt(2)",
     lambda f: (log(1 + f) - f + f * f / 2) / f ** 3, sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1, 8)
emit("kTanh", "float", "(tanh(x) / x - 1) / x^2 in z = x^2, x <= 0.625", odd(tanh), mpf(10) ** -12,
     0.625 ** 2, 5)
emit("kErfSmall", "float", "erf(x) / x - 1 in z = x^2, x <= 0.92",
     lambda z: erf(sqrt(z)) / sqrt(z) - 1, mpf(10) ** -12, 0.92 ** 2, 6)
emit("kErfLarge", "float", "log(erfc(t)), 0.92 <= t <= 4", lambda t: log(erfc(t)), 0.92, 4, 9)
emit("kSin", "double", "(sin(r) / r - 1) / r^2 in z = r^2, r <= pi / 4", odd(sin), mpf(10) ** -12,
     (pi / 4) ** 2 * 1.001, 5)
emit("kCos", "double", "(cos(r) - 1) / r^2 in z = r^2, r <= pi / 4",
     lambda z: (cos(sqrt(z)) - 1) / z, mpf(10) ** -12, (pi / 4) ** 2 * 1.001, 5)
emit("kAtan", "double", "(atan(x) / x - 1) / x^2 in z = x^2, x <= tan(pi / 8)", odd(atan),
     mpf(10) ** -12, (sqrt(mpf(2)) - 1) ** 2 * 1.001, 10)
emit("kLogWide", "double", "(2 atanh(s) / (2 s) - 1) / s^2 in z = s^2, s <= (sqrt(2) - 1) / (sqrt(2) + 1)",
     odd(mp.atanh), mpf(10) ** -12, mpf("0.0295"), 6)
emit("kExpWide", "double", "(e^r - 1 - r) / r^2, |r| <= ln(2) / 2",
     lambda r: (exp(r) - 1 - r) / r ** 2, -HALF_LN2 * 1.001, HALF_LN2 * 1.001, 9)
print("\n}  // namespace trivium::cpu::fitted")
