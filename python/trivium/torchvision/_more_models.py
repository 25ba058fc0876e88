"""DenseNet, ShuffleNet V2, Inception v3, MobileNetV3 and EfficientNet, in the key names of their weight
files. torchvision.models gives them out."""

import collections
import math
import re

import trivium.torch as torch
from trivium.torch import nn

F = nn.functional


def rounded(value, divisor=8):
    """Channels in multiples of 8, never below 90%."""
    new = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return new + divisor if new < 0.9 * value else new


def _conv(inputs, outputs, kernel, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


# ---- DenseNet

class DenseLayer(nn.Module):
    def __init__(self, inputs, growth, bn_size, drop_rate):
        super().__init__()
        self.norm1, self.relu1 = nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)
        self.conv1 = _conv(inputs, bn_size * growth, 1)
        self.norm2, self.relu2 = nn.BatchNorm2d(bn_size * growth), nn.ReLU(inplace=True)
        self.conv2 = _conv(bn_size * growth, growth, 3)
        self.drop_rate = float(drop_rate)

    def forward(self, x):
        if not isinstance(x, torch.Tensor):
            x = torch.cat(x, 1)
        y = self.conv2(self.relu2(self.norm2(self.conv1(self.relu1(self.norm1(x))))))
        return F.dropout(y, self.drop_rate, self.training) if self.drop_rate > 0 else y


class DenseBlock(nn.ModuleDict):
    def __init__(self, layers, inputs, growth, bn_size, drop_rate):
        super().__init__()
        for i in range(layers):
            self.add_module(f"denselayer{i + 1}",
                            DenseLayer(inputs + i * growth, growth, bn_size, drop_rate))

    def forward(self, x):
        seen = [x]
        for layer in self.values():
            seen.append(layer(seen))
        return torch.cat(seen, 1)


class Transition(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm, self.relu = nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)
        self.conv, self.pool = _conv(inputs, outputs, 1), nn.AvgPool2d(2, 2)


class DenseNet(nn.Module):
    def __init__(self, growth_rate=32, block_config=(6, 12, 24, 16), num_init_features=64, bn_size=4,
                 drop_rate=0, num_classes=1000):
        super().__init__()
        channels = num_init_features
        self.features = nn.Sequential(collections.OrderedDict(
            conv0=_conv(3, channels, 7, 2), norm0=nn.BatchNorm2d(channels),
            relu0=nn.ReLU(inplace=True), pool0=nn.MaxPool2d(3, 2, 1)))
        for i, layers in enumerate(block_config):
            self.features.add_module(f"denseblock{i + 1}", DenseBlock(layers, channels, growth_rate,
                                                                      bn_size, drop_rate))
            channels += layers * growth_rate
            if i + 1 < len(block_config):
                self.features.add_module(f"transition{i + 1}", Transition(channels, channels // 2))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
            elif isinstance(m, nn.Linear):
                nn.init.zeros_(m.bias)

    def forward(self, x):
        y = F.adaptive_avg_pool2d(F.relu(self.features(x), inplace=True), (1, 1))
        return self.classifier(torch.flatten(y, 1))


_OLD_DENSE = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")


def new_dense_names(state):
    """The published files say norm.1 where the module says norm1."""
    return collections.OrderedDict(
        ("".join(_OLD_DENSE.fullmatch(key).groups()) if _OLD_DENSE.fullmatch(key) else key, value)
        for key, value in state.items())


# ---- ShuffleNet V2

class ShuffleUnit(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        half, self.stride = outputs // 2, stride
        self.branch1 = nn.Sequential() if stride == 1 else nn.Sequential(
            _conv(inputs, inputs, 3, stride, inputs), nn.BatchNorm2d(inputs),
            _conv(inputs, half, 1), nn.BatchNorm2d(half), nn.ReLU(inplace=True))
        self.branch2 = nn.Sequential(
            _conv(inputs if stride > 1 else half, half, 1), nn.BatchNorm2d(half), nn.ReLU(inplace=True),
            _conv(half, half, 3, stride, half), nn.BatchNorm2d(half),
            _conv(half, half, 1), nn.BatchNorm2d(half), nn.ReLU(inplace=True))

    def forward(self, x):
        if self.stride == 1:
            passing, worked = x.chunk(2, 1)
        else:
            passing, worked = self.branch1(x), x
        return F.channel_shuffle(torch.cat((passing, self.branch2(worked)), 1), 2)


class ShuffleNetV2(nn.Module):
    def __init__(self, stages_repeats, stages_out_channels, num_classes=1000):
        super().__init__()
        channels = stages_out_channels

        def unit(inputs, outputs, kernel, stride):
            return nn.Sequential(_conv(inputs, outputs, kernel, stride), nn.BatchNorm2d(outputs),
                                 nn.ReLU(inplace=True))

        self.conv1, self.maxpool = unit(3, channels[0], 3, 2), nn.MaxPool2d(3, 2, 1)
        for i, repeats in enumerate(stages_repeats):
            units = [ShuffleUnit(channels[i], channels[i + 1], 2)]
            units += [ShuffleUnit(channels[i + 1], channels[i + 1], 1) for _ in range(repeats - 1)]
            setattr(self, f"stage{i + 2}", nn.Sequential(*units))
        self.conv5 = unit(channels[-2], channels[-1], 1, 1)
        self.fc = nn.Linear(channels[-1], num_classes)

    def forward(self, x):
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(x)))))
        return self.fc(self.conv5(x).mean([2, 3]))


