"""torchvision.transforms on tensors, and on images (PIL's where it is installed). Random ones draw from
the default generator in PyTorch's order."""

import enum
import math
import numbers

import trivium.torch as torch
from trivium import _C
from trivium.torch.nn import functional as _F
from trivium.torchvision import _image


class InterpolationMode(enum.Enum):
    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    LANCZOS = "lanczos"


_PIL_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}


def _mode(interpolation):
    if isinstance(interpolation, InterpolationMode):
        return interpolation.value
    return _PIL_FILTERS[int(interpolation)]


def _pair(size):
    if isinstance(size, numbers.Number):
        return int(size), int(size)
    size = tuple(size)
    return (size[0], size[0]) if len(size) == 1 else size


def _hw(image):
    """Height and width of a tensor or an image."""
    if isinstance(image, torch.Tensor):
        return image.shape[-2], image.shape[-1]
    return image.size[1], image.size[0]


def _is_pil(image):
    module = _image.pil()
    return module is not None and isinstance(image, module.Image)


def _through_tensor(image, function):
    """Runs a tensor function on an image; PIL's or ours comes back."""
    if isinstance(image, torch.Tensor):
        return function(image)
    return to_pil_image(function(pil_to_tensor(image)), image.mode)


# ---- functions

def pil_to_tensor(pic):
    import numpy

    array = numpy.array(pic, copy=True)
    array = array[:, :, None] if array.ndim == 2 else array
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


def to_tensor(pic):
    """uint8 image or array (H, W[, C]) to float32 (C, H, W) in [0, 1]."""
    import numpy

    if isinstance(pic, torch.Tensor) or not (isinstance(pic, numpy.ndarray) or _image.is_image(pic)):
        raise TypeError(f"to_tensor takes an image or an array, not {type(pic).__name__}")
    if isinstance(pic, numpy.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"an image array has 2 or 3 axes, not {pic.ndim}")
        array = pic
    else:
        kinds = {"I": "int32", "I;16": "int16", "F": "float32"}
        array = numpy.asarray(pic, kinds.get(pic.mode))
        if pic.mode == "1":
            array = array.astype("uint8") * 255
    if array.dtype == "uint8" and torch.get_default_dtype() is torch.float32:
        return _C._image_to_tensor(array)
    array = array[:, :, None] if array.ndim == 2 else array
    tensor = torch.tensor(numpy.ascontiguousarray(array.transpose(2, 0, 1)))
    if tensor.dtype is torch.uint8:
        return tensor.to(torch.get_default_dtype()).div(255)
    return tensor


def to_pil_image(pic, mode=None):
    import numpy

    if isinstance(pic, torch.Tensor):
        if pic.dim() == 2:
            pic = pic.unsqueeze(0)
        if pic.is_floating_point() and mode != "F":
            pic = pic.mul(255).to(torch.uint8)
        pic = pic.permute(1, 2, 0).contiguous().numpy()
    array = numpy.ascontiguousarray(pic)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    return _image.image_from(array, mode or ("L" if array.ndim == 2 else "RGB"))


def _plain_values(tensor, mean, std):
    """Lists of numbers that fit a float32 tensor whose history nobody needs."""
    if tensor.dtype is not torch.float32 or tensor.requires_grad or tensor.dim() < 3:
        return False
    return all(isinstance(v, (list, tuple)) and len(v) in (1, tensor.shape[-3]) and
               all(isinstance(x, (float, int)) for x in v) for v in (mean, std)) and 0 not in std


def normalize(tensor, mean, std, inplace=False):
    if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
        kind = tensor.dtype if isinstance(tensor, torch.Tensor) else type(tensor).__name__
        raise TypeError(f"normalize takes floating tensors, not {kind}: ToTensor comes first")
    if _plain_values(tensor, mean, std) and not inplace:
        return _C._normalized(tensor, list(mean), list(std))
    mean = torch.as_tensor(mean, dtype=tensor.dtype).view(-1, 1, 1)
    std = torch.as_tensor(std, dtype=tensor.dtype).view(-1, 1, 1)
    if bool((std == 0).any()):
        raise ValueError("normalize: a standard deviation is 0")
    return (tensor if inplace else tensor.clone()).sub_(mean).div_(std)


