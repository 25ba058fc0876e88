"""tf.contrib.framework: arg_scope, and variables by another name."""
import contextlib
import functools

from trivium.tf import _core, session_hooks, variables
from trivium.tf.train import create_global_step, get_global_step, get_or_create_global_step, list_variables, load_variable

_SCOPES = [{}]


def add_arg_scope(func):
    """Lets arg_scope set the arguments of a function."""
    @functools.wraps(func)
    def call(*args, **kwargs):
        return func(*args, **{**_SCOPES[-1].get(call, {}), **kwargs})
    return call


@contextlib.contextmanager
def arg_scope(list_ops_or_scope, **kwargs):
    """Arguments that functions take by default inside the block."""
    if isinstance(list_ops_or_scope, dict):
        if kwargs:
            raise ValueError("When attempting to re-use a scope by suppling a dictionary, kwargs must be empty.")
        _SCOPES.append(dict(list_ops_or_scope))
    else:
        inner = dict(_SCOPES[-1])
        for op in list_ops_or_scope:
            inner[op] = {**inner.get(op, {}), **kwargs}
        _SCOPES.append(inner)
    try:
        yield _SCOPES[-1]
    finally:
        _SCOPES.pop()


def get_variables(scope=None, suffix=None, collection=_core.GraphKeys.GLOBAL_VARIABLES):
    name = scope.name if isinstance(scope, variables.VariableScope) else scope
    found = _core.get_collection(collection, name)
    return found if suffix is None else [v for v in found if v.op.name.endswith(suffix)]


def get_trainable_variables(scope=None, suffix=None):
    return get_variables(scope, suffix, _core.GraphKeys.TRAINABLE_VARIABLES)


def get_variables_to_restore(include=None, exclude=None):
    def under(names):
        return [v for name in names for v in get_variables(name)]
    found = variables.global_variables() if include is None else under(include)
    return [v for v in found if v not in under(exclude or [])]


def assign_from_checkpoint_fn(model_path, var_list, ignore_missing_vars=False, reshape_variables=False):
    """A function of a session that gives the variables the values of a checkpoint."""
    from trivium.tf import train
    if ignore_missing_vars:
        there = train.NewCheckpointReader(model_path).get_variable_to_shape_map()
        pairs = var_list if isinstance(var_list, dict) else {v.op.name: v for v in var_list}
        var_list = {k: v for k, v in pairs.items() if k in there}
    saver = train.Saver(var_list, reshape=reshape_variables)
    return lambda session: saver.restore(session, model_path)


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.contrib.framework.%s is not in this version" % name)
