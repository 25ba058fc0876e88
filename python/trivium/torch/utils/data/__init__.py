"""torch.utils.data: datasets, samplers, and the DataLoader."""

from trivium.torch.utils.data.collate import default_collate, default_convert  # noqa: F401
from trivium.torch.utils.data.dataset import (ChainDataset, ConcatDataset, Dataset,  # noqa: F401
                                              IterableDataset, StackDataset, Subset, TensorDataset,
                                              random_split)
from trivium.torch.utils.data.loader import DataLoader, get_worker_info  # noqa: F401
from trivium.torch.utils.data.sampler import (BatchSampler, DistributedSampler,  # noqa: F401
                                              RandomSampler, Sampler, SequentialSampler,
                                              SubsetRandomSampler, WeightedRandomSampler)
from trivium.torch.utils.data import collate, dataset, loader, sampler  # noqa: F401

dataloader = loader
_utils = collate
