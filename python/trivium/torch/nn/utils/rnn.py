"""Sequences of different lengths: packing, padding."""

import collections

from trivium import _C
from trivium.torch._tensor import Tensor


class PackedSequence(collections.namedtuple(
        "PackedSequence_", ("data", "batch_sizes", "sorted_indices", "unsorted_indices"))):
    """Rows of the sequences step by step, longest sequence first: step t has batch_sizes[t] rows."""

    __slots__ = ()

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if unsorted_indices is None and sorted_indices is not None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs):
        return PackedSequence(self.data.to(*args, **kwargs), *self[1:])

    def cpu(self):
        return self

    def double(self):
        return self.to(_C.float64)

    def float(self):
        return self.to(_C.float32)

    @property
    def is_cuda(self):
        return False


def invert_permutation(permutation):
    if permutation is None:
        return None
    return permutation.argsort()


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """input (T, N, …) or (N, T, …) with batch_first; lengths of the N sequences."""
    lengths = lengths.tolist() if isinstance(lengths, Tensor) else [int(n) for n in lengths]
    x = input.transpose(0, 1) if batch_first else input
    if len(lengths) != x.shape[1]:
        raise RuntimeError(f"{len(lengths)} lengths for {x.shape[1]} sequences")
    if any(n <= 0 for n in lengths):
        raise RuntimeError("every length must be positive")
    order = None
    if enforce_sorted:
        if any(a < b for a, b in zip(lengths, lengths[1:])):
            raise RuntimeError("lengths must not increase; enforce_sorted=False sorts for you")
    else:
        positions = sorted(range(len(lengths)), key=lambda i: -lengths[i])
        order = _C.tensor(positions, dtype=_C.int64)
        x = x.index_select(1, order)
        lengths = [lengths[i] for i in positions]
    sizes = [sum(1 for n in lengths if n > t) for t in range(lengths[0])]
    data = _C.cat([x[t, :size] for t, size in enumerate(sizes)])
    return PackedSequence(data, _C.tensor(sizes, dtype=_C.int64), order)


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """(padded, lengths int64)."""
    sizes = sequence.batch_sizes.tolist()
    steps = len(sizes) if total_length is None else total_length
    if steps < len(sizes):
        raise ValueError(f"total_length {total_length} is less than the longest sequence, {len(sizes)}")
    rest = sequence.data.shape[1:]
    rows = []
    for size, piece in zip(sizes, sequence.data.split(sizes)):
        if size < sizes[0]:
            fill = _C.full((sizes[0] - size, *rest), padding_value, dtype=piece.dtype)
            piece = _C.cat([piece, fill])
        rows.append(piece)
    for _ in range(steps - len(sizes)):
        rows.append(_C.full((sizes[0], *rest), padding_value, dtype=sequence.data.dtype))
    padded = _C.stack(rows)
    lengths = _C.tensor([sum(1 for size in sizes if size > i) for i in range(sizes[0])],
                        dtype=_C.int64)
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths.index_select(0, sequence.unsorted_indices)
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    sequences = list(sequences)
    longest = max(s.shape[0] for s in sequences)
    rows = []
    for s in sequences:
        missing = longest - s.shape[0]
        if missing:
            fill = _C.full((missing, *s.shape[1:]), padding_value, dtype=s.dtype)
            s = _C.cat([s, fill] if padding_side == "right" else [fill, s])
        rows.append(s)
    return _C.stack(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    x = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:int(n)] for row, n in zip(x, lengths)]


def pack_sequence(sequences, enforce_sorted=True):
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
