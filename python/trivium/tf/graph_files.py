"""Graphs as TensorFlow's files have them: GraphDefs in and out, frozen graphs, tf.graph_util."""
import os

from trivium import _tf
from trivium.tf import _core, protos
from trivium.tf._core import Graph, Operation, Tensor, Variable

GraphDef, NodeDef = protos.GraphDef, protos.NodeDef


def _warn_left_out(left_out, what):
    if left_out:
        shown = "\n  ".join(left_out[:10] + (["… and %d more" % (len(left_out) - 10)] if len(left_out) > 10 else []))
        _core.warn_once("%s leaves out %d operation%s that TensorFlow has no equivalent of, and what needs them:\n  %s"
                        % (what, len(left_out), "" if len(left_out) == 1 else "s", shown))


def graph_def_of(graph, from_version=None, add_shapes=False, what="as_graph_def"):
    """The GraphDef of a graph; a warning names the operations that are left out."""
    data, left_out = _tf.export_graph(graph, add_shapes, from_version or 0)
    _warn_left_out(left_out, what)
    return GraphDef.FromString(data)


Graph.as_graph_def = lambda self, from_version=None, add_shapes=False: graph_def_of(self, from_version, add_shapes)


def _node_def(self):
    """As graph files have it; an operation they have no form for tells its name, type, inputs and
    device, which is what device functions ask for."""
    data, left_out = _tf.export_operation(self)
    if not left_out:
        return NodeDef.FromString(data)
    names = [t.name[:-2] if t.name.endswith(":0") else t.name for t in self.inputs]
    return NodeDef(name=self.name, op=self.type, device=self.device,
                   input=names + ["^" + c.name for c in self.control_inputs])


Operation.node_def = property(_node_def)


def _attr_value(value, name):
    """An AttrValue as Operation.get_attr gives it."""
    kind = value.WhichOneof("value")
    if kind == "list":
        lists = [f for f, v in value.list.ListFields()]
        if not lists:
            return []
        items = list(getattr(value.list, lists[0].name))
        return [_core.DTYPES_BY_NUMBER[i] for i in items] if lists[0].name == "type" else items
    if kind == "type":
        return _core.DTYPES_BY_NUMBER[value.type % 100]
    if kind is None:
        raise ValueError("Operation has no attr named '%s'." % name)
    return getattr(value, kind)


def _get_attr(self, name):
    data, left_out = _tf.export_operation(self)
    if left_out:
        raise NotImplementedError("operation %s (%s) has no attrs: %s"
                                  % (self.name, self.type, left_out))
    attrs = NodeDef.FromString(data).attr
    if name not in attrs:
        raise ValueError("Operation '%s' has no attr named '%s'." % (self.name, name))
    return _attr_value(attrs[name], name)


Operation.get_attr = _get_attr


def _graph_def_bytes(graph_def):
    if not protos.is_message(graph_def, "GraphDef"):
        raise TypeError("graph_def must be a GraphDef proto.")
    return graph_def.SerializeToString()


def import_graph_def(graph_def, input_map=None, return_elements=None, name=None, op_dict=None,
                     producer_op_list=None, strict=True):
    """Adds the nodes of a GraphDef to the default graph, under the scope `name` ("import"); gives what
    `return_elements` names. strict=False keeps nodes of types that are not supported as operations that can not
    be run."""
    return import_scoped(graph_def, input_map, return_elements, name, strict)[0]


