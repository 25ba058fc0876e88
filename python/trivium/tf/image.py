"""tf.image: pictures [height, width, channels], or batches of them."""
import numpy as np

from trivium.tf import _core, array_ops, math_ops, random_ops
from trivium.tf._core import out, tensor


class ResizeMethod:
    BILINEAR, NEAREST_NEIGHBOR, BICUBIC, AREA = 0, 1, 2, 3


# ---- files

def decode_jpeg(contents, channels=0, ratio=1, fancy_upscaling=True, try_recover_truncated=False,
                acceptable_fraction=1, dct_method="", name=None):
    """The uint8 picture in JPEG (or PNG) bytes."""
    if ratio != 1:
        raise NotImplementedError("tf.image.decode_jpeg: ratio")
    return out("DecodeJpeg", [("contents", contents, "string")], {"channels": _channels(channels)}, name)


def decode_png(contents, channels=0, dtype=_core.uint8, name=None):
    if _core.as_dtype(dtype) != _core.uint8:
        raise NotImplementedError("tf.image.decode_png: dtype %s" % _core.as_dtype(dtype).name)
    return out("DecodePng", [("contents", contents, "string")], {"channels": _channels(channels)}, name)


def decode_image(contents, channels=None, dtype=_core.uint8, name=None):
    """JPEG or PNG; the rank of the result is not known in advance."""
    made = out("DecodeImage", [("contents", contents, "string")], {"channels": _channels(channels or 0)}, name,
               "decode_image")
    return made if _core.as_dtype(dtype) == _core.uint8 else convert_image_dtype(made, dtype)


def _channels(channels):
    if channels not in (0, 1, 3, 4):
        raise ValueError("channels must be 0, 1, 3, or 4, got %r" % (channels,))
    return int(channels)


def encode_png(image, compression=-1, name=None):
    return out("EncodePng", [("image", image)], None, name)


def encode_jpeg(image, format="", quality=95, name=None, **unused):
    return out("EncodeJpeg", [("image", image)], {"quality": int(quality)}, name)


# ---- sizes

def _resize(type_):
    def function(images, size, align_corners=False, name=None, half_pixel_centers=False):
        sizes = size if _core.is_tensor(size) else array_ops._sizes(size)
        return out(type_, [("images", images), ("size", sizes)],
                   {"align_corners": bool(align_corners), "half_pixel_centers": bool(half_pixel_centers)}, name)
    return function


resize_bilinear, resize_nearest_neighbor = _resize("ResizeBilinear"), _resize("ResizeNearestNeighbor")
resize_bicubic, resize_area = _resize("ResizeBicubic"), _resize("ResizeArea")


def _rank(x, what="images"):
    if x.shape.ndims is None:
        raise ValueError("'%s' contains no shape." % what)
    if x.shape.ndims not in (3, 4):
        raise ValueError("'%s' must have either 3 or 4 dimensions." % what)
    return x.shape.ndims


def resize_images(images, size, method=ResizeMethod.BILINEAR, align_corners=False, preserve_aspect_ratio=False):
    """float32 pictures of another size (of the same dtype when the size stays, or by the nearest pixel)."""
    with _core.name_scope(None, "resize_images"):
        images = tensor(images)
        single = _rank(images) == 3
        x = array_ops.expand_dims(images, 0) if single else images
        height, width = [None if _core.is_tensor(s) else int(s) for s in ([None, None] if _core.is_tensor(size) else size)]
        if preserve_aspect_ratio:
            h, w = x.shape.as_list()[1:3]
            if None in (h, w, height, width):
                raise NotImplementedError("tf.image.resize_images: preserve_aspect_ratio of sizes not known in advance")
            scale = min(np.float32(height) / np.float32(h), np.float32(width) / np.float32(w))
            height, width = int(np.round(np.float32(h) * scale)), int(np.round(np.float32(w) * scale))
            size = [height, width]
        if None not in (height, width) and x.shape.as_list()[1:3] == [height, width]:
            return images
        functions = {0: resize_bilinear, 1: resize_nearest_neighbor, 2: resize_bicubic, 3: resize_area}
        if method not in functions:
            raise ValueError("Resize method is not implemented.")
        x = functions[method](x, size, align_corners)
        return array_ops.squeeze(x, [0]) if single else x


