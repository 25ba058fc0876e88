"""tf.train: optimizers, learning rates, averages, the global step."""
import math

from trivium import _tf
from trivium.tf import _core, array_ops, gradients, index_ops, math_ops, sparse_ops, variables
from trivium.tf._core import GraphKeys, inp, tensor
from trivium.tf.coordinator import Coordinator, QueueRunner, add_queue_runner, start_queue_runners
from trivium.tf.data_flow import (batch, input_producer, limit_epochs, match_filenames_once, range_input_producer,
                                  shuffle_batch, slice_input_producer, string_input_producer)
from trivium.tf.graph_files import write_graph
from trivium.tf.meta_graph import export_meta_graph
from trivium.tf.protos import BytesList, Example, Feature, Features, FloatList, Int64List
from trivium.tf.saver import (CheckpointState, NewCheckpointReader, Saver, checkpoint_exists, get_checkpoint_state,
                              import_meta_graph, latest_checkpoint, list_variables, load_variable)


class Optimizer:
    """Adds gradients and updates to the graph. minimize() = compute_gradients() + apply_gradients()."""
    GATE_NONE, GATE_OP, GATE_GRAPH = 0, 1, 2
    _rows_alone = True  # a zero gradient changes nothing, or all rows move as TensorFlow's do

    def __init__(self, kind, numbers, more, name, use_locking=False):
        self._name = name
        self._made = _tf.optimizer(kind, [n() if callable(n) and not _core.is_tensor(n) else inp(n) for n in numbers],
                                   more, name)

    def get_name(self):
        return self._name

    def minimize(self, loss, global_step=None, var_list=None, gate_gradients=1, aggregation_method=None,
                 colocate_gradients_with_ops=False, name=None, grad_loss=None):
        pairs = self.compute_gradients(loss, var_list, grad_loss=grad_loss)
        if all(g is None for g, _ in pairs):
            raise ValueError("No gradients provided for any variable, check your graph for ops that do not support "
                             "gradients, between variables %s and loss %s." % ([str(v) for _, v in pairs], loss))
        return self.apply_gradients(pairs, global_step, name)

    def compute_gradients(self, loss, var_list=None, gate_gradients=1, aggregation_method=None,
                          colocate_gradients_with_ops=False, grad_loss=None):
        loss = loss() if callable(loss) and not _core.is_tensor(loss) else loss
        seed = None if grad_loss is None else tensor(grad_loss)
        if var_list is not None and not list(var_list):
            raise ValueError("No variables to optimize.")
        chosen = list(var_list) if var_list is not None else variables.trainable_variables()
        if not chosen:
            raise ValueError("No variables to optimize.")
        refs = [v.value() if isinstance(v, _core.Variable) else v for v in chosen]
        return list(zip(gradients.gradients(loss, refs, None if seed is None else [seed]), chosen))

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        grads_and_vars = list(grads_and_vars)
        sliced = {v: g for g, v in grads_and_vars if isinstance(g, sparse_ops.IndexedSlices)}
        pairs = [(None if g is None else tensor(g), v) for g, v in grads_and_vars]
        for _, v in pairs:
            if not isinstance(v, _core.Variable):
                raise NotImplementedError("Trying to update a Tensor %s" % v)
        scope = variables.get_variable_scope().name
        self._made.set_slot_prefix(scope + "/" if scope else "")
        made = self._made.apply_gradients(pairs, global_step, name or "")
        kept = [_keep_other_rows(self, sliced[v], v, made) for _, v in pairs if v in sliced and not self._rows_alone]
        if not kept:
            return made
        return array_ops.group(made, *kept, name=(name or self._name) + "/rows")

    def get_slot(self, var, name):
        return self._made.get_slot(var, name)

    def get_slot_names(self):
        return self._made.get_slot_names()

    def variables(self):
        return self._made.variables()


def _keep_other_rows(optimizer, gradient, variable, update):
    """An operation that undoes a dense update outside the rows of an IndexedSlices gradient."""
    ones = array_ops.ones_like(gradient.indices)
    rows = array_ops.shape(variable.value())[0]
    touched = index_ops.unsorted_segment_sum(ones, gradient.indices, rows) > array_ops.zeros([1], ones.dtype)
    writes = []
    for state in [variable] + [optimizer.get_slot(variable, n) for n in optimizer.get_slot_names()]:
        old = array_ops.identity(state.value())
        with _core.control_dependencies([update]):
            new = state.read_value()
        writes.append(state.assign(array_ops.where(touched, new, old)))
    return array_ops.group(*writes)


class GradientDescentOptimizer(Optimizer):
    def __init__(self, learning_rate, use_locking=False, name="GradientDescent"):
        super().__init__("GradientDescent", [learning_rate], {}, name)


class MomentumOptimizer(Optimizer):
    _rows_alone = False

    def __init__(self, learning_rate, momentum, use_locking=False, name="Momentum", use_nesterov=False):
        super().__init__("Momentum", [learning_rate, momentum], {"use_nesterov": use_nesterov}, name)


