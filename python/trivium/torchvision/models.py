"""torchvision's classifiers, in the key names of their weight files; _more_models holds the later ones.
`weights` names a file in $TORCH_HOME/hub/checkpoints; nothing is downloaded."""

import collections
import os
import warnings

import trivium.torch as torch
from trivium.torch import nn
from trivium.torchvision import _more_models
from trivium.torchvision._more_models import (DenseNet, EfficientNet, Inception3,  # noqa: F401
                                              InceptionOutputs, MobileNetV3, ShuffleNetV2)

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_FILES = {
    "alexnet": ["alexnet-owt-7be5be79"], "vgg11": ["vgg11-8a719046"], "vgg13": ["vgg13-19584684"],
    "vgg16": ["vgg16-397923af"], "vgg19": ["vgg19-dcbb9e9d"], "vgg11_bn": ["vgg11_bn-6002323d"],
    "vgg13_bn": ["vgg13_bn-abd245e5"], "vgg16_bn": ["vgg16_bn-6c64b313"],
    "vgg19_bn": ["vgg19_bn-c79401a0"], "resnet18": ["resnet18-f37072fd"],
    "resnet34": ["resnet34-b627a593"], "resnet50": ["resnet50-0676ba61", "resnet50-11ad3fa6"],
    "resnet101": ["resnet101-63fe2227", "resnet101-cd907fc2"],
    "resnet152": ["resnet152-394f9c45", "resnet152-f82ba261"],
    "resnext50_32x4d": ["resnext50_32x4d-7cdf4587", "resnext50_32x4d-1a0047aa"],
    "wide_resnet50_2": ["wide_resnet50_2-95faca4d", "wide_resnet50_2-9ba9bcbe"],
    "squeezenet1_0": ["squeezenet1_0-b66bff10"], "squeezenet1_1": ["squeezenet1_1-b8a52dc0"],
    "googlenet": ["googlenet-1378be20"], "mobilenet_v2": ["mobilenet_v2-b0353104", "mobilenet_v2-7ebf99e0"],
    "resnext101_32x8d": ["resnext101_32x8d-8ba56ff5", "resnext101_32x8d-110c445d"],
    "wide_resnet101_2": ["wide_resnet101_2-32ee1156", "wide_resnet101_2-d733dc28"],
    "densenet121": ["densenet121-a639ec97"], "densenet161": ["densenet161-8d451a50"],
    "densenet169": ["densenet169-b2777c0a"], "densenet201": ["densenet201-c1103571"],
    "shufflenet_v2_x0_5": ["shufflenetv2_x0.5-f707e7126e"],
    "shufflenet_v2_x1_0": ["shufflenetv2_x1-5666bf0f80"],
    "shufflenet_v2_x1_5": ["shufflenetv2_x1_5-3c479a10"],
    "shufflenet_v2_x2_0": ["shufflenetv2_x2_0-8be3c8ee"],
    "inception_v3": ["inception_v3_google-0cc3c7bd"],
    "mobilenet_v3_small": ["mobilenet_v3_small-047dcff4"],
    "mobilenet_v3_large": ["mobilenet_v3_large-8738ca79", "mobilenet_v3_large-5c1a4163"],
    "efficientnet_b0": ["efficientnet_b0_rwightman-7f5810bc"],
    "efficientnet_b1": ["efficientnet_b1_rwightman-bac287d4", "efficientnet_b1-c27df63c"],
    "efficientnet_b2": ["efficientnet_b2_rwightman-c35c1473"],
    "efficientnet_b3": ["efficientnet_b3_rwightman-b3899882"],
    "efficientnet_b4": ["efficientnet_b4_rwightman-23ab8bcd"],
    "efficientnet_b5": ["efficientnet_b5_lukemelas-1a07897c"],
    "efficientnet_b6": ["efficientnet_b6_lukemelas-24a108a5"],
    "efficientnet_b7": ["efficientnet_b7_lukemelas-c5b4e57e"]}