# ---- Inception v3

InceptionOutputs = collections.namedtuple("InceptionOutputs", ("logits", "aux_logits"))


class BasicConv2d(nn.Module):
    """high, wide: the kernel; at stride 1 padded to keep the size unless pad says no."""

    def __init__(self, inputs, outputs, high=1, wide=None, stride=1, pad=True):
        super().__init__()
        wide = high if wide is None else wide
        padding = ((high - 1) // 2, (wide - 1) // 2) if pad and stride == 1 else 0
        self.conv = nn.Conv2d(inputs, outputs, (high, wide), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class InceptionBlock(nn.Module):
    """Branches of convolutions one after another. A name of two parts at the end of a branch that
    differ in their last letter, a and b, says that both read what comes before. pool 0: the maximum at
    stride 2; else the mean at stride 1 and a convolution."""

    def __init__(self, inputs, branches, pool):
        super().__init__()
        self._branches = []
        for branch in branches:
            channels = before = inputs
            for name, outputs, *shape in branch:
                source = before if name.endswith("b") else channels
                setattr(self, name, BasicConv2d(source, outputs, *shape))
                before, channels = channels, outputs
            self._branches.append([name for name, *_ in branch])
        if pool:
            self.branch_pool = BasicConv2d(inputs, pool)
        self._pool = bool(pool)

    def forward(self, x):
        parts = []
        for names in self._branches:
            y = before = x
            for name in names:
                if name.endswith("b"):
                    parts.append(y)
                    y = before
                before, y = y, getattr(self, name)(y)
            parts.append(y)
        parts.append(self.branch_pool(F.avg_pool2d(x, 3, 1, 1)) if self._pool else F.max_pool2d(x, 3, 2))
        return torch.cat(parts, 1)


def _block_a(inputs, pool):
    return InceptionBlock(inputs, [
        [("branch1x1", 64)], [("branch5x5_1", 48), ("branch5x5_2", 64, 5)],
        [("branch3x3dbl_1", 64), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)]], pool)


def _block_b(inputs):
    return InceptionBlock(inputs, [
        [("branch3x3", 384, 3, 3, 2)],
        [("branch3x3dbl_1", 64), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3, 3, 2)]], 0)


def _block_c(inputs, c7):
    return InceptionBlock(inputs, [
        [("branch1x1", 192)],
        [("branch7x7_1", c7), ("branch7x7_2", c7, 1, 7), ("branch7x7_3", 192, 7, 1)],
        [("branch7x7dbl_1", c7), ("branch7x7dbl_2", c7, 7, 1), ("branch7x7dbl_3", c7, 1, 7),
         ("branch7x7dbl_4", c7, 7, 1), ("branch7x7dbl_5", 192, 1, 7)]], 192)


def _block_d(inputs):
    return InceptionBlock(inputs, [
        [("branch3x3_1", 192), ("branch3x3_2", 320, 3, 3, 2)],
        [("branch7x7x3_1", 192), ("branch7x7x3_2", 192, 1, 7), ("branch7x7x3_3", 192, 7, 1),
         ("branch7x7x3_4", 192, 3, 3, 2)]], 0)


