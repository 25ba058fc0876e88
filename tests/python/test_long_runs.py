"""Long loops: memory stays flat while every loss is kept, looking changes no number, a trace shows that
the trainer does not wait for its loader."""

import io
import json
import os
import struct

import pytest

import trivium.torch as torch
import trivium.torch.nn as nn
import trivium.torch.nn.functional as F
from trivium import profiler
from trivium.torchvision import datasets, transforms


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Training:
    def __init__(self):
        torch.manual_seed(3)
        self.x, self.y = torch.randn(16, 32), torch.randn(16, 4)
        self.net = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
        self.adam = torch.optim.Adam(self.net.parameters(), lr=1e-3)

    def step(self, look=None):
        loss = F.mse_loss(self.net(self.x), self.y)
        if look:
            look(loss)
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        return loss


def test_keeping_every_loss_keeps_memory_flat():
    training = Training()
    losses = [training.step() for _ in range(1000)]
    warm = resident_bytes()
    losses += [training.step() for _ in range(9000)]
    # A kept loss is a number, its Python object and the history's nodes without their tensors (PyTorch
    # takes 5.6 kB for this net); tensors that stayed alive would be 2 kB each.
    assert resident_bytes() - warm < 9000 * 2048
    assert losses[-1].item() < losses[0].item()


def test_printing_every_loss_changes_no_number():
    quiet, looked, out = Training(), Training(), io.StringIO()
    kept = [quiet.step() for _ in range(200)]
    quiet = [loss.item() for loss in kept]
    looked = [looked.step(lambda loss: print(loss, loss.item(), file=out)).item() for _ in range(200)]
    assert looked == quiet
    assert len(out.getvalue().splitlines()) == 200


def write_digits(root, count):
    """Files in MNIST's format with random pixels."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8).numpy().tobytes()
    labels = torch.randint(0, 10, (count,), dtype=torch.uint8).numpy().tobytes()
    (raw / "train-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, count, 28, 28) + images)
    (raw / "train-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + labels)


def lenet():
    return nn.Sequential(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10))


def test_a_trace_shows_that_the_trainer_does_not_wait(tmp_path):
    write_digits(tmp_path, 6400)
    images = datasets.MNIST(tmp_path, train=True, transform=transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]))
    loader = torch.utils.data.DataLoader(images, batch_size=64, shuffle=True, num_workers=2)
    net = lenet()
    sgd = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    path = tmp_path / "epoch.json"
    with profiler.trace(path) as t:
        for x, y in loader:
            loss = F.cross_entropy(net(x), y)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
        loss.item()
    waits = [s for s in t.sums() if s.name == "loader wait"]
    assert len(waits) == 1 and waits[0].calls == 100
    # The first batch is waited for; from then on the workers are ahead.
    assert waits[0].total_us - waits[0].longest_us < 0.05 * t.elapsed_us, t.summary()
    assert "loader wait" in t.summary() and "conv" in t.summary()
    events = json.loads(path.read_text())["traceEvents"]
    by_thread = {e["tid"] for e in events if e["name"] == "batch read by a worker"}
    waiting = {e["tid"] for e in events if e["name"] == "loader wait"}
    assert len(by_thread) == 2 and len(waiting) == 1 and not by_thread & waiting
    with pytest.raises(RuntimeError), profiler.trace(), profiler.trace():
        pass
