"""Datasets: by index, or iterated."""

import bisect
import math
import warnings

from trivium import _C


class Dataset:
    """A sequence of examples: subclasses define __getitem__ and, for most uses, __len__."""

    def __getitem__(self, index):
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__")

    def __add__(self, other):
        return ConcatDataset([self, other])

    def __class_getitem__(cls, item):
        return cls


class IterableDataset(Dataset):
    """A stream of examples: subclasses define __iter__."""

    def __iter__(self):
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__")

    def __add__(self, other):
        return ChainDataset([self, other])


class TensorDataset(Dataset):
    """Rows of tensors of equal first size, as tuples."""

    def __init__(self, *tensors):
        if any(t.shape[0] != tensors[0].shape[0] for t in tensors):
            raise AssertionError("TensorDataset: the tensors differ in their first size: " +
                                 ", ".join(str(tuple(t.shape)) for t in tensors))
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(t[index] for t in self.tensors)

    def __len__(self):
        return self.tensors[0].shape[0]

    def _batch_reader(self):
        if type(self) is not TensorDataset or any(t.dim() < 1 for t in self.tensors):
            return None

        def read(indices):
            rows = _C.tensor(indices)
            return [t.index_select(0, rows) for t in self.tensors]
        return read


class StackDataset(Dataset):
    """Items of several datasets side by side, as tuples or dicts."""

    def __init__(self, *args, **kwargs):
        self.datasets = kwargs if kwargs else args
        parts = list(kwargs.values()) if kwargs else list(args)
        if not parts or len({len(p) for p in parts}) != 1:
            raise ValueError("StackDataset takes datasets of one length")
        self._length = len(parts[0])

    def __getitem__(self, index):
        if isinstance(self.datasets, dict):
            return {k: d[index] for k, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __len__(self):
        return self._length


class ConcatDataset(Dataset):
    def __init__(self, datasets):
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("ConcatDataset needs datasets; the list is empty")
        for d in self.datasets:
            if isinstance(d, IterableDataset):
                raise AssertionError("ConcatDataset takes datasets by index; ChainDataset takes streams")
        self.cumulative_sizes, total = [], 0
        for d in self.datasets:
            total += len(d)
            self.cumulative_sizes.append(total)

    def __len__(self):
        return self.cumulative_sizes[-1]

    def __getitem__(self, index):
        if index < 0:
            if -index > len(self):
                raise ValueError(f"index {index} of {len(self)} examples")
            index += len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]


class ChainDataset(IterableDataset):
    def __init__(self, datasets):
        self.datasets = datasets

    def __iter__(self):
        for d in self.datasets:
            yield from d

    def __len__(self):
        return sum(len(d) for d in self.datasets)


class Subset(Dataset):
    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index):
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self):
        return len(self.indices)

    def _batch_reader(self):
        read = batch_reader(self.dataset) if type(self) is Subset else None
        indices = self.indices
        if read is None or not all(type(i) is int and i >= 0 for i in indices):
            return None
        return lambda order: read([indices[i] for i in order])


def batch_reader(dataset):
    """A function from a list of indices to the collated batch, for datasets that read many
    examples at once and give the same; else None."""
    make = getattr(dataset, "_batch_reader", None)
    return make() if make is not None else None


def random_split(dataset, lengths, generator=None):
    """Subsets of the given lengths (or shares that sum to 1) in random order."""
    lengths = list(lengths)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        sizes = []
        for i, share in enumerate(lengths):
            if not 0 <= share <= 1:
                raise ValueError(f"share {i} lies in [0, 1], not {share}")
            sizes.append(int(math.floor(len(dataset) * share)))
        for i in range(len(dataset) - sum(sizes)):
            sizes[i % len(sizes)] += 1
        lengths = sizes
        for i, size in enumerate(lengths):
            if size == 0:
                warnings.warn(f"part {i} is empty")
    if sum(lengths) != len(dataset):
        raise ValueError(f"the lengths sum to {sum(lengths)}; the dataset has {len(dataset)} examples")
    order = _C.randperm(sum(lengths), generator=generator).tolist()
    parts, at = [], 0
    for n in lengths:
        parts.append(Subset(dataset, order[at:at + n]))
        at += n
    return parts
