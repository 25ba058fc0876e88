"""MNIST and its kin, CIFAR, folders of images, random images; from files that are there already."""

import gzip
import os
import pickle
import struct

import trivium.torch as torch
from trivium.torch.utils.data import Dataset
from trivium.torchvision._image import image_from, open_image

_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class VisionDataset(Dataset):
    def __init__(self, root=None, transforms=None, transform=None, target_transform=None):
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        self.transforms, self.transform, self.target_transform = transforms, transform, target_transform

    def _changed(self, image, target):
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        if self.transforms is not None:
            image, target = self.transforms(image, target)
        return image, target

    def _batch_reader(self):
        """A function from a list of indices to a collated batch, or None: see _reader.py."""
        return None

    def _reader_of(self, owner, pictures, labels):
        kind = type(self)
        plain = (kind.__getitem__ is owner.__getitem__ and kind.__len__ is owner.__len__ and
                 kind._changed is VisionDataset._changed)
        if not plain or self.transforms is not None or self.target_transform is not None:
            return None
        if pictures is None or labels is None or len(pictures) != len(labels):
            return None
        from trivium.torchvision._reader import reader

        return reader(pictures, labels, self.transform)

    def __repr__(self):
        lines = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            lines.append(f"Root location: {self.root}")
        return "Dataset " + type(self).__name__ + "\n" + "\n".join("    " + line for line in lines)


def _read_idx(path):
    """An IDX file of bytes as a uint8 tensor."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        data = file.read()
    if data[:3] != b"\0\0\x08":
        raise RuntimeError(f"{path} is no IDX file of bytes")
    sizes = struct.unpack(f">{data[3]}I", data[4:4 + 4 * data[3]])
    body = bytearray(data[4 + 4 * data[3]:])
    count = 1
    for n in sizes:
        count *= n
    if len(body) != count:
        raise RuntimeError(f"{path} holds {len(body)} bytes of data, {count} expected")
    import numpy

    return torch.from_numpy(numpy.frombuffer(body, dtype="uint8").reshape(sizes))


class MNIST(VisionDataset):
    classes = ["0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six",
               "7 - seven", "8 - eight", "9 - nine"]

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        prefix = "train" if train else "t10k"
        self.data = _read_idx(self._find(f"{prefix}-images-idx3-ubyte"))
        self.targets = _read_idx(self._find(f"{prefix}-labels-idx1-ubyte")).long()

    @property
    def raw_folder(self):
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def class_to_idx(self):
        return {name: i for i, name in enumerate(self.classes)}

    def _find(self, name):
        folders = (self.raw_folder, os.path.join(self.root, "raw"), self.root)
        for folder in folders:
            for ending in ("", ".gz"):
                path = os.path.join(folder, name + ending)
                if os.path.exists(path):
                    return path
        raise RuntimeError(f"{type(self).__name__}: {name}[.gz] was not found in {', '.join(folders)}; "
                           "Trivium downloads nothing: put the files there")

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        data, targets = self.data, self.targets
        picture = data.numpy()[index] if isinstance(data, torch.Tensor) else data[index]
        target = targets.numpy()[index] if isinstance(targets, torch.Tensor) else targets[index]
        return self._changed(image_from(picture, "L"), int(target))

    def _batch_reader(self):
        data, targets = self.data, self.targets
        if not isinstance(data, torch.Tensor) or data.dtype is not torch.uint8 or data.dim() != 3:
            return None
        if not isinstance(targets, torch.Tensor) or targets.dtype is not torch.int64:
            return None
        return self._reader_of(MNIST, data, targets)


class FashionMNIST(MNIST):
    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
               "Ankle boot"]


class KMNIST(MNIST):
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


class _PlainUnpickler(pickle.Unpickler):
    """CIFAR's batches: dicts of bytes and NumPy arrays, nothing else."""

    _names = {("numpy.core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype"),
              ("_codecs", "encode")}

    def find_class(self, module, name):
        if (module, name) not in self._names:
            raise pickle.UnpicklingError(f"the batch holds {module}.{name}, which is not plain data")
        if name == "_reconstruct":
            import numpy

            return getattr(numpy, "_core", getattr(numpy, "core", None)).multiarray._reconstruct
        return super().find_class(module, name)


