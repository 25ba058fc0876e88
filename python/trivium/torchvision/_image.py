"""Images: PIL's where PIL is installed, else a small class with the same few members."""


class Image:
    """8-bit pixels, mode 'L' or 'RGB', for programs without PIL."""

    def __init__(self, array, mode):
        self.array, self.mode = array, mode

    @property
    def size(self):
        return self.array.shape[1], self.array.shape[0]

    width = property(lambda self: self.array.shape[1])
    height = property(lambda self: self.array.shape[0])

    def convert(self, mode):
        import numpy

        if mode == self.mode:
            return self
        if mode == "RGB":
            return Image(numpy.stack([self.array] * 3, -1), "RGB")
        if mode == "L":
            weighted = self.array.astype("uint32") @ numpy.array([19595, 38470, 7471], dtype="uint32")
            return Image(((weighted + 0x8000) >> 16).astype("uint8"), "L")
        raise ValueError(f"mode {mode} needs PIL")

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)


def pil():
    """PIL.Image, or None."""
    try:
        from PIL import Image as image
    except ImportError:
        return None
    return image


def is_image(value):
    module = pil()
    return isinstance(value, Image) or (module is not None and isinstance(value, module.Image))


def image_from(array, mode):
    """An image on an (H, W) or (H, W, 3) array of bytes."""
    module = pil()
    return Image(array, mode) if module is None else module.fromarray(array, mode=mode)


def open_image(path):
    """The file as RGB."""
    module = pil()
    if module is None:
        from trivium import _C

        return Image(_C._decode_image(str(path)).flip(-1).contiguous().numpy(), "RGB")
    with open(path, "rb") as file:
        return module.open(file).convert("RGB")
