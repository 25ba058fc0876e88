"""Activations as modules, one small class each, and multi-head attention."""

import math

from trivium import _C
from trivium.torch.nn import init
from trivium.torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from trivium.torch.nn.modules.module import Module
from trivium.torch.nn.parameter import Parameter

F = _C.functional


class _Inplace(Module):
    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input):
        return self._function(input, self.inplace)

    def extra_repr(self):
        return "inplace=True" if self.inplace else ""


class ReLU(_Inplace):
    _function = F.relu


class SELU(_Inplace):
    _function = F.selu


class SiLU(_Inplace):
    _function = F.silu


class Mish(_Inplace):
    _function = F.mish


class Hardsigmoid(_Inplace):
    _function = F.hardsigmoid

    def extra_repr(self):
        return ""


class Hardswish(_Inplace):
    _function = F.hardswish

    def extra_repr(self):
        return ""


class _Plain(Module):
    def forward(self, input):
        return self._function(input)


class Sigmoid(_Plain):
    _function = F.sigmoid


class Tanh(_Plain):
    _function = F.tanh


class Softsign(_Plain):
    _function = F.softsign


class Tanhshrink(_Plain):
    _function = F.tanhshrink


class LogSigmoid(_Plain):
    _function = F.logsigmoid


class LeakyReLU(Module):
    def __init__(self, negative_slope=1e-2, inplace=False):
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input):
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class _Alpha(Module):
    def __init__(self, alpha=1.0, inplace=False):
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input):
        return self._function(input, self.alpha, self.inplace)

    def extra_repr(self):
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class ELU(_Alpha):
    _function = F.elu


class CELU(_Alpha):
    _function = F.celu


class GELU(Module):
    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input):
        return F.gelu(input, self.approximate)

    def extra_repr(self):
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    def __init__(self, beta=1.0, threshold=20.0):
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input):
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self):
        return f"beta={self.beta}, threshold={self.threshold}"


class _Lambd(Module):
    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input):
        return self._function(input, self.lambd)

    def extra_repr(self):
        return str(self.lambd)


class Softshrink(_Lambd):
    _function = F.softshrink


class Hardshrink(_Lambd):
    _function = F.hardshrink


class Hardtanh(Module):
    def __init__(self, min_val=-1.0, max_val=1.0, inplace=False, min_value=None, max_value=None):
        super().__init__()
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise ValueError(f"Hardtanh: max_val {self.max_val} must exceed min_val {self.min_val}")

    def forward(self, input):
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self):
        return (f"min_val={self.min_val}, max_val={self.max_val}" +
                (", inplace=True" if self.inplace else ""))


class ReLU6(Hardtanh):
    def __init__(self, inplace=False):
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self):
        return "inplace=True" if self.inplace else ""


class Threshold(Module):
    def __init__(self, threshold, value, inplace=False):
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input):
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self):
        return (f"threshold={self.threshold}, value={self.value}" +
                (", inplace=True" if self.inplace else ""))


class GLU(Module):
    def __init__(self, dim=-1):
        super().__init__()
        self.dim = dim

    def forward(self, input):
        return F.glu(input, self.dim)

    def extra_repr(self):
        return f"dim={self.dim}"


class PReLU(Module):
    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(_C.full((num_parameters,), float(init), device=device, dtype=dtype))

    def reset_parameters(self):
        init.constant_(self.weight, self.init)

    def forward(self, input):
        return F.prelu(input, self.weight)

    def extra_repr(self):
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    def __init__(self, lower=1.0 / 8, upper=1.0 / 3, inplace=False):
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input):
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self):
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")


class _AlongDim(Module):
    def __init__(self, dim=None):
        super().__init__()
        self.dim = dim

    def forward(self, input):
        return self._function(input, self.dim)

    def extra_repr(self):
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    _function = F.softmax


class LogSoftmax(_AlongDim):
    _function = F.log_softmax


class Softmin(_AlongDim):
    _function = F.softmin


class Softmax2d(Module):
    def forward(self, input):
        if input.dim() not in (3, 4):
            raise RuntimeError(f"Softmax2d takes (N, C, H, W) or (C, H, W), not {tuple(input.shape)}")
        return F.softmax(input, -3)