class AdagradOptimizer(Optimizer):
    def __init__(self, learning_rate, initial_accumulator_value=0.1, use_locking=False, name="Adagrad"):
        super().__init__("Adagrad", [learning_rate], {"initial": float(initial_accumulator_value)}, name)


class AdadeltaOptimizer(Optimizer):
    _rows_alone = False

    def __init__(self, learning_rate=0.001, rho=0.95, epsilon=1e-8, use_locking=False, name="Adadelta"):
        super().__init__("Adadelta", [learning_rate, rho, epsilon], {}, name)


class RMSPropOptimizer(Optimizer):
    _rows_alone = False

    def __init__(self, learning_rate, decay=0.9, momentum=0.0, epsilon=1e-10, use_locking=False, centered=False,
                 name="RMSProp"):
        super().__init__("RMSProp", [learning_rate, decay, momentum, epsilon], {"centered": centered}, name)


class AdamOptimizer(Optimizer):
    def __init__(self, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, use_locking=False, name="Adam"):
        super().__init__("Adam", [learning_rate, epsilon], {"beta1": float(beta1), "beta2": float(beta2)}, name)


class FtrlOptimizer(Optimizer):
    _rows_alone = False

    def __init__(self, learning_rate, learning_rate_power=-0.5, initial_accumulator_value=0.1,
                 l1_regularization_strength=0.0, l2_regularization_strength=0.0, use_locking=False, name="Ftrl",
                 accum_name=None, linear_name=None, l2_shrinkage_regularization_strength=0.0):
        super().__init__("Ftrl", [learning_rate, learning_rate_power, l1_regularization_strength,
                                  l2_regularization_strength],
                         {"initial": float(initial_accumulator_value),
                          "shrinkage": float(l2_shrinkage_regularization_strength)}, name)


# ---- the global step

def get_global_step(graph=None):
    found = (graph or _core.get_default_graph()).get_collection(GraphKeys.GLOBAL_STEP)
    return found[0] if found else None


def create_global_step(graph=None):
    if get_global_step(graph) is not None:
        raise ValueError('"global_step" already exists.')
    with (graph or _core.get_default_graph()).as_default():
        return variables.get_variable("global_step", [], "int64", variables.init_ops.Zeros(), trainable=False,
                                      collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP])


def get_or_create_global_step(graph=None):
    found = get_global_step(graph)
    return create_global_step(graph) if found is None else found


def global_step(sess, global_step_tensor):
    return int(sess.run(global_step_tensor))


# ---- learning rates

def _step(global_step, name):
    if global_step is None:
        raise ValueError("global_step is required for %s." % name)
    return math_ops.cast(tensor(global_step), "float32")


def exponential_decay(learning_rate, global_step, decay_steps, decay_rate, staircase=False, name=None):
    """learning_rate * decay_rate ^ (global_step / decay_steps)"""
    with _core.name_scope(name, "ExponentialDecay") as scope:
        rate = tensor(learning_rate, name="learning_rate")
        p = _step(global_step, "exponential_decay") / math_ops.cast(decay_steps, "float32")
        p = math_ops.floor(p) if staircase else p
        return math_ops.multiply(rate, math_ops.pow(math_ops.cast(decay_rate, "float32"), p), name=scope)


def natural_exp_decay(learning_rate, global_step, decay_steps, decay_rate, staircase=False, name=None):
    with _core.name_scope(name, "NaturalExpDecay"):
        p = _step(global_step, "natural_exp_decay") / float(decay_steps)
        p = math_ops.floor(p) if staircase else p
        return tensor(learning_rate) * math_ops.exp(-float(decay_rate) * p)


def inverse_time_decay(learning_rate, global_step, decay_steps, decay_rate, staircase=False, name=None):
    with _core.name_scope(name, "InverseTimeDecay"):
        p = _step(global_step, "inverse_time_decay") / float(decay_steps)
        p = math_ops.floor(p) if staircase else p
        return tensor(learning_rate) / (1.0 + float(decay_rate) * p)


def polynomial_decay(learning_rate, global_step, decay_steps, end_learning_rate=0.0001, power=1.0, cycle=False,
                     name=None):
    with _core.name_scope(name, "PolynomialDecay"):
        step = _step(global_step, "polynomial_decay")
        if cycle:
            times = math_ops.ceil(step / float(decay_steps))
            span = float(decay_steps) * math_ops.maximum(times, 1.0)
        else:
            span = tensor(float(decay_steps))
            step = math_ops.minimum(step, span)
        return (tensor(learning_rate) - end_learning_rate) * math_ops.pow(1.0 - step / span, power) + end_learning_rate