# Images: resized to, cropped to, filter. The others: 256 (version 2: 232), 224, bilinear.
_IMAGES = {
    ("inception_v3", 1): (342, 299, "bilinear"), ("shufflenet_v2_x1_5", 1): (232, 224, "bilinear"),
    ("shufflenet_v2_x2_0", 1): (232, 224, "bilinear"), ("efficientnet_b0", 1): (256, 224, "bicubic"),
    ("efficientnet_b1", 1): (256, 240, "bicubic"), ("efficientnet_b1", 2): (255, 240, "bilinear"),
    ("efficientnet_b2", 1): (288, 288, "bicubic"), ("efficientnet_b3", 1): (320, 300, "bicubic"),
    ("efficientnet_b4", 1): (384, 380, "bicubic"), ("efficientnet_b5", 1): (456, 456, "bicubic"),
    ("efficientnet_b6", 1): (528, 528, "bicubic"), ("efficientnet_b7", 1): (600, 600, "bicubic")}


class Weights:
    """One published set of weights: its file, and the transform of its images."""

    def __init__(self, model, version):
        self.model, self.name = model, f"IMAGENET1K_V{version}"
        self.file = _FILES[model][version - 1] + ".pth"
        self._image = _IMAGES.get((model, version), (256 if version == 1 else 232, 224, "bilinear"))
        self.meta = {"categories": []}

    def transforms(self):
        from trivium.torchvision import transforms as T

        resize, crop, filter_name = self._image
        return T.Compose([T.Resize(resize, T.InterpolationMode(filter_name)), T.CenterCrop(crop),
                          T.ToTensor(), T.Normalize(_MEAN, _STD)])

    def path(self):
        home = os.environ.get("TORCH_HOME") or os.path.join(
            os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "torch")
        return os.path.join(home, "hub", "checkpoints", self.file)

    def get_state_dict(self, *_, **__):
        if not os.path.exists(self.path()):
            raise RuntimeError(f"the weights {self.model} {self.name} are expected at {self.path()}; "
                               "Trivium downloads nothing: put the file there")
        state = torch.load(self.path())
        return _more_models.new_dense_names(state) if self.model.startswith("densenet") else state

    def __repr__(self):
        return f"{self.model}.{self.name}"


def _enum(model):
    members = {f"IMAGENET1K_V{v + 1}": Weights(model, v + 1) for v in range(len(_FILES[model]))}
    members["DEFAULT"] = list(members.values())[-1]
    return members


_weights = {model: _enum(model) for model in _FILES}
for _model, _class in [("alexnet", "AlexNet"), ("vgg11", "VGG11"), ("vgg13", "VGG13"), ("vgg16", "VGG16"),
                       ("vgg19", "VGG19"), ("vgg11_bn", "VGG11_BN"), ("vgg13_bn", "VGG13_BN"),
                       ("vgg16_bn", "VGG16_BN"), ("vgg19_bn", "VGG19_BN"), ("resnet18", "ResNet18"),
                       ("resnet34", "ResNet34"), ("resnet50", "ResNet50"), ("resnet101", "ResNet101"),
                       ("resnet152", "ResNet152"), ("resnext50_32x4d", "ResNeXt50_32X4D"),
                       ("wide_resnet50_2", "Wide_ResNet50_2"), ("squeezenet1_0", "SqueezeNet1_0"),
                       ("squeezenet1_1", "SqueezeNet1_1"), ("googlenet", "GoogLeNet"),
                       ("mobilenet_v2", "MobileNet_V2"), ("resnext101_32x8d", "ResNeXt101_32X8D"),
                       ("wide_resnet101_2", "Wide_ResNet101_2"), ("densenet121", "DenseNet121"),
                       ("densenet161", "DenseNet161"), ("densenet169", "DenseNet169"),
                       ("densenet201", "DenseNet201"), ("shufflenet_v2_x0_5", "ShuffleNet_V2_X0_5"),
                       ("shufflenet_v2_x1_0", "ShuffleNet_V2_X1_0"),
                       ("shufflenet_v2_x1_5", "ShuffleNet_V2_X1_5"),
                       ("shufflenet_v2_x2_0", "ShuffleNet_V2_X2_0"), ("inception_v3", "Inception_V3"),
                       ("mobilenet_v3_small", "MobileNet_V3_Small"),
                       ("mobilenet_v3_large", "MobileNet_V3_Large")] + [
                           (f"efficientnet_b{i}", f"EfficientNet_B{i}") for i in range(8)]:
    globals()[_class + "_Weights"] = type(_class + "_Weights", (), _weights[_model])