class CIFAR10(VisionDataset):
    base_folder, binary_folder = "cifar-10-batches-py", "cifar-10-batches-bin"
    _train = [f"data_batch_{i}" for i in range(1, 6)]
    _test, _meta, _key, _names = ["test_batch"], "batches.meta", "labels", "label_names"
    _label_bytes = 1

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform=transform, target_transform=target_transform)
        import numpy

        self.train = train
        files = self._train if train else self._test
        folder = os.path.join(self.root, self.base_folder)
        parts, self.targets = [], []
        if os.path.isdir(folder):
            for name in files:
                batch = self._load(os.path.join(folder, name))
                parts.append(batch["data"])
                self.targets.extend(batch[self._key])
            self.classes = self._load(os.path.join(folder, self._meta))[self._names]
        else:
            self._read_binary(files, parts, numpy)
        data = numpy.vstack(parts).reshape(-1, 3, 32, 32)
        self.data = numpy.ascontiguousarray(data.transpose(0, 2, 3, 1))
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def _load(self, path):
        if not os.path.exists(path):
            raise RuntimeError(f"{path} is missing; Trivium downloads nothing: put the batches there")
        with open(path, "rb") as file:
            return _PlainUnpickler(file, encoding="latin1").load()

    def _read_binary(self, files, parts, numpy):
        folder = next((f for f in (os.path.join(self.root, self.binary_folder), self.root)
                       if os.path.exists(os.path.join(f, files[0] + ".bin"))), None)
        if folder is None:
            raise RuntimeError(f"{type(self).__name__}: neither {self.base_folder} nor the binary "
                               f"batches were found in {self.root}; Trivium downloads nothing")
        row = 3072 + self._label_bytes
        for name in files:
            rows = numpy.fromfile(os.path.join(folder, name + ".bin"), dtype="uint8").reshape(-1, row)
            self.targets.extend(rows[:, self._label_bytes - 1].tolist())
            parts.append(rows[:, self._label_bytes:])
        self.classes = [str(i) for i in range(max(self.targets) + 1)]

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self._changed(image_from(self.data[index], "RGB"), self.targets[index])

    def _batch_reader(self):
        data, targets = self.data, self.targets
        if getattr(data, "ndim", 0) != 4 or str(data.dtype) != "uint8" or data.shape[3] != 3:
            return None
        if not isinstance(targets, list) or not all(type(t) is int for t in targets):
            return None
        return self._reader_of(CIFAR10, data, torch.tensor(targets))


class CIFAR100(CIFAR10):
    base_folder, binary_folder = "cifar-100-python", "cifar-100-binary"
    _train, _test, _meta = ["train"], ["test"], "meta"
    _key, _names, _label_bytes = "fine_labels", "fine_label_names", 2


def default_loader(path):
    return open_image(path)


class DatasetFolder(VisionDataset):
    def __init__(self, root, loader, extensions=None, transform=None, target_transform=None,
                 is_valid_file=None, allow_empty=False):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.loader, self.extensions = loader, extensions
        self.classes, self.class_to_idx = self.find_classes(self.root)
        wanted = is_valid_file or (lambda p: p.lower().endswith(tuple(extensions)))
        self.samples = []
        for name in self.classes:
            found = []
            for folder, _, files in sorted(os.walk(os.path.join(self.root, name), followlinks=True)):
                found += [os.path.join(folder, f) for f in sorted(files)
                          if wanted(os.path.join(folder, f))]
            if not found and not allow_empty:
                raise FileNotFoundError(f"the class folder {name} of {self.root} holds no such file")
            self.samples += [(path, self.class_to_idx[name]) for path in found]
        self.targets = [target for _, target in self.samples]

    def find_classes(self, directory):
        classes = sorted(e.name for e in os.scandir(directory) if e.is_dir())
        if not classes:
            raise FileNotFoundError(f"{directory} has no class folders")
        return classes, {name: i for i, name in enumerate(classes)}

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        path, target = self.samples[index]
        return self._changed(self.loader(path), target)


class ImageFolder(DatasetFolder):
    def __init__(self, root, transform=None, target_transform=None, loader=default_loader,
                 is_valid_file=None, allow_empty=False):
        super().__init__(root, loader, _EXTENSIONS if is_valid_file is None else None, transform,
                         target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples


class FakeData(VisionDataset):
    def __init__(self, size=1000, image_size=(3, 224, 224), num_classes=10, transform=None,
                 target_transform=None, random_offset=0):
        super().__init__(None, transform=transform, target_transform=target_transform)
        self.size, self.image_size, self.num_classes = size, image_size, num_classes
        self.random_offset = random_offset

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        if index >= len(self):
            raise IndexError(f"image {index} of {len(self)}")
        from trivium.torchvision.transforms import ToPILImage

        state = torch.get_rng_state()
        torch.manual_seed(index + self.random_offset)
        image = torch.randn(*self.image_size)
        target = torch.randint(0, self.num_classes, (1,)).item()
        torch.set_rng_state(state)
        return self._changed(ToPILImage()(image), target)


def __getattr__(name):
    from trivium.torch._absent import absent

    raise absent("torchvision.datasets", name, globals())
