"""torch.utils.dlpack: memory handed to and taken from other libraries without a copy."""

from trivium.torch._more_functions import from_dlpack  # noqa: F401


def to_dlpack(tensor):
    """A capsule on the tensor's memory; it can be taken once."""
    return tensor.__dlpack__()