def _block_e(inputs):
    return InceptionBlock(inputs, [
        [("branch1x1", 320)],
        [("branch3x3_1", 384), ("branch3x3_2a", 384, 1, 3), ("branch3x3_2b", 384, 3, 1)],
        [("branch3x3dbl_1", 448), ("branch3x3dbl_2", 384, 3), ("branch3x3dbl_3a", 384, 1, 3),
         ("branch3x3dbl_3b", 384, 3, 1)]], 192)


class InceptionAux(nn.Module):
    def __init__(self, inputs, num_classes):
        super().__init__()
        self.conv0 = BasicConv2d(inputs, 128)
        self.conv1 = BasicConv2d(128, 768, 5, pad=False)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x):
        x = self.conv1(self.conv0(F.avg_pool2d(x, 5, 3)))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


class Inception3(nn.Module):
    _BEFORE = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1",
               "Conv2d_4a_3x3", "maxpool2", "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b",
               "Mixed_6c", "Mixed_6d", "Mixed_6e")

    def __init__(self, num_classes=1000, aux_logits=True, transform_input=False, init_weights=None,
                 dropout=0.5):
        super().__init__()
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.Conv2d_1a_3x3 = BasicConv2d(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = BasicConv2d(32, 32, 3, pad=False)
        self.Conv2d_2b_3x3 = BasicConv2d(32, 64, 3)
        self.maxpool1 = nn.MaxPool2d(3, 2)
        self.Conv2d_3b_1x1 = BasicConv2d(64, 80)
        self.Conv2d_4a_3x3 = BasicConv2d(80, 192, 3, pad=False)
        self.maxpool2 = nn.MaxPool2d(3, 2)
        self.Mixed_5b, self.Mixed_5c = _block_a(192, 32), _block_a(256, 64)
        self.Mixed_5d, self.Mixed_6a = _block_a(288, 64), _block_b(288)
        self.Mixed_6b, self.Mixed_6c = _block_c(768, 128), _block_c(768, 160)
        self.Mixed_6d, self.Mixed_6e = _block_c(768, 160), _block_c(768, 192)
        self.AuxLogits = InceptionAux(768, num_classes) if aux_logits else None
        self.Mixed_7a, self.Mixed_7b, self.Mixed_7c = _block_d(768), _block_e(1280), _block_e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights is None or init_weights:
            for name, m in self.named_modules():
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    nn.init.trunc_normal_(m.weight, 0.0, 0.001 if name == "AuxLogits.fc" else 0.1, -2, 2)

    def forward(self, x):
        if self.transform_input:
            mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
            x = torch.cat([x[:, c:c + 1] * (std[c] / 0.5) + (mean[c] - 0.5) / 0.5 for c in range(3)], 1)
        for name in self._BEFORE:
            x = getattr(self, name)(x)
        aux = self.AuxLogits(x) if self.training and self.AuxLogits is not None else None
        x = self.avgpool(self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))))
        x = self.fc(torch.flatten(self.dropout(x), 1))
        return InceptionOutputs(x, aux) if self.training and self.aux_logits else x


# ---- MobileNetV3 and EfficientNet

class ConvUnit(nn.Sequential):
    def __init__(self, inputs, outputs, kernel=1, stride=1, groups=1, dilation=1, activation=None, **norm):
        super().__init__(nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2 * dilation, dilation,
                                   groups, bias=False), nn.BatchNorm2d(outputs, **norm))
        if activation is not None:
            self.append(activation(inplace=True))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, squeezed, activation, scale_activation):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)
        self.activation, self.scale_activation = activation, scale_activation

    def forward(self, x):
        return self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x))))) * x


def _draw_fan_out(net, linear):
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out")
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Linear):
            linear(m.weight)
            nn.init.zeros_(m.bias)


