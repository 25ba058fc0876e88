"""torch.random: seeds and states of the default generator."""

from trivium.torch._environment import (fork_rng, get_rng_state, initial_seed, manual_seed,  # noqa: F401
                                        seed, set_rng_state)
from trivium._C import default_generator  # noqa: F401
