"""as_strided: views under any strides, NumPy arrays with holes. The values are PyTorch 2.15's."""

import numpy
import pytest

import trivium.torch as torch


def counting():
    return torch.arange(12.).reshape(3, 4)


@pytest.mark.parametrize("view, values, shape, strides, offset", [
    (lambda x: x.as_strided((3, 2), (1, 1)), [0, 1, 1, 2, 2, 3], [3, 2], (1, 1), 0),
    (lambda x: x.t().as_strided((2, 2), (1, 4)), [0, 4, 1, 5], [2, 2], (1, 4), 0),
    (lambda x: x.as_strided((2, 2), (4, 2), 1), [1, 3, 5, 7], [2, 2], (4, 2), 1),
    (lambda x: x[1:].as_strided((2, 2), (1, 2)), [4, 6, 5, 7], [2, 2], (1, 2), 4),
    (lambda x: x[1:].as_strided((2, 2), (1, 2), 0), [0, 2, 1, 3], [2, 2], (1, 2), 0),
    (lambda x: x[:, 1].as_strided((3,), (4,)), [1, 5, 9], [3], (4,), 1),
    (lambda x: x.as_strided((), (), 5), [5], [], (), 5),
    (lambda x: x.as_strided((2, 3), (0, 1)), [0, 1, 2, 0, 1, 2], [2, 3], (0, 1), 0),
    (lambda x: torch.as_strided(x, (0, 3), (4, 1)), [], [0, 3], (4, 1), 0),
])
def test_views(view, values, shape, strides, offset):
    y = view(counting())
    assert y.flatten().tolist() == values
    assert list(y.shape) == shape and y.stride() == strides and y.storage_offset() == offset


def test_writes_go_both_ways():
    x = counting()
    y = x.as_strided((3,), (5,))
    y.mul_(10)
    assert x.flatten().tolist() == [0, 1, 2, 3, 4, 50, 6, 7, 8, 9, 100, 11]
    x.add_(1)
    assert y.tolist() == [1, 51, 101]
    x.as_strided((2, 3), (6, 2), 1)[1] = -7
    assert x.flatten().tolist() == [1, 2, 3, 4, 5, 51, 7, -7, 9, -7, 101, -7]
    with pytest.raises(RuntimeError, match="more than once"):
        x.as_strided((3, 2), (1, 1)).add_(1)


@pytest.mark.parametrize("view, gradient", [
    (lambda a: a.as_strided((3, 2), (1, 1)), [0, 40, 144, 144] + [0] * 8),
    (lambda a: a.as_strided((2, 2), (4, 2), 1), [0, 8, 0, 48, 0, 120, 0, 224, 0, 0, 0, 0]),
    (lambda a: a.as_strided((2, 3), (0, 1)), [0, 56, 144] + [0] * 9),
    (lambda a: a[1:].as_strided((2, 3), (1, 2)), [0] * 4 + [32, 160, 96, 280, 192, 432, 0, 0]),
])
def test_gradients(view, gradient):
    a = counting().requires_grad_(True)
    b = view(a * 2)
    (b * b * torch.arange(1., b.numel() + 1).reshape(b.shape)).sum().backward()
    assert a.grad.flatten().tolist() == gradient


def test_gradient_through_a_write_and_twice():
    a = torch.arange(6.).requires_grad_(True)
    h = a * 1
    h.as_strided((3,), (2,)).mul_(3)
    (h * h).sum().backward()
    assert a.grad.tolist() == [0, 2, 36, 6, 72, 10]
    a = torch.arange(6.).requires_grad_(True)
    g, = torch.autograd.grad((a.as_strided((5, 2), (1, 1)) ** 3).sum(), a, create_graph=True)
    g.sum().backward()
    assert a.grad.tolist() == [0, 12, 24, 36, 48, 30]


@pytest.mark.parametrize("arguments, message", [
    (((2,), (-1,)), "negative stride -1"),
    (((2, 2), (1,)), "2 sizes and 1 strides"),
    (((5,), (3,)), "beyond the 12 elements"),
    (((2,), (1,), 11), "beyond the 12 elements"),
])
def test_bad_arguments(arguments, message):
    with pytest.raises(RuntimeError, match=message):
        counting().as_strided(*arguments)


def test_a_view_with_holes_has_no_gradient():
    a = counting().requires_grad_(True)
    with pytest.raises(RuntimeError, match="not contiguous"):
        a.t().as_strided((2,), (1,))


@pytest.mark.parametrize("part, strides", [
    (lambda n: n[::2], (8, 1)),
    (lambda n: n[:, 1:3], (4, 1)),
    (lambda n: n[:, ::2], (4, 2)),
    (lambda n: n.T, (1, 4)),
    (lambda n: n.reshape(3, 2, 2).transpose(1, 0, 2), (2, 4, 1)),
    (lambda n: numpy.broadcast_to(n[:1], (3, 4)), (0, 1)),
])
def test_numpy_arrays_with_holes_are_shared(part, strides):
    whole = numpy.arange(12, dtype="float32").reshape(3, 4)
    array = part(whole)
    tensor = torch.from_numpy(array)
    assert tensor.tolist() == array.tolist() and tensor.stride() == strides
    whole += 100
    assert tensor.tolist() == array.tolist()
    assert numpy.shares_memory(tensor.numpy(), whole)
    if array.flags.writeable:
        tensor.mul_(2)
        assert array.tolist() == tensor.tolist() and array.flat[0] >= 200
        tensor[(0,) * tensor.dim()] = -5.
        assert array.flat[0] == -5


def test_arrays_that_no_strides_say():
    with pytest.raises(ValueError, match="negative stride"):
        torch.from_numpy(numpy.arange(4.)[::-1])
    with pytest.raises(ValueError, match="5 bytes apart"):
        torch.from_numpy(numpy.zeros(4, dtype=[("a", "f4"), ("b", "u1")])["a"])
