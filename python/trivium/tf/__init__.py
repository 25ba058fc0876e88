"""TensorFlow 1's way of writing a network: a graph described first and run later.

    import trivium.tf as tf
    x = tf.placeholder(tf.float32, [None, 784])
    w = tf.Variable(tf.zeros([784, 10]))
    y = tf.matmul(x, w)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(y, feed_dict={x: images})
"""
import sys as _sys
import types as _types

try:
    import numpy as _np
except ModuleNotFoundError as missing:
    raise ImportError("trivium.tf: values are NumPy arrays, and NumPy is not installed; "
                      "`pip install numpy` brings it") from missing

from trivium.tf import _core, errors
from trivium.tf import array_ops as _array, init_ops as initializers, math_ops as _math
from trivium.tf import random_ops as _random, session as _session, variables as _variables
from trivium.tf import check_ops as _check, index_ops as _index, linalg_ops as _linalg, matrix_ops as _matrix
from trivium.tf import raw_ops, sparse_ops as _sparse
from trivium.tf import data, data_flow as _flow, example as _example, host as _host, io_ops as _io
from trivium.tf import layers, losses, metrics, nn, summary, train
from trivium.tf import control_ops as _control, gradients as _gradients, rnn as _rnn
from trivium.tf import graph_files as _graph_files, protos, saved_model, timeline as _timeline
from trivium.tf._core import (
    Dimension, DType, Graph, GraphKeys, Operation, Tensor, TensorShape, add_to_collection, as_dtype,
    bfloat16, control_dependencies, convert_to_tensor, device, double, float16, float32, float64,
    get_collection, get_default_graph, half, int8, int16, int32, int64, name_scope,
    reset_default_graph, set_random_seed, string, uint8)
from trivium.tf._core import bool_ as bool

_PUBLIC = {
    _array: """constant placeholder placeholder_with_default identity stop_gradient shape size rank reshape expand_dims
        squeeze transpose matrix_transpose concat stack unstack split slice strided_slice gather boolean_mask where
        zeros ones zeros_like ones_like fill range linspace lin_space one_hot tile pad reverse broadcast_to
        sequence_mask no_op group newaxis""",
    _index: """gather_nd batch_gather scatter_nd unique unique_with_counts setdiff1d dynamic_stitch dynamic_partition
        invert_permutation reverse_sequence meshgrid shape_n guarantee_const segment_sum segment_mean segment_prod
        segment_max segment_min unsorted_segment_sum unsorted_segment_prod unsorted_segment_max unsorted_segment_min
        unsorted_segment_mean unsorted_segment_sqrt_n bincount space_to_batch_nd batch_to_space_nd space_to_batch
        batch_to_space space_to_depth depth_to_space required_space_to_batch_paddings scatter_nd_add""",
    _matrix: """diag diag_part matrix_diag matrix_diag_part matrix_set_diag matrix_band_part trace cross eye einsum""",
    _linalg: "qr " + " ".join(_linalg.MISSING),
    _check: """is_numeric_tensor assert_equal assert_less assert_less_equal assert_greater assert_greater_equal
        assert_none_equal assert_positive assert_negative assert_non_negative assert_rank assert_rank_at_least
        assert_type assert_scalar check_numerics verify_tensor_all_finite confusion_matrix""",
    _sparse: """SparseTensor SparseTensorValue IndexedSlices IndexedSlicesValue sparse_placeholder sparse_to_dense
        sparse_tensor_to_dense sparse_tensor_dense_matmul sparse_reduce_sum""",
    _math: " ".join(list(_math._UNARY) + list(_math._BINARY)) + """ logical_xor truediv divide div cast saturate_cast
        to_float to_double to_int32 to_int64 add_n accumulate_n reduce_sum reduce_mean reduce_prod reduce_max
        reduce_min reduce_all reduce_any reduce_logsumexp argmax argmin arg_max arg_min cumsum cumprod
        matmul tensordot clip_by_value norm clip_by_norm global_norm clip_by_global_norm
        clip_by_average_norm""",
    _random: """random_normal truncated_normal random_uniform random_shuffle multinomial random_crop random_gamma
        random_poisson""",
    initializers: """zeros_initializer ones_initializer constant_initializer random_normal_initializer
        random_uniform_initializer truncated_normal_initializer variance_scaling_initializer
        glorot_uniform_initializer glorot_normal_initializer orthogonal_initializer
        uniform_unit_scaling_initializer""",
    _variables: """Variable AUTO_REUSE VariableScope variable_scope get_variable get_variable_scope make_template
        global_variables all_variables local_variables trainable_variables model_variables variables_initializer
        initialize_variables global_variables_initializer initialize_all_variables local_variables_initializer
        is_variable_initialized assign assign_add assign_sub scatter_update scatter_add scatter_sub count_up_to""",
    _session: """Session InteractiveSession ConfigProto GPUOptions GraphOptions OptimizerOptions RunOptions RunMetadata
        get_default_session""",
    _control: "cond case while_loop TensorArray map_fn foldl foldr scan Assert",
    _gradients: "gradients",
    _host: "py_func Print",
    _graph_files: "import_graph_def GraphDef NodeDef",
    protos: "AttrValue MetaGraphDef Summary Event HistogramProto",
    _flow: """QueueBase FIFOQueue PaddingFIFOQueue RandomShuffleQueue ReaderBase WholeFileReader IdentityReader
        TextLineReader TFRecordReader FixedLengthRecordReader""",
    _example: "FixedLenFeature VarLenFeature FixedLenSequenceFeature parse_example parse_single_example",
    _io: "read_file write_file decode_raw",
}
for _module, _names in _PUBLIC.items():
    for _name in _names.split():
        globals()[_name] = getattr(_module, _name)
