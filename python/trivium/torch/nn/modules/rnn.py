"""Recurrent layers and cells. Gates are stacked as i, f, g, o (LSTM) and r, z, n (GRU); the reset
gate acts after the hidden product."""

import math
import warnings

from trivium import _C
from trivium.torch.nn import init
from trivium.torch.nn.modules.module import Module
from trivium.torch.nn.parameter import Parameter

F = _C.functional
_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _lstm_step(gates, c):
    i, f, g, o = gates.chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru_step(from_input, from_hidden, h):
    r_i, z_i, n_i = from_input.chunk(3, -1)
    r_h, z_h, n_h = from_hidden.chunk(3, -1)
    r = (r_i + r_h).sigmoid()
    z = (z_i + z_h).sigmoid()
    n = (n_i + r * n_h).tanh()
    return n + z * (h - n)


class RNNBase(Module):
    def __init__(self, mode, input_size, hidden_size, num_layers=1, bias=True, batch_first=False,
                 dropout=0.0, bidirectional=False, proj_size=0, device=None, dtype=None):
        super().__init__()
        if not isinstance(dropout, (int, float)) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"a dropout probability lies in [0, 1], not {dropout}")
        if dropout > 0 and num_layers == 1:
            warnings.warn("dropout acts between layers: with num_layers=1 it does nothing")
        if not isinstance(hidden_size, int):
            raise TypeError(f"hidden_size must be an int, not {type(hidden_size).__name__}")
        if hidden_size <= 0 or num_layers <= 0:
            raise ValueError("hidden_size and num_layers must be positive")
        if proj_size and (mode != "LSTM" or not 0 < proj_size < hidden_size):
            raise ValueError("proj_size is for LSTM and smaller than hidden_size")
        self.mode, self.input_size, self.hidden_size = mode, input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional, self.proj_size = float(dropout), bidirectional, proj_size
        directions = 2 if bidirectional else 1
        width = proj_size or hidden_size
        gates = _GATES[mode] * hidden_size
        for layer in range(num_layers):
            for direction in range(directions):
                inputs = input_size if layer == 0 else width * directions
                sizes = {"weight_ih": (gates, inputs), "weight_hh": (gates, width)}
                if bias:
                    sizes.update(bias_ih=(gates,), bias_hh=(gates,))
                if proj_size:
                    sizes["weight_hr"] = (proj_size, hidden_size)
                for name, size in sizes.items():
                    setattr(self, self._name(name, layer, direction),
                            Parameter(_C.empty(*size, device=device, dtype=dtype)))
        self.reset_parameters()

    @staticmethod
    def _name(name, layer, direction):
        return f"{name}_l{layer}{'_reverse' if direction else ''}"

    def reset_parameters(self):
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self):
        pass

    @property
    def all_weights(self):
        groups = []
        for layer in range(self.num_layers):
            for direction in range(2 if self.bidirectional else 1):
                names = ["weight_ih", "weight_hh"] + (["bias_ih", "bias_hh"] if self.bias else [])
                names += ["weight_hr"] if self.proj_size else []
                groups.append([getattr(self, self._name(n, layer, direction)) for n in names])
        return groups

    # ---- running

    def _run_direction(self, x, batch_sizes, weights, state, reverse):
        """One layer in one direction over x [rows, features]; the rows of step t are the first
        batch_sizes[t] sequences. Returns rows and the last state."""
        w_ih, w_hh = weights[0], weights[1]
        b_ih, b_hh = (weights[2], weights[3]) if self.bias else (None, None)
        w_hr = weights[-1] if self.proj_size else None
        lstm, gru = self.mode == "LSTM", self.mode == "GRU"
        if b_ih is not None and not gru:
            projected = F.linear(x, w_ih, b_ih + b_hh)
            b_hh = None
        else:
            projected = F.linear(x, w_ih, b_ih)
        pieces = projected.split(batch_sizes) if len(batch_sizes) > 1 else (projected,)
        h, c = state
        steps = range(len(batch_sizes))
        outputs = [None] * len(batch_sizes)
        for t in reversed(steps) if reverse else steps:
            size = batch_sizes[t]
            part = size != h.shape[0]
            h_now, c_now = (h[:size], None if c is None else c[:size]) if part else (h, c)
            recurrent = F.linear(h_now, w_hh, b_hh)
            if lstm:
                h_new, c_new = _lstm_step(pieces[t] + recurrent, c_now)
                if w_hr is not None:
                    h_new = F.linear(h_new, w_hr)
            elif gru:
                h_new, c_new = _gru_step(pieces[t], recurrent, h_now), None
            else:
                total = pieces[t] + recurrent
                h_new, c_new = (total.tanh() if self.mode == "RNN_TANH" else total.relu()), None
            outputs[t] = h_new
            if part:
                h_new = _C.cat([h_new, h[size:]])
                c_new = None if c_new is None else _C.cat([c_new, c[size:]])
            h, c = h_new, c_new
        return (_C.cat(outputs) if len(outputs) > 1 else outputs[0]), h, c

    def _run_layers(self, x, batch_sizes, h0, c0):
        directions = 2 if self.bidirectional else 1
        weights = self.all_weights
        last_h, last_c = [], []
        for layer in range(self.num_layers):
            rows = []
            for direction in range(directions):
                k = layer * directions + direction
                out, h, c = self._run_direction(x, batch_sizes, weights[k],
                                                (h0[k], None if c0 is None else c0[k]), direction == 1)
                rows.append(out)
                last_h.append(h)
                last_c.append(c)
            x = rows[0] if directions == 1 else _C.cat(rows, -1)
            if self.dropout and self.training and layer + 1 < self.num_layers:
                x = self._drop(x, batch_sizes)
        h = _C.stack(last_h)
        return x, h, (None if c0 is None else _C.stack(last_c))

    def _drop(self, x, batch_sizes):
        return F.dropout(x, self.dropout, True)

    def _check_state(self, h, batch, width, batched, what):
        layers = self.num_layers * (2 if self.bidirectional else 1)
        expected = (layers, batch, width)
        given = tuple(h.shape) if batched else (h.shape[0], 1, *h.shape[1:])
        if given != expected:
            raise RuntimeError(f"{type(self).__name__}: {what} must have shape {expected}, not "
                               f"{tuple(h.shape)}")
        return h if batched else h.unsqueeze(1)

    def _states(self, hx, like, batch, batched):
        layers = self.num_layers * (2 if self.bidirectional else 1)
        width = self.proj_size or self.hidden_size
        lstm = self.mode == "LSTM"
        if hx is None:
            zeros = _C.zeros(layers, batch, width, dtype=like.dtype)
            return zeros, _C.zeros(layers, batch, self.hidden_size, dtype=like.dtype) if lstm else None
        if lstm:
            h, c = hx
            return (self._check_state(h, batch, width, batched, "the hidden state"),
                    self._check_state(c, batch, self.hidden_size, batched, "the cell state"))
        return self._check_state(hx, batch, width, batched, "the hidden state"), None

    def _forward(self, input, hx):
        from trivium.torch.nn.utils.rnn import PackedSequence

        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.dim() not in (2, 3):
            raise ValueError(f"{type(self).__name__} takes 2-D or 3-D input, not {input.dim()}-D")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"{type(self).__name__}: the last axis of the input must be "
                               f"{self.input_size}, not {input.shape[-1]} of {tuple(input.shape)}")
        batched = input.dim() == 3
        x = input if batched else input.unsqueeze(1)
        if batched and self.batch_first:
            x = x.transpose(0, 1)
        steps, batch = x.shape[0], x.shape[1]
        h, c = self._states(hx, x, batch, batched)
        rows, h, c = self._run_layers(x.reshape(steps * batch, -1), [batch] * steps, h, c)
        out = rows.reshape(steps, batch, rows.shape[-1])
        if not batched:
            out, h, c = out.squeeze(1), h.squeeze(1), None if c is None else c.squeeze(1)
        elif self.batch_first:
            out = out.transpose(0, 1)
        return out, h, c

    def _forward_packed(self, packed, hx):
        from trivium.torch.nn.utils.rnn import PackedSequence

        sizes = packed.batch_sizes.tolist()
        h, c = self._states(hx, packed.data, sizes[0], True)
        if hx is not None and packed.sorted_indices is not None:
            h = h.index_select(1, packed.sorted_indices)
            c = None if c is None else c.index_select(1, packed.sorted_indices)
        rows, h, c = self._run_layers(packed.data, sizes, h, c)
        if packed.unsorted_indices is not None:
            h = h.index_select(1, packed.unsorted_indices)
            c = None if c is None else c.index_select(1, packed.unsorted_indices)
        out = PackedSequence(rows, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        return out, h, c

    def extra_repr(self):
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first:
            text += f", batch_first={self.batch_first}"
        if self.dropout:
            text += f", dropout={self.dropout}"
        if self.bidirectional:
            text += f", bidirectional={self.bidirectional}"
        return text


class RNN(RNNBase):
    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True,
                 batch_first=False, dropout=0.0, bidirectional=False, device=None, dtype=None):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")
        self.__dict__["nonlinearity"] = nonlinearity
        super().__init__("RNN_" + nonlinearity.upper(), input_size, hidden_size, num_layers, bias,
                         batch_first, dropout, bidirectional, 0, device, dtype)

    def forward(self, input, hx=None):
        out, h, _ = self._forward(input, hx)
        return out, h


