"""The Tensor type: conventions of arguments, operators, keys, conversion, errors."""

import copy
import gc
import pickle
import warnings

import pytest

import trivium.torch as torch


def test_same_tensor_is_the_same_object():
    x = torch.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad is x.grad
    assert x.add_.__name__ == "add_"
    y = x.detach()
    assert y.zero_() is y
    assert y.to(torch.float32) is y


def test_sizes_by_position_tuple_or_name():
    for made in (torch.zeros(2, 3), torch.zeros((2, 3)), torch.zeros([2, 3]), torch.zeros(size=(2, 3)),
                 torch.ones(6).view(2, -1), torch.ones(6).view((2, 3)), torch.ones(6).reshape(2, 3)):
        assert made.shape == torch.Size([2, 3])
        assert isinstance(made.shape, tuple)
    x = torch.arange(6.0).view(2, 3)
    assert x.permute(1, 0).shape == x.permute((1, 0)).shape == (3, 2)
    assert x.sum(1).tolist() == x.sum(dim=1).tolist() == x.sum(axis=1).tolist() == [3, 12]
    assert x.sum(dim=(0, 1), keepdim=True).shape == (1, 1)
    assert x.size() == x.shape and x.size(-1) == 3 and x.shape.numel() == 6


def test_more_pieces_than_a_tensor_has_axes():
    assert [p.item() for p in torch.arange(20).split([1] * 20)] == list(range(20))
    out, _ = torch.nn.LSTM(2, 3)(torch.zeros(30, 1, 2))
    assert out.shape == (30, 1, 3)


def test_positional_scalars_of_old_code():
    x = torch.ones(2)
    assert x.add(2, torch.ones(2)).tolist() == [3, 3]
    assert x.clone().add_(-0.5, torch.ones(2)).tolist() == [0.5, 0.5]
    assert x.clone().addcmul_(2, x, x).tolist() == [3, 3]
    assert x.add(x, alpha=3).tolist() == [4, 4]


