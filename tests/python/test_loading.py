"""Loaders that read whole batches give what example by example would; host-side transforms."""

import gzip
import struct

import pytest

np = pytest.importorskip("numpy")

import trivium.torch as torch
from trivium.torch.utils.data import DataLoader, Subset, TensorDataset
from trivium.torchvision import _image, datasets, transforms as T


@pytest.fixture
def folder(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for name, n in (("train", 90), ("t10k", 10)):
        pixels = random.integers(0, 256, (n, 28, 28), dtype="uint8")
        labels = random.integers(0, 10, n, dtype="uint8")
        with gzip.open(raw / f"{name}-images-idx3-ubyte.gz", "wb") as file:
            file.write(b"\0\0\x08\x03" + struct.pack(">3I", n, 28, 28) + pixels.tobytes())
        with gzip.open(raw / f"{name}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(b"\0\0\x08\x01" + struct.pack(">I", n) + labels.tobytes())
    return str(tmp_path)


class InPython(datasets.MNIST):
    """Its own __getitem__ keeps the loader on the road through Python."""

    raw_folder = property(lambda self: f"{self.root}/MNIST/raw")

    def __getitem__(self, index):
        return super().__getitem__(index)


def batches(dataset, **options):
    torch.manual_seed(11)
    return [(x, y) for x, y in DataLoader(dataset, 16, shuffle=True, **options)]


TENSOR = [T.ToTensor(), T.Normalize((0.1307,), (0.3081,))]


@pytest.mark.parametrize("steps", [
    TENSOR,
    [T.RandomCrop(28, padding=4), T.RandomHorizontalFlip()] + TENSOR,
    [T.ToTensor(), T.RandomCrop(24), T.Pad(2), T.RandomVerticalFlip(0.3)],
    [T.CenterCrop(20), T.Grayscale(3)] + TENSOR,
])
def test_whole_batches_equal_single_examples(folder, steps):
    fast = datasets.MNIST(folder, transform=T.Compose(steps))
    slow = InPython(folder, transform=T.Compose(steps))
    assert fast._batch_reader() is not None and slow._batch_reader() is None
    for a, b in zip(batches(fast), batches(slow), strict=True):
        assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])
    part, same = Subset(fast, range(20, 60)), Subset(slow, range(20, 60))
    for a, b in zip(batches(part), batches(same), strict=True):
        assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


def test_workers_keep_the_order(folder):
    dataset = datasets.MNIST(folder, transform=T.Compose(TENSOR))
    for a, b in zip(batches(dataset), batches(dataset, num_workers=2), strict=True):
        assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


def test_what_only_python_knows_stays_in_python(folder):
    seen = []
    own = datasets.MNIST(folder, transform=T.Compose([T.ToTensor(), T.Lambda(lambda x: seen.append(1) or x)]))
    assert own._batch_reader() is None
    next(iter(DataLoader(own, 8)))
    assert len(seen) == 8
    assert datasets.MNIST(folder, transform=T.ToTensor(), target_transform=str)._batch_reader() is None
    assert datasets.MNIST(folder)._batch_reader() is None
    loader = DataLoader(datasets.MNIST(folder, transform=T.ToTensor()), 4, collate_fn=lambda b: len(b))
    assert next(iter(loader)) == 4


def test_changed_labels_are_read(folder):
    dataset = datasets.MNIST(folder, transform=T.ToTensor())
    dataset.targets = torch.zeros(90, dtype=torch.int64)
    assert next(iter(DataLoader(dataset, 90)))[1].sum().item() == 0


def test_rows_of_tensors():
    data, labels = torch.randn(10, 3), torch.arange(10)
    for x, y in DataLoader(TensorDataset(data, labels), 4):
        assert torch.equal(x, data[y])


def test_host_transforms_are_torchs_arithmetic():
    pixels = np.arange(256, dtype="uint8").reshape(16, 16)
    x = T.ToTensor()(_image.image_from(pixels, "L"))
    values = pixels.astype("float32") / np.float32(255)
    assert x.shape == (1, 16, 16) and np.array_equal(x.numpy()[0], values)
    y = T.functional.normalize(x, (0.1307,), (0.3081,)) if hasattr(T, "functional") else T.normalize(
        x, (0.1307,), (0.3081,))
    assert np.array_equal(y.numpy()[0], (values - np.float32(0.1307)) / np.float32(0.3081))
    assert T.normalize(x.requires_grad_(), (0.5,), (0.5,)).requires_grad
