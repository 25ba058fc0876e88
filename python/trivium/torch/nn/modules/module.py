"""Module: named parameters, buffers and children, and what walks over them."""

import collections
import itertools

from trivium import _C
from trivium.torch._tensor import RemovableHandle, Tensor
from trivium.torch.nn.parameter import Buffer, Parameter

_hook_ids = itertools.count()
_global_forward_hooks = {}
_global_forward_pre_hooks = {}


class _IncompatibleKeys(collections.namedtuple("IncompatibleKeys", ("missing_keys", "unexpected_keys"))):
    def __repr__(self):
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


def _indent(text, by=2):
    first, *rest = text.split("\n")
    return "\n".join([first] + [" " * by + line for line in rest])


def _add(hooks, hook):
    number = next(_hook_ids)
    hooks[number] = hook
    return RemovableHandle(lambda: hooks.pop(number, None))


def register_module_forward_hook(hook):
    return _add(_global_forward_hooks, hook)


def register_module_forward_pre_hook(hook):
    return _add(_global_forward_pre_hooks, hook)


class Module:
    """Base of all layers and networks. Assigning a Parameter, a Module or a Buffer registers it;
    the order of assignment is the order of every iteration. Subclasses define forward()."""

    _version = 1
    training: bool
    call_super_init = False

    def __init__(self, *args, **kwargs):
        if args or kwargs:
            raise TypeError(f"{type(self).__name__}.__init__() passes arguments to Module.__init__(), "
                            "which takes none")
        put = super().__setattr__
        put("training", True)
        put("_parameters", {})
        put("_buffers", {})
        put("_non_persistent_buffers_set", set())
        put("_modules", {})
        put("_forward_hooks", {})
        put("_forward_pre_hooks", {})
        put("_backward_hooks", {})
        put("_state_dict_hooks", {})
        put("_load_state_dict_pre_hooks", {})
        put("_plain_call", True)

    def forward(self, *args, **kwargs):
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    # ---- calling

    def __call__(self, *args, **kwargs):
        try:
            plain = self._plain_call
        except AttributeError:
            self._plain_call = plain = True
        if plain and not _global_forward_hooks and not _global_forward_pre_hooks:
            return self.forward(*args, **kwargs)
        return self._call_with_hooks(args, kwargs)

    def _call_with_hooks(self, args, kwargs):
        for hook, with_kwargs in _hooks_of(_global_forward_pre_hooks, self._forward_pre_hooks):
            got = hook(self, args, kwargs) if with_kwargs else hook(self, args)
            if got is None:
                continue
            if with_kwargs:
                args, kwargs = got
            else:
                args = got if isinstance(got, tuple) else (got,)
        if self._backward_hooks:
            return self._call_with_backward_hooks(args, kwargs)
        return self._forward_and_hooks(args, kwargs)

    def _forward_and_hooks(self, args, kwargs):
        output = self.forward(*args, **kwargs)
        for hook, with_kwargs in _hooks_of(_global_forward_hooks, self._forward_hooks):
            got = hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
            if got is not None:
                output = got
        return output

    def _call_with_backward_hooks(self, args, kwargs):
        from trivium.torch.nn.modules._backward_hooks import call

        return call(self, args, kwargs)

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        self._plain_call = False
        return _add(self._forward_pre_hooks, (hook, with_kwargs))

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        self._plain_call = False
        return _add(self._forward_hooks, (hook, with_kwargs))

    def register_full_backward_hook(self, hook, prepend=False):
        self._plain_call = False
        return _add(self._backward_hooks, hook)

    register_backward_hook = register_full_backward_hook

    # ---- registering

    def register_parameter(self, name, param):
        self._check_name(name, self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"register_parameter: {name} must be a Parameter or None, not "
                            f"{type(param).__name__}")
        if param is not None and not param.is_leaf:
            raise ValueError(f"register_parameter: {name} is a result, not a leaf")
        self._parameters[name] = param

    def register_buffer(self, name, tensor, persistent=True):
        self._check_name(name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"register_buffer: {name} must be a Tensor or None, not "
                            f"{type(tensor).__name__}")
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name, module):
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"add_module: {name} must be a Module, not {type(module).__name__}")
        self._check_name(name, self._modules)
        self._modules[name] = module

    def register_module(self, name, module):
        self.add_module(name, module)

    def _check_name(self, name, registered):
        if "_parameters" not in self.__dict__:
            raise AttributeError("call super().__init__() before registering anything")
        if not isinstance(name, str):
            raise TypeError(f"a name must be text, not {type(name).__name__}")
        if "." in name or not name:
            raise KeyError(f"'{name}': a name is not empty and has no dot")
        if hasattr(self, name) and name not in registered:
            raise KeyError(f"attribute '{name}' exists already")

    def __setattr__(self, name, value):
        own = self.__dict__
        if isinstance(value, Parameter):
            if "_parameters" not in own:
                raise AttributeError(f"assigning the Parameter {name}: call super().__init__() first")
            for other in (own, own["_buffers"], own["_modules"]):
                other.pop(name, None)
            self.register_parameter(name, value)
            return
        if isinstance(value, Module):
            if "_modules" not in own:
                raise AttributeError(f"assigning the Module {name}: call super().__init__() first")
            for other in (own, own["_parameters"], own["_buffers"]):
                other.pop(name, None)
            own["_modules"][name] = value
            return
        if "_parameters" in own:
            if name in own["_parameters"]:
                if value is not None:
                    raise TypeError(f"{name} is a parameter: assign a Parameter or None, not "
                                    f"{type(value).__name__}")
                own["_parameters"][name] = None
                return
            if name in own["_modules"]:
                if value is not None:
                    raise TypeError(f"{name} is a child: assign a Module or None, not "
                                    f"{type(value).__name__}")
                own["_modules"][name] = None
                return
            if name in own["_buffers"]:
                if value is not None and not isinstance(value, Tensor):
                    raise TypeError(f"{name} is a buffer: assign a Tensor or None, not "
                                    f"{type(value).__name__}")
                own["_buffers"][name] = value
                return
            if isinstance(value, Buffer):
                self.register_buffer(name, value, value.persistent)
                return
        object.__setattr__(self, name, value)

    def __getattr__(self, name):
        own = self.__dict__
        for kind in ("_parameters", "_buffers", "_modules"):
            held = own.get(kind)
            if held is not None and name in held:
                return held[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name):
        for held in (self._parameters, self._buffers, self._modules):
            if name in held:
                del held[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    # ---- walking

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name,
                                                remove_duplicate)

    def modules(self):
        for _, module in self.named_modules():
            yield module

    def named_children(self):
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self):
        for _, module in self.named_children():
            yield module

    def _named_members(self, held, prefix, recurse, remove_duplicate):
        seen = set()
        walk = (self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse
                else [(prefix, self)])
        for path, module in walk:
            for name, value in getattr(module, held).items():
                if value is None or (remove_duplicate and id(value) in seen):
                    continue
                seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse=True):
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse=True):
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def get_submodule(self, target):
        module = self
        for part in target.split(".") if target else ():
            if not hasattr(module, part):
                raise AttributeError(f"{type(module).__name__} has no attribute '{part}'")
            module = getattr(module, part)
            if not isinstance(module, Module):
                raise AttributeError(f"'{part}' is no Module")
        return module

    def _get_member(self, target, held, what):
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if getattr(module, held).get(name) is None:
            raise AttributeError(f"{type(module).__name__} has no {what} '{name}'")
        return getattr(module, held)[name]

    def get_parameter(self, target):
        return self._get_member(target, "_parameters", "parameter")

    def get_buffer(self, target):
        return self._get_member(target, "_buffers", "buffer")

    def apply(self, fn):
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ---- modes and places

    def train(self, mode=True):
        if not isinstance(mode, bool):
            raise ValueError(f"train() takes True or False, not {mode!r}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        for parameter in self.parameters():
            if parameter.grad is None:
                continue
            if set_to_none:
                parameter.grad = None
            else:
                parameter.grad.detach_().zero_()

    def share_memory(self):
        return self

    def _apply(self, fn):
        for module in self.children():
            module._apply(fn)
        for name, parameter in self._parameters.items():
            if parameter is None:
                continue
            changed = fn(parameter.data)
            if changed is not parameter.data:
                grad = parameter.grad
                parameter.grad = None
                parameter.data = changed
                if grad is not None:
                    parameter.grad = fn(grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def _cast(self, dtype):
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def to(self, *args, **kwargs):
        from trivium.torch._basics import check_device

        dtype = kwargs.get("dtype")
        places = [kwargs.get("device")]
        for arg in args:
            if isinstance(arg, _C.dtype):
                dtype = arg
            elif isinstance(arg, Tensor):
                dtype = arg.dtype
            elif not isinstance(arg, bool):
                places.append(arg)
        for place in places:
            check_device(place)
        if dtype is None:
            return self
        if not dtype.is_floating_point:
            raise TypeError(f"Module.to() takes floating dtypes, not {dtype}")
        return self._cast(dtype)

    def float(self):
        return self._cast(_C.float32)

    def double(self):
        return self._cast(_C.float64)

    def half(self):
        return self._cast(_C.float16)

    def bfloat16(self):
        return self._cast(_C.bfloat16)

    def type(self, dst_type):
        if isinstance(dst_type, str):
            dst_type = _C._dtype_of_text(dst_type)
        return self._apply(lambda t: t.type(dst_type))

    def cpu(self):
        return self

    def cuda(self, device=None):
        from trivium.torch._basics import check_device

        check_device("cuda" if device is None else device)
        return self

    def compile(self, *_, **__):
        return None

    # ---- state

    def get_extra_state(self):
        raise RuntimeError(f"{type(self).__name__} has no extra state")

    def set_extra_state(self, state):
        raise RuntimeError(f"{type(self).__name__} has no extra state")

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        for name, parameter in self._parameters.items():
            if parameter is not None:
                destination[prefix + name] = parameter if keep_vars else parameter.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if type(self).get_extra_state is not Module.get_extra_state:
            destination[prefix + "_extra_state"] = self.get_extra_state()

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        if args:
            destination = args[0]
            prefix = args[1] if len(args) > 1 else prefix
            keep_vars = args[2] if len(args) > 2 else keep_vars
        if destination is None:
            destination = collections.OrderedDict()
            destination._metadata = collections.OrderedDict()
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = {"version": self._version}
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.",
                                  keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            hook(self, destination, prefix, {})
        return destination

    def register_state_dict_post_hook(self, hook):
        return _add(self._state_dict_hooks, hook)

    _register_state_dict_hook = register_state_dict_post_hook

    def register_load_state_dict_pre_hook(self, hook):
        return _add(self._load_state_dict_pre_hooks, hook)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys,
                              unexpected_keys, error_msgs):
        persistent = {name: buffer for name, buffer in self._buffers.items()
                      if name not in self._non_persistent_buffers_set}
        local = {**self._parameters, **persistent}
        for name, target in local.items():
            if target is None:
                continue
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            value = state_dict[key]
            if not isinstance(value, Tensor):
                error_msgs.append(f"{key}: expected a Tensor, received {type(value).__name__}")
                continue
            if target.dim() == 0 and tuple(value.shape) == (1,):
                value = value[0]
            if value.shape != target.shape:
                error_msgs.append(f"size mismatch for {key}: the file has {tuple(value.shape)}, the "
                                  f"module {tuple(target.shape)}")
                continue
            if local_metadata.get("assign_to_params_buffers"):
                if isinstance(target, Parameter) and not isinstance(value, Parameter):
                    value = Parameter(value, target.requires_grad)
                setattr(self, name, value)
            else:
                with _no_grad():
                    target.copy_(value)
        extra = prefix + "_extra_state"
        if type(self).set_extra_state is not Module.set_extra_state:
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            elif strict:
                missing_keys.append(extra)
        if strict:
            for key in state_dict.keys():
                if key.startswith(prefix) and key != extra:
                    name = key[len(prefix):].split(".", 1)
                    if (len(name) > 1 and name[0] not in self._modules) or (
                            len(name) == 1 and name[0] not in local):
                        unexpected_keys.append(key)

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copies every entry into the parameter or buffer of its name. RuntimeError that lists all
        missing and unexpected keys (when strict) and every size mismatch (always)."""
        if not hasattr(state_dict, "keys"):
            raise TypeError(f"load_state_dict takes a dict, not {type(state_dict).__name__}")
        missing, unexpected, errors = [], [], []
        metadata = getattr(state_dict, "_metadata", None)

        def load(module, prefix):
            local = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
            local["assign_to_params_buffers"] = assign
            for hook in module._load_state_dict_pre_hooks.values():
                hook(module, state_dict, prefix, local, True, missing, unexpected, errors)
            module._load_from_state_dict(state_dict, prefix, local, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    load(child, f"{prefix}{name}.")

        load(self, "")
        unexpected = list(dict.fromkeys(unexpected))
        if strict:
            if unexpected:
                errors.insert(0, "unexpected keys: " + ", ".join(unexpected))
            if missing:
                errors.insert(0, "missing keys: " + ", ".join(missing))
        if errors:
            keys = list(state_dict.keys())
            for wrapper in ("module.", "_orig_mod."):
                if keys and all(key.startswith(wrapper) for key in keys):
                    errors.append(f"every key starts with '{wrapper}', the name of a wrapper: strip it "
                                  f"by {{k[{len(wrapper)}:]: v for k, v in state_dict.items()}}")
            raise RuntimeError(f"loading a state dict into {type(self).__name__}:\n\t" +
                               "\n\t".join(errors))
        return _IncompatibleKeys(missing, unexpected)

    def __setstate__(self, state):
        self.__dict__.update(state)
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_state_dict_hooks",
                     "_load_state_dict_pre_hooks"):
            self.__dict__.setdefault(name, {})
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        self.__dict__.setdefault("_plain_call", not self._forward_hooks and not self._forward_pre_hooks)

    def __dir__(self):
        names = set(dir(type(self))) | set(self.__dict__)
        names |= set(self._parameters) | set(self._buffers) | set(self._modules)
        return sorted(name for name in names if not name[:1].isdigit())

    # ---- text

    def extra_repr(self):
        return ""

    def _get_name(self):
        return type(self).__name__

    def __repr__(self):
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        children = [f"({name}): {_indent(repr(module))}" for name, module in self._modules.items()]
        lines = extra_lines + children
        text = self._get_name() + "("
        if lines:
            if len(extra_lines) == 1 and not children:
                text += extra_lines[0]
            else:
                text += "\n  " + "\n  ".join(lines) + "\n"
        return text + ")"


def _hooks_of(shared, own):
    for hook in tuple(shared.values()):
        yield hook, False
    yield from tuple(own.values())


class _no_grad:
    def __enter__(self):
        self._before = _C.is_grad_enabled()
        _C._set_grad_enabled(False)

    def __exit__(self, *_):
        _C._set_grad_enabled(self._before)
