"""Writes layers.txt: seeded layers of PyTorch, their outputs and gradients as weighted sums.

    python3 make_layers.py         (needs torch; the test only reads the file)

Each line: name, then sum(w*out), sum(w*input gradient), sum(w*parameter gradients) with
w_i = sin(i + 1). Every case seeds with 0, makes the layer, then draws the input.
"""
import torch
from torch import nn


def weighted(t):
    t = t.detach().double().flatten()
    return float((t * torch.sin(torch.arange(1, t.numel() + 1, dtype=torch.float64))).sum())


def first(y):
    return y[0] if isinstance(y, tuple) else y


CASES = {
    "lstm": (lambda: nn.LSTM(3, 4, 2, bidirectional=True, dropout=0.3), (5, 2, 3)),
    "lstm_proj": (lambda: nn.LSTM(3, 5, 2, proj_size=2, batch_first=True), (2, 4, 3)),
    "lstm_unbatched": (lambda: nn.LSTM(3, 4, bias=False), (5, 3)),
    "gru": (lambda: nn.GRU(3, 4, 3, dropout=0.5), (5, 2, 3)),
    "rnn": (lambda: nn.RNN(3, 4, 2, nonlinearity="relu", bidirectional=True), (5, 2, 3)),
    "rnn_cell": (lambda: nn.RNNCell(3, 4), (2, 3)),
    "lstm_cell": (lambda: nn.LSTMCell(3, 4), (2, 3)),
    "encoder_pre": (lambda: nn.TransformerEncoderLayer(8, 2, 16, norm_first=True, activation="gelu", batch_first=True), (2, 5, 8)),
    "conv1d_same": (lambda: nn.Conv1d(2, 4, 4, padding="same", dilation=2), (2, 2, 9)),
    "conv2d_groups": (lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2, bias=False), (2, 4, 7, 6)),
    "conv2d_circular": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), (2, 2, 5, 5)),
    "conv2d_reflect": (lambda: nn.Conv2d(2, 3, 3, padding=2, padding_mode="reflect"), (2, 5, 5)),
    "conv3d": (lambda: nn.Conv3d(2, 3, 2, stride=2), (2, 2, 4, 5, 4)),
    "convt1d": (lambda: nn.ConvTranspose1d(3, 4, 3, stride=2, output_padding=1), (2, 3, 5)),
    "convt2d": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, dilation=2), (2, 4, 4, 5)),
    "convt3d": (lambda: nn.ConvTranspose3d(2, 3, 2, stride=2, bias=False), (1, 2, 3, 3, 3)),
    "maxpool_ceil": (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 3, 6, 7)),
    "maxpool3d": (lambda: nn.MaxPool3d(2), (1, 2, 4, 4, 5)),
    "avgpool_ceil": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), (2, 3, 6, 7)),
    "avgpool1d": (lambda: nn.AvgPool1d(3, 2, 1), (2, 3, 8)),
    "adaptive_avg": (lambda: nn.AdaptiveAvgPool2d((3, 2)), (2, 3, 7, 5)),
    "adaptive_max": (lambda: nn.AdaptiveMaxPool2d((3, 2)), (2, 3, 7, 5)),
    "lppool": (lambda: nn.LPPool2d(2.0, 2), (2, 3, 4, 6)),
    "batchnorm_cumulative": (lambda: nn.BatchNorm2d(3, momentum=None), (4, 3, 2, 2)),
    "instancenorm": (lambda: nn.InstanceNorm2d(3, affine=True), (2, 3, 4, 4)),
    "groupnorm": (lambda: nn.GroupNorm(2, 4), (3, 4, 5)),
    "layernorm": (lambda: nn.LayerNorm((3, 4)), (2, 3, 4)),
    "rmsnorm": (lambda: nn.RMSNorm(4), (3, 4)),
    "lrn": (lambda: nn.LocalResponseNorm(3, 0.5), (2, 5, 3, 3)),
    "prelu": (lambda: nn.PReLU(3), (2, 3, 4)),
    "glu": (lambda: nn.GLU(1), (3, 4)),
    "mish": (lambda: nn.Mish(), (3, 4)),
    "dropout2d": (lambda: nn.Dropout2d(0.4), (4, 5, 2, 2)),
    "alpha_dropout": (lambda: nn.AlphaDropout(0.3), (4, 5)),
    "rrelu": (lambda: nn.RReLU(), (4, 5)),
    "upsample": (lambda: nn.Upsample(scale_factor=1.5, mode="bilinear"), (1, 2, 4, 6)),
    "pixel_shuffle": (lambda: nn.PixelShuffle(2), (1, 8, 2, 3)),
    "reflection_pad": (lambda: nn.ReflectionPad2d((1, 2, 0, 1)), (1, 2, 4, 4)),
    "unfold": (lambda: nn.Unfold(2, stride=2), (1, 2, 4, 6)),
    "weight_norm": (lambda: nn.utils.weight_norm(nn.Linear(3, 4)), (2, 3)),
    "spectral_norm": (lambda: nn.utils.spectral_norm(nn.Conv2d(2, 3, 2)), (2, 2, 4, 4)),
}


def attention(**options):
    return lambda: nn.MultiheadAttention(6, 2, **options)


ATTENTION = {
    "mha": (attention(), 6, 6),
    "mha_dims": (attention(kdim=4, vdim=5, bias=False), 4, 5),
    "mha_extra": (attention(add_bias_kv=True, add_zero_attn=True), 6, 6),
    "mha_dropout": (attention(dropout=0.4), 6, 6),
}

with open("layers.txt", "w") as out:

    def line(name, layer, y, xs):
        (y * torch.sin(torch.arange(1, y.numel() + 1.0)).view(y.shape)).sum().backward()
        grads = [p.grad.flatten() for _, p in sorted(layer.named_parameters()) if p.grad is not None]
        g = weighted(torch.cat(grads)) if grads else 0.0
        print(name, weighted(y), weighted(torch.cat([x.grad.flatten() for x in xs])), g, file=out)

    for name, (make, shape) in CASES.items():
        torch.manual_seed(0)
        layer = make()
        x = torch.randn(shape, requires_grad=True)
        line(name, layer, first(layer(x)), [x])
    for name, (make, k, v) in ATTENTION.items():
        torch.manual_seed(0)
        layer = make()
        xs = [torch.randn(3, 2, 6), torch.randn(4, 2, k), torch.randn(4, 2, v)]
        for x in xs:
            x.requires_grad_()
        mask = torch.tensor([[False, True, False, False], [False, False, False, True]])
        y, w = layer(*xs, key_padding_mask=mask)
        line(name, layer, torch.cat([y.flatten(), w.flatten()]), xs)
    torch.manual_seed(0)
    layer = nn.Transformer(8, 2, 2, 2, 16, 0.1)
    xs = [torch.randn(4, 2, 8, requires_grad=True), torch.randn(3, 2, 8, requires_grad=True)]
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    line("transformer", layer, layer(*xs, tgt_mask=mask), xs)