def _resized_size(height, width, size, max_size):
    if not isinstance(size, numbers.Number) and len(size) == 2:
        return tuple(size)
    size = int(size if isinstance(size, numbers.Number) else size[0])
    short, long = (width, height) if width <= height else (height, width)
    new_short, new_long = size, int(size * long / short)
    if max_size is not None and new_long > max_size:
        new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if width <= height else (new_short, new_long)


def resize(img, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True):
    height, width = _hw(img)
    new = _resized_size(height, width, size, max_size)
    if new == (height, width):
        return img
    mode = _mode(interpolation)
    if _is_pil(img):
        code = {v: k for k, v in _PIL_FILTERS.items()}[mode]
        return img.resize((new[1], new[0]), code)

    def run(t):
        batched = t.dim() == 4
        x = t if batched else t.unsqueeze(0)
        x = x if x.is_floating_point() else x.float()
        smooth = mode in ("bilinear", "bicubic")
        x = _F.interpolate(x, size=new, mode=mode, align_corners=False if smooth else None,
                           antialias=bool(antialias) and smooth)
        if not t.is_floating_point():
            x = x.round().clamp(0, 255).to(t.dtype)
        return x if batched else x.squeeze(0)

    return _through_tensor(img, run)


def pad(img, padding, fill=0, padding_mode="constant"):
    if isinstance(padding, int):
        padding = (padding,) * 4
    elif len(padding) == 2:
        padding = (padding[0], padding[1]) * 2
    left, top, right, bottom = padding
    mode = {"constant": "constant", "edge": "replicate", "reflect": "reflect",
            "symmetric": "symmetric"}[padding_mode]
    if mode == "symmetric":
        raise NotImplementedError("padding_mode='symmetric' is not provided; 'reflect' is near")
    value = fill if isinstance(fill, numbers.Number) else fill[0]
    return _through_tensor(img, lambda t: _F.pad(t.float() if mode != "constant" else t,
                                                 (left, right, top, bottom), mode, value).to(t.dtype))


def crop(img, top, left, height, width):
    if _is_pil(img):
        return img.crop((left, top, left + width, top + height))

    def run(t):
        h, w = t.shape[-2:]
        cut = t[..., max(top, 0):max(top + height, 0), max(left, 0):max(left + width, 0)]
        missing = (max(-left, 0), max(left + width - max(w, left), 0),
                   max(-top, 0), max(top + height - max(h, top), 0))
        return _F.pad(cut, missing) if any(missing) else cut

    return _through_tensor(img, run)