class GRU(RNNBase):
    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
                 bidirectional=False, device=None, dtype=None):
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout,
                         bidirectional, 0, device, dtype)

    def forward(self, input, hx=None):
        out, h, _ = self._forward(input, hx)
        return out, h


class LSTM(RNNBase):
    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
                 bidirectional=False, proj_size=0, device=None, dtype=None):
        super().__init__("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout,
                         bidirectional, proj_size, device, dtype)

    def forward(self, input, hx=None):
        out, h, c = self._forward(input, hx)
        return out, (h, c)


class RNNCellBase(Module):
    def __init__(self, input_size, hidden_size, bias, num_chunks, device=None, dtype=None):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        kind = {"device": device, "dtype": dtype}
        self.weight_ih = Parameter(_C.empty(rows, input_size, **kind))
        self.weight_hh = Parameter(_C.empty(rows, hidden_size, **kind))
        self.register_parameter("bias_ih", Parameter(_C.empty(rows, **kind)) if bias else None)
        self.register_parameter("bias_hh", Parameter(_C.empty(rows, **kind)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _state(self, input, h):
        if input.dim() not in (1, 2):
            raise ValueError(f"{type(self).__name__} takes 1-D or 2-D input, not {input.dim()}-D")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"{type(self).__name__}: input of width {self.input_size} expected, "
                               f"{input.shape[-1]} given")
        if h is None:
            return _C.zeros(*input.shape[:-1], self.hidden_size, dtype=input.dtype)
        if h.shape[-1] != self.hidden_size or h.shape[:-1] != input.shape[:-1]:
            raise RuntimeError(f"{type(self).__name__}: state of shape "
                               f"{(*input.shape[:-1], self.hidden_size)} expected, {tuple(h.shape)} "
                               "given")
        return h

    def extra_repr(self):
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text


class RNNCell(RNNCellBase):
    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity
        if nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")

    def forward(self, input, hx=None):
        h = self._state(input, hx)
        total = F.linear(input, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        return total.tanh() if self.nonlinearity == "tanh" else total.relu()


class GRUCell(RNNCellBase):
    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input, hx=None):
        h = self._state(input, hx)
        return _gru_step(F.linear(input, self.weight_ih, self.bias_ih),
                         F.linear(h, self.weight_hh, self.bias_hh), h)


class LSTMCell(RNNCellBase):
    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input, hx=None):
        h, c = (None, None) if hx is None else hx
        h, c = self._state(input, h), self._state(input, c)
        gates = F.linear(input, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        return _lstm_step(gates, c)
