"""torch.utils: data loading, checkpoint, and memory shared through DLPack."""

from trivium.torch.utils import checkpoint, data, dlpack, tensorboard  # noqa: F401
