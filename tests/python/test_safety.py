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


# PyTorch refuses clamp_input too; Trivium keeps the result of clamp(min=0), not its operand.
REFUSED = [mul_operand, exp_result, sin_input, sigmoid_result, relu_then_add,
           relu_inplace_then_mul, mm_operand, through_detach, under_no_grad, view_of_operand,
           leaf_step, pow_input, softmax_result, index_write_after_use]
FINE = [clamp_input, mul_inplace_by_weight, add_then_inplace, sin_result,
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