def import_scoped(graph_def, input_map=None, return_elements=None, name=None, strict=True):
    """import_graph_def, and the scope that was put before the names."""
    data = _graph_def_bytes(graph_def)
    if input_map is not None and not isinstance(input_map, dict):
        raise TypeError("input_map must be a dictionary mapping strings to Tensor objects.")
    mapped = {}
    for key, value in (input_map or {}).items():
        if not isinstance(key, (str, bytes)):
            raise TypeError("input_map must be a dictionary mapping strings to Tensor objects.")
        if isinstance(value, Operation):
            raise NotImplementedError("input_map[%r]: an operation; give one of its tensors" % key)
        mapped[key if isinstance(key, str) else key.decode()] = _core.tensor(value)
    if return_elements is not None:
        return_elements = [e.decode() if isinstance(e, bytes) else e for e in return_elements]
        if not all(isinstance(e, str) for e in return_elements):
            raise TypeError("return_elements must be a list of strings.")
    scope = "import" if name is None else name
    returned, opaque, scope = _tf.import_graph(data, scope, mapped, return_elements or [], bool(strict),
                                               _core._user_line())
    if opaque:
        _core.warn_once("import_graph_def: %d node%s can not be run, of types that are not supported: %s%s"
                        % (len(opaque), "" if len(opaque) == 1 else "s", ", ".join(opaque[:5]),
                           ", …" if len(opaque) > 5 else ""))
    return None if return_elements is None else returned, scope


def write_graph(graph_or_graph_def, logdir, name, as_text=True):
    """Writes a graph to logdir/name and gives the path."""
    graph_def = graph_or_graph_def
    if isinstance(graph_or_graph_def, Graph):
        graph_def = graph_def_of(graph_or_graph_def, what="write_graph")
    data = _graph_def_bytes(graph_def)
    os.makedirs(logdir or ".", exist_ok=True)
    path = os.path.join(logdir, name)
    _tf.proto_to_file("GraphDef", data, path, as_text)
    return path


# ---- tf.graph_util

def _check_nodes(graph_def, names):
    known = {n.name for n in graph_def.node}
    for name in names:
        if name not in known:
            raise AssertionError("%s is not in graph" % name)


def extract_sub_graph(graph_def, dest_nodes):
    """The nodes that `dest_nodes` need."""
    data = _graph_def_bytes(graph_def)
    if isinstance(dest_nodes, str):
        raise TypeError("dest_nodes must be a list.")
    _check_nodes(graph_def, dest_nodes)
    return GraphDef.FromString(_tf.extract_sub_graph(data, list(dest_nodes)))


def convert_variables_to_constants(sess, input_graph_def, output_node_names, variable_names_whitelist=None,
                                   variable_names_blacklist=None):
    """The part of a graph that the outputs need, with every variable replaced by its value in a session."""
    data = _graph_def_bytes(input_graph_def)
    if isinstance(output_node_names, str):
        output_node_names = [output_node_names]
    _check_nodes(input_graph_def, output_node_names)
    kept = set(variable_names_blacklist or [])
    if variable_names_whitelist is not None:
        variables = {n.name for n in input_graph_def.node if n.op in ("VariableV2", "Variable", "VarHandleOp")}
        kept |= variables - set(variable_names_whitelist)
    return GraphDef.FromString(_tf.freeze_graph(sess._session, data, list(output_node_names), sorted(kept)))


def remove_training_nodes(input_graph, protected_nodes=None):
    """The graph without its Identity and CheckNumerics nodes, which only pass a value on."""
    kept = set(protected_nodes or [])
    passes, waited = {}, set()
    for node in input_graph.node:
        waited.update(i[1:] for i in node.input if i.startswith("^"))
    for node in input_graph.node:
        inputs = [i for i in node.input if not i.startswith("^")]
        if node.op in ("Identity", "CheckNumerics") and node.name not in kept and node.name not in waited \
                and len(inputs) == 1 and len(node.input) == 1:
            passes[node.name] = inputs[0]

    def source(name):
        while True:
            base = name[:-2] if name.endswith(":0") else name
            if base not in passes:
                return name
            name = passes[base]

    out = GraphDef()
    for node in input_graph.node:
        if node.name in passes:
            continue
        made = out.node.add()
        made.CopyFrom(node)
        del made.input[:]
        made.input.extend([i if i.startswith("^") else source(i) for i in node.input])
    out.library.CopyFrom(input_graph.library)
    out.versions.CopyFrom(input_graph.versions)
    return out


def tensor_shape_from_node_def_name(graph, input_name):
    return graph.get_tensor_by_name(input_name if ":" in input_name else input_name + ":0").get_shape()


def must_run_on_cpu(node, pin_variables_on_cpu=False):
    """Everything runs where the session decides."""
    return False