def test_operators_and_promotion():
    i = torch.tensor([7, -7])
    assert (i // 2).tolist() == [3, -4]
    assert (i / 2).dtype is torch.float32
    assert (i % 3).tolist() == [1, 2]
    assert (2 ** torch.tensor([1, 2])).tolist() == [2, 4]
    assert (1 - torch.ones(2)).tolist() == [0, 0]
    assert (5 // torch.tensor([2, 3])).tolist() == [2, 1]
    assert (torch.tensor([1, 2], dtype=torch.int32) + torch.tensor(1.0, dtype=torch.float64)).dtype \
        is torch.float64
    x = torch.ones(2)
    same = x
    x += 1
    x *= 2
    assert x is same and x.tolist() == [4, 4]
    assert (torch.ones(2) == None) is False  # noqa: E711
    with pytest.raises(TypeError):
        torch.ones(2) + "a"


def test_keys():
    x = torch.arange(24).view(2, 3, 4)
    assert x[1, -1, 2].item() == 22
    assert x[:, 1:, ::2].shape == (2, 2, 2)
    assert x[..., None].shape == (2, 3, 4, 1)
    assert x[[1, 0]].shape == (2, 3, 4)
    assert x[(1, 0)].shape == (4,)
    assert x[x > 20].tolist() == [21, 22, 23]
    assert x[:, [0, 1], [1, 2]].shape == (2, 2)
    y = torch.zeros(3)
    y[torch.tensor([True, False, True])] = 2.5
    assert y.tolist() == [2.5, 0, 2.5]
    with pytest.raises(ValueError):
        x[::-1]
    with pytest.raises(IndexError):
        x[5]
    with pytest.raises(IndexError):
        torch.tensor(1)[0]
    with pytest.raises(TypeError):
        y[0] = [1.0]
    assert [len(r) for r in x] == [3, 3] and len(list(x)) == 2


def test_tensors_from_data():
    assert torch.tensor([1, 2]).dtype is torch.int64
    assert torch.tensor([1, 2.0]).dtype is torch.float32
    assert torch.tensor([True]).dtype is torch.bool
    assert torch.tensor([]).shape == (0,) and torch.tensor([]).dtype is torch.float32
    assert torch.Tensor(2, 3).shape == (2, 3) and torch.Tensor([2, 3]).tolist() == [2, 3]
    assert torch.LongTensor([3]).tolist() == [3] and torch.LongTensor(3).shape == (3,)
    for bad, kind in (([[1], [1, 2]], ValueError), ([1, [2]], TypeError), ("a", TypeError),
                      (None, RuntimeError)):
        with pytest.raises(kind):
            torch.tensor(bad)


def test_numpy_shares_memory():
    numpy = pytest.importorskip("numpy")
    x = torch.zeros(2, 2)
    a = x.numpy()
    a[0, 1] = 5
    assert x[0, 1].item() == 5
    x[1, 0] = 7
    assert a[1, 0] == 7
    b = numpy.zeros(3)
    y = torch.from_numpy(b)
    assert y.dtype is torch.float64
    b[1] = 4
    assert y.tolist() == [0, 4, 0]
    y += 1
    assert b.tolist() == [1, 5, 1]
    del y
    gc.collect()
    with pytest.raises(RuntimeError):
        torch.ones(1, requires_grad=True).numpy()
    with pytest.raises(ValueError):
        torch.from_numpy(numpy.arange(3)[::-1])
    assert isinstance(numpy.float32(2) * torch.ones(2), torch.Tensor)
    assert numpy.asarray(torch.ones(2)).tolist() == [1, 1]


def test_conversion_and_text():
    assert int(torch.tensor(3)) == 3 and float(torch.tensor([2.5])) == 2.5
    assert f"{torch.tensor(1.234):.2f}" == "1.23" and "%.1f" % torch.tensor(2.5) == "2.5"
    assert repr(torch.tensor([1.0, 2.5])) == "tensor([1.0000, 2.5000])"
    assert repr(torch.device("cuda:0")) == "device(type='cuda', index=0)"
    with pytest.raises(RuntimeError):
        bool(torch.ones(2))
    with pytest.raises(ValueError):
        torch.ones(2).item()
    with pytest.raises(RuntimeError):
        torch.ones(2).item()
    with pytest.raises(NotImplementedError):
        torch.arange(3).mean()
    got = torch.max(torch.tensor([[1.0, 3.0]]), 1)
    assert got.values.tolist() == [3] and got.indices.tolist() == [1]


def test_copies():
    x = torch.arange(3.0, requires_grad=True)
    y = copy.deepcopy(x)
    assert y.requires_grad and y.tolist() == [0, 1, 2]
    assert pickle.loads(pickle.dumps(x)).tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError):
        copy.deepcopy(x * 2)


def test_gradients():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    seen = []
    y = x * x
    handle = y.register_hook(lambda g: seen.append(g.tolist()) or g * 2)
    y.sum().backward()
    handle.remove()
    assert seen == [[1, 1]] and x.grad.tolist() == [4, 8]
    assert y.grad_fn.name() == "MulBackward0" and repr(y.grad_fn) == "<MulBackward0>"
    with torch.no_grad():
        assert not (x * 2).requires_grad
    g, = torch.autograd.grad((x ** 3).sum(), x, create_graph=True)
    gg, = torch.autograd.grad(g.sum(), x)
    assert gg.tolist() == [6, 12]
    with pytest.raises(RuntimeError):
        torch.ones(1).sum().backward()

    @torch.no_grad()
    def quiet():
        return x * 2

    assert not quiet().requires_grad


def test_function_with_its_own_derivative():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.save_for_backward(x)
            ctx.factor = factor
            return x * x * factor

        @staticmethod
        def backward(ctx, grad):
            x, = ctx.saved_tensors
            return 2 * x * grad * ctx.factor, None

    x = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
    Square.apply(x, 2.0).sum().backward()
    assert x.grad.item() == 12
    assert torch.autograd.gradcheck(lambda t: Square.apply(t, 2.0), (x,))

    class Wrong(Square):
        @staticmethod
        def backward(ctx, grad):
            return (grad,)

    with pytest.raises(RuntimeError):
        Wrong.apply(x, 2.0).sum().backward()


def test_absent_names_say_the_nearest():
    with pytest.raises(AttributeError, match="zeros"):
        torch.zeross
    with pytest.raises(RuntimeError, match="cpu"):
        torch.zeros(2, device="cuda")
    assert not torch.cuda.is_available() and torch.accelerator.current_accelerator() is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.backends.cudnn.benchmark = True
