"""Convolutions and transposed convolutions of one to three spatial axes."""

import math

from trivium import _C
from trivium.torch.nn import init
from trivium.torch.nn.modules.module import Module
from trivium.torch.nn.parameter import Parameter

F = _C.functional


def _tuple(value, n):
    if isinstance(value, (tuple, list)):
        return tuple(value)
    return (value,) * n


class _ConvNd(Module):
    _spatial = 0
    _transposed = False

    def _make(self, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
              padding_mode, device, dtype, output_padding=0):
        n = self._spatial
        if groups <= 0:
            raise ValueError("groups must be positive")
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"{in_channels} input and {out_channels} output channels cannot be cut "
                             f"into {groups} groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"padding must be numbers, 'same' or 'valid', not '{padding}'")
            if padding == "same" and any(s != 1 for s in _tuple(stride, n)):
                raise ValueError("padding='same' needs stride 1")
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(f"padding_mode '{padding_mode}' is not known")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride = _tuple(kernel_size, n), _tuple(stride, n)
        self.padding = padding if isinstance(padding, str) else _tuple(padding, n)
        self.dilation, self.groups = _tuple(dilation, n), groups
        self.transposed, self.padding_mode = self._transposed, padding_mode
        self.output_padding = _tuple(output_padding, n)
        first, second = ((in_channels, out_channels // groups) if self._transposed
                         else (out_channels, in_channels // groups))
        self.weight = Parameter(_C.empty(first, second, *self.kernel_size, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(_C.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = self.weight.shape[1:].numel()
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self):
        n = self._spatial
        text = (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
                f"stride={self.stride}")
        if self.padding != (0,) * n:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * n:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * n:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Conv(_ConvNd):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1,
                 groups=1, bias=True, padding_mode="zeros", device=None, dtype=None):
        super().__init__()
        self._make(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                   padding_mode, device, dtype)

    def forward(self, input):
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input, weight, bias):
        if self.padding_mode != "zeros":
            return F._conv_nd(self._spatial, input, weight, bias, self.stride, self.padding,
                              self.dilation, self.groups, self.padding_mode)
        return self._function(input, weight, bias, self.stride, self.padding, self.dilation,
                              self.groups)


class Conv1d(_Conv):
    _spatial = 1
    _function = F.conv1d


class Conv2d(_Conv):
    _spatial = 2
    _function = F.conv2d


class Conv3d(_Conv):
    _spatial = 3
    _function = F.conv3d


class _ConvTransposeNd(_ConvNd):
    _transposed = True

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0,
                 groups=1, bias=True, dilation=1, padding_mode="zeros", device=None, dtype=None):
        if padding_mode != "zeros":
            raise ValueError("transposed convolutions pad with zeros only")
        super().__init__()
        self._make(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                   padding_mode, device, dtype, output_padding)

    def _output_padding(self, input, output_size):
        """The padding that makes the output of the size asked for."""
        if output_size is None:
            return self.output_padding
        n = self._spatial
        wanted = tuple(output_size)[-n:]
        found = []
        for i in range(n):
            least = ((input.shape[i - n] - 1) * self.stride[i] - 2 * self.padding[i] +
                     self.dilation[i] * (self.kernel_size[i] - 1) + 1)
            if not 0 <= wanted[i] - least < max(self.stride[i], self.dilation[i]):
                raise ValueError(f"output_size {tuple(output_size)} cannot come from input "
                                 f"{tuple(input.shape)}: axis {i} can be {least} to "
                                 f"{least + max(self.stride[i], self.dilation[i]) - 1}")
            found.append(wanted[i] - least)
        return tuple(found)

    def forward(self, input, output_size=None):
        return self._function(input, self.weight, self.bias, self.stride, self.padding,
                              self._output_padding(input, output_size), self.groups, self.dilation)


class ConvTranspose1d(_ConvTransposeNd):
    _spatial = 1
    _function = F.conv_transpose1d


class ConvTranspose2d(_ConvTransposeNd):
    _spatial = 2
    _function = F.conv_transpose2d


class ConvTranspose3d(_ConvTransposeNd):
    _spatial = 3
    _function = F.conv_transpose3d
