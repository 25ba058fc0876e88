"""torch.utils: data loading, and checkpoint."""

from trivium.torch.utils import checkpoint, data, tensorboard  # noqa: F401