class MobileBlock(nn.Module):
    """One row of MobileNetV3's tables."""

    def __init__(self, inputs, kernel, expanded, outputs, squeeze, hard_swish, stride, dilation=1):
        super().__init__()
        norm = {"eps": 0.001, "momentum": 0.01}
        activation = nn.Hardswish if hard_swish else nn.ReLU
        self.use_res_connect = stride == 1 and inputs == outputs
        layers = [] if expanded == inputs else [ConvUnit(inputs, expanded, activation=activation, **norm)]
        layers.append(ConvUnit(expanded, expanded, kernel, 1 if dilation > 1 else stride, expanded, dilation,
                               activation, **norm))
        if squeeze:
            layers.append(SqueezeExcitation(expanded, rounded(expanded // 4), nn.ReLU(), nn.Hardsigmoid()))
        layers.append(ConvUnit(expanded, outputs, **norm))
        self.block = nn.Sequential(*layers)

    def forward(self, x):
        y = self.block(x)
        return y + x if self.use_res_connect else y


class MobileNetV3(nn.Module):
    def __init__(self, rows, last_channel, num_classes=1000, dropout=0.2):
        super().__init__()
        norm = {"activation": nn.Hardswish, "eps": 0.001, "momentum": 0.01}
        first, final = rows[0][0], rows[-1][3]
        self.features = nn.Sequential(ConvUnit(3, first, 3, 2, **norm), *(MobileBlock(*row) for row in rows),
                                      ConvUnit(final, 6 * final, **norm))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(6 * final, last_channel), nn.Hardswish(inplace=True),
                                        nn.Dropout(dropout, inplace=True),
                                        nn.Linear(last_channel, num_classes))
        _draw_fan_out(self, lambda weight: nn.init.normal_(weight, 0, 0.01))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def _mobile_v3(rows, last, width_mult=1.0, reduced_tail=False, dilated=False, **kwargs):
    """Rows as in the paper; those of stride 2 and after it at the end are the tail."""
    part, dilation = 2 if reduced_tail else 1, 2 if dilated else 1

    def wide(channels):
        return rounded(channels * width_mult)

    tail = len(rows) - 3
    out = []
    for i, (inputs, kernel, expanded, outputs, squeeze, hard, stride) in enumerate(rows):
        inputs = inputs // part if i > tail else inputs
        expanded = expanded // part if i > tail else expanded
        outputs = outputs // part if i >= tail else outputs
        out.append((wide(inputs), kernel, wide(expanded), wide(outputs), squeeze, hard, stride,
                    dilation if i >= tail else 1))
    return MobileNetV3(out, wide(last // part), **kwargs)


_SMALL = [
    (16, 3, 16, 16, True, False, 2), (16, 3, 72, 24, False, False, 2), (24, 3, 88, 24, False, False, 1),
    (24, 5, 96, 40, True, True, 2), (40, 5, 240, 40, True, True, 1), (40, 5, 240, 40, True, True, 1),
    (40, 5, 120, 48, True, True, 1), (48, 5, 144, 48, True, True, 1), (48, 5, 288, 96, True, True, 2),
    (96, 5, 576, 96, True, True, 1), (96, 5, 576, 96, True, True, 1)]
_LARGE = [
    (16, 3, 16, 16, False, False, 1), (16, 3, 64, 24, False, False, 2),
    (24, 3, 72, 24, False, False, 1), (24, 5, 72, 40, True, False, 2),
    (40, 5, 120, 40, True, False, 1), (40, 5, 120, 40, True, False, 1),
    (40, 3, 240, 80, False, True, 2), (80, 3, 200, 80, False, True, 1),
    (80, 3, 184, 80, False, True, 1), (80, 3, 184, 80, False, True, 1),
    (80, 3, 480, 112, True, True, 1), (112, 3, 672, 112, True, True, 1),
    (112, 5, 672, 160, True, True, 2), (160, 5, 960, 160, True, True, 1),
    (160, 5, 960, 160, True, True, 1)]


class StochasticDepth(nn.Module):
    """In training drops whole examples with probability p and scales the rest."""

    def __init__(self, p, mode="row"):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"StochasticDepth: p must lie in [0, 1], not {p}")
        if mode != "row":
            raise NotImplementedError(f"StochasticDepth: mode {mode!r} is not provided; 'row' is")
        self.p, self.mode = p, mode

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        noise = x.new_empty([x.shape[0]] + [1] * (x.dim() - 1)).bernoulli_(1 - self.p)
        return x * (noise / (1 - self.p) if self.p < 1 else noise)

    def extra_repr(self):
        return f"p={self.p}, mode={self.mode}"


class EfficientBlock(nn.Module):
    def __init__(self, expand, kernel, stride, inputs, outputs, drop, norm):
        super().__init__()
        hidden = rounded(inputs * expand)
        self.use_res_connect = stride == 1 and inputs == outputs
        layers = [] if hidden == inputs else [ConvUnit(inputs, hidden, activation=nn.SiLU, **norm)]
        layers += [ConvUnit(hidden, hidden, kernel, stride, hidden, activation=nn.SiLU, **norm),
                   SqueezeExcitation(hidden, max(1, inputs // 4), nn.SiLU(inplace=True), nn.Sigmoid()),
                   ConvUnit(hidden, outputs, **norm)]
        self.block, self.stochastic_depth = nn.Sequential(*layers), StochasticDepth(drop)

    def forward(self, x):
        y = self.block(x)
        return self.stochastic_depth(y) + x if self.use_res_connect else y


class EfficientNet(nn.Module):
    _STAGES = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3),
               (6, 5, 1, 80, 112, 3), (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1)]

    def __init__(self, width, depth, dropout, num_classes=1000, stochastic_depth_prob=0.2, norm=None):
        super().__init__()
        norm, done = norm or {}, 0

        def wide(channels):
            return rounded(channels * width)

        counts = [math.ceil(stage[5] * depth) for stage in self._STAGES]
        layers = [ConvUnit(3, wide(32), 3, 2, activation=nn.SiLU, **norm)]
        for (expand, kernel, stride, inputs, outputs, _), count in zip(self._STAGES, counts):
            blocks, inputs, outputs = [], wide(inputs), wide(outputs)
            for _ in range(count):
                blocks.append(EfficientBlock(expand, kernel, stride, inputs, outputs,
                                             stochastic_depth_prob * done / sum(counts), norm))
                inputs, stride, done = outputs, 1, done + 1
            layers.append(nn.Sequential(*blocks))
        layers.append(ConvUnit(wide(320), 4 * wide(320), activation=nn.SiLU, **norm))
        self.features, self.avgpool = nn.Sequential(*layers), nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout, inplace=True),
                                        nn.Linear(4 * wide(320), num_classes))
        bound = 1 / math.sqrt(num_classes)
        _draw_fan_out(self, lambda weight: nn.init.uniform_(weight, -bound, bound))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def _efficient(width, depth, dropout, **fixed):
    return lambda **kwargs: EfficientNet(width, depth, **{"dropout": dropout, **fixed, **kwargs})


def _dense(growth, blocks, first):
    return lambda **kwargs: DenseNet(**{"growth_rate": growth, "block_config": blocks,
                                        "num_init_features": first, **kwargs})


def _shuffle(*channels):
    return lambda **kwargs: ShuffleNetV2([4, 8, 4], list(channels), **kwargs)


_LATE = {"norm": {"eps": 0.001, "momentum": 0.01}}
MAKERS = {
    "densenet121": _dense(32, (6, 12, 24, 16), 64), "densenet161": _dense(48, (6, 12, 36, 24), 96),
    "densenet169": _dense(32, (6, 12, 32, 32), 64), "densenet201": _dense(32, (6, 12, 48, 32), 64),
    "shufflenet_v2_x0_5": _shuffle(24, 48, 96, 192, 1024),
    "shufflenet_v2_x1_0": _shuffle(24, 116, 232, 464, 1024),
    "shufflenet_v2_x1_5": _shuffle(24, 176, 352, 704, 1024),
    "shufflenet_v2_x2_0": _shuffle(24, 244, 488, 976, 2048),
    "inception_v3": Inception3,
    "mobilenet_v3_small": lambda **kwargs: _mobile_v3(_SMALL, 1024, **kwargs),
    "mobilenet_v3_large": lambda **kwargs: _mobile_v3(_LARGE, 1280, **kwargs),
    "efficientnet_b0": _efficient(1.0, 1.0, 0.2), "efficientnet_b1": _efficient(1.0, 1.1, 0.2),
    "efficientnet_b2": _efficient(1.1, 1.2, 0.3), "efficientnet_b3": _efficient(1.2, 1.4, 0.3),
    "efficientnet_b4": _efficient(1.4, 1.8, 0.4), "efficientnet_b5": _efficient(1.6, 2.2, 0.4, **_LATE),
    "efficientnet_b6": _efficient(1.8, 2.6, 0.5, **_LATE),
    "efficientnet_b7": _efficient(2.0, 3.1, 0.5, **_LATE)}