def center_crop(img, output_size):
    height, width = _pair(output_size)
    h, w = _hw(img)
    if height > h or width > w:
        img = pad(img, ((width - w) // 2 if width > w else 0, (height - h) // 2 if height > h else 0,
                        (width - w + 1) // 2 if width > w else 0,
                        (height - h + 1) // 2 if height > h else 0))
        h, w = _hw(img)
    return crop(img, int(round((h - height) / 2.0)), int(round((w - width) / 2.0)), height, width)


def resized_crop(img, top, left, height, width, size, interpolation=InterpolationMode.BILINEAR,
                 antialias=True):
    return resize(crop(img, top, left, height, width), _pair(size), interpolation, antialias=antialias)


def hflip(img):
    return img.transpose(0) if _is_pil(img) else _through_tensor(img, lambda t: t.flip(-1))


def vflip(img):
    return img.transpose(1) if _is_pil(img) else _through_tensor(img, lambda t: t.flip(-2))


def rgb_to_grayscale(img, num_output_channels=1):
    def run(t):
        r, g, b = t.unbind(-3)
        grey = (0.2989 * r + 0.587 * g + 0.114 * b).to(t.dtype).unsqueeze(-3)
        return grey.expand(t.shape).clone() if num_output_channels == 3 else grey

    if _is_pil(img) or not isinstance(img, torch.Tensor):
        grey = img.convert("L")
        return grey.convert("RGB") if num_output_channels == 3 else grey
    return img if img.shape[-3] == 1 and num_output_channels == 1 else run(img)


to_grayscale = rgb_to_grayscale


def _blend(a, b, ratio):
    bound = 1.0 if a.is_floating_point() else 255.0
    return (ratio * a + (1.0 - ratio) * b).clamp(0, bound).to(a.dtype)


def adjust_brightness(img, factor):
    return _through_tensor(img, lambda t: _blend(t, torch.zeros_like(t), factor))


def adjust_contrast(img, factor):
    def run(t):
        grey = rgb_to_grayscale(t) if t.shape[-3] == 3 else t
        return _blend(t, grey.float().mean((-3, -2, -1), keepdim=True), factor)
    return _through_tensor(img, run)


def adjust_saturation(img, factor):
    return _through_tensor(img, lambda t: t if t.shape[-3] == 1 else _blend(t, rgb_to_grayscale(t), factor))


def adjust_hue(img, factor):
    def run(t):
        if t.shape[-3] == 1:
            return t
        x = t if t.is_floating_point() else t.float() / 255
        r, g, b = x.unbind(-3)
        high, low = torch.maximum(torch.maximum(r, g), b), torch.minimum(torch.minimum(r, g), b)
        spread = high - low
        safe = torch.where(spread == 0, torch.ones_like(spread), spread)
        rc, gc, bc = (high - r) / safe, (high - g) / safe, (high - b) / safe
        h = torch.where(high == r, bc - gc, torch.where(high == g, 2.0 + rc - bc, 4.0 + gc - rc))
        h = torch.where(spread == 0, torch.zeros_like(h), (h / 6.0 + 1.0).fmod(1.0))
        s = spread / torch.where(high == 0, torch.ones_like(high), high)
        h = (h + factor) % 1.0
        i = (h * 6.0).floor()
        f = h * 6.0 - i
        p, q, u = high * (1 - s), high * (1 - s * f), high * (1 - s * (1 - f))
        i = i.long() % 6
        table = torch.stack([torch.stack(c, 0) for c in (
            (high, q, p, p, u, high), (u, high, high, q, p, p), (p, p, u, high, high, q))], 0)
        out = torch.stack([table[c].gather(0, i.unsqueeze(0)).squeeze(0) for c in range(3)], -3)
        return out if t.is_floating_point() else (out * 255 + 0.5).floor().clamp(0, 255).to(t.dtype)
    return _through_tensor(img, run)


def rotate(img, angle, interpolation=InterpolationMode.NEAREST, expand=False, center=None, fill=0):
    if _is_pil(img) and not expand:
        return img.rotate(angle, {"nearest": 0, "bilinear": 2, "bicubic": 3}[_mode(interpolation)])
    if expand or center is not None:
        raise NotImplementedError("rotate: expand and center are provided for neither tensors nor images")

    def run(t):
        h, w = t.shape[-2:]
        a = math.radians(angle)
        cos, sin = math.cos(a), math.sin(a)
        theta = torch.tensor([[[cos, -sin * h / w, 0.0], [sin * w / h, cos, 0.0]]])
        grid = _F.affine_grid(theta, (1, 1, h, w), align_corners=False)
        out = _F.grid_sample(t.float().unsqueeze(0), grid, mode=_mode(interpolation),
                             padding_mode="zeros", align_corners=False).squeeze(0)
        return out.to(t.dtype)
    return _through_tensor(img, run)


def erase(img, i, j, h, w, v, inplace=False):
    img = img if inplace else img.clone()
    img[..., i:i + h, j:j + w] = v
    return img


def convert_image_dtype(image, dtype=torch.float32):
    if image.dtype is dtype:
        return image
    if image.is_floating_point():
        if dtype.is_floating_point:
            return image.to(dtype)
        return image.mul(torch.iinfo(dtype).max + 1.0 - 1e-3).to(dtype)
    if dtype.is_floating_point:
        return image.to(dtype).div(torch.iinfo(image.dtype).max)
    return image.to(dtype)


# ---- classes

class Compose:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, img):
        for t in self.transforms:
            img = t(img)
        return img

    def __repr__(self):
        return type(self).__name__ + "(" + "".join(f"\n    {t}" for t in self.transforms) + "\n)"


class _Transform(torch.nn.Module):
    def forward(self, img):
        return self.run(img)


class ToTensor:
    def __call__(self, pic):
        return to_tensor(pic)

    def __repr__(self):
        return "ToTensor()"


class PILToTensor:
    def __call__(self, pic):
        return pil_to_tensor(pic)


class ToPILImage:
    def __init__(self, mode=None):
        self.mode = mode

    def __call__(self, pic):
        return to_pil_image(pic, self.mode)


class ConvertImageDtype(_Transform):
    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def run(self, img):
        return convert_image_dtype(img, self.dtype)


class Normalize(_Transform):
    def __init__(self, mean, std, inplace=False):
        super().__init__()
        self.mean, self.std, self.inplace = mean, std, inplace

    def run(self, img):
        return normalize(img, self.mean, self.std, self.inplace)

    def __repr__(self):
        return f"Normalize(mean={self.mean}, std={self.std})"


class Resize(_Transform):
    def __init__(self, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True):
        super().__init__()
        self.size, self.interpolation = size, interpolation
        self.max_size, self.antialias = max_size, antialias

    def run(self, img):
        return resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self):
        return (f"Resize(size={self.size}, interpolation={_mode(self.interpolation)}, "
                f"max_size={self.max_size}, antialias={self.antialias})")


