"""Writes the torch files that tests/formats/torch_file_test.cc reads. Run with PyTorch 2 and NumPy:
python make.py [folder]. Tensors are counted up from a start, so that the test knows every value."""
import collections
import pickle
import sys

import numpy as np
import torch

folder = sys.argv[1] if len(sys.argv) > 1 else "."


def ramp(*shape, start=0, dtype=torch.float32):
    count = int(np.prod(shape))
    return torch.arange(start, start + count).to(dtype).reshape(shape)


def save(name, value, **options):
    torch.save(value, f"{folder}/{name}", **options)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 2, 3)
        self.bn = torch.nn.BatchNorm2d(2)
        self.head = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8, 3))
        self.register_buffer("scratch", ramp(2), persistent=False)

    def forward(self, x):
        return self.head(self.bn(self.conv(x)))


def counted(net):
    """Every parameter and buffer counts up from its position among them times 100."""
    with torch.no_grad():
        for i, t in enumerate(net.state_dict().values()):
            t.copy_(ramp(*t.shape, start=100 * i).to(t.dtype))
    return net


DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.uint8,
          torch.int16, torch.int32, torch.int64, torch.bool]


def main():
    base = ramp(4, 6)
    tied = ramp(3, 2, start=50)
    shared = {
        "base": base, "transposed": base.t(), "row": base[2], "strided": base[1::2, ::3],
        "tied_a": tied, "tied_b": tied, "tail": base.reshape(-1)[20:], "expanded": ramp(1).expand(5),
    }
    for ending, options in (("zip", {}), ("legacy", {"_use_new_zipfile_serialization": False})):
        net = counted(Net())
        save(f"net_state.{ending}.pth", net.state_dict(), **options)
        save(f"shared.{ending}.pth", shared, **options)
        save(f"dtypes.{ending}.pth", {str(d)[6:]: ramp(2, 3, dtype=d) for d in DTYPES}, **options)
    save("whole_module.pth", counted(Net()))
    save("wide.pth", {"u16": ramp(3, start=65533).to(torch.uint16),
                      "u32": (ramp(2, dtype=torch.int64) + 2**32 - 2).to(torch.uint32),
                      "u64": ramp(2, dtype=torch.int64).to(torch.uint64)})
    save("complex.pth", {"z": torch.tensor([1 + 2j]), "x": ramp(2)})

    net = counted(Net())
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    net(ramp(2, 1, 4, 4)).sum().backward()
    optimizer.step()
    save("checkpoint.pth", {"epoch": 7, "best": 0.25, "state_dict": net.state_dict(),
                            "optimizer": optimizer.state_dict(), "name": "Gr\u00fc\u00dfe"})
    save("values.pth", {
        "none": None, "true": True, "false": False, "small": 5, "word": 300, "negative": -7,
        "big": 2**40, "huge": 2**80, "real": 1.5, "text": "a\u20ac", "bytes": b"\x00\xff\x80a",
        "tuple": (1, (2, 3, 4, 5), ()), "list": [1, "b", [None]], 7: "int key", (1, 2): "tuple key",
        "ordered": collections.OrderedDict([("b", 1), ("a", 2)]), "size": torch.Size([2, 3]),
        "device": torch.device("cpu"), "dtype": torch.float16, "set": {1, 2},
        "parameter": torch.nn.Parameter(ramp(2)), "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 4)})

    numbers = {"f8": np.arange(6.0).reshape(2, 3), "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
               "big": np.arange(3, dtype=">i4"), "scalar": np.float64(2.5), "flags": np.array([True, False])}
    save("numpy.pth", numbers)
    for protocol in (2, 4, 5):
        with open(f"{folder}/numpy.{protocol}.pkl", "wb") as out:
            pickle.dump(numbers, out, protocol=protocol)
    with open(f"{folder}/object_array.pkl", "wb") as out:
        pickle.dump(np.array([None], dtype=object), out, protocol=2)

    scripted = torch.jit.script(counted(Net()))
    scripted.save(f"{folder}/script.pt")


if __name__ == "__main__":
    main()
