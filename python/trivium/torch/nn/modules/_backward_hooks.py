"""Full backward hooks of modules: identities around forward see the gradients pass."""

from trivium import _C
from trivium.torch._tensor import Tensor


def _identities(tensors, seen):
    """The same values, through one node that shows their gradients together."""
    if not any(t.requires_grad for t in tensors):
        return tensors
    return _C._attach_rule("BackwardHook", tensors, [t.detach() for t in tensors], seen)


def call(module, args, kwargs):
    places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
    arrived = {}

    def run_hooks(gradients):
        grad_input = [None] * len(args)
        for place, gradient in zip(places, gradients):
            grad_input[place] = gradient
        grad_input = tuple(grad_input)
        for hook in tuple(module._backward_hooks.values()):
            got = hook(module, grad_input, arrived.get("output", ()))
            if got is not None:
                grad_input = got if isinstance(got, tuple) else (got,)
        return tuple(grad_input[place] for place in places)

    inputs = [args[i] for i in places]
    wanted = any(t.requires_grad for t in inputs)
    passed = _identities(inputs, run_hooks)
    args = list(args)
    for place, tensor in zip(places, passed):
        args[place] = tensor
    output = module._forward_and_hooks(tuple(args), kwargs)
    single = isinstance(output, Tensor)
    outputs = [output] if single else list(output)

    def note(gradients):
        arrived["output"] = tuple(gradients)
        if not wanted:
            for hook in tuple(module._backward_hooks.values()):
                hook(module, (None,) * len(args), arrived["output"])
        return gradients

    if all(isinstance(t, Tensor) for t in outputs):
        outputs = list(_identities(outputs, note))
    return outputs[0] if single else type(output)(outputs)
