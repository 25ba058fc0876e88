"""What backward watches when asked: tensors changed in place after an operation had them, derivatives that
are not numbers. Which of the programs are errors is PyTorch 2.15's answer."""

import pytest

import trivium.torch as torch
import trivium.torch.nn.functional as F


def weight():
    return torch.tensor([1., 2., 3.], requires_grad=True)


def plain():
    return torch.tensor([.5, 1.5, 2.5])


def mul_operand():
    a, b = weight(), plain()
    y = (a * b).sum()
    b.add_(1)
    return y


def mul_inplace_by_weight():
    b = plain()
    b.mul_(weight())
    return b.sum()


def add_then_inplace():
    y = weight() * 2
    y += 1
    return y.sum()


def exp_result():
    y = weight().exp()
    y += 1
    return y.sum()


def sin_result():
    y = weight().sin()
    y += 1
    return y.sum()


def sin_input():
    h = weight() * 1
    y = h.sin().sum()
    h.add_(1)
    return y


def sigmoid_result():
    y = weight().sigmoid()
    y.mul_(2)
    return y.sum()


def relu_inplace_after_linear():
    return F.relu(weight() * 2, inplace=True).sum()


def relu_then_add():
    y = (weight() * 2).relu()
    y.add_(1)
    return y.sum()


def relu_inplace_then_mul():
    y = weight() * 2
    y.relu_()
    y.mul_(3)
    return y.sum()


def mm_operand():
    b = torch.ones(3, 3)
    y = (torch.eye(3).requires_grad_() @ b).sum()
    b.zero_()
    return y


def through_detach():
    b = weight() * 1
    y = b.sin().sum()
    b.detach().zero_()
    return y


def through_data():
    b = weight() * 1
    y = b.sin().sum()
    b.data.zero_()
    return y


def under_no_grad():
    b = weight() * 1
    y = b.sin().sum()
    with torch.no_grad():
        b.zero_()
    return y


def view_of_operand():
    b = torch.ones(2, 3)
    y = (weight() * b[0]).sum()
    b.zero_()
    return y


def leaf_step():
    a = weight()
    y = (a * a).sum()
    with torch.no_grad():
        a.sub_(.1)
    return y


def pow_input():
    h = weight() * 1
    y = h.pow(2).sum()
    h.add_(1)
    return y


def softmax_result():
    y = weight().softmax(0)
    y.mul_(2)
    return y.sum()


def clamp_input():
    h = weight() * 1
    y = h.clamp(min=0).sum()
    h.add_(1)
    return y


def sum_input():
    h = weight() * 1
    y = h.sum()
    h.add_(1)
    return y


def sqrt_input():
    h = weight() * 1
    y = h.sqrt().sum()
    h.add_(1)
    return y


def index_write_after_use():
    h = weight() * 1
    y = h.sin().sum()
    h[0] = 0
    return y


def leaky_relu_inplace():
    return F.leaky_relu(weight() * 1, .2, inplace=True).sum()


REFUSED = [mul_operand, exp_result, sin_input, sigmoid_result, relu_then_add,
           relu_inplace_then_mul, mm_operand, through_detach, under_no_grad, view_of_operand,
           leaf_step, pow_input, softmax_result, index_write_after_use, clamp_input]
FINE = [mul_inplace_by_weight, add_then_inplace, sin_result,
        relu_inplace_after_linear, through_data, sum_input, sqrt_input, leaky_relu_inplace]


@pytest.mark.parametrize("program", REFUSED + FINE)
def test_writes_in_place(program):
    program().backward()  # what was kept is what was read: no error unless it is asked for
    with torch.autograd.set_strict_inplace(True):
        if program in FINE:
            program().backward()
            return
        with pytest.raises(RuntimeError, match="modified by an inplace operation.*version"):
            program().backward()


# Functions made of several operations here, or derived another way: whether PyTorch refuses a
# write to the operand, and to the result.
READS = {
    "clamp_min_0": (lambda x: x.clamp(min=0), True, False),
    "clamp_max": (lambda x: x.clamp(max=1), True, False),
    "clamp": (lambda x: x.clamp(0, 1), True, False),
    "clamp_": (lambda x: (x * 1).clamp_(min=0), False, False),
    "relu6": (F.relu6, True, False),
    "leaky_relu": (F.leaky_relu, True, False),
    "leaky_relu_": (lambda x: F.leaky_relu(x * 1, inplace=True), False, True),
    "elu": (F.elu, True, False),
    "elu_": (lambda x: F.elu(x * 1, inplace=True), False, True),
    "hardswish_": (lambda x: F.hardswish(x * 1, inplace=True), False, False),
    "mish_": (lambda x: F.mish(x * 1, inplace=True), False, False),
    "gelu": (F.gelu, True, False),
    "softsign": (F.softsign, True, False),
    "threshold": (lambda x: F.threshold(x, .1, 0.), True, False),
    "prelu": (lambda x: F.prelu(x, torch.tensor([.25])), True, False),
    "mse_loss": (lambda x: F.mse_loss(x, plain()), True, False),
    "smooth_l1_loss": (lambda x: F.smooth_l1_loss(x, plain()), True, False),
    "pow_half": (lambda x: x ** .5, True, False),
    "pow_tensor": (lambda x: x ** plain(), True, True),
    "1/x": (lambda x: 1 / x, False, False),
    "y/x": (lambda x: plain() / x, True, False),
    "x/y": (lambda x: x / plain(), False, False),
    "prod": (lambda x: x.prod(), True, True),
    "var": (lambda x: x.var(), True, False),
    "std": (lambda x: x.std(), True, True),
    "norm": (lambda x: x.norm(), True, True),
    "logsumexp": (lambda x: x.logsumexp(0), True, True),
    "nan_to_num": (torch.nan_to_num, True, False),
}


@pytest.mark.parametrize("place", ["operand", "result"])
@pytest.mark.parametrize("name", READS)
def test_writes_to_what_a_function_reads(name, place):
    function, operand, result = READS[name]
    with torch.autograd.set_strict_inplace(True):
        x = weight() * 1
        y = function(x)
        (x if place == "operand" else y).add_(1)
        if operand if place == "operand" else result:
            with pytest.raises(RuntimeError, match=place + r" \d of .* version"):
                y.sum().backward()
        else:
            y.sum().backward()


def test_a_write_after_backward_is_fine():
    with torch.autograd.set_strict_inplace(True):
        a = weight()
        for _ in range(3):
            (a * a).sum().backward()
            with torch.no_grad():
                a.sub_(a.grad, alpha=.1)


def broken(x):
    y = x - 1
    return y.sqrt().sum() * 0  # 0 * inf


def test_an_anomaly_names_the_line():
    with torch.autograd.detect_anomaly():
        assert torch.is_anomaly_enabled()
        with pytest.raises(RuntimeError, match=r"Function 'sqrt' returned nan.*test_safety.py:\d+, in broken: "
                                               r"return y.sqrt\(\)"):
            broken(weight()).backward()
        (weight() * 2).sum().backward()
    assert not torch.is_anomaly_enabled()
    broken(weight()).backward()
    torch.autograd.set_detect_anomaly(True, check_nan=False)
    broken(weight()).backward()
    torch.autograd.set_detect_anomaly(False)
