"""tf.saved_model: directories with graphs, their signatures, a checkpoint of the variables, and assets."""
import os
import types

import numpy as np

from trivium import _tf
from trivium.tf import _core, errors, meta_graph, protos
from trivium.tf.saver import Saver, saver_of

SignatureDef, TensorInfo, AssetFileDef = protos.SignatureDef, protos.TensorInfo, protos.AssetFileDef
_MAIN_OP, _LEGACY_OP, _ASSETS = "saved_model_main_op", "legacy_init_op", "saved_model_assets"

tag_constants = types.SimpleNamespace(SERVING="serve", TRAINING="train", GPU="gpu", TPU="tpu", EVAL="eval")
signature_constants = types.SimpleNamespace(
    DEFAULT_SERVING_SIGNATURE_DEF_KEY="serving_default",
    PREDICT_INPUTS="inputs", PREDICT_OUTPUTS="outputs", PREDICT_METHOD_NAME="tensorflow/serving/predict",
    CLASSIFY_INPUTS="inputs", CLASSIFY_OUTPUT_CLASSES="classes", CLASSIFY_OUTPUT_SCORES="scores",
    CLASSIFY_METHOD_NAME="tensorflow/serving/classify",
    REGRESS_INPUTS="inputs", REGRESS_OUTPUTS="outputs", REGRESS_METHOD_NAME="tensorflow/serving/regress")
constants = types.SimpleNamespace(
    SAVED_MODEL_FILENAME_PB="saved_model.pb", SAVED_MODEL_FILENAME_PBTXT="saved_model.pbtxt",
    SAVED_MODEL_SCHEMA_VERSION=1, VARIABLES_DIRECTORY="variables", VARIABLES_FILENAME="variables",
    ASSETS_DIRECTORY="assets", ASSETS_KEY=_ASSETS, MAIN_OP_KEY=_MAIN_OP, LEGACY_INIT_OP_KEY=_LEGACY_OP)


# ---- signatures

def build_tensor_info(tensor):
    """What a signature says of a tensor."""
    tensor = _core.tensor(tensor)
    info = TensorInfo(name=tensor.name, dtype=tensor.dtype.as_datatype_enum)
    shape = tensor.shape
    if shape.ndims is None:
        info.tensor_shape.unknown_rank = True
    else:
        info.tensor_shape.SetInParent()
        for size in shape.as_list():
            info.tensor_shape.dim.add(size=-1 if size is None else size)
    return info


def get_tensor_from_tensor_info(tensor_info, graph=None, import_scope=None):
    graph = graph or _core.get_default_graph()
    return graph.get_tensor_by_name((import_scope + "/" if import_scope else "") + tensor_info.name)


def build_signature_def(inputs=None, outputs=None, method_name=None):
    """A SignatureDef of {name: TensorInfo} dictionaries."""
    made = SignatureDef(method_name=method_name or "")
    for key, info in (inputs or {}).items():
        made.inputs[key].CopyFrom(info)
    for key, info in (outputs or {}).items():
        made.outputs[key].CopyFrom(info)
    return made


def predict_signature_def(inputs, outputs):
    """A signature for prediction of {name: tensor} dictionaries."""
    if not inputs:
        raise ValueError("Prediction inputs cannot be None or empty.")
    if not outputs:
        raise ValueError("Prediction outputs cannot be None or empty.")
    return build_signature_def({k: build_tensor_info(t) for k, t in inputs.items()},
                               {k: build_tensor_info(t) for k, t in outputs.items()},
                               signature_constants.PREDICT_METHOD_NAME)


def regression_signature_def(examples, predictions):
    return build_signature_def({"inputs": build_tensor_info(examples)}, {"outputs": build_tensor_info(predictions)},
                               signature_constants.REGRESS_METHOD_NAME)


def classification_signature_def(examples, classes, scores):
    outputs = {}
    if classes is not None:
        outputs["classes"] = build_tensor_info(classes)
    if scores is not None:
        outputs["scores"] = build_tensor_info(scores)
    return build_signature_def({"inputs": build_tensor_info(examples)}, outputs,
                               signature_constants.CLASSIFY_METHOD_NAME)


