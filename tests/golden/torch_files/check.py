"""Shows written.pth, which save_torch wrote, to PyTorch: python check.py. Prints what it loaded."""
import collections
import os

import torch

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "written.pth")
for mmap in (False, True):
    value = torch.load(path, weights_only=True, mmap=mmap)
    assert type(value) is collections.OrderedDict
    assert value._metadata == {"": {"version": 1}}
    assert torch.equal(value["weight"], torch.arange(6.0).reshape(2, 3))
    assert torch.equal(value["bias"], torch.full((3,), 0.5))
    assert value["row"].untyped_storage().data_ptr() == value["weight"].untyped_storage().data_ptr()
    assert torch.equal(value["row"], value["weight"][1])
    assert (value["epoch"], value["lr"], value["names"]) == (3, 0.1, ["a", (1, True, None)])
print(value)
