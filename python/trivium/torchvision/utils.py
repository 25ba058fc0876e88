"""make_grid and save_image."""

import math
import struct
import zlib

import trivium.torch as torch


@torch.no_grad()
def make_grid(tensor, nrow=8, padding=2, normalize=False, value_range=None, scale_each=False,
              pad_value=0.0):
    """Images (N, C, H, W), or a list of them, beside one another: (3, H', W')."""
    if isinstance(tensor, (list, tuple)):
        tensor = torch.stack(list(tensor))
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 3:
        if tensor.size(0) == 1:
            tensor = torch.cat([tensor] * 3)
        tensor = tensor.unsqueeze(0)
    if tensor.size(1) == 1:
        tensor = torch.cat([tensor] * 3, 1)
    if normalize:
        tensor = _normalised(tensor, value_range, scale_each)
    if tensor.size(0) == 1:
        return tensor.squeeze(0)
    count = tensor.size(0)
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = tensor.size(2) + padding, tensor.size(3) + padding
    grid = torch.full((tensor.size(1), height * rows + padding, width * columns + padding),
                      float(pad_value), dtype=tensor.dtype)
    for k in range(count):
        y, x = (k // columns) * height + padding, (k % columns) * width + padding
        grid[:, y:y + height - padding, x:x + width - padding] = tensor[k]
    return grid


def _normalised(tensor, value_range, scale_each):
    def scale(t):
        low, high = value_range if value_range is not None else (t.min().item(), t.max().item())
        return (t.clamp(low, high) - low) / max(high - low, 1e-5)

    return torch.stack([scale(t) for t in tensor]) if scale_each else scale(tensor)


def _png(pixels, height, width):
    """RGB bytes as a PNG file."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + pixels[y * width * 3:(y + 1) * width * 3] for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@torch.no_grad()
def save_image(tensor, fp, format=None, **arguments):
    """make_grid(tensor), written as an image; PNG needs nothing, other formats PIL."""
    grid = make_grid(tensor, **arguments)
    pixels = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to(torch.uint8).contiguous()
    name = str(fp).lower() if isinstance(fp, str) or hasattr(fp, "__fspath__") else ""
    if (format or "").lower() == "png" or (format is None and (name.endswith(".png") or not name)):
        data = _png(bytes(pixels.flatten().tolist()), pixels.shape[0], pixels.shape[1])
        if name:
            with open(fp, "wb") as file:
                file.write(data)
        else:
            fp.write(data)
        return
    from PIL import Image

    Image.fromarray(pixels.numpy()).save(fp, format=format)