Scale = Resize


class CenterCrop(_Transform):
    def __init__(self, size):
        super().__init__()
        self.size = _pair(size)

    def run(self, img):
        return center_crop(img, self.size)

    def __repr__(self):
        return f"CenterCrop(size={self.size})"


class Pad(_Transform):
    def __init__(self, padding, fill=0, padding_mode="constant"):
        super().__init__()
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def run(self, img):
        return pad(img, self.padding, self.fill, self.padding_mode)


class Lambda:
    def __init__(self, lambd):
        self.lambd = lambd

    def __call__(self, img):
        return self.lambd(img)


class RandomApply(_Transform):
    def __init__(self, transforms, p=0.5):
        super().__init__()
        self.transforms, self.p = transforms, p

    def run(self, img):
        if self.p < torch.rand(1):
            return img
        for t in self.transforms:
            img = t(img)
        return img


class RandomCrop(_Transform):
    def __init__(self, size, padding=None, pad_if_needed=False, fill=0, padding_mode="constant"):
        super().__init__()
        self.size, self.padding, self.pad_if_needed = _pair(size), padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    def run(self, img):
        if self.padding is not None:
            img = pad(img, self.padding, self.fill, self.padding_mode)
        (h, w), (height, width) = _hw(img), self.size
        if self.pad_if_needed and w < width:
            img = pad(img, (width - w, 0), self.fill, self.padding_mode)
        if self.pad_if_needed and h < height:
            img = pad(img, (0, height - h), self.fill, self.padding_mode)
        h, w = _hw(img)
        if h < height or w < width:
            raise ValueError(f"a crop of {self.size} is larger than the image {(h, w)}")
        if (h, w) == (height, width):
            return img
        i = torch.randint(0, h - height + 1, (1,)).item()
        j = torch.randint(0, w - width + 1, (1,)).item()
        return crop(img, i, j, height, width)


class _Flip(_Transform):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def run(self, img):
        return self.function(img) if torch.rand(1) < self.p else img

    def extra_repr(self):
        return f"p={self.p}"


class RandomHorizontalFlip(_Flip):
    function = staticmethod(hflip)


class RandomVerticalFlip(_Flip):
    function = staticmethod(vflip)


class RandomResizedCrop(_Transform):
    def __init__(self, size, scale=(0.08, 1.0), ratio=(3.0 / 4.0, 4.0 / 3.0),
                 interpolation=InterpolationMode.BILINEAR, antialias=True):
        super().__init__()
        self.size, self.scale, self.ratio = _pair(size), scale, ratio
        self.interpolation, self.antialias = interpolation, antialias

    @staticmethod
    def get_params(img, scale, ratio):
        height, width = _hw(img)
        logs = [math.log(r) for r in ratio]
        for _ in range(10):
            area = height * width * torch.empty(1).uniform_(scale[0], scale[1]).item()
            aspect = torch.empty(1).uniform_(logs[0], logs[1]).exp_().item()
            w, h = int(round(math.sqrt(area * aspect))), int(round(math.sqrt(area / aspect)))
            if 0 < w <= width and 0 < h <= height:
                i = torch.randint(0, height - h + 1, (1,)).item()
                j = torch.randint(0, width - w + 1, (1,)).item()
                return i, j, h, w
        shape = width / height
        if shape < min(ratio):
            w, h = width, int(round(width / min(ratio)))
        elif shape > max(ratio):
            w, h = int(round(height * max(ratio))), height
        else:
            w, h = width, height
        return (height - h) // 2, (width - w) // 2, h, w

    def run(self, img):
        i, j, h, w = self.get_params(img, self.scale, self.ratio)
        return resized_crop(img, i, j, h, w, self.size, self.interpolation, self.antialias)


RandomSizedCrop = RandomResizedCrop


class Grayscale(_Transform):
    def __init__(self, num_output_channels=1):
        super().__init__()
        self.num_output_channels = num_output_channels

    def run(self, img):
        return rgb_to_grayscale(img, self.num_output_channels)


