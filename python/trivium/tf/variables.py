"""tf.Variable, variable scopes and get_variable."""
import contextlib
import logging

import numpy as np

from trivium import _tf
from trivium.tf import _core, array_ops, init_ops, random_ops
from trivium.tf._core import GraphKeys, Tensor
from trivium.tf._core import Variable as _Variable


def _is_dtype_object(value):
    return isinstance(value, (_core.DType, np.dtype)) or (
        isinstance(value, type) and (issubclass(value, np.generic) or value in (float, int, bool)))


def _drawn(dtype, shape):
    """The initial value that `Variable(tf.float32, shape=…)` means."""
    if shape is None or not _core.TensorShape(shape).is_fully_defined():
        raise ValueError("tf.Variable(%s): a dtype as initial value needs a fully known shape" % dtype.name)
    logging.getLogger("trivium.tf").info("Variable(%s, shape=%s): its initial value is drawn", dtype.name, shape)
    dims = _core.TensorShape(shape).as_list()
    if dtype.is_floating:
        return random_ops.random_normal(dims, dtype=dtype)
    return array_ops.zeros(dims, dtype)


class _VariableMeta(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, _Variable)


class Variable(metaclass=_VariableMeta):
    """A value of a session that a run can change. Calling it adds `<name>/initial_value`, `<name>`,
    `<name>/Assign` and `<name>/read` to the graph."""

    def __new__(cls, initial_value=None, trainable=True, collections=None, validate_shape=True,
                caching_device=None, name=None, variable_def=None, dtype=None, expected_shape=None,
                import_scope=None, constraint=None, use_resource=None, synchronization=None,
                aggregation=None, shape=None):
        if initial_value is None:
            raise ValueError("initial_value must be specified.")
        if constraint is not None:
            raise NotImplementedError("tf.Variable: constraint; apply it with tf.assign after the update")
        if _is_dtype_object(initial_value):
            initial_value = _drawn(_core.as_dtype(initial_value), shape)
        keys = list(collections) if collections is not None else [GraphKeys.GLOBAL_VARIABLES]
        name = name or "Variable"
        if callable(initial_value) and not _core.is_tensor(initial_value):
            graph = _core.get_default_graph()
            graph.push_control([], True)
            text = graph.push_scope(name)
            try:
                with _core.name_scope("Initializer"):
                    initial_value = _core.tensor(initial_value())
                return _tf.make_variable(initial_value, text, trainable, _core.dtype_name(dtype), keys)
            finally:
                graph.pop_scope()
                graph.pop_control()
        return _tf.make_variable(_core.inp(initial_value), name, trainable, _core.dtype_name(dtype), keys)


def _update(type_):
    def method(self, value, use_locking=None, name=None, read_value=True):
        with _core.graph_of(self):
            return _core.out(type_, [("ref", self._ref), ("value", value, self.dtype.name)], None, name)
    return method


_Variable.assign = _update("Assign")
_Variable.assign_add = _update("AssignAdd")
_Variable.assign_sub = _update("AssignSub")


def _assign(type_):
    def function(ref, value, validate_shape=None, use_locking=None, name=None):
        ref = ref._ref if isinstance(ref, _Variable) else ref
        attrs = {"validate_shape": False} if validate_shape is False else None
        return _core.out(type_, [("ref", ref), ("value", value, ref._dtype)], attrs, name)
    return function


assign, assign_add, assign_sub = _assign("Assign"), _assign("AssignAdd"), _assign("AssignSub")


def _count_up_to(self, limit):
    """Adds one and gives the number before it; OutOfRangeError at the limit."""
    with _core.name_scope(None, "CountUpTo") as scope:
        before = _core.out("CountUpTo", [("ref", self.read_value())], {"limit": int(limit)}, scope)
        with _core.control_dependencies([before]):
            one = np.array(1, self.dtype.as_numpy_dtype)
            step = self.assign(_core.out("Minimum", [("x", before + one), ("y", np.array(limit, one.dtype))]))
        with _core.control_dependencies([step]):
            return _core.out("Identity", [("input", before)])


_Variable.count_up_to = _count_up_to


def count_up_to(ref, limit, name=None):
    return ref.count_up_to(limit)


def _scatter(type_):
    def function(ref, indices, updates, use_locking=None, name=None):
        ref = ref._ref if isinstance(ref, _Variable) else ref
        return _core.out(type_, [("ref", ref), ("indices", indices), ("updates", updates, ref._dtype)], None, name)
    return function