def cosine_decay(learning_rate, global_step, decay_steps, alpha=0.0, name=None):
    with _core.name_scope(name, "CosineDecay"):
        p = math_ops.minimum(_step(global_step, "cosine_decay"), float(decay_steps)) / float(decay_steps)
        cosine = 0.5 * (1.0 + math_ops.cos(math.pi * p))
        return tensor(learning_rate) * ((1 - alpha) * cosine + alpha)


def cosine_decay_restarts(learning_rate, global_step, first_decay_steps, t_mul=2.0, m_mul=1.0, alpha=0.0, name=None):
    """cosine_decay over periods that grow by t_mul, each starting m_mul times lower."""
    with _core.name_scope(name, "SGDRDecay"):
        p = _step(global_step, "cosine decay restarts") / float(first_decay_steps)
        if t_mul == 1.0:
            period = math_ops.floor(p)
            p = p - period
        else:
            period = math_ops.floor(math_ops.log(1.0 - p * (1.0 - t_mul)) / math.log(t_mul))
            power = math_ops.pow(tensor(float(t_mul)), period)
            p = (p - (1.0 - power) / (1.0 - t_mul)) / power
        top = math_ops.pow(tensor(float(m_mul)), period)
        return tensor(learning_rate) * ((1 - alpha) * 0.5 * top * (1.0 + math_ops.cos(math.pi * p)) + alpha)


def linear_cosine_decay(learning_rate, global_step, decay_steps, num_periods=0.5, alpha=0.0, beta=0.001, name=None):
    with _core.name_scope(name, "LinearCosineDecay"):
        step = math_ops.minimum(_step(global_step, "linear cosine decay"), float(decay_steps))
        linear = (float(decay_steps) - step) / float(decay_steps)
        cosine = 0.5 * (1.0 + math_ops.cos(2.0 * num_periods * math.pi * step / float(decay_steps)))
        return tensor(learning_rate) * ((alpha + linear) * cosine + beta)


def piecewise_constant(x, boundaries, values, name=None):
    """values[i] for the first boundary that x does not pass, else the last."""
    if len(boundaries) != len(values) - 1:
        raise ValueError("The length of boundaries should be 1 less than the length of values")
    with _core.name_scope(name, "PiecewiseConstant"):
        x = tensor(x)
        result = tensor(values[-1])
        for bound, value in zip(reversed(boundaries), reversed(values[:-1])):
            result = array_ops.where(x <= bound, tensor(value, result.dtype), result)
        return result


piecewise_constant_decay = piecewise_constant


class ExponentialMovingAverage:
    """Shadows of variables: shadow -= (1 - decay) (shadow - variable)."""

    def __init__(self, decay, num_updates=None, zero_debias=False, name="ExponentialMovingAverage"):
        if zero_debias:
            raise NotImplementedError("tf.train.ExponentialMovingAverage: zero_debias")
        self._decay, self._updates, self._name, self._averages = decay, num_updates, name, {}

    name = property(lambda self: self._name)

    def apply(self, var_list=None):
        var_list = list(variables.trainable_variables() if var_list is None else var_list)
        for v in var_list:
            if not v.dtype.is_floating:
                raise TypeError("The variables must be half, float, or double: %s" % v.name)
            if v in self._averages:
                continue
            graph = _core.get_default_graph()
            graph.push_scope("")
            initial = v.initial_value if isinstance(v, _core.Variable) else array_ops.zeros(v.shape.as_list(), v.dtype)
            self._averages[v] = variables.Variable(initial, trainable=False, name=self.average_name(v))
            graph.pop_scope()
            if isinstance(v, _core.Variable):
                _core.add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, v)
        with _core.name_scope(self._name) as scope:
            decay = tensor(self._decay, "float32", "decay")
            if self._updates is not None:
                n = math_ops.cast(self._updates, "float32")
                decay = math_ops.minimum(decay, (1.0 + n) / (10.0 + n))
            updates = [self._averages[v].assign_sub((self._averages[v].value() - tensor(v)) *
                                                    (1.0 - math_ops.cast(decay, v.dtype))) for v in var_list]
            return array_ops.group(*updates, name=scope)

    def average(self, var):
        return self._averages.get(var)

    def average_name(self, var):
        return var.op.name + "/" + self._name

    def variables_to_restore(self, moving_avg_variables=None):
        chosen = variables.trainable_variables() if moving_avg_variables is None else moving_avg_variables
        names = {self.average_name(v): v for v in chosen}
        names.update({v.op.name: v for v in variables.global_variables() if v not in chosen})
        return names


_HOOKS = """SessionRunArgs SessionRunContext SessionRunHook SessionRunValues StopAtStepHook LoggingTensorHook StepCounterHook
    CheckpointSaverHook NanTensorHook NanLossDuringTrainingError SummarySaverHook FeedFnHook FinalOpsHook Scaffold
    MonitoredSession ChiefSessionCreator MonitoredTrainingSession SingularMonitoredSession""".split()


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _HOOKS:
        from trivium.tf import session_hooks
        return getattr(session_hooks, name)
    raise _core.Absent("tf.train.%s is not in this version" % name)