tuple = _array.tuple_
Graph = _core.make_graph
__version__ = VERSION = "1.15.0+trivium"


def get_default_graph_version():
    return get_default_graph().version


def disable_v2_behavior():
    """Nothing to do: this is version 1's behaviour."""


disable_eager_execution = disable_v2_behavior


def _namespace(name, **members):
    module = _types.ModuleType("trivium.tf." + name)
    module.__dict__.update(members)
    _sys.modules[module.__name__] = module
    return module


def _pick(*names, **renamed):
    members = {n: globals()[n] for n in names}
    members.update({new: globals()[old] for new, old in renamed.items()})
    return members


math = _namespace("math", **{n: globals()[n] for n in _PUBLIC[_math].split()}, **_pick(
    "segment_sum", "segment_mean", "segment_prod", "segment_max", "segment_min", "unsorted_segment_sum",
    "unsorted_segment_prod", "unsorted_segment_max", "unsorted_segment_min", "unsorted_segment_mean",
    "unsorted_segment_sqrt_n", "bincount", "confusion_matrix", "invert_permutation"), **{n: getattr(nn, n) for n in (
        "l2_normalize", "softmax", "log_softmax", "softplus", "softsign", "top_k", "in_top_k", "zero_fraction")})
random = _namespace("random", **_pick("set_random_seed", normal="random_normal", uniform="random_uniform",
                                      truncated_normal="truncated_normal", shuffle="random_shuffle", multinomial="multinomial",
                                      gamma="random_gamma", poisson="random_poisson"), categorical=_random.categorical)
linalg = _namespace("linalg", **_pick(
    "matmul", "norm", "eye", "tensordot", "einsum", "trace", "cross", "qr", "svd", "cholesky", "expm", "logdet",
    "cholesky_solve", diag="matrix_diag", diag_part="matrix_diag_part", set_diag="matrix_set_diag",
    band_part="matrix_band_part", transpose="matrix_transpose", inv="matrix_inverse", det="matrix_determinant",
    solve="matrix_solve", eigh="self_adjoint_eig", tensor_diag="diag", tensor_diag_part="diag_part"),
    l2_normalize=nn.l2_normalize)
debugging = _namespace("debugging", **_pick(*_PUBLIC[_check].split(), "is_nan", "is_inf", "is_finite"))
sparse = _namespace("sparse", **_pick("SparseTensor", placeholder="sparse_placeholder",
                                      to_dense="sparse_tensor_to_dense", matmul="sparse_tensor_dense_matmul",
                                      reduce_sum="sparse_reduce_sum"))
dtypes = _namespace("dtypes", **_pick("as_dtype", "cast", "DType", "float32", "float64", "int32", "int64"))


class _Log:
    """tf.logging: Python's logging under TensorFlow's names."""
    DEBUG, INFO, WARN, ERROR, FATAL = 10, 20, 30, 40, 50

    def __init__(self):
        import logging as python_logging
        self._log = python_logging.getLogger("trivium.tf")
        self.set_verbosity, self.get_verbosity = self._log.setLevel, self._log.getEffectiveLevel
        self.debug, self.info, self.error = self._log.debug, self._log.info, self._log.error
        self.warn = self.warning = self._log.warning


logging = _Log()
_sys.modules["trivium.tf.python.client.timeline"] = _timeline
graph_util = _namespace("graph_util", **{n: getattr(_graph_files, n) for n in (
    "convert_variables_to_constants extract_sub_graph remove_training_nodes must_run_on_cpu "
    "tensor_shape_from_node_def_name import_graph_def").split()})


_LATER = ("app", "contrib", "estimator", "examples", "flags", "gfile", "image", "python_io")  # imported when asked for


def __getattr__(name):
    import difflib
    import importlib
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _LATER:
        return importlib.import_module("trivium.tf." + name)
    if name == "random_crop":
        return importlib.import_module("trivium.tf.image").random_crop
    near = difflib.get_close_matches(name, [n for n in globals() if not n.startswith("_")], 1)
    raise _core.Absent("trivium.tf has no %r%s" % (name, "; the nearest is tf.%s" % near[0] if near else ""))


compat = _namespace("compat", v1=_sys.modules[__name__])
_sys.modules["trivium.tf.compat.v1"] = _sys.modules[__name__]

# The places TensorFlow's own files have in imports of programs.
python = _namespace("python")
for _path, _what in {"python.client": {"timeline": _timeline},
                     "python.framework": {"graph_util": graph_util},
                     "python.framework.graph_util": vars(graph_util),
                     "python.saved_model": {n: getattr(saved_model, n) for n in (
                         "builder loader tag_constants signature_constants signature_def_utils utils constants").split()},
                     "core": {}, "core.framework": {"graph_pb2": protos, "summary_pb2": protos, "types_pb2": protos,
                                                    "node_def_pb2": protos, "attr_value_pb2": protos},
                     "core.protobuf": {"meta_graph_pb2": protos, "saver_pb2": protos, "saved_model_pb2": protos},
                     "core.util": {"event_pb2": protos}}.items():
    _made = _namespace(_path, **_what)
    for _name, _value in _what.items():
        if isinstance(_value, _types.ModuleType):
            _sys.modules.setdefault("trivium.tf.%s.%s" % (_path, _name), _value)
    _parent, _, _last = _path.rpartition(".")
    if _parent:
        setattr(_sys.modules["trivium.tf." + _parent], _last, _made)
core = _sys.modules["trivium.tf.core"]
train.summary_iterator = summary.summary_iterator
