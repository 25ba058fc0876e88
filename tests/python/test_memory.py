"""Memory shared with others, memory order, and long runs that are interrupted. Expected values are
PyTorch 2.15's."""

import os
import signal
import threading
import time

import numpy
import pytest

import trivium.torch as torch
import trivium.torch.nn.functional as F


def test_bytes_under_another_dtype():
    x = torch.tensor([1., -2.])
    bits = x.view(torch.int32)
    assert bits.tolist() == [1065353216, -1073741824]
    bits[0] = 0  # one memory, seen from both sides
    assert x.tolist() == [0., -2.]
    x[1] = 1
    assert bits.tolist() == [0, 1065353216]
    assert x.double().view(torch.int32).tolist() == [0, 0, 0, 1072693248]
    assert torch.tensor([[1, 2, 3, 4]], dtype=torch.uint8).view(torch.int32).tolist() == [[67305985]]
    assert torch.zeros(2, 3).view(torch.float32).shape == (2, 3)
    with pytest.raises(RuntimeError, match="no multiple"):
        torch.zeros(2, 3).view(torch.float64)
    with pytest.raises(RuntimeError, match="contiguous"):
        torch.zeros(2, 3).t().view(torch.int32)
    with pytest.raises(RuntimeError, match="detach"):
        torch.zeros(2, requires_grad=True).view(torch.int32)


def test_dlpack_shares_memory_both_ways():
    x = torch.arange(6.).view(2, 3)
    array = numpy.from_dlpack(x)
    array[0, 0] = 7
    assert x[0, 0] == 7
    x[1, 2] = 8
    assert array[1, 2] == 8
    assert numpy.from_dlpack(x.t()).strides == (4, 12)
    back = torch.from_dlpack(numpy.arange(4, dtype=numpy.int64))
    assert back.dtype is torch.int64 and back.tolist() == [0, 1, 2, 3]
    own = torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(x))
    own[0, 1] = 9
    assert x[0, 1] == 9
    with pytest.raises((RuntimeError, BufferError)):
        numpy.from_dlpack(torch.zeros(2, requires_grad=True))


def test_what_is_drawn_like_a_dense_view_is_drawn_in_its_order():
    x = torch.arange(6.).view(2, 3).t()
    y = torch.arange(24.).view(2, 3, 4).permute(2, 0, 1)

    def seeded(draw):
        torch.manual_seed(0)
        return draw()

    assert seeded(lambda: F.dropout(x, .5)).tolist() == [[0, 0], [0, 0], [4, 0]]
    assert seeded(lambda: F.dropout(y, .5)).flatten().tolist() == [
        0, 0, 0, 24, 32, 40, 0, 0, 18, 0, 34, 0, 4, 12, 20, 28, 0, 44, 0, 14, 22, 30, 0, 0]
    drawn = seeded(lambda: torch.rand_like(x))
    assert drawn.stride() == (1, 3)
    assert drawn.tolist() == [[0.49625658988952637, 0.13203048706054688],
                              [0.7682217955589294, 0.30742281675338745],
                              [0.08847743272781372, 0.6340786814689636]]
    assert seeded(lambda: torch.randn_like(torch.zeros(4, 5).t()))[0].tolist() == pytest.approx(
        [1.5409960746765137, -1.3985954523086548, -0.5966353416442871, 0.1227012425661087], rel=1e-6)
    assert seeded(lambda: torch.bernoulli(x, .5)).tolist() == [[0, 0], [1, 0], [0, 0]]
    assert seeded(lambda: torch.randint_like(x, 100)).tolist() == [[44, 60], [39, 63], [33, 79]]


LINALG = {
    "inv": ([2.098059908599, 0.455363941208, 0.278781887825, 0.689277768334],
            [-15.349698844104, 10.963291078741, -16.831125290099, -16.094209930733]),
    "solve": ([-0.733334799457, 0.983291478024, 1.557745839544, 0.028115623786],
              [-1.089529379757, -6.912568475573, 8.152733526598, 0.484638194433]),
    "det": ([1.070916415876], [2.24684679761, -1.508470415044, 1.699553320783, 2.230058785891]),
    "slogdet": ([0.068514745354], [2.098059908599, -1.408579038179, 1.587008374872, 2.082383604203]),
    "cholesky": ([1.655654265909, 0, 0, 0],
                 [0.534197715834, 1.351294871059, 2.209004925816, 0.48017647533])}


@pytest.mark.parametrize("name", LINALG)
def test_linear_algebra_with_derivatives(name):
    torch.manual_seed(5)
    matrix, right = torch.randn(4, 4, dtype=torch.float64), torch.randn(4, 2, dtype=torch.float64)
    functions = {"inv": torch.linalg.inv, "solve": lambda a: torch.linalg.solve(a, right),
                 "det": torch.linalg.det, "slogdet": lambda a: torch.linalg.slogdet(a)[1],
                 "cholesky": lambda a: torch.linalg.cholesky(a @ a.mT + torch.eye(4, dtype=torch.float64))}
    a = matrix.clone().requires_grad_()
    y = functions[name](a)
    y.sum().backward()
    value, slope = LINALG[name]
    assert y.flatten()[:4].tolist() == pytest.approx(value, abs=1e-9)
    assert a.grad.flatten()[:4].tolist() == pytest.approx(slope, abs=1e-8)


def test_factorisations_refuse_to_lose_a_derivative():
    torch.manual_seed(5)
    a = torch.randn(4, 4, dtype=torch.float64)
    assert torch.linalg.svdvals(a).tolist() == pytest.approx(
        [3.169646045503, 1.361384961188, 1.029711712179, 0.241017294634])
    assert torch.linalg.eigvalsh(a + a.mT).tolist() == pytest.approx(
        [-0.541496111882, 0.405119767227, 1.190230774564, 5.636412602027])
    assert torch.linalg.qr(a)[1].diagonal().abs().tolist() == pytest.approx(
        [1.635035207042, 1.609196646355, 0.982822894256, 0.414137048261])
    a.requires_grad_()
    for name in ("svd", "qr", "eigh", "pinv"):
        with pytest.raises(NotImplementedError, match="no derivative"):
            getattr(torch.linalg, name)(a)
        with torch.no_grad():
            getattr(torch.linalg, name)(a)


@pytest.mark.parametrize("name", ["complex64", "complex128", "fft", "view_as_complex"])
def test_complex_numbers_are_refused_by_name(name):
    with pytest.raises(AttributeError, match=name):
        getattr(torch, name)
    with pytest.raises((TypeError, RuntimeError, NotImplementedError), match="complex"):
        torch.tensor([1j])


def test_ctrl_c_ends_a_long_run():
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    start, x = time.monotonic(), torch.ones(200, 200)
    with pytest.raises(KeyboardInterrupt):
        while time.monotonic() - start < 20:
            x = (x @ x).clamp(0, 1)
            x.sum().item()
    assert time.monotonic() - start < 5
    assert x.shape == (200, 200) and torch.ones(2).sum().item() == 2  # and goes on