class MultiheadAttention(Module):
    """Attention of several heads; see forward() for the shapes. A bool mask says what to ignore."""

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False,
                 add_zero_attn=False, kdim=None, vdim=None, batch_first=False, device=None, dtype=None):
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError("embed_dim and num_heads must be positive")
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads, self.dropout, self.batch_first = num_heads, dropout, batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError(f"embed_dim {embed_dim} is no multiple of num_heads {num_heads}")

        def empty(*size):
            return Parameter(_C.empty(*size, device=device, dtype=dtype))

        if self._qkv_same_embed_dim:
            self.in_proj_weight = empty(3 * embed_dim, embed_dim)
            for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
                self.register_parameter(name, None)
        else:
            self.q_proj_weight = empty(embed_dim, embed_dim)
            self.k_proj_weight = empty(embed_dim, self.kdim)
            self.v_proj_weight = empty(embed_dim, self.vdim)
            self.register_parameter("in_proj_weight", None)
        self.register_parameter("in_proj_bias", empty(3 * embed_dim) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias,
                                                        device=device, dtype=dtype)
        if add_bias_kv:
            self.bias_k, self.bias_v = empty(1, 1, embed_dim), empty(1, 1, embed_dim)
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self):
        if self._qkv_same_embed_dim:
            init.xavier_uniform_(self.in_proj_weight)
        else:
            for weight in (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
                average_attn_weights=True, is_causal=False):
        """query (L, N, E), key and value (S, N, E), batch first when so built, or without N.
        Returns (output, weights (N, L, S) or None)."""
        if is_causal and attn_mask is None:
            raise RuntimeError("is_causal=True needs attn_mask besides: it is only a hint")
        batched = query.dim() == 3
        same_key, same_value = key is query, value is key
        if not batched:
            query, key, value = (t.unsqueeze(1) for t in (query, key, value))
            if key_padding_mask is not None:
                key_padding_mask = key_padding_mask.unsqueeze(0)
        elif self.batch_first:
            query, key, value = (t.transpose(0, 1) for t in (query, key, value))
        output, weights = self._attend(query, key, value, key_padding_mask, need_weights, attn_mask,
                                       average_attn_weights, same_key and same_value)
        if not batched:
            return output.squeeze(1), None if weights is None else weights.squeeze(0)
        return (output.transpose(0, 1) if self.batch_first else output), weights

    def _project(self, query, key, value, one_source):
        if not self._qkv_same_embed_dim:
            biases = ((None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3))
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
            return [F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases)]
        if one_source:
            return F.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        return [F.linear(x, w, b) for x, w, b in
                zip((query, key, value), self.in_proj_weight.chunk(3), biases)]

    def _attend(self, query, key, value, padding_mask, need_weights, mask, average, one_source):
        length, batch, embed = query.shape
        heads, width = self.num_heads, self.head_dim
        q, k, v = self._project(query, key, value, one_source)
        extra = 0
        if self.bias_k is not None:
            k = _C.cat([k, self.bias_k.expand(1, batch, embed)])
            v = _C.cat([v, self.bias_v.expand(1, batch, embed)])
            extra += 1
        if self.add_zero_attn:
            zero = k.new_zeros(1, batch, embed)
            k, v = _C.cat([k, zero]), _C.cat([v, zero])
            extra += 1
        source = k.shape[0]
        q, k, v = (t.reshape(t.shape[0], batch, heads, width).permute(1, 2, 0, 3) for t in (q, k, v))
        added = self._additive(mask, padding_mask, batch, heads, q.dtype)
        if added is not None and extra:
            added = F.pad(added, (0, extra))
        p = self.dropout if self.training else 0.0
        if not need_weights:
            output = F.scaled_dot_product_attention(q, k, v, added, p)
            weights = None
        else:
            scores = (q * (1.0 / math.sqrt(width))).matmul(k.transpose(-2, -1))
            if added is not None:
                scores = scores + added
            weights = scores.softmax(-1)
            if p > 0:
                weights = F.dropout(weights.reshape(batch * heads, length, source), p).reshape(
                    batch, heads, length, source)
            output = weights.matmul(v)
            if average:
                weights = weights.mean(1)
        output = output.permute(2, 0, 1, 3).reshape(length, batch, embed)
        return F.linear(output, self.out_proj.weight, self.out_proj.bias), weights

    @staticmethod
    def _additive(mask, padding_mask, batch, heads, dtype):
        """Both masks as one to be added to the scores (N, heads, L, S); bool True ignores."""

        def as_float(m):
            if m.dtype != _C.bool:
                return m.to(dtype)
            return _C.zeros(m.shape, dtype=dtype).masked_fill_(m, float("-inf"))

        total = None
        if mask is not None:
            total = as_float(mask)
            if total.dim() == 3:
                total = total.view(batch, heads, *total.shape[1:])
        if padding_mask is not None:
            padding = as_float(padding_mask)[:, None, None, :]
            total = padding if total is None else total + padding
        return total
