"""What programs ask for beyond layers: distributions with PyTorch's draws, whole models in files, line
search, the smaller methods. Expected values are PyTorch 2's."""

import collections
import io

import pytest

import trivium.torch as torch
import trivium.torch.nn as nn
from trivium.torch import distributions as D


def test_categorical():
    torch.manual_seed(3)
    c = D.Categorical(torch.tensor([[.2, .3, .5], [.6, .3, .1]]))
    assert c.sample((4,)).tolist() == [[0, 1], [1, 1], [2, 0], [0, 0]]
    assert c.sample().tolist() == [2, 0]
    assert c.log_prob(torch.tensor([1, 2])).tolist() == [-1.2039728164672852, -2.3025851249694824]
    assert c.entropy().tolist() == [1.0296530723571777, 0.897945761680603]
    by_logits = D.Categorical(logits=torch.tensor([[.2, .3, .5], [.6, .3, .1]]))
    assert by_logits.sample().tolist() == [1, 2]
    with pytest.raises(ValueError):
        D.Categorical(torch.tensor([-1.0, 2.0]))
    with pytest.raises(ValueError):
        c.log_prob(torch.tensor(3))


def test_policy_gradient_reaches_the_logits():
    logits = torch.zeros(1, 2, requires_grad=True)
    loss = -D.Categorical(logits.softmax(1)).log_prob(torch.tensor([1])) * 2
    loss.sum().backward()
    assert logits.grad.tolist()[0] == pytest.approx([1.0, -1.0], abs=1e-6)


def test_normal_bernoulli_uniform():
    torch.manual_seed(3)
    b = D.Bernoulli(torch.tensor([.2, .7]))
    assert b.log_prob(torch.tensor([0., 1.])).tolist() == [-0.2231435775756836, -0.3566749393939972]
    assert b.entropy().tolist() == [0.5004024505615234, 0.6108642816543579]
    n = D.Normal(torch.tensor([0., 1.]), torch.tensor([1., 2.]))
    assert n.log_prob(torch.tensor(.5)).tolist() == [-1.0439385175704956, -1.6433357000350952]
    assert n.entropy().tolist() == [1.4189385175704956, 2.1120858192443848]
    u = D.Uniform(torch.tensor([-1., 0]), 2.)
    assert u.log_prob(torch.tensor([.5, .5])).tolist() == [-1.0986123085021973, -0.6931471824645996]
    state = torch.get_rng_state()
    drawn = u.sample((2,))
    torch.set_rng_state(state)
    assert torch.equal(drawn, u.low + torch.rand(2, 2) * (u.high - u.low))
    assert D.kl_divergence(n, D.Normal(0., 1.)).tolist() == [0.0, 1.3068528175354004]
    assert D.Independent(n, 1).log_prob(torch.zeros(2)).item() == pytest.approx(-2.656024217605591)
    mean = torch.zeros(2, requires_grad=True)
    D.Normal(mean, 1.0).rsample().sum().backward()
    assert mean.grad.tolist() == [1, 1]
    with pytest.raises(NotImplementedError):
        D.kl_divergence(n, u)


def test_a_deque_is_a_sequence():
    assert torch.tensor(collections.deque([1.0, 2.0])).tolist() == [1.0, 2.0]
    with pytest.raises(TypeError):
        torch.tensor("12")


def test_pieces_of_a_long_list():
    sizes = [1] * 40
    assert len(torch.arange(40).split(sizes)) == 40


def test_onnx_refuses_only_when_asked():
    import trivium.torch.onnx

    with pytest.raises(NotImplementedError, match="torch.save"):
        torch.onnx.export(nn.Linear(1, 1), torch.ones(1), "x.onnx")


@pytest.mark.parametrize("model", [nn.LSTM(3, 4), nn.GRU(3, 4), nn.TransformerEncoder(
    nn.TransformerEncoderLayer(8, 2, 16), 1)], ids=["lstm", "gru", "transformer"])