scatter_update, scatter_add, scatter_sub = _scatter("ScatterUpdate"), _scatter("ScatterAdd"), _scatter("ScatterSub")


def global_variables(scope=None):
    return _core.get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


all_variables = global_variables


def local_variables(scope=None):
    return _core.get_collection(GraphKeys.LOCAL_VARIABLES, scope)


def trainable_variables(scope=None):
    return _core.get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


def model_variables(scope=None):
    return _core.get_collection(GraphKeys.MODEL_VARIABLES, scope)


def variables_initializer(var_list, name="init"):
    return _tf.variables_initializer(list(var_list), name)


initialize_variables = variables_initializer


def global_variables_initializer():
    return variables_initializer(global_variables())


initialize_all_variables = global_variables_initializer


def local_variables_initializer():
    return variables_initializer(local_variables())


def is_variable_initialized(variable):
    return _core.out("IsVariableInitialized", [("ref", variable._ref)])


# ---- scopes

AUTO_REUSE = "auto_reuse"


class VariableScope:
    """Where get_variable puts names, and what it falls back on."""

    def __init__(self, name="", reuse=False, initializer=None, regularizer=None, dtype=_core.float32,
                 original_name_scope="", custom_getter=None):
        self.name, self.reuse, self.initializer = name, reuse, initializer
        self.regularizer, self.dtype, self.original_name_scope = regularizer, dtype, original_name_scope
        self.custom_getter = custom_getter

    def reuse_variables(self):
        self.reuse = True

    def set_initializer(self, initializer):
        self.initializer = initializer

    def global_variables(self):
        return global_variables(self.name + "/" if self.name else None)

    def trainable_variables(self):
        return trainable_variables(self.name + "/" if self.name else None)


def _store():
    return _core.get_default_graph().state().setdefault(
        "variable_store", {"scope": VariableScope(), "variables": {}, "counts": {}, "sites": {}})


def get_variable_scope():
    return _store()["scope"]


def _unique_scope(prefix):
    """`prefix`, numbered among the scopes that were opened beside it."""
    store = _store()
    base = store["scope"].name
    whole = base + "/" + prefix if base else prefix
    if store["counts"].get(whole, 0) == 0:
        return prefix
    i = 1
    while store["counts"].get("%s_%d" % (whole, i), 0) > 0:
        i += 1
    return "%s_%d" % (prefix, i)


@contextlib.contextmanager
def variable_scope(name_or_scope, default_name=None, values=None, initializer=None, regularizer=None,
                   caching_device=None, partitioner=None, custom_getter=None, reuse=None, dtype=None,
                   use_resource=None, constraint=None, auxiliary_name_scope=True):
    """A scope of variables (its path as written) and of operations (made unique)."""
    if name_or_scope is None and default_name is None:
        raise TypeError("If default_name is None then name_or_scope is required")
    if partitioner is not None:
        raise NotImplementedError("tf.variable_scope: partitioner")
    store = _store()
    outer, counts = store["scope"], store["counts"]
    jump = isinstance(name_or_scope, VariableScope)
    if jump:
        name, last, source = name_or_scope.name, name_or_scope.name.split("/")[-1], name_or_scope
    else:
        last = name_or_scope if name_or_scope is not None else _unique_scope(default_name)
        name = outer.name + "/" + last if outer.name else last
        source = outer
    reuse = reuse or (name_or_scope.reuse if jump else False) or outer.reuse
    graph = _core.get_default_graph()
    op_name = last if name_or_scope is not None else default_name
    text = graph.push_scope(op_name or "") if auxiliary_name_scope and last else None
    inner = VariableScope(name, reuse, initializer or source.initializer, regularizer or source.regularizer,
                          _core.as_dtype(dtype) if dtype is not None else source.dtype,
                          name_or_scope.original_name_scope if jump else (text or ""),
                          custom_getter or source.custom_getter)
    saved = dict(counts) if jump else None
    if not jump:
        counts[name] = counts.get(name, 0) + 1
    store["scope"] = inner
    try:
        yield inner
    finally:
        store["scope"] = outer
        if jump:
            counts.clear()
            counts.update(saved)
        else:  # the counters of inner scopes start again when this one is entered again
            for key in [k for k in counts if k.startswith(name + "/")]:
                del counts[key]
        if text is not None:
            graph.pop_scope()


