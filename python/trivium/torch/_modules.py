"""The small submodules: devices that are not there, which say so; AMP that changes nothing; names
that must exist."""

import sys as _sys
import types as _types

from trivium import _C


def _module(name, doc, **names):
    made = _types.ModuleType("trivium.torch." + name, doc)
    made.__dict__.update(names)
    _sys.modules[made.__name__] = made
    return made


def _no_device(*_, **__):
    raise RuntimeError("there is no accelerator in this build: compute on 'cpu'")


def _nothing(*_, **__):
    return None


class _Context:
    """A device context or stream that changes nothing."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def synchronize(self):
        pass

    record = wait_stream = wait_event = synchronize


class autocast(_Context):
    """Accepted; on the processor everything stays in the dtype it has."""

    def __call__(self, function):
        return function


class GradScaler:
    def __init__(self, *_, enabled=False, **__):
        self._enabled = False

    def scale(self, loss):
        return loss

    def unscale_(self, optimizer):
        pass

    def step(self, optimizer, *args, **kwargs):
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale=None):
        pass

    def get_scale(self):
        return 1.0

    def is_enabled(self):
        return False

    def state_dict(self):
        return {}

    def load_state_dict(self, state_dict):
        pass


def _seed_nothing(seed):
    return None


amp = _module("amp", "Mixed precision: accepted, without effect.", autocast=autocast,
              GradScaler=GradScaler)
_cuda_amp = _module("cuda.amp", "Mixed precision: accepted, without effect.", autocast=autocast,
                    GradScaler=GradScaler)
cuda = _module(
    "cuda", "No CUDA device: questions are answered so.", is_available=lambda: False,
    device_count=lambda: 0, manual_seed=_seed_nothing, manual_seed_all=_seed_nothing,
    empty_cache=_nothing, memory_allocated=lambda *_: 0, max_memory_allocated=lambda *_: 0,
    memory_reserved=lambda *_: 0, max_memory_reserved=lambda *_: 0,
    reset_peak_memory_stats=_nothing, synchronize=_nothing, get_device_name=_no_device,
    current_device=_no_device, set_device=_no_device, get_device_properties=_no_device,
    is_initialized=lambda: False, init=_no_device, device=_Context, Stream=_Context, Event=_Context,
    stream=_Context, current_stream=_Context, amp=_cuda_amp, is_bf16_supported=lambda *_: False,
    get_device_capability=_no_device, ipc_collect=_nothing)
xpu = _module("xpu", "No XPU device.", is_available=lambda: False, device_count=lambda: 0,
              manual_seed=_seed_nothing, manual_seed_all=_seed_nothing, empty_cache=_nothing,
              synchronize=_nothing)
mps = _module("mps", "No MPS device.", is_available=lambda: False, device_count=lambda: 0,
              manual_seed=_seed_nothing, empty_cache=_nothing, synchronize=_nothing)
accelerator = _module(
    "accelerator", "No accelerator.", is_available=lambda: False, device_count=lambda: 0,
    current_accelerator=lambda check_available=False: None, current_device_index=lambda: 0,
    synchronize=_nothing, set_device_index=_no_device, empty_cache=_nothing)


def _flags(name, **names):
    """Settings that programs assign; reading gives back what was written."""
    return _module("backends." + name, "Settings of a library Trivium does not use.", **names)


cudnn = _flags("cudnn", benchmark=False, deterministic=False, enabled=False, allow_tf32=False,
               is_available=lambda: False, version=lambda: None, flags=_Context)
backends = _module(
    "backends", "Libraries behind the operations.", cudnn=cudnn,
    mps=_flags("mps", is_available=lambda: False, is_built=lambda: False),
    mkldnn=_flags("mkldnn", is_available=lambda: True, enabled=True, flags=_Context),
    mkl=_flags("mkl", is_available=lambda: False),
    openmp=_flags("openmp", is_available=lambda: True),
    cuda=_flags("cuda", is_built=lambda: False,
                matmul=_types.SimpleNamespace(allow_tf32=False, allow_fp16_reduced_precision_reduction=True)))
version = _module("version", "Versions of this build.", cuda=None, hip=None, git_version="unknown",
                  __version__=_C._version(), debug=False)


def _not_here(what, instead):
    def refuse(*_, **__):
        raise NotImplementedError(f"{what}: {instead}")
    return refuse


jit = _module("jit", "Scripting is not provided; functions pass through where that is right.",
              script=_not_here("torch.jit.script", "Trivium compiles what runs; leave it out"),
              trace=_not_here("torch.jit.trace", "Trivium compiles what runs; leave it out"),
              load=_not_here("torch.jit.load", "torch.load reads the weights of TorchScript files"),
              save=_not_here("torch.jit.save", "torch.save writes state dicts"),
              ignore=lambda f=None, **_: f if f else (lambda g: g),
              unused=lambda f: f, export=lambda f: f, is_scripting=lambda: False,
              is_tracing=lambda: False, ScriptModule=type("ScriptModule", (), {}),
              Final=__import__("typing").Final)
distributed = _module("distributed", "One process: no group is there.", is_available=lambda: False,
                      is_initialized=lambda: False, get_rank=lambda *_: 0,
                      get_world_size=lambda *_: 1,
                      init_process_group=_not_here("torch.distributed", "Trivium trains in one process"))
multiprocessing = _module("multiprocessing", "The standard library, for programs that ask.",
                          __getattr__=lambda name: getattr(__import__("multiprocessing"), name),
                          set_sharing_strategy=_nothing, get_sharing_strategy=lambda: "file_system")
special = _module("special", "Special functions.", expit=_C.sigmoid, erf=_C.erf, erfc=_C.erfc,
                  erfinv=_C.erfinv, gammaln=_C.lgamma, digamma=_C.digamma, psi=_C.digamma,
                  exp2=_C.exp2, expm1=_C.expm1, log1p=_C.log1p, logit=_C.logit,
                  logsumexp=_C.logsumexp, softmax=_C.softmax, log_softmax=_C.log_softmax,
                  xlogy=_C.xlogy, round=_C.round)
