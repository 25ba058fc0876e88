"""tf.raw_ops: any operation type by its own name. Arguments are named; the tensors come in the operation's order,
the rest are attributes."""
from trivium import _tf
from trivium.tf import _core

# Operations that take lists of tensors first: which argument is the list.
_LISTS = ("IdentityN", "ShapeN", "AddN", "Pack", "ConcatV2", "DynamicStitch", "ParallelDynamicStitch")


def _is_attribute(value):
    return isinstance(value, (bool, str, bytes, _core.DType))


def _made(type_):
    takes = _tf.op_inputs(type_)

    def function(name=None, **arguments):
        inputs, attrs = [], {}
        for key, value in arguments.items():
            if type_ in _LISTS and isinstance(value, (list, tuple)):
                inputs += [("%s_%d" % (key, i), v) for i, v in enumerate(value)]
            elif key == "T" or (type_ not in _LISTS and len(inputs) == len(takes)) or (
                    _is_attribute(value) and key not in takes):
                attrs[key] = value
            else:
                inputs.append((key, value))
        outputs = _core.op(type_, inputs, {k: v for k, v in attrs.items() if v is not None}, name).outputs
        return outputs[0] if len(outputs) == 1 else tuple(outputs)
    function.__name__ = type_
    return function


def __getattr__(name):
    if name.startswith("_") or name not in _tf.op_types():
        raise _core.Absent("tf.raw_ops.%s is not in this version" % name)
    return _made(name)


def __dir__():
    return _tf.op_types()