def _default_initializer(name, dtype):
    if dtype.is_floating:
        return init_ops.glorot_uniform_initializer()
    if dtype.is_integer or dtype == _core.bool_:
        return init_ops.Zeros()
    raise ValueError("An initializer for variable %s of %s is required" % (name, dtype))


def get_variable(name, shape=None, dtype=None, initializer=None, regularizer=None, trainable=True,
                 collections=None, caching_device=None, partitioner=None, validate_shape=True,
                 use_resource=None, custom_getter=None, constraint=None, synchronization=None, aggregation=None):
    """The variable of this name in the current variable scope: made, or found again when the scope reuses."""
    if constraint is not None:
        raise NotImplementedError("tf.get_variable: constraint; apply it with tf.assign after the update")
    scope = get_variable_scope()
    getter = custom_getter or scope.custom_getter
    whole = scope.name + "/" + name if scope.name else name
    if getter is not None:
        def plain(name, shape=None, **kwargs):
            return _get(name, shape, scope, **kwargs)
        return getter(plain, whole, shape=shape, dtype=dtype, initializer=initializer, regularizer=regularizer,
                      trainable=trainable, collections=collections)
    return _get(whole, shape, scope, dtype, initializer, regularizer, trainable, collections)


def _get(name, shape, scope, dtype=None, initializer=None, regularizer=None, trainable=True, collections=None, **_):
    store = _store()
    dtype = _core.as_dtype(dtype) if dtype is not None else scope.dtype
    found = store["variables"].get(name)
    if found is not None:
        if not scope.reuse:
            raise ValueError("Variable %s already exists, disallowed. Did you mean to set reuse=True or "
                             "reuse=tf.AUTO_REUSE in VarScope? Originally defined at:\n\n  %s" % (name, found.op.site))
        if shape is not None and not found.shape.is_compatible_with(shape):
            raise ValueError("Trying to share variable %s, but specified shape %s and found shape %s."
                             % (name, _core.TensorShape(shape), found.shape))
        if found.dtype != dtype:
            raise ValueError("Trying to share variable %s, but specified dtype %s and found dtype %s_ref."
                             % (name, dtype.name, found.dtype.name))
        return found
    if scope.reuse is True:
        raise ValueError("Variable %s does not exist, or was not created with tf.get_variable(). Did you mean to "
                         "set reuse=tf.AUTO_REUSE in VarScope?" % name)
    initializer = initializer if initializer is not None else scope.initializer
    if initializer is None:
        initializer = _default_initializer(name, dtype)
    if isinstance(initializer, type):
        initializer = initializer()
    graph = _core.get_default_graph()
    graph.push_scope("")  # name scopes do not count
    try:
        if callable(initializer) and not _core.is_tensor(initializer):
            if shape is None:
                raise ValueError("Shape of a new variable (%s) must be fully defined, but instead was <unknown>." % name)
            shape = _core.TensorShape(shape)
            if not shape.is_fully_defined():
                raise ValueError("Shape of a new variable (%s) must be fully defined, but instead was %s." % (name, shape))
            dims = shape.as_list()

            def value():
                try:
                    return initializer(dims, dtype=dtype)
                except TypeError:
                    return initializer(dims)
        else:
            if shape is not None:
                raise ValueError("If initializer is a constant, do not specify shape.")
            value = initializer
        made = Variable(value, trainable=trainable, collections=collections, name=name,
                        dtype=None if callable(value) else (dtype if not _core.is_tensor(value) else None))
        store["variables"][name] = made
        regularizer = regularizer or scope.regularizer
        if regularizer is not None:
            with _core.name_scope(name + "/Regularizer/"):
                loss = regularizer(made)
            if loss is not None:
                _core.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)
        return made
    finally:
        graph.pop_scope()


def make_template(name_, func_, create_scope_now_=False, unique_name_=None, custom_getter_=None, **kwargs):
    """A function whose variables are made by its first call and shared by the later ones."""
    state = {}

    def call(*args, **more):
        merged = dict(kwargs, **more)
        if "scope" not in state:
            with variable_scope(unique_name_, name_) as scope:
                state["scope"] = scope
                return func_(*args, **merged)
        with variable_scope(state["scope"], reuse=True):
            return func_(*args, **merged)
    return call