def _chosen(model, weights, pretrained):
    if pretrained is not None:
        warnings.warn("pretrained= became weights=", UserWarning, 4)
        weights = "IMAGENET1K_V1" if pretrained else None
    if weights is None or isinstance(weights, Weights):
        return weights
    name = str(weights).rpartition(".")[2]
    if name not in _weights[model]:
        raise ValueError(f"{model} has no weights '{weights}'; it has {', '.join(_weights[model])}")
    return _weights[model][name]


def _constructor(model, make):
    def build(*, weights=None, progress=True, pretrained=None, **kwargs):
        chosen = _chosen(model, weights, pretrained)
        net = make(**kwargs)
        if chosen is not None:
            net.load_state_dict(chosen.get_state_dict())
        return net

    def with_position(*args, **kwargs):
        if args:
            kwargs["pretrained"] = args[0]
        return build(**kwargs)

    with_position.__name__ = with_position.__qualname__ = model
    return with_position


class AlexNet(nn.Module):
    def __init__(self, num_classes=1000, dropout=0.5):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2))
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(inplace=True),
            nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


alexnet = _constructor("alexnet", AlexNet)

_VGG = {11: [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
        13: [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
        16: [64, 64, "M", 128, 128, "M"] + [256] * 3 + ["M"] + ([512] * 3 + ["M"]) * 2,
        19: [64, 64, "M", 128, 128, "M"] + [256] * 4 + ["M"] + ([512] * 4 + ["M"]) * 2}


class VGG(nn.Module):
    def __init__(self, features, num_classes=1000, init_weights=True, dropout=0.5):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(True), nn.Dropout(dropout),
            nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(dropout), nn.Linear(4096, num_classes))
        if init_weights:
            for m in self.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                    nn.init.zeros_(m.bias)
                elif isinstance(m, nn.Linear):
                    nn.init.normal_(m.weight, 0, 0.01)
                    nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def _vgg(depth, normalised):
    def make(**kwargs):
        layers, channels = [], 3
        for item in _VGG[depth]:
            if item == "M":
                layers.append(nn.MaxPool2d(2, 2))
                continue
            layers.append(nn.Conv2d(channels, item, 3, padding=1))
            layers += [nn.BatchNorm2d(item)] if normalised else []
            layers.append(nn.ReLU(inplace=True))
            channels = item
        return VGG(nn.Sequential(*layers), **kwargs)
    return make


for _depth in _VGG:
    globals()[f"vgg{_depth}"] = _constructor(f"vgg{_depth}", _vgg(_depth, False))
    globals()[f"vgg{_depth}_bn"] = _constructor(f"vgg{_depth}_bn", _vgg(_depth, True))


def _conv3x3(inputs, outputs, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, 3, stride, 1, groups=groups, bias=False)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inplanes, planes, stride=1, downsample=None, groups=1, base_width=64):
        super().__init__()
        self.conv1, self.bn1 = _conv3x3(inplanes, planes, stride), nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = _conv3x3(planes, planes), nn.BatchNorm2d(planes)
        self.downsample, self.stride = downsample, stride

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inplanes, planes, stride=1, downsample=None, groups=1, base_width=64):
        super().__init__()
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = nn.Conv2d(inplanes, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, stride, groups)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, planes * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        self.relu = nn.ReLU(inplace=True)
        self.downsample, self.stride = downsample, stride

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(out)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, block, layers, num_classes=1000, zero_init_residual=False, groups=1,
                 width_per_group=64):
        super().__init__()
        self.inplanes, self.groups, self.base_width = 64, groups, width_per_group
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._stage(block, 64, layers[0], 1)
        self.layer2 = self._stage(block, 128, layers[1], 2)
        self.layer3 = self._stage(block, 256, layers[2], 2)
        self.layer4 = self._stage(block, 512, layers[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.ones_(m.weight)
                nn.init.zeros_(m.bias)
        if zero_init_residual:
            for m in self.modules():
                if isinstance(m, (BasicBlock, Bottleneck)):
                    nn.init.zeros_((m.bn3 if isinstance(m, Bottleneck) else m.bn2).weight)

    def _stage(self, block, planes, count, stride):
        downsample = None
        if stride != 1 or self.inplanes != planes * block.expansion:
            downsample = nn.Sequential(
                nn.Conv2d(self.inplanes, planes * block.expansion, 1, stride, bias=False),
                nn.BatchNorm2d(planes * block.expansion))
        layers = [block(self.inplanes, planes, stride, downsample, self.groups, self.base_width)]
        self.inplanes = planes * block.expansion
        layers += [block(self.inplanes, planes, groups=self.groups, base_width=self.base_width)
                   for _ in range(1, count)]
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _resnet(name, block, layers, **fixed):
    return _constructor(name, lambda **kwargs: ResNet(block, layers, **{**fixed, **kwargs}))


resnet18 = _resnet("resnet18", BasicBlock, [2, 2, 2, 2])
resnet34 = _resnet("resnet34", BasicBlock, [3, 4, 6, 3])
resnet50 = _resnet("resnet50", Bottleneck, [3, 4, 6, 3])
resnet101 = _resnet("resnet101", Bottleneck, [3, 4, 23, 3])
resnet152 = _resnet("resnet152", Bottleneck, [3, 8, 36, 3])
resnext50_32x4d = _resnet("resnext50_32x4d", Bottleneck, [3, 4, 6, 3], groups=32, width_per_group=4)
resnext101_32x8d = _resnet("resnext101_32x8d", Bottleneck, [3, 4, 23, 3], groups=32, width_per_group=8)
wide_resnet101_2 = _resnet("wide_resnet101_2", Bottleneck, [3, 4, 23, 3], width_per_group=128)
wide_resnet50_2 = _resnet("wide_resnet50_2", Bottleneck, [3, 4, 6, 3], width_per_group=128)


class Fire(nn.Module):
    def __init__(self, inplanes, squeeze, expand1, expand3):
        super().__init__()
        self.squeeze = nn.Conv2d(inplanes, squeeze, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze, expand1, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze, expand3, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.squeeze_activation(self.squeeze(x))
        return torch.cat([self.expand1x1_activation(self.expand1x1(x)),
                          self.expand3x3_activation(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    def __init__(self, version="1_0", num_classes=1000, dropout=0.5):
        super().__init__()
        self.num_classes = num_classes

        def pool():
            return nn.MaxPool2d(3, 2, ceil_mode=True)

        if version == "1_0":
            layers = [nn.Conv2d(3, 96, 7, 2), nn.ReLU(inplace=True), pool(), Fire(96, 16, 64, 64),
                      Fire(128, 16, 64, 64), Fire(128, 32, 128, 128), pool(),
                      Fire(256, 32, 128, 128), Fire(256, 48, 192, 192), Fire(384, 48, 192, 192),
                      Fire(384, 64, 256, 256), pool(), Fire(512, 64, 256, 256)]
        else:
            layers = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(inplace=True), pool(), Fire(64, 16, 64, 64),
                      Fire(128, 16, 64, 64), pool(), Fire(128, 32, 128, 128),
                      Fire(256, 32, 128, 128), pool(), Fire(256, 48, 192, 192),
                      Fire(384, 48, 192, 192), Fire(384, 64, 256, 256), Fire(512, 64, 256, 256)]
        self.features = nn.Sequential(*layers)
        final = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), final, nn.ReLU(inplace=True),
                                        nn.AdaptiveAvgPool2d((1, 1)))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                if m is final:
                    nn.init.normal_(m.weight, 0.0, 0.01)
                else:
                    nn.init.kaiming_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        return torch.flatten(self.classifier(self.features(x)), 1)


squeezenet1_0 = _constructor("squeezenet1_0", lambda **k: SqueezeNet("1_0", **k))
squeezenet1_1 = _constructor("squeezenet1_1", lambda **k: SqueezeNet("1_1", **k))

GoogLeNetOutputs = collections.namedtuple("GoogLeNetOutputs", ("logits", "aux_logits2", "aux_logits1"))


class BasicConv2d(nn.Module):
    def __init__(self, inputs, outputs, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x):
        return nn.functional.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    def __init__(self, inputs, c1, r3, c3, r5, c5, pool):
        super().__init__()
        self.branch1 = BasicConv2d(inputs, c1, kernel_size=1)
        self.branch2 = nn.Sequential(BasicConv2d(inputs, r3, kernel_size=1),
                                     BasicConv2d(r3, c3, kernel_size=3, padding=1))
        self.branch3 = nn.Sequential(BasicConv2d(inputs, r5, kernel_size=1),
                                     BasicConv2d(r5, c5, kernel_size=3, padding=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True),
                                     BasicConv2d(inputs, pool, kernel_size=1))

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    def __init__(self, inputs, num_classes, dropout=0.7):
        super().__init__()
        self.conv = BasicConv2d(inputs, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        x = torch.flatten(self.conv(nn.functional.adaptive_avg_pool2d(x, (4, 4))), 1)
        return self.fc2(self.dropout(nn.functional.relu(self.fc1(x), inplace=True)))


class GoogLeNet(nn.Module):
    _BLOCKS = {"3a": (192, 64, 96, 128, 16, 32, 32), "3b": (256, 128, 128, 192, 32, 96, 64),
               "4a": (480, 192, 96, 208, 16, 48, 64), "4b": (512, 160, 112, 224, 24, 64, 64),
               "4c": (512, 128, 128, 256, 24, 64, 64), "4d": (512, 112, 144, 288, 32, 64, 64),
               "4e": (528, 256, 160, 320, 32, 128, 128), "5a": (832, 256, 160, 320, 32, 128, 128),
               "5b": (832, 384, 192, 384, 48, 128, 128)}

    def __init__(self, num_classes=1000, aux_logits=True, transform_input=False, init_weights=None,
                 dropout=0.2, dropout_aux=0.7):
        super().__init__()
        if init_weights is None:
            init_weights = True
        self.aux_logits, self.transform_input = aux_logits, transform_input

        def blocks(*names):
            for name in names:
                setattr(self, "inception" + name, Inception(*self._BLOCKS[name]))

        self.conv1 = BasicConv2d(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = BasicConv2d(64, 64, kernel_size=1)
        self.conv3 = BasicConv2d(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        blocks("3a", "3b")
        self.maxpool3 = nn.MaxPool2d(3, 2, ceil_mode=True)
        blocks("4a", "4b", "4c", "4d", "4e")
        self.maxpool4 = nn.MaxPool2d(2, 2, ceil_mode=True)
        blocks("5a", "5b")
        self.aux1 = InceptionAux(512, num_classes, dropout_aux) if aux_logits else None
        self.aux2 = InceptionAux(528, num_classes, dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights:
            for m in self.modules():
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    nn.init.trunc_normal_(m.weight, 0.0, 0.01, -2, 2)
                elif isinstance(m, nn.BatchNorm2d):
                    nn.init.ones_(m.weight)
                    nn.init.zeros_(m.bias)

    def forward(self, x):
        if self.transform_input:
            x = torch.cat([(x[:, c:c + 1] * (_STD[c] / 0.5)) + (_MEAN[c] - 0.5) / 0.5
                           for c in range(3)], 1)
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        x = self.inception4a(self.maxpool3(self.inception3b(self.inception3a(x))))
        aux = self.training and self.aux1 is not None
        aux1 = self.aux1(x) if aux else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        aux2 = self.aux2(x) if aux else None
        x = self.inception5b(self.inception5a(self.maxpool4(self.inception4e(x))))
        x = self.fc(self.dropout(torch.flatten(self.avgpool(x), 1)))
        return GoogLeNetOutputs(x, aux2, aux1) if aux else x


def googlenet(*, weights=None, progress=True, pretrained=None, **kwargs):
    chosen = _chosen("googlenet", weights, pretrained)
    if chosen is None:
        return GoogLeNet(**kwargs)
    wanted = kwargs.pop("aux_logits", False)
    kwargs.setdefault("transform_input", True)
    net = GoogLeNet(**{**kwargs, "aux_logits": True, "init_weights": False})
    net.load_state_dict(chosen.get_state_dict())
    if not wanted:
        net.aux_logits, net.aux1, net.aux2 = False, None, None
    return net


class Conv2dNormActivation(nn.Sequential):
    def __init__(self, inputs, outputs, kernel_size=3, stride=1, groups=1):
        super().__init__(nn.Conv2d(inputs, outputs, kernel_size, stride, (kernel_size - 1) // 2,
                                   groups=groups, bias=False),
                         nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, stride, expand_ratio):
        super().__init__()
        hidden = int(round(inputs * expand_ratio))
        self.stride, self.use_res_connect = stride, stride == 1 and inputs == outputs
        layers = [] if expand_ratio == 1 else [Conv2dNormActivation(inputs, hidden, 1)]
        layers += [Conv2dNormActivation(hidden, hidden, 3, stride, groups=hidden),
                   nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, num_classes=1000, width_mult=1.0, dropout=0.2):
        super().__init__()
        channels = _more_models.rounded(32 * width_mult)
        self.last_channel = _more_models.rounded(1280 * max(1.0, width_mult))
        layers = [Conv2dNormActivation(3, channels, stride=2)]
        for t, c, n, s in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                           (6, 160, 3, 2), (6, 320, 1, 1)):
            outputs = _more_models.rounded(c * width_mult)
            for i in range(n):
                layers.append(InvertedResidual(channels, outputs, s if i == 0 else 1, t))
                channels = outputs
        layers.append(Conv2dNormActivation(channels, self.last_channel, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out")
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.ones_(m.weight)
                nn.init.zeros_(m.bias)
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, 0, 0.01)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


mobilenet_v2 = _constructor("mobilenet_v2", MobileNetV2)


for _model, _make in _more_models.MAKERS.items():
    if _model != "inception_v3":
        globals()[_model] = _constructor(_model, _make)
del _model, _make


def inception_v3(*, weights=None, progress=True, pretrained=None, **kwargs):
    chosen = _chosen("inception_v3", weights, pretrained)
    if chosen is None:
        return Inception3(**kwargs)
    wanted = kwargs.pop("aux_logits", True)
    kwargs.setdefault("transform_input", True)
    net = Inception3(**{**kwargs, "aux_logits": True, "init_weights": False})
    net.load_state_dict(chosen.get_state_dict())
    if not wanted:
        net.aux_logits, net.AuxLogits = False, None
    return net


def list_models():
    return sorted(_FILES)


def get_model(name, **config):
    if name.lower() not in _FILES:
        raise ValueError(f"no model is called {name}; there are {', '.join(sorted(_FILES))}")
    return globals()[name.lower()](**config)


def __getattr__(name):
    from trivium.torch._absent import absent

    raise absent("torchvision.models", name, globals())
