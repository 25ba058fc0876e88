# Writes what torch.utils.data, torchvision and PIL did, for tests/data. Run with a Python that has
# them, from the repository's root:
#   python tests/golden/data/make.py
# data.txt: a line a case, "key values…"; crc stands for the CRC-32 of bytes. The other files are
# small pictures and a CIFAR batch as Python 2 pickled it.
import io
import pickle
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torch.utils.data import (DataLoader, RandomSampler, SubsetRandomSampler, TensorDataset,
                              WeightedRandomSampler, random_split)
from torchvision import transforms as T

warnings.filterwarnings("ignore")
HERE = Path(__file__).parent
lines = []


def put(key, *values):
    lines.append(" ".join([key] + [str(v) for v in values]))


def crc(data):
    if isinstance(data, torch.Tensor): data = data.contiguous().numpy()
    if isinstance(data, Image.Image): data = np.asarray(data)
    return "%08x" % zlib.crc32(np.ascontiguousarray(data).tobytes())


def state(g=None):
    return crc(torch.get_rng_state() if g is None else g.get_state())


def pattern(h, w, c, seed=0):
    y, x, k = np.meshgrid(np.arange(h), np.arange(w), np.arange(c), indexing="ij")
    return ((y * 7 + x * 13 + k * 29 + (x * y + seed) % 31 * 5 + x * x // 3) % 256).astype(np.uint8)


def image(h, w, c, seed=0):
    p = pattern(h, w, c, seed)
    return Image.fromarray(p[:, :, 0] if c == 1 else p)


def loaders():
    for n in [1, 6, 12, 37]:
        data = TensorDataset(torch.arange(n), torch.arange(n) * 2)
        for batch in [1, 4, 6]:
            for shuffle in [0, 1]:
                for drop in [0, 1]:
                    for own in [0, 1]:
                        for workers in [0, 2] if batch == 4 and n > 1 else [0]:
                            torch.manual_seed(n)
                            g = torch.Generator().manual_seed(9)
                            loader = DataLoader(data, batch, shuffle=bool(shuffle), drop_last=bool(drop),
                                                num_workers=workers, generator=g if own else None)
                            order = []
                            for _ in range(2):
                                for x, y in loader: order += x.tolist()
                            put(f"loader/{n}/{batch}/{shuffle}/{drop}/{own}/{workers}", state(), state(g), *order)


def samplers():
    for n, replacement, samples in [(5, 0, 5), (5, 0, 12), (5, 0, 3), (5, 0, 10), (7, 1, 7), (7, 1, 32), (7, 1, 70)]:
        for own in [0, 1]:
            torch.manual_seed(1)
            g = torch.Generator().manual_seed(2)
            s = RandomSampler(range(n), bool(replacement), samples, g if own else None)
            order = list(s)
            put(f"random/{n}/{replacement}/{samples}/{own}", state(), state(g), *order)
    torch.manual_seed(3)
    put("subset", *list(SubsetRandomSampler([10, 20, 30, 40, 50])), state())
    for replacement, samples in [(1, 9), (0, 3)]:
        torch.manual_seed(4)
        order = list(WeightedRandomSampler([.1, .5, 2, .4], samples, bool(replacement)))
        put(f"weighted/{replacement}/{samples}", *order, state())
    torch.manual_seed(0)
    put("split", *[i for part in random_split(range(6), [4, 2]) for i in part.indices], state())
    torch.manual_seed(0)
    put("split_fractions", *[len(p) for p in random_split(range(10), [.33, .33, .34])])


def resizes():
    modes = {"nearest": 0, "bilinear": 2, "bicubic": 3, "box": 4, "lanczos": 1}
    for c in [1, 3]:
        for h, w in [(17, 23), (64, 48), (5, 100)]:
            for to_h, to_w in [(8, 8), (17, 40), (33, 23), (50, 70), (3, 200), (1, 1), (h, 9)]:
                for name, mode in modes.items():
                    put(f"resize/{name}/{c}/{h}/{w}/{to_h}/{to_w}", crc(image(h, w, c).resize((to_w, to_h), mode)))
    for h, w in [(17, 23), (64, 48), (30, 30)]:
        for size in [12, 30, 61]:
            put(f"resize_short/{h}/{w}/{size}", *T.Resize(size)(image(h, w, 3)).size)
    put("resize_max", *T.Resize(20, max_size=30)(image(10, 100, 3)).size)


TRANSFORMS = {
    "center_8": T.CenterCrop(8), "center_15_11": T.CenterCrop((15, 11)), "center_big": T.CenterCrop(41),
    "center_tall": T.CenterCrop((50, 7)),
    "crop_8": T.RandomCrop(8), "crop_same": T.RandomCrop((20, 31)), "crop_pad": T.RandomCrop(20, padding=4),
    "crop_reflect": T.RandomCrop((20, 28), padding=(3, 2), padding_mode="reflect"),
    "crop_needed": T.RandomCrop(40, pad_if_needed=True, fill=7),
    "hflip": T.RandomHorizontalFlip(), "vflip": T.RandomVerticalFlip(.7),
    "resized_crop": T.RandomResizedCrop(16), "resized_crop_wide": T.RandomResizedCrop((9, 12), (.5, 3.), (2., 4.)),
    "pad": T.Pad(3, fill=9), "pad_edge": T.Pad((1, 2, 3, 4), padding_mode="edge"),
    "pad_symmetric": T.Pad((5, 2), padding_mode="symmetric"), "pad_reflect": T.Pad(6, padding_mode="reflect"),
    "gray": T.Grayscale(), "gray3": T.Grayscale(3),
    "bright": T.ColorJitter(brightness=.5), "contrast": T.ColorJitter(contrast=.7),
    "saturation": T.ColorJitter(saturation=.9), "hue": T.ColorJitter(hue=.4),
    "jitter": T.ColorJitter(.4, .4, .4, .1), "jitter_strong": T.ColorJitter(2, 3, 2, .5),
    "apply": T.RandomApply([T.RandomCrop(9), T.RandomHorizontalFlip()], .3),
    "tensor": T.ToTensor(), "normal": T.Compose([T.ToTensor(), T.Normalize((.485, .456, .406), (.229, .224, .225))]),
    "train": T.Compose([T.RandomResizedCrop(16), T.RandomHorizontalFlip(), T.ColorJitter(.2, .2, .2), T.ToTensor(),
                        T.Normalize((.5, .4, .3), (.2, .3, .4))]),
    "erase": T.Compose([T.ToTensor(), T.RandomErasing()]),
    "erase_noise": T.Compose([T.ToTensor(), T.RandomErasing(.9, value="random")]),
    "erase_color": T.Compose([T.ToTensor(), T.RandomErasing(1., (.1, .5), value=(.1, .2, .3))]),
    "tensor_crops": T.Compose([T.ToTensor(), T.RandomCrop(24, padding=3, fill=1), T.RandomHorizontalFlip(), T.CenterCrop(15)]),
}


def transforms():
    for name, t in TRANSFORMS.items():
        for seed in range(6):
            torch.manual_seed(seed)
            out = t(image(20, 31, 3, seed))
            put(f"transform/{name}/{seed}", crc(out), state())


class Pictures(torch.utils.data.Dataset):
    def __init__(self, t): self.t = t
    def __len__(self): return 22
    def __getitem__(self, i): return self.t(image(20, 31, 3, i)), i


def workers():
    for n in [0, 1, 2, 3]:
        torch.manual_seed(5)
        loader = DataLoader(Pictures(TRANSFORMS["train"]), 4, shuffle=True, num_workers=n)
        put(f"workers/{n}", crc(torch.cat([x for _ in range(2) for x, _ in loader])), state())


def datasets():
    fake = torchvision.datasets.FakeData(5, (3, 9, 11), 7, random_offset=3)
    for i in range(5):
        picture, label = fake[i]
        put(f"fake/{i}", crc(picture), int(label))
    folder = HERE / "folder"
    for kind, c in [("cat", 3), ("dog", 1)]: (folder / kind / "more").mkdir(parents=True, exist_ok=True)
    image(20, 31, 3).save(folder / "cat" / "b.png")
    image(21, 30, 3).save(folder / "cat" / "a.JPG", "JPEG", quality=90)
    Image.fromarray(np.dstack([pattern(9, 8, 3), pattern(9, 8, 1, 3)])).save(folder / "cat" / "more" / "c.png")
    image(16, 17, 1).save(folder / "dog" / "more" / "gray.jpg", quality=80)
    image(10, 11, 1).save(folder / "dog" / "gray.png")
    image(7, 6, 3).save(folder / "dog" / "z.ppm")
    (folder / "dog" / "notes.txt").write_text("not a picture\n")
    for i, ((path, label), (picture, _)) in enumerate(zip(torchvision.datasets.ImageFolder(folder).samples,
                                                          torchvision.datasets.ImageFolder(folder))):
        put(f"folder/{i}", Path(path).relative_to(folder), label, crc(picture))


def python2_batch(pixels, labels, key):
    """The pickle of {'data': uint8 array, key: labels} as Python 2 with protocol 2 writes it."""
    def text(s): return b"U" + bytes([len(s)]) + s
    raw = pixels.tobytes()
    out = b"\x80\x02}(" + text(b"data") + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
    out += text(b"b") + b"\x87R(K\x01" + b"".join(b"M" + struct.pack("<H", n) for n in pixels.shape) + b"\x86"
    out += b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|") + b"NNN"
    out += b"J\xff\xff\xff\xff" * 2 + b"K\x00tb\x89T" + struct.pack("<I", len(raw)) + raw + b"tb"
    out += text(key) + b"](" + b"".join(b"K" + bytes([n]) for n in labels) + b"eu."
    back = pickle.loads(out, encoding="latin1")
    assert (back["data"] == pixels).all() and back[key.decode()] == labels
    return out


def grids():
    from torchvision.utils import make_grid
    cases = {"plain": ((5, 3, 6, 7), {}), "gray": ((10, 1, 4, 5), {}), "single": ((1, 3, 6, 7), {}), "picture": ((1, 6, 7), {}),
             "rows": ((5, 3, 6, 7), {"nrow": 2, "padding": 1, "pad_value": .5}), "normal": ((5, 3, 6, 7), {"normalize": True}),
             "range": ((5, 3, 6, 7), {"normalize": True, "value_range": (-1, 1)}),
             "each": ((5, 3, 6, 7), {"normalize": True, "scale_each": True, "nrow": 3})}
    for name, (shape, options) in cases.items():
        torch.manual_seed(1)
        grid = make_grid(torch.randn(shape), **options)
        put(f"grid/{name}", "x".join(map(str, grid.shape)), crc(grid), crc(grid.mul(255).add_(.5).clamp_(0, 255).permute(1, 2, 0).to(torch.uint8)))


def cifar():
    pixels = pattern(2, 3072, 1)[:, :, 0]
    (HERE / "cifar10_batch").write_bytes(python2_batch(pixels, [3, 8], b"labels"))
    put("cifar", crc(pixels.reshape(2, 3, 32, 32).transpose(0, 2, 3, 1)))


if __name__ == "__main__":
    for part in [loaders, samplers, resizes, transforms, workers, datasets, grids, cifar]: part()
    (HERE / "data.txt").write_text("\n".join(lines) + "\n")
