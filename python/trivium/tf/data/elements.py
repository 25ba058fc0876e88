"""Rows of data as they are read: each element is a list of arrays. many(n) stacks the next n elements."""
import itertools

import numpy as np

from trivium.tf import errors


def stack(rows):
    """Rows of equal shapes as one row of batches."""
    out = []
    for place, column in enumerate(zip(*rows)):
        first = np.asarray(column[0]) if not isinstance(column[0], bytes) else None
        if first is None or first.dtype == object:
            shape = () if first is None else first.shape
            batch = np.empty((len(column),) + shape, object)
            for i, value in enumerate(column):
                batch[i] = value
            out.append(batch)
            continue
        for i, value in enumerate(column):
            if np.shape(value) != first.shape:
                raise errors.InvalidArgumentError(None, None, (
                    "Cannot batch tensors with different shapes in component %d. First element had shape %s and "
                    "element %d had shape %s." % (place, list(first.shape), i, list(np.shape(value)))))
        out.append(np.array(column, dtype=first.dtype))
    return out


class Elements:
    """next() gives a row, or raises StopIteration."""

    def many(self, n):
        """The next rows, n at most, stacked, and how many there were."""
        rows = []
        for _ in range(n):
            try:
                rows.append(self.next())
            except StopIteration:
                break
        return (stack(rows) if rows else None), len(rows)


class FromIterator(Elements):
    def __init__(self, rows):
        self.next = iter(rows).__next__


class Rows(Elements):
    """Rows of arrays that are there already, in their order or in another."""

    def __init__(self, arrays, order=None, at=0, end=None):
        self.arrays, self.order, self.at = arrays, order, at
        length = len(arrays[0]) if order is None else len(order)
        self.end = length if end is None else min(end, length)

    def next(self):
        if self.at >= self.end:
            raise StopIteration
        i = self.at if self.order is None else self.order[self.at]
        self.at += 1
        return [a[i] for a in self.arrays]

    def many(self, n):
        start, stop = self.at, min(self.at + n, self.end)
        self.at = max(start, stop)
        if stop <= start:
            return None, 0
        index = slice(start, stop) if self.order is None else self.order[start:stop]
        return [a[index] for a in self.arrays], stop - start


class Repeated(Elements):
    """`open` again whenever the rows end, `count` times (None: for ever)."""

    def __init__(self, open_rows, count):
        self.open, self.left, self.rows, self.fresh = open_rows, count, None, False

    def _turn(self):
        if self.left == 0 or (self.rows is not None and self.fresh):
            raise StopIteration
        if self.left is not None:
            self.left -= 1
        self.rows, self.fresh = self.open(), True

    def next(self):
        while True:
            if self.rows is None:
                self._turn()
            try:
                row = self.rows.next()
                self.fresh = False
                return row
            except StopIteration:
                self._turn()

    def many(self, n):
        parts, have = [], 0
        while have < n:
            try:
                if self.rows is None:
                    self._turn()
                rows, count = self.rows.many(n - have)
                if count == 0:
                    self._turn()
                    continue
            except StopIteration:
                break
            self.fresh = False
            parts.append(rows)
            have += count
        if len(parts) == 1:
            return parts[0], have
        return ([np.concatenate(c) for c in zip(*parts)] if parts else None), have


class Taken(Elements):
    def __init__(self, rows, count):
        self.rows, self.left = rows, count

    def next(self):
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        return self.rows.next()

    def many(self, n):
        rows, count = self.rows.many(min(n, self.left))
        self.left -= count
        return rows, count


class Zipped(Elements):
    def __init__(self, parts):
        self.parts = parts

    def next(self):
        return [v for p in self.parts for v in p.next()]

    def many(self, n):
        batches = []
        for p in self.parts:
            batches.append(p.many(n))
            n = batches[-1][1]
            if n == 0:
                return None, 0
        return [v[:n] for rows, _ in batches for v in rows], n


class Batched(Elements):
    def __init__(self, rows, size, drop):
        self.rows, self.size, self.drop = rows, size, drop

    def next(self):
        batch, count = self.rows.many(self.size)
        if count == 0 or (self.drop and count < self.size):
            raise StopIteration
        return batch


class Shuffled(Elements):
    """A buffer of rows; each time one at random goes out and the next comes in."""

    def __init__(self, rows, size, shuffler):
        self.rows, self.word, self.buffer, self.size, self.front = rows, shuffler.word, [], size, 0

    def next(self):
        buffer = self.buffer
        while self.rows is not None and len(buffer) - self.front < self.size:
            try:
                buffer.append(self.rows.next())
            except StopIteration:
                self.rows = None
        held = len(buffer) - self.front
        if held == 0:
            raise StopIteration
        j = self.front + self.word() % held
        row, buffer[j] = buffer[j], buffer[self.front]
        buffer[self.front] = None
        self.front += 1
        if self.front >= max(self.size, 64):
            del buffer[:self.front]
            self.front = 0
        return row


def shuffled(rows, size, shuffler):
    if isinstance(rows, Rows):  # the whole order at once
        count = max(0, rows.end - rows.at)
        order = shuffler.order(count, size) + rows.at
        return Rows(rows.arrays, order if rows.order is None else rows.order[order])
    return Shuffled(rows, size, shuffler)


def skipped(rows, count):
    if count < 0:
        return FromIterator(())
    if isinstance(rows, Rows):
        rows.at = min(rows.at + count, rows.end)
        return rows

    def later():
        for _ in itertools.repeat(None, count):
            try:
                rows.next()
            except StopIteration:
                return
        yield from all_of(rows)
    return FromIterator(later())


def all_of(rows):
    """The rows as a Python generator."""
    while True:
        try:
            row = rows.next()
        except StopIteration:
            return
        yield row
