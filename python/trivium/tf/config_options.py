"""What a session and a run can be told: ConfigProto, RunOptions and their parts. Everything TensorFlow takes is
taken by name; what has no meaning on this engine is checked and then has no effect, or is refused by name."""
from trivium import _tf
from trivium.tf import _core, timeline


class _Options:
    """A message of options: fields can be given by name and set later, nested ones come into being. `fields` maps
    each name to its default."""
    fields, nested = {}, {}

    def __init__(self, **given):
        for name, value in given.items():
            if name in self.nested and isinstance(value, self.nested[name]):
                object.__setattr__(self, name, value)
            else:
                setattr(self, name, value)

    def __setattr__(self, name, value):
        if name in self.nested:
            raise AttributeError('Assignment not allowed to composite field "%s" in protocol message object.' % name)
        if name not in self.fields:
            raise ValueError('Protocol message %s has no "%s" field.' % (type(self).__name__, name))
        default = self.fields[name]
        if isinstance(default, (dict, list)):
            value = type(default)(value)
        elif isinstance(default, str):
            if not isinstance(value, str):
                raise TypeError("%r has type %s, but %s.%s is a string" % (value, type(value).__name__,
                                                                          type(self).__name__, name))
        elif isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
            raise TypeError("%r has type %s, but %s.%s is a number" % (value, type(value).__name__,
                                                                      type(self).__name__, name))
        object.__setattr__(self, name, value)

    def __getattr__(self, name):
        if name in type(self).nested:
            value = type(self).nested[name]()
        elif name in type(self).fields:
            value = type(self).fields[name]
            if not isinstance(value, (dict, list)):
                return value
            value = type(value)()
        else:
            raise AttributeError("%s has no field \"%s\"" % (type(self).__name__, name))
        object.__setattr__(self, name, value)
        return value

    def _given(self, name):
        return name in self.__dict__

    def CopyFrom(self, other):
        self.__dict__.clear()
        self.MergeFrom(other)

    def MergeFrom(self, other):
        for name, value in other.__dict__.items():
            if name in self.nested:
                getattr(self, name).MergeFrom(value)
            else:
                setattr(self, name, value)

    def __eq__(self, other):
        return type(other) is type(self) and all(
            getattr(self, n) == getattr(other, n) for n in list(self.fields) + list(self.nested))

    __hash__ = None

    def __repr__(self):
        return "\n".join("%s: %r" % item for item in sorted(self.__dict__.items()))


class GPUOptions(_Options):
    """Memory grows with what plans need, so these say nothing that would change a run on the CPU."""
    fields = {"per_process_gpu_memory_fraction": 0.0, "allow_growth": False, "visible_device_list": "",
              "allocator_type": "", "deferred_deletion_bytes": 0, "polling_active_delay_usecs": 0,
              "polling_inactive_delay_msecs": 0, "force_gpu_compatible": False}


class OptimizerOptions(_Options):
    """Plans are always optimised, and results do not depend on how."""
    fields = {"opt_level": 0, "global_jit_level": 0, "do_constant_folding": False,
              "do_common_subexpression_elimination": False, "do_function_inlining": False,
              "max_folded_constant_in_bytes": 0, "cpu_global_jit": False}
    L0, L1, OFF, ON_1, ON_2, DEFAULT = -1, 0, -1, 1, 2, 0


class RewriterConfig(_Options):
    """TensorFlow's own rewriting of graphs, which does not exist here."""
    fields = {name: 0 for name in (
        "layout_optimizer constant_folding shape_optimization remapping arithmetic_optimization dependency_optimization "
        "loop_optimization function_optimization debug_stripper disable_model_pruning memory_optimization "
        "meta_optimizer_iterations min_graph_nodes auto_mixed_precision scoped_allocator_optimization "
        "disable_meta_optimizer pin_to_host_optimization implementation_selector").split()}
    DEFAULT, ON, OFF, AGGRESSIVE, NO_MEM_OPT, MANUAL, TWO, ONE = 0, 1, 2, 3, 1, 2, 2, 1


class GraphOptions(_Options):
    fields = {"enable_recv_scheduling": False, "infer_shapes": False, "place_pruned_graph": False,
              "build_cost_model": 0, "build_cost_model_after": 0, "timeline_step": 0, "enable_bfloat16_sendrecv": False}
    nested = {"optimizer_options": OptimizerOptions, "rewrite_options": RewriterConfig}


class ConfigProto(_Options):
    """Thread counts hold for the whole process from then on; every session has a state of its own."""
    fields = {"device_count": {}, "intra_op_parallelism_threads": 0, "inter_op_parallelism_threads": 0,
              "use_per_session_threads": False, "allow_soft_placement": True, "log_device_placement": False,
              "operation_timeout_in_ms": 0, "isolate_session_state": False, "placement_period": 0,
              "device_filters": [], "share_cluster_devices_in_session": False}
    nested = {"gpu_options": GPUOptions, "graph_options": GraphOptions}


class RunOptions(_Options):
    fields = {"trace_level": 0, "timeout_in_ms": 0, "inter_op_thread_pool": 0, "output_partition_graphs": False,
              "report_tensor_allocations_upon_oom": False}
    NO_TRACE, SOFTWARE_TRACE, HARDWARE_TRACE, FULL_TRACE = 0, 1, 2, 3


class RunMetadata:
    """Filled by a run with trace_level=FULL_TRACE: step_stats says what each step took."""

    def __init__(self):
        self.step_stats, self.partition_graphs = timeline.StepStats(), []

    def HasField(self, name):
        return name == "step_stats" and bool(self.step_stats.dev_stats)

    def Clear(self):
        self.__init__()


def apply_config(config):
    """Does what a session's config asks for; NotImplementedError names what can not be done."""
    threads = int(config.intra_op_parallelism_threads)
    if threads < 0:
        raise ValueError("intra_op_parallelism_threads is %d; 0 (the machine decides) or more expected" % threads)
    if int(config.inter_op_parallelism_threads) < 0:
        raise ValueError("inter_op_parallelism_threads is %d; 0 or more expected" % config.inter_op_parallelism_threads)
    if threads:
        _tf.set_threads(min(threads, 64))
    if config.operation_timeout_in_ms > 0:
        raise NotImplementedError("ConfigProto.operation_timeout_in_ms: a run can not be given up after a time")
    for name, count in config.device_count.items():
        if name not in ("CPU", "GPU") or count < 0:
            raise ValueError("device_count[%r] = %r: the number of CPU or GPU devices expected" % (name, count))
    if config.log_device_placement:
        _core.warn_once("Device mapping: every operation runs on /job:localhost/replica:0/task:0/device:CPU:0")


def check_run_options(options):
    """RunOptions that can not be followed are refused by name."""
    if not isinstance(options, RunOptions):
        raise TypeError("options must be a tf.RunOptions, but got %s" % type(options).__name__)
    if options.timeout_in_ms > 0:
        raise NotImplementedError("RunOptions.timeout_in_ms: a run can not be given up after a time")
    if options.output_partition_graphs:
        raise NotImplementedError("RunOptions.output_partition_graphs: a graph is not cut into parts here")
