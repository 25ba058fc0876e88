"""Modules, optimizers, schedulers, loading and files."""

import io

import pytest

import trivium.torch as torch
import trivium.torch.nn as nn
from trivium.torch.utils.data import DataLoader, TensorDataset, random_split


def test_text_of_modules():
    assert repr(nn.Linear(3, 2)) == "Linear(in_features=3, out_features=2, bias=True)"
    assert repr(nn.Conv2d(3, 64, 7, 2, 3, bias=False)) == (
        "Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)")
    assert repr(nn.BatchNorm2d(64)) == ("BatchNorm2d(64, eps=1e-05, momentum=0.1, affine=True, bias=True, "
                                        "track_running_stats=True)")
    assert repr(nn.LSTM(2, 3, num_layers=2, batch_first=True, dropout=0.5)) == (
        "LSTM(2, 3, num_layers=2, batch_first=True, dropout=0.5)")
    assert repr(nn.ModuleList([nn.ReLU(), nn.ReLU()])) == "ModuleList(\n  (0-1): 2 x ReLU()\n)"
    assert repr(nn.Sequential(nn.ReLU(inplace=True))) == "Sequential(\n  (0): ReLU(inplace=True)\n)"


def test_registration_and_state():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(2, 2)
            self.b = self.a
            self.register_buffer("count", torch.zeros(1))
            self.plain = torch.zeros(1)

    net = Net()
    assert [n for n, _ in net.named_parameters()] == ["a.weight", "a.bias"]
    assert list(net.state_dict()) == ["count", "a.weight", "a.bias", "b.weight", "b.bias"]
    with pytest.raises(TypeError):
        net.a.weight = torch.zeros(2, 2)
    with pytest.raises(KeyError):
        net.register_buffer("a.b", torch.zeros(1))
    state = net.state_dict()
    del state["count"]
    state["a.weight"] = torch.zeros(3, 3)
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    assert "count" in str(error.value) and "(3, 3)" in str(error.value)
    weight = net.a.weight
    net.double()
    assert net.a.weight is weight and weight.dtype is torch.float64


def test_hooks():
    layer, seen = nn.Linear(2, 2), []
    layer.register_forward_pre_hook(lambda m, args: seen.append("before"))
    layer.register_forward_hook(lambda m, args, out: out * 0)
    layer.register_full_backward_hook(lambda m, gin, gout: seen.append(gout[0].shape))
    x = torch.ones(1, 2, requires_grad=True)
    y = layer(x)
    assert y.tolist() == [[0, 0]]
    y.sum().backward()
    assert seen == ["before", (1, 2)]


def test_optimizers_keep_pytorchs_state():
    p = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([p], lr=0.1)
    p.sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert list(state["param_groups"][0])[:6] == ["lr", "betas", "eps", "weight_decay", "amsgrad",
                                                  "maximize"]
    other = torch.optim.AdamW([nn.Parameter(torch.ones(2))], lr=0.5)
    other.load_state_dict(state)
    assert other.param_groups[0]["lr"] == 0.1
    assert p.tolist() == pytest.approx([0.899, 0.899], abs=1e-6)
    with pytest.raises(ValueError):
        torch.optim.SGD([], lr=0.1)
    with pytest.raises(ValueError):
        torch.optim.SGD([p], lr=-1)


@pytest.mark.parametrize("make, wanted", [
    (lambda o, s: s.StepLR(o, 3, 0.5), [.1, .1, .1, .05, .05, .05, .025]),
    (lambda o, s: s.LinearLR(o), [.033333, .046667, .06, .073333, .086667, .1]),
    (lambda o, s: s.PolynomialLR(o), [.1, .08, .06, .04, .02, 0, 0]),
    (lambda o, s: s.CosineAnnealingLR(o, 5, .01), [.1, .091406, .068906, .041094, .018594, .01, .018594]),
    (lambda o, s: s.CosineAnnealingWarmRestarts(o, 3, 2),
     [.1, .075, .025, .1, .093301, .075, .05, .025, .006699, .1]),
    (lambda o, s: s.CyclicLR(o, .01, .1, 3), [.01, .04, .07, .1, .07, .04, .01]),
    (lambda o, s: s.OneCycleLR(o, .1, total_steps=12),
     [.004, .034979, .087929, .099442, .093301, .081175, .064738, .046264, .028306, .013348, .003457, 0]),
    (lambda o, s: s.SequentialLR(o, [s.ConstantLR(o, .1, 2), s.ExponentialLR(o, .9)], [2]),
     [.01, .01, .1, .09, .081, .0729]),
])
def test_learning_rates(make, wanted):
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1, momentum=0.9)
    scheduler = make(optimizer, torch.optim.lr_scheduler)
    got = []
    for _ in wanted:
        got.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(got) < len(wanted):
            scheduler.step()
    assert got == pytest.approx(wanted, abs=1e-6)


def test_loader_order_and_workers():
    torch.manual_seed(0)
    batches = [b[0].tolist() for b in DataLoader(TensorDataset(torch.arange(6)), 4, shuffle=True)]
    assert batches == [[0, 4, 3, 5], [2, 1]]
    torch.manual_seed(0)
    with_workers = DataLoader(TensorDataset(torch.arange(6)), 4, shuffle=True, num_workers=2)
    assert [b[0].tolist() for b in with_workers] == batches
    torch.manual_seed(0)
    assert [p.indices for p in random_split(range(6), [4, 2])] == [[2, 5, 3, 0], [1, 4]]

    class Broken(torch.utils.data.Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            raise KeyError("no such example")

    with pytest.raises(KeyError, match="worker"):
        list(DataLoader(Broken(), num_workers=1))


def test_files(tmp_path):
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    path = str(tmp_path / "net.pt")
    torch.save({"net": net.state_dict(), "epoch": 3}, path)
    back = torch.load(path)
    assert back["epoch"] == 3 and torch.equal(back["net"]["0.weight"], net[0].weight)
    stream = io.BytesIO()
    torch.save(net, stream)
    stream.seek(0)
    with pytest.raises(Exception, match="Sequential"):
        torch.load(stream)
    stream.seek(0)
    whole = torch.load(stream, weights_only=False)
    assert isinstance(whole, nn.Sequential) and torch.equal(whole[0].bias, net[0].bias)
    (tmp_path / "empty.pt").write_bytes(b"")
    with pytest.raises(EOFError):
        torch.load(str(tmp_path / "empty.pt"))


@pytest.mark.parametrize("name, count, drawn, logit", [
    ("resnet18", 11689512, .8865256, .1651253), ("squeezenet1_1", 1235496, .6170944, .04212167),
    ("googlenet", 13004888, .2659105, .02815418)])
def test_models_start_as_torchvisions(name, count, drawn, logit):
    from trivium.torchvision import models

    torch.manual_seed(0)
    net = getattr(models, name)()
    assert torch.rand(1).item() == pytest.approx(drawn, abs=1e-7)
    assert sum(p.numel() for p in net.parameters()) == count
    net.eval()
    with torch.no_grad():
        out = net(torch.arange(12288.0).view(1, 3, 64, 64) / 12288)
    assert out[0, 0].item() == pytest.approx(logit, rel=1e-4)