def test_whole_models_by_safe_globals(model):
    file = io.BytesIO()
    torch.save(model, file)
    kinds = {type(m) for m in model.modules()}
    with torch.serialization.safe_globals([*kinds, nn.functional.relu]):
        file.seek(0)
        loaded = torch.load(file)
    assert type(loaded) is type(model)
    for (a, x), (b, y) in zip(model.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert a == b and torch.equal(x, y)
    file.seek(0)
    with pytest.raises(Exception, match="not plain data"):
        torch.load(file)


def test_strong_wolfe_finds_rosenbrocks_minimum():
    p = torch.tensor([-1.2, 1.], requires_grad=True)
    optimizer = torch.optim.LBFGS([p], max_iter=30, line_search_fn="strong_wolfe")
    calls = []

    def closure():
        optimizer.zero_grad()
        calls.append(1)
        loss = (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
    assert p.tolist() == pytest.approx([1, 1], abs=1e-3)
    assert len(calls) == 45  # as many as PyTorch needs
    with pytest.raises(RuntimeError):
        torch.optim.LBFGS([p], line_search_fn="armijo")


def test_smaller_methods():
    nan = float("nan")
    x = torch.tensor([[3., -1, nan, 2], [0., 5, 6, -7]])
    assert x.nanquantile(0.25).item() == -0.5
    assert x.nanquantile(0.5, 1, keepdim=True).tolist() == [[2.0], [2.5]]
    y = torch.tensor([1., -2, 0, -0.])
    assert str(torch.tensor([1., 2, 3, 4]).copysign(y).tolist()) == "[1.0, -2.0, 3.0, -4.0]"
    assert y.float_power(2).dtype is torch.float64 and y.float_power(2).tolist() == [1, 4, 0, 0]
    assert y.diff().tolist() == [-3, 2, 0] and y.sinc().tolist()[2:] == [1, 1]
    z = torch.arange(6.).view(2, 3)
    assert [t.tolist() for t in z.hsplit(3)] == [[[0], [3]], [[1], [4]], [[2], [5]]]
    assert z.cumsum_(1) is z and z.tolist() == [[0, 1, 3], [3, 7, 12]]
    assert (z + 1).cumprod_(0).tolist() == [[1, 2, 4], [4, 16, 52]]


@pytest.mark.parametrize("make", [
    lambda ps: torch.optim.SGD(ps, 0.1, momentum=0.9), lambda ps: torch.optim.Adam(ps, 0.1, amsgrad=True),
    lambda ps: torch.optim.Adadelta(ps), lambda ps: torch.optim.RMSprop(ps, centered=True, momentum=0.5)],
    ids=["sgd", "adam", "adadelta", "rmsprop"])
def test_a_late_parameter_starts_its_own_state(make):
    def train(count):
        ps = [torch.full((2,), 2.0, requires_grad=True) for _ in range(count)]
        optimizer = make(ps)
        for step in range(3):
            optimizer.zero_grad()
            for i, p in enumerate(ps):
                if step or i == 0:  # the second has no gradient in the first step
                    (p ** 2).sum().backward()
            optimizer.step()
        return [p.tolist() for p in ps]

    def alone(steps):
        p = torch.full((2,), 2.0, requires_grad=True)
        optimizer = make([p])
        for _ in range(steps):
            optimizer.zero_grad()
            (p ** 2).sum().backward()
            optimizer.step()
        return p.tolist()

    assert train(2) == [alone(3), alone(2)]


def test_inference_mode():
    x = torch.ones(2, requires_grad=True)

    @torch.inference_mode()
    def inside():
        with torch.inference_mode(False):
            assert (x * 2).requires_grad and not torch.is_inference_mode_enabled()
        return torch.is_inference_mode_enabled(), x * 2

    on, y = inside()
    assert on and not y.requires_grad and not torch.is_inference_mode_enabled()
    assert (x * 2).requires_grad


def test_layers_by_pytorchs_files():
    assert nn.modules.pixelshuffle.PixelShuffle is nn.PixelShuffle
    assert nn.modules.flatten.Flatten is nn.Flatten
