"""Prints the logits of lenet.pth for the image of tests/tools/convert_test.cc, as PyTorch computes them."""
import pathlib

import torch
import torch.nn.functional as F

state = torch.load(pathlib.Path(__file__).parent / "lenet.pth", weights_only=True)
weights = list(state.values())
x = (torch.arange(784).float().view(1, 1, 28, 28) * 37 % 256 / 255 - 0.1307) / 0.3081
for i in (0, 2):
    x = F.relu(F.max_pool2d(F.conv2d(x, weights[i], weights[i + 1]), 2))
x = x.flatten(1)
for i in (4, 6):
    x = F.relu(F.linear(x, weights[i], weights[i + 1]))
print(["%.7g" % v for v in F.linear(x, weights[8], weights[9])[0].tolist()])