def is_valid_signature(signature_def):
    """Whether the method is one that serving knows, with inputs and outputs."""
    methods = (signature_constants.PREDICT_METHOD_NAME, signature_constants.REGRESS_METHOD_NAME,
               signature_constants.CLASSIFY_METHOD_NAME)
    return signature_def.method_name in methods and bool(signature_def.inputs) and bool(signature_def.outputs)


# ---- writing

class SavedModelBuilder:
    """Collects graphs and the variables of a session; save() writes the directory in one step."""

    def __init__(self, export_dir):
        if os.path.isdir(export_dir) and os.listdir(export_dir):
            raise AssertionError("Export directory %s already exists, and isn't empty. Please choose a different export "
                                 "directory, or delete all the contents of the specified directory." % export_dir)
        self._directory, self._model = export_dir, protos.SavedModel(saved_model_schema_version=1)
        self._variables, self._assets = None, {}

    def add_meta_graph_and_variables(self, sess, tags, signature_def_map=None, assets_collection=None,
                                     assets_list=None, legacy_init_op=None, clear_devices=False, main_op=None,
                                     strip_default_attrs=False, saver=None):
        """The first graph, with the values its variables have in the session now."""
        if self._variables is not None:
            raise AssertionError("Graph state including variables and assets has already been saved. Please invoke "
                                 "`add_meta_graph()` instead.")
        with sess.graph.as_default():
            saver = saver or self._saver(sess.graph)
            self._variables = []
            for key, v in (saver._keys if saver else {}).items():
                value = sess._session.value_of(v)
                if value is None:
                    raise errors.FailedPreconditionError(None, v.op,
                                                         "Attempting to use uninitialized value %s" % v.op.name)
                self._variables.append((key, np.asarray(value)))
            self._add(sess.graph, tags, signature_def_map, assets_collection or assets_list, legacy_init_op,
                      clear_devices, main_op, saver)

    def add_meta_graph(self, tags, signature_def_map=None, assets_collection=None, assets_list=None,
                       legacy_init_op=None, clear_devices=False, main_op=None, strip_default_attrs=False, saver=None):
        """A further graph on the same variables."""
        if self._variables is None:
            raise AssertionError("Graph state including variables and assets has not been saved yet. Please invoke "
                                 "`add_meta_graph_and_variables()` first.")
        graph = _core.get_default_graph()
        self._add(graph, tags, signature_def_map, assets_collection or assets_list, legacy_init_op, clear_devices,
                  main_op, saver or self._saver(graph))

    @staticmethod
    def _saver(graph):
        found = graph.get_collection("variables") + graph.get_collection("saveable_objects")
        return Saver([v for v in found if isinstance(v, _core.Variable)]) if found else None

    def _add(self, graph, tags, signatures, assets, legacy_init_op, clear_devices, main_op, saver):
        for key, signature in (signatures or {}).items():
            for name, info in list(signature.inputs.items()) + list(signature.outputs.items()):
                if not info.dtype or not (info.name or info.WhichOneof("encoding")):
                    raise AssertionError("TensorInfo of %r in signature %r needs a name and a dtype" % (name, key))
        meta = meta_graph.make_meta_graph(graph, None, saver.saver_def if saver else None, None, clear_devices,
                                          "SavedModelBuilder")
        del meta.meta_info_def.tags[:]
        meta.meta_info_def.tags.extend(list(tags))
        for key, signature in (signatures or {}).items():
            meta.signature_def[key].CopyFrom(signature)
        if main_op is not None or legacy_init_op is not None:
            op = main_op if main_op is not None else legacy_init_op
            key = _MAIN_OP if main_op is not None else _LEGACY_OP
            meta.collection_def[key].node_list.value.append(op.name)
        for asset in assets or []:
            self._add_asset(meta, asset)
        self._model.meta_graphs.add().CopyFrom(meta)

    def _add_asset(self, meta, tensor):
        value = tensor.op.node_def.attr["value"].tensor.string_val if tensor.op.type == "Const" else ()
        if len(value) != 1:
            raise ValueError("Asset %s must be a constant string that names a file." % tensor.name)
        path = value[0].decode()
        name = os.path.basename(path)
        with open(path, "rb") as file:
            content = file.read()
        if self._assets.setdefault(name, content) != content:
            raise ValueError("Two assets have the file name %r" % name)
        made = AssetFileDef(filename=name)
        made.tensor_info.name = tensor.name
        meta.asset_file_def.add().CopyFrom(made)
        meta.collection_def[_ASSETS].any_list.value.add(type_url="type.googleapis.com/tensorflow.AssetFileDef",
                                                        value=made.SerializeToString())

    def save(self, as_text=False):
        """Writes the directory; gives the path of its saved_model.pb."""
        _tf.write_saved_model(self._directory, self._model.SerializeToString(), self._variables or [],
                              list(self._assets.items()), bool(as_text))
        name = constants.SAVED_MODEL_FILENAME_PBTXT if as_text else constants.SAVED_MODEL_FILENAME_PB
        return os.path.join(self._directory, name)