def crop_to_bounding_box(image, offset_height, offset_width, target_height, target_width):
    with _core.name_scope(None, "crop_to_bounding_box"):
        image = tensor(image)
        lead = [0] * (_rank(image, "image") - 3)
        h, w = image.shape.as_list()[-3:-1]
        for name, value in (("offset_width", offset_width), ("offset_height", offset_height)):
            if value < 0:
                raise ValueError("%s must be >= 0." % name)
        if target_width <= 0 or target_height <= 0:
            raise ValueError("target_width and target_height must be > 0.")
        if w is not None and w < target_width + offset_width:
            raise ValueError("width must be >= target + offset.")
        if h is not None and h < target_height + offset_height:
            raise ValueError("height must be >= target + offset.")
        return array_ops.slice(image, lead + [offset_height, offset_width, 0],
                               [-1] * len(lead) + [target_height, target_width, -1])


def pad_to_bounding_box(image, offset_height, offset_width, target_height, target_width):
    with _core.name_scope(None, "pad_to_bounding_box"):
        image = tensor(image)
        lead = [[0, 0]] * (_rank(image, "image") - 3)
        h, w = image.shape.as_list()[-3:-1]
        if h is None or w is None:
            raise NotImplementedError("tf.image.pad_to_bounding_box: a picture of unknown size")
        after_h, after_w = target_height - offset_height - h, target_width - offset_width - w
        for name, value in (("offset_height", offset_height), ("offset_width", offset_width)):
            if value < 0:
                raise ValueError("%s must be >= 0" % name)
        if after_w < 0:
            raise ValueError("width must be <= target - offset")
        if after_h < 0:
            raise ValueError("height must be <= target - offset")
        return array_ops.pad(image, lead + [[offset_height, after_h], [offset_width, after_w], [0, 0]])