class RandomGrayscale(_Transform):
    def __init__(self, p=0.1):
        super().__init__()
        self.p = p

    def run(self, img):
        if torch.rand(1) >= self.p:
            return img
        channels = img.shape[-3] if isinstance(img, torch.Tensor) else (1 if img.mode == "L" else 3)
        return rgb_to_grayscale(img, channels)


class ColorJitter(_Transform):
    def __init__(self, brightness=0, contrast=0, saturation=0, hue=0):
        super().__init__()
        self.brightness, self.contrast = self._range(brightness), self._range(contrast)
        self.saturation = self._range(saturation)
        self.hue = self._range(hue, 0.0, (-0.5, 0.5), False)

    @staticmethod
    def _range(value, centre=1.0, bounds=(0, float("inf")), clip=True):
        if isinstance(value, numbers.Number):
            if value < 0:
                raise ValueError("the strength of a jitter is not negative")
            value = [centre - value, centre + value]
            if clip:
                value[0] = max(value[0], 0.0)
        if not bounds[0] <= value[0] <= value[1] <= bounds[1]:
            raise ValueError(f"a jitter lies within {bounds}, not {value}")
        return None if value[0] == value[1] == centre else tuple(value)

    def run(self, img):
        order = torch.randperm(4).tolist()
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        factors = [None if r is None else float(torch.empty(1).uniform_(r[0], r[1])) for r in ranges]
        functions = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)
        for which in order:
            if factors[which] is not None:
                img = functions[which](img, factors[which])
        return img


class RandomRotation(_Transform):
    def __init__(self, degrees, interpolation=InterpolationMode.NEAREST, expand=False, center=None,
                 fill=0):
        super().__init__()
        self.degrees = (-degrees, degrees) if isinstance(degrees, numbers.Number) else tuple(degrees)
        self.interpolation, self.expand, self.center, self.fill = interpolation, expand, center, fill

    def run(self, img):
        angle = float(torch.empty(1).uniform_(float(self.degrees[0]), float(self.degrees[1])).item())
        return rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)


class RandomErasing(_Transform):
    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False):
        super().__init__()
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    def run(self, img):
        if torch.rand(1) >= self.p:
            return img
        channels, height, width = img.shape[-3:]
        logs = [math.log(r) for r in self.ratio]
        for _ in range(10):
            area = height * width * torch.empty(1).uniform_(self.scale[0], self.scale[1]).item()
            aspect = torch.empty(1).uniform_(logs[0], logs[1]).exp_().item()
            h, w = int(round(math.sqrt(area * aspect))), int(round(math.sqrt(area / aspect)))
            if not (h < height and w < width):
                continue
            if self.value == "random":
                v = torch.empty((channels, h, w), dtype=torch.float32).normal_()
            else:
                values = self.value if isinstance(self.value, (list, tuple)) else [self.value]
                v = torch.tensor([float(x) for x in values])[:, None, None]
            i = torch.randint(0, height - h + 1, (1,)).item()
            j = torch.randint(0, width - w + 1, (1,)).item()
            return erase(img, i, j, h, w, v, self.inplace)
        return img


class FiveCrop(_Transform):
    def __init__(self, size):
        super().__init__()
        self.size = _pair(size)

    def run(self, img):
        (h, w), (ch, cw) = _hw(img), self.size
        if ch > h or cw > w:
            raise ValueError(f"a crop of {self.size} is larger than the image {(h, w)}")
        corners = [(0, 0), (0, w - cw), (h - ch, 0), (h - ch, w - cw)]
        return tuple(crop(img, i, j, ch, cw) for i, j in corners) + (center_crop(img, self.size),)


class TenCrop(FiveCrop):
    def __init__(self, size, vertical_flip=False):
        super().__init__(size)
        self.vertical_flip = vertical_flip

    def run(self, img):
        other = vflip(img) if self.vertical_flip else hflip(img)
        return super().run(img) + super().run(other)


class _Functional:
    """transforms.functional: the functions above."""

    def __getattr__(self, name):
        if name in globals() and callable(globals()[name]):
            return globals()[name]
        from trivium.torch._absent import absent

        raise absent("torchvision.transforms.functional", name, globals())


functional = _Functional()


def __getattr__(name):
    from trivium.torch._absent import absent

    raise absent("torchvision.transforms", name, globals())
