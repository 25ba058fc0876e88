"""Batch normalisation."""

from trivium import _C
from trivium.torch.nn import init
from trivium.torch.nn.modules.module import Module
from trivium.torch.nn.parameter import Parameter

F = _C.functional


class _NormBase(Module):
    _version = 2

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True,
                 device=None, dtype=None, *, bias=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        kind = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(_C.ones(num_features, **kind)) if affine else None)
        self.register_parameter("bias", Parameter(_C.zeros(num_features, **kind))
                                if affine and bias else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", _C.zeros(num_features, **kind) if tracked else None)
        self.register_buffer("running_var", _C.ones(num_features, **kind) if tracked else None)
        self.register_buffer("num_batches_tracked", _C.tensor(0) if tracked else None)

    def reset_running_stats(self):
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self):
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def extra_repr(self):
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
                f"affine={self.affine}, bias={self.bias is not None}, "
                f"track_running_stats={self.track_running_stats}")

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys,
                              unexpected_keys, error_msgs):
        version = local_metadata.get("version")
        key = prefix + "num_batches_tracked"
        absent = (version is None or version < 2) and self.track_running_stats and key not in state_dict
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys,
                                      unexpected_keys, error_msgs)
        if absent and key in missing_keys:  # files of before 0.4.1 do not have it
            missing_keys.remove(key)


class _BatchNorm(_NormBase):
    def forward(self, input):
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats:
            self._buffers["num_batches_tracked"].add_(1)
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        own_statistics = self.training or self.running_mean is None
        use = not self.training or self.track_running_stats
        return F.batch_norm(input, self.running_mean if use else None,
                            self.running_var if use else None, self.weight, self.bias,
                            own_statistics, momentum, self.eps)

    def _check_input_dim(self, input):
        if input.dim() not in self._ranks:
            expected = " or ".join(f"{rank}-D" for rank in self._ranks)
            raise ValueError(f"{type(self).__name__} takes {expected} input, not {input.dim()}-D "
                             f"{tuple(input.shape)}")


class BatchNorm1d(_BatchNorm):
    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    _ranks = (4,)


class BatchNorm3d(_BatchNorm):
    _ranks = (5,)


class SyncBatchNorm(_BatchNorm):
    def __init__(self, *_, **__):
        raise NotImplementedError("SyncBatchNorm works between processes, which Trivium does not do: "
                                  "use BatchNorm2d")