def resize_image_with_crop_or_pad(image, target_height, target_width):
    """The middle of the picture, with zeros around it where it is too small."""
    with _core.name_scope(None, "resize_image_with_crop_or_pad"):
        image = tensor(image)
        _rank(image, "image")
        h, w = image.shape.as_list()[-3:-1]
        if h is None or w is None:
            raise NotImplementedError("tf.image.resize_image_with_crop_or_pad: a picture of unknown size")
        cropped = crop_to_bounding_box(image, max((h - target_height) // 2, 0), max((w - target_width) // 2, 0),
                                       min(target_height, h), min(target_width, w))
        return pad_to_bounding_box(cropped, max((target_height - h) // 2, 0), max((target_width - w) // 2, 0),
                                   target_height, target_width)


def central_crop(image, central_fraction):
    """The middle part of a picture [height, width, channels]."""
    if not 0.0 < central_fraction <= 1.0:
        raise ValueError("central_fraction must be within (0, 1]")
    image = tensor(image)
    if central_fraction == 1.0:
        return image
    h, w = image.shape.as_list()[-3:-1]
    if h is None or w is None:
        raise NotImplementedError("tf.image.central_crop: a picture of unknown size")
    top, left = int((h - h * central_fraction) / 2), int((w - w * central_fraction) / 2)
    return crop_to_bounding_box(image, top, left, h - 2 * top, w - 2 * left)


# ---- turns

def _flip(axis):
    def function(image):
        image = tensor(image)
        _rank(image, "image")
        return array_ops.reverse(image, [len(image.shape) - 3 + axis])
    return function


flip_up_down, flip_left_right = _flip(0), _flip(1)


def transpose_image(image):
    image = tensor(image)
    return array_ops.transpose(image, [1, 0, 2] if _rank(image, "image") == 3 else [0, 2, 1, 3])


def _random_flip(flip, name):
    def function(image, seed=None):
        with _core.name_scope(None, name):
            image = tensor(image)
            if _rank(image, "image") != 3:
                raise NotImplementedError("tf.image.%s of a batch" % name)
            turned = math_ops.less(random_ops.random_uniform([], 0, 1.0, seed=seed), 0.5)
            made = array_ops.where(turned, flip(image), image)
            made.set_shape(image.shape)
            return made
    return function


random_flip_left_right = _random_flip(flip_left_right, "random_flip_left_right")
random_flip_up_down = _random_flip(flip_up_down, "random_flip_up_down")


def rot90(image, k=1, name=None):
    """Turned by k quarters, against the clock."""
    with _core.name_scope(name, "rot90"):
        image = tensor(image)
        k %= 4
        if k == 0:
            return image
        if k == 2:
            return flip_up_down(flip_left_right(image))
        return flip_up_down(transpose_image(image)) if k == 1 else transpose_image(flip_up_down(image))


# ---- values

def convert_image_dtype(image, dtype, saturate=False, name=None):
    """The same picture in another dtype; floats are in [0, 1], integers in their whole range."""
    image, dtype = tensor(image), _core.as_dtype(dtype)
    if image.dtype == dtype:
        return array_ops.identity(image, name)
    with _core.name_scope(name, "convert_image"):
        to = math_ops.saturate_cast if saturate else math_ops.cast
        if image.dtype.is_integer and dtype.is_integer:
            have, want = int(image.dtype.max), int(dtype.max)
            if have > want:
                return to(math_ops.floordiv(image, (have + 1) // (want + 1)), dtype)
            return to(image, dtype) * ((want + 1) // (have + 1))
        if image.dtype.is_floating and dtype.is_floating:
            return math_ops.cast(image, dtype)
        if image.dtype.is_integer:
            return math_ops.cast(image, dtype) * dtype.as_numpy_dtype(1.0 / image.dtype.max)
        return to(image * image.dtype.as_numpy_dtype(dtype.max + 0.5), dtype)


def _as_float(image, fn):
    """fn on the picture as floats, and back."""
    image = tensor(image)
    floats = image if image.dtype.is_floating else convert_image_dtype(image, "float32")
    return convert_image_dtype(fn(floats), image.dtype, saturate=True)


def adjust_brightness(image, delta):
    with _core.name_scope(None, "adjust_brightness"):
        return _as_float(image, lambda x: x + math_ops.cast(delta, x.dtype))


def adjust_contrast(images, contrast_factor):
    """Distances to the mean of each channel, times a factor."""
    def stretched(x):
        mean = math_ops.reduce_mean(x, [len(x.shape) - 3, len(x.shape) - 2], keepdims=True)
        return (x - mean) * math_ops.cast(contrast_factor, x.dtype) + mean
    with _core.name_scope(None, "adjust_contrast"):
        return _as_float(images, stretched)


def adjust_gamma(image, gamma=1, gain=1):
    with _core.name_scope(None, "adjust_gamma"):
        return _as_float(image, lambda x: gain * math_ops.pow(x, math_ops.cast(gamma, x.dtype)))


def random_brightness(image, max_delta, seed=None):
    if max_delta < 0:
        raise ValueError("max_delta must be non-negative.")
    return adjust_brightness(image, random_ops.random_uniform([], -max_delta, max_delta, seed=seed))


def random_contrast(image, lower, upper, seed=None):
    if upper <= lower:
        raise ValueError("upper must be > lower.")
    if lower < 0:
        raise ValueError("lower must be non-negative.")
    return adjust_contrast(image, random_ops.random_uniform([], lower, upper, seed=seed))


def rgb_to_grayscale(images, name=None):
    with _core.name_scope(name, "rgb_to_grayscale"):
        weights = np.array([0.2989, 0.5870, 0.1140], np.float32)
        return _as_float(images, lambda x: math_ops.reduce_sum(x * weights.astype(x.dtype.as_numpy_dtype),
                                                               len(x.shape) - 1, keepdims=True))


def grayscale_to_rgb(images, name=None):
    with _core.name_scope(name, "grayscale_to_rgb"):
        images = tensor(images)
        return array_ops.tile(images, [1] * (len(images.shape) - 1) + [3])


def per_image_standardization(image):
    """(x - mean) / max(deviation, 1 / sqrt(number of elements))."""
    with _core.name_scope(None, "per_image_standardization"):
        image = tensor(image)
        x = math_ops.cast(image, "float32")
        axes = list(range(len(x.shape) - 3, len(x.shape)))
        n = int(np.prod([d for d in x.shape.as_list()[-3:]])) if None not in x.shape.as_list()[-3:] else None
        mean = math_ops.reduce_mean(x, axes, keepdims=True)
        variance = math_ops.reduce_mean(math_ops.square(x), axes, keepdims=True) - math_ops.square(mean)
        count = np.float32(n) if n is not None else math_ops.cast(array_ops.size(x), "float32")
        least = math_ops.rsqrt(tensor(count, "float32"))
        return (x - mean) / math_ops.maximum(math_ops.sqrt(math_ops.maximum(variance, 0.0)), least)


def random_crop(value, size, seed=None, name=None):
    """A part of this size at a random place."""
    with _core.name_scope(name, "random_crop"):
        value = tensor(value)
        dims, have = [int(s) for s in size], value.shape.as_list()
        if None in have:
            raise NotImplementedError("tf.random_crop of a tensor of unknown size")
        if len(dims) != len(have) or any(d > h for d, h in zip(dims, have)):
            raise ValueError("Need value.shape >= size, got %s, %s" % (have, dims))
        limits = np.array([h - d + 1 for d, h in zip(dims, have)], np.int32)
        start = random_ops.random_uniform([len(dims)], 0, 2 ** 31 - 1, "int32", seed=seed) % limits
        for axis, (d, h) in enumerate(zip(dims, have)):
            if d < h:
                value = array_ops.gather(value, start[axis] + np.arange(d, dtype=np.int32), axis=axis)
        return value


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.image.%s is not in this version" % name)