def simple_save(session, export_dir, inputs, outputs, legacy_init_op=None):
    """One graph for serving, with one signature for prediction."""
    made = SavedModelBuilder(export_dir)
    made.add_meta_graph_and_variables(
        session, [tag_constants.SERVING], {"serving_default": predict_signature_def(inputs, outputs)},
        assets_collection=_core.get_collection("asset_filepaths"), main_op=None, legacy_init_op=legacy_init_op,
        clear_devices=True)
    made.save()


# ---- reading

def maybe_saved_model_directory(export_dir):
    return _tf.is_saved_model(export_dir)


contains_saved_model = maybe_saved_model_directory


def load(sess, tags, export_dir, import_scope=None, **saver_kwargs):
    """Adds the graph with these tags to the session's graph, restores its variables and runs its initialisation;
    gives its MetaGraphDef."""
    if not _tf.is_saved_model(export_dir):
        raise IOError("SavedModel file does not exist at: %s/{saved_model.pbtxt|saved_model.pb}" % export_dir)
    model = protos.SavedModel.FromString(_tf.read_saved_model(export_dir))
    tags = [tags] if isinstance(tags, str) else list(tags)
    found = [m for m in model.meta_graphs if set(m.meta_info_def.tags) == set(tags)]
    if not found:
        raise RuntimeError(
            "MetaGraphDef associated with tags %s could not be found in SavedModel. To inspect available tag-sets in "
            "the SavedModel, use `trivium inspect %s`. Available tags: %s"
            % (", ".join("'%s'" % t for t in tags), export_dir,
               "; ".join(", ".join(m.meta_info_def.tags) for m in model.meta_graphs)))
    meta = found[0]
    graph = sess.graph
    prefix, _ = meta_graph.import_meta(graph, meta, import_scope=import_scope, **saver_kwargs)
    variables = os.path.join(export_dir, "variables", "variables")
    if _tf.checkpoint_exists(variables):
        saver = saver_of(graph, meta, prefix)
        if saver is not None:
            saver.restore(sess, variables)
    feeds = {graph.get_tensor_by_name(prefix + a.tensor_info.name): os.path.join(export_dir, "assets", a.filename)
             for a in meta.asset_file_def}
    for key in (_MAIN_OP, _LEGACY_OP):
        if key in meta.collection_def and meta.collection_def[key].node_list.value:
            sess.run(graph.get_operation_by_name(prefix + meta.collection_def[key].node_list.value[0]), feeds)
            break
    return meta



builder = types.SimpleNamespace(SavedModelBuilder=SavedModelBuilder)
loader = types.SimpleNamespace(load=load, maybe_saved_model_directory=maybe_saved_model_directory)
utils = types.SimpleNamespace(build_tensor_info=build_tensor_info,
                              get_tensor_from_tensor_info=get_tensor_from_tensor_info)
signature_def_utils = types.SimpleNamespace(
    build_signature_def=build_signature_def, predict_signature_def=predict_signature_def,
    regression_signature_def=regression_signature_def, classification_signature_def=classification_signature_def,
    is_valid_signature=is_valid_signature)
Builder = SavedModelBuilder
SERVING, TRAINING, GPU = "serve", "train", "gpu"
DEFAULT_SERVING_SIGNATURE_DEF_KEY = signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY
PREDICT_METHOD_NAME, PREDICT_INPUTS, PREDICT_OUTPUTS = "tensorflow/serving/predict", "inputs", "outputs"
