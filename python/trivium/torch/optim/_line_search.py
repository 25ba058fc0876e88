"""A step length that satisfies the strong Wolfe conditions: a bracket first, then its narrowing.

A point on the line is (t, loss, gradient, slope)."""

import math

_C1, _C2, _MOST = 1e-4, 0.9, 25


def _cubic_minimum(a, b, bounds=None):
    """Where the cubic through two points with their slopes is least, within the bounds."""
    (x1, f1, _, g1), (x2, f2, _, g2) = a, b
    low, high = bounds or (min(x1, x2), max(x1, x2))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - g1 * g2
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    if x1 <= x2:
        at = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        at = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(at, low), high)


def strong_wolfe(evaluate, t, direction, loss, gradient, slope, tolerance_change):
    """`evaluate(t)` gives loss and flat gradient at x + t * direction. Returns loss, gradient, t and
    the number of evaluations."""
    start = (0, loss, gradient, slope)
    evaluations = 0

    def point(t):
        nonlocal evaluations
        evaluations += 1
        f, g = evaluate(t)
        return t, f, g, g.dot(direction).item()

    def too_high(p):
        return p[1] > loss + _C1 * p[0] * slope

    def flat_enough(p):
        return abs(p[3]) <= -_C2 * slope

    before, now, tries = start, point(t), 0
    bracket = None
    while tries < _MOST:
        if too_high(now) or (tries > 1 and now[1] >= before[1]):
            bracket = [before, now]
            break
        if flat_enough(now):
            return now[1], now[2], now[0], evaluations
        if now[3] >= 0:
            bracket = [before, now]
            break
        bounds = (now[0] + 0.01 * (now[0] - before[0]), now[0] * 10)
        longer = _cubic_minimum(before, now, bounds)
        before = (now[0], now[1], now[2].clone(), now[3])
        now = point(longer)
        tries += 1
    if bracket is None:
        bracket = [start, now]
    best = _narrow(bracket, point, too_high, flat_enough, direction, tries, tolerance_change)
    return best[1], best[2], best[0], evaluations


def _narrow(bracket, point, too_high, flat_enough, direction, tries, tolerance_change):
    reach = direction.abs().max().item()
    slow = False
    low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
    while tries < _MOST:
        first, last = min(b[0] for b in bracket), max(b[0] for b in bracket)
        if (last - first) * reach < tolerance_change:
            break
        t = _cubic_minimum(*bracket)
        margin = 0.1 * (last - first)
        near_end = min(last - t, t - first) < margin
        if near_end and (slow or t >= last or t <= first):  # a second time, or outside: move in
            t = last - margin if abs(t - last) < abs(t - first) else first + margin
            slow = False
        else:
            slow = near_end
        now = point(t)
        tries += 1
        now = (now[0], now[1], now[2].clone(), now[3])
        if too_high(now) or now[1] >= bracket[low][1]:
            bracket[high] = now
            low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
            continue
        done = flat_enough(now)
        if not done and now[3] * (bracket[high][0] - bracket[low][0]) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = now
        if done:
            break
    return bracket[low]
