"""Which transforms the extension applies to whole batches: their steps as trivium._C takes them."""

import trivium.torch as torch
from trivium import _C
from trivium.torchvision import _image, transforms as T

_DRAWING = ("random_crop", "random_resized_crop", "flip_horizontal", "flip_vertical")
_IMAGES_ONLY = ("resize", "random_resized_crop", "grayscale")  # tensors go another way there


def _numbers(*values):
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)


def _normalize(t):
    mean, std = t.mean, t.std
    if not all(isinstance(v, (list, tuple)) and v and _numbers(*v) for v in (mean, std)):
        return None
    return None if t.inplace or 0 in std else ("normalize", list(mean), list(std))


def _padding(padding):
    if padding is None:
        return []
    return [padding] if isinstance(padding, int) else list(padding)


def _random_crop(t):
    if not _numbers(t.fill):
        return None
    return ("random_crop", *t.size, _padding(t.padding), bool(t.pad_if_needed), t.fill, t.padding_mode)


def _pad(t):
    return ("pad", _padding(t.padding), t.fill, t.padding_mode) if _numbers(t.fill) else None


def _like_pil(step):
    """Resampling agrees with PIL's, so it stands for it only where PIL would be used."""
    return step if _image.pil() is not None else None


def _resize(t):
    if t.max_size is not None:
        return None
    size = t.size if isinstance(t.size, (list, tuple)) else (t.size,)
    return _like_pil(("resize", size[0], size[1] if len(size) == 2 else 0, T._mode(t.interpolation)))


def _random_resized_crop(t):
    return _like_pil(("random_resized_crop", *t.size, tuple(t.scale), tuple(t.ratio),
                      T._mode(t.interpolation)))


_STEPS = {
    T.ToTensor: lambda t: ("to_tensor",),
    T.Normalize: _normalize,
    T.RandomCrop: _random_crop,
    T.RandomHorizontalFlip: lambda t: ("flip_horizontal", t.p),
    T.RandomVerticalFlip: lambda t: ("flip_vertical", t.p),
    T.CenterCrop: lambda t: ("center_crop", *t.size),
    T.Pad: _pad,
    T.Grayscale: lambda t: ("grayscale", t.num_output_channels),
    T.Resize: _resize,
    T.RandomResizedCrop: _random_resized_crop,
}


def steps_of(transform):
    """The transform as a list of steps, or None when some part exists in Python only."""
    if type(transform) is T.Compose:
        steps = []
        for part in transform.transforms:
            more = steps_of(part)
            if more is None:
                return None
            steps += more
        return steps
    describe = _STEPS.get(type(transform))
    step = describe(transform) if describe else None
    if step is None:
        return None
    return [step]


def reader(pictures, labels, transform):
    """A function from indices to [pictures, labels], or None when Python has to go example by
    example."""
    steps = steps_of(transform)
    if not steps or torch.get_default_dtype() is not torch.float32:
        return None
    names = [s[0] for s in steps]
    if names.count("to_tensor") != 1:
        return None
    if any(name in _IMAGES_ONLY for name in names[names.index("to_tensor"):]):
        return None
    inner = _C._Pictures(pictures, labels, steps)
    draws = any(name in _DRAWING for name in names)
    return lambda indices: inner.read(indices, draws)
