"""MNIST from the four IDX files in a folder (plain or .gz); nothing is ever downloaded. When the folder a
program names does not have them, the folder in the environment variable TRIVIUM_MNIST is taken."""
import collections
import gzip
import os
import struct

import numpy as np

Datasets = collections.namedtuple("Datasets", ["train", "validation", "test"])


def _open(folder, name):
    for path in (os.path.join(folder, name), os.path.join(folder, name + ".gz"),
                 os.path.join(folder, name.replace("-idx", ".idx"))):
        if os.path.exists(path):
            return gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")
    raise FileNotFoundError(
        "%s: no %s (or .gz) there, and nothing is downloaded; put MNIST's four IDX files into that folder, or name a "
        "folder that has them in the environment variable TRIVIUM_MNIST" % (folder, name))


def _folder(named):
    other = os.environ.get("TRIVIUM_MNIST")
    first = "train-images-idx3-ubyte"
    there = any(os.path.exists(os.path.join(named, n)) for n in (first, first + ".gz", first.replace("-idx", ".idx")))
    return other if other and not there else named


def _read_idx(folder, name):
    with _open(folder, name) as file:
        zero, kind, rank = struct.unpack(">HBB", file.read(4))
        if zero != 0 or kind != 8 or rank not in (1, 3):
            raise ValueError("%s is no IDX file of bytes" % name)
        dims = struct.unpack(">%dI" % rank, file.read(4 * rank))
        data = np.frombuffer(file.read(), np.uint8)
    if data.size != int(np.prod(dims)):
        raise ValueError("%s: %d bytes for the shape %s" % (name, data.size, dims))
    return data.reshape(dims)


class DataSet:
    """Images and labels, handed out in batches; reshuffled every epoch."""

    def __init__(self, images, labels, reshape=True, seed=None):
        self._images = images.reshape(len(images), -1) if reshape else images
        self._images = self._images.astype(np.float32) * np.float32(1.0 / 255.0)
        self._labels, self._at, self._epochs = labels, 0, 0
        self._random = np.random.RandomState(seed) if seed is not None else np.random

    images = property(lambda self: self._images)
    labels = property(lambda self: self._labels)
    num_examples = property(lambda self: len(self._images))
    epochs_completed = property(lambda self: self._epochs)

    def _shuffle(self):
        order = np.arange(len(self._images))
        self._random.shuffle(order)
        self._images, self._labels = self._images[order], self._labels[order]

    def next_batch(self, batch_size, fake_data=False, shuffle=True):
        """The next images and labels; the tail of an epoch is joined to the head of the next."""
        if self._at == 0 and self._epochs == 0 and shuffle:
            self._shuffle()
        start, end = self._at, self._at + batch_size
        if end <= len(self._images):
            self._at = end
            return self._images[start:end], self._labels[start:end]
        self._epochs += 1
        images, labels = self._images[start:], self._labels[start:]
        if shuffle:
            self._shuffle()
        self._at = batch_size - len(images)
        return (np.concatenate([images, self._images[:self._at]]),
                np.concatenate([labels, self._labels[:self._at]]))


def read_data_sets(train_dir, fake_data=False, one_hot=False, dtype=np.float32, reshape=True, validation_size=5000,
                   seed=None, source_url=None):
    """train, validation (the first `validation_size` training items) and test; images in [0, 1]."""
    train_dir = _folder(train_dir)

    def labels_of(name):
        labels = _read_idx(train_dir, name)
        return np.eye(10)[labels] if one_hot else labels
    images = [_read_idx(train_dir, n)[..., None] for n in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")]
    labels = [labels_of(n) for n in ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte")]
    if not 0 <= validation_size <= len(images[0]):
        raise ValueError("Validation size should be between 0 and %d. Received: %d." % (len(images[0]), validation_size))
    n = validation_size
    return Datasets(DataSet(images[0][n:], labels[0][n:], reshape, seed), DataSet(images[0][:n], labels[0][:n], reshape, seed),
                    DataSet(images[1], labels[1], reshape, seed))
