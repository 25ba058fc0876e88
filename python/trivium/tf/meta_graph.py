"""MetaGraphDefs: a graph with its collections and its saver, as beside every checkpoint and in SavedModels."""
import os

from trivium import _tf
from trivium.tf import _core, graph_files, protos
from trivium.tf._core import Operation, Tensor, Variable

_VARIABLE_KEYS = ("variables", "trainable_variables", "local_variables", "model_variables", "global_step",
                  "metric_variables", "moving_average_variables")


def variable_def(v):
    """A variable as files name its parts."""
    made = protos.VariableDef(variable_name=v.name, initializer_name=v.initializer.name,
                              snapshot_name=v.value().name, trainable=v.trainable)
    if _tf.has_initial_value(v):
        made.initial_value_name = v.initial_value.name
    return made


def _names(graph_def):
    return {n.name for n in graph_def.node}


def _collection_def(items, nodes, made):
    """Fills a CollectionDef; False when something in the collection has no form in files."""
    kept = [i for i in items if not isinstance(i, (Tensor, Operation, Variable))
            or (i.op.name if not isinstance(i, Operation) else i.name) in nodes]
    if all(isinstance(i, Variable) for i in kept):
        made.bytes_list.value.extend([variable_def(v).SerializeToString() for v in kept])
    elif all(isinstance(i, (Tensor, Operation)) for i in kept):
        made.node_list.value.extend([i.name for i in kept])
    elif all(isinstance(i, (str, bytes)) for i in kept):
        made.bytes_list.value.extend([i.encode() if isinstance(i, str) else i for i in kept])
    elif all(isinstance(i, int) for i in kept):
        made.int64_list.value.extend(kept)
    elif all(isinstance(i, (int, float)) for i in kept):
        made.float_list.value.extend(kept)
    elif all(isinstance(i, protos.Message) for i in kept):
        made.bytes_list.value.extend([i.SerializeToString() for i in kept])
    else:
        return False
    return bool(kept)


def make_meta_graph(graph, graph_def=None, saver_def=None, collection_list=None, clear_devices=False,
                    what="export_meta_graph"):
    """A graph's MetaGraphDef."""
    meta = protos.MetaGraphDef()
    meta.meta_info_def.tensorflow_version = "1.15.0"
    meta.meta_info_def.tensorflow_git_version = "trivium"
    if graph_def is None:
        graph_def = graph_files.graph_def_of(graph, add_shapes=True, what=what)
    meta.graph_def.CopyFrom(graph_def)
    if clear_devices:
        for node in meta.graph_def.node:
            node.device = ""
    if saver_def is not None:
        meta.saver_def.CopyFrom(saver_def)
    nodes = _names(graph_def)
    for key in sorted(graph.get_all_collection_keys() if collection_list is None else collection_list):
        if not isinstance(key, str):
            continue
        made = protos.CollectionDef()
        items = graph.get_collection(key)
        if not items:
            continue
        if _collection_def(items, nodes, made):
            meta.collection_def[key].CopyFrom(made)
        elif not made.WhichOneof("kind") and any(not isinstance(i, (Tensor, Operation, Variable)) for i in items):
            _core.warn_once("%s: the collection %r holds %s, which graph files have no form for; it is left out"
                            % (what, key, sorted({type(i).__name__ for i in items})))
    return meta


def _variable_of(graph, made, proto, prefix):
    """The Variable that a VariableDef names."""
    def at(name):
        return graph.as_graph_element(prefix + name)

    name = prefix + proto.variable_name
    if name not in made:
        initial = proto.initial_value_name and prefix + proto.initial_value_name
        try:
            initial = graph.get_tensor_by_name(initial) if initial else None
        except KeyError:
            initial = None
        made[name] = _tf.variable_of_parts(at(proto.variable_name.split(":")[0]), at(proto.initializer_name),
                                           graph.get_tensor_by_name(prefix + proto.snapshot_name), initial, proto.trainable)
    return made[name]


def _read_collections(graph, meta, prefix):
    made = {}
    trainable = set()
    if "trainable_variables" in meta.collection_def:
        for raw in meta.collection_def["trainable_variables"].bytes_list.value:
            trainable.add(protos.VariableDef.FromString(raw).variable_name)
    for key, collection in sorted(meta.collection_def.items()):
        kind = collection.WhichOneof("kind")
        if kind == "node_list":
            for name in collection.node_list.value:
                try:
                    graph.add_to_collection(key, graph.as_graph_element(prefix + name))
                except (KeyError, ValueError):
                    _core.warn_once("import_meta_graph: the collection %r names %r, which is not in the graph"
                                    % (key, name))
        elif kind == "bytes_list" and key in _VARIABLE_KEYS:
            for raw in collection.bytes_list.value:
                proto = protos.VariableDef.FromString(raw)
                proto.trainable = proto.variable_name in trainable
                graph.add_to_collection(key, _variable_of(graph, made, proto, prefix))
        elif kind in ("bytes_list", "int64_list", "float_list"):
            for value in getattr(collection, kind).value:
                graph.add_to_collection(key, value)


def import_meta(graph, meta, clear_devices=False, import_scope=None, input_map=None, return_elements=None):
    """Adds a MetaGraphDef to a graph; gives the scope put before its names and the elements asked for."""
    graph_def = protos.GraphDef()
    graph_def.CopyFrom(meta.graph_def)
    if clear_devices:
        for node in graph_def.node:
            node.device = ""
    with graph.as_default():
        found, prefix = graph_files.import_scoped(graph_def, input_map, return_elements, import_scope or "",
                                                  strict=False)
        _read_collections(graph, meta, prefix)
    return prefix, found


def export_meta_graph(filename=None, meta_info_def=None, graph_def=None, saver_def=None, collection_list=None,
                      as_text=False, graph=None, export_scope=None, clear_devices=False,
                      clear_extraneous_savers=False, strip_default_attrs=False, **kwargs):
    """The MetaGraphDef of a graph (the default one), written to `filename` when one is given."""
    if export_scope:
        raise NotImplementedError("export_meta_graph(export_scope=…): only whole graphs are written; "
                                  "tf.graph_util.extract_sub_graph cuts one down")
    graph = graph or _core.get_default_graph()
    meta = make_meta_graph(graph, graph_def, saver_def, collection_list, clear_devices)
    if meta_info_def is not None:
        meta.meta_info_def.MergeFrom(meta_info_def)
    if filename:
        _tf.proto_to_file("MetaGraphDef", meta.SerializeToString(), filename, as_text)
    return meta


def read_meta_graph_file(filename):
    """The MetaGraphDef in a file, in either form."""
    if not os.path.isfile(filename):
        raise IOError("File %s does not exist." % filename)
    return protos.read_file(protos.MetaGraphDef, filename)
