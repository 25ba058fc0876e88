"""tf.train.Saver and its relatives: variables in TensorFlow's checkpoint files."""
import collections
import os

import numpy as np

from trivium import _tf
from trivium.tf import _core, errors, meta_graph, protos, variables

CheckpointState = collections.namedtuple("CheckpointState", ["model_checkpoint_path", "all_model_checkpoint_paths"])


def _keyed(var_list):
    """{checkpoint key: variable} of a list or a dict; every variable has one key, every key one variable."""
    if var_list is None:
        var_list = variables.global_variables()
    pairs = list(var_list.items()) if isinstance(var_list, dict) else [(v.op.name, v) for v in var_list]
    if not pairs:
        raise ValueError("No variables to save")
    keys, owners = {}, {}
    for key, v in pairs:
        if key in keys:
            raise ValueError("At least two variables have the same name: %s" % key)
        if v in owners:
            raise ValueError("The same saveable will be restored with two names: %s" % key)
        keys[key] = owners[v] = v
    return keys


class Saver:
    """Saves and restores variables; keeps the newest `max_to_keep` checkpoints."""

    def __init__(self, var_list=None, reshape=False, sharded=False, max_to_keep=5,
                 keep_checkpoint_every_n_hours=10000.0, name=None, restore_sequentially=False, saver_def=None,
                 builder=None, defer_build=False, allow_empty=False, write_version=2, pad_step_number=False,
                 save_relative_paths=False, filename=None):
        self._given, self._reshape, self._keep, self._pad = var_list, reshape, max_to_keep, pad_step_number
        self._hours, self._name, self._last = keep_checkpoint_every_n_hours, name, []
        self._keys, self.saver_def, self._deferred = {}, None, defer_build
        if saver_def is not None:
            self._adopt(saver_def)
        elif not defer_build and not (allow_empty and not variables.global_variables()):
            self.build()

    last_checkpoints = property(lambda self: list(self._last))

    def build(self):
        """Finds the variables, and adds the operations that save and restore them to the graph."""
        self._keys, self._deferred = _keyed(self._given), False
        some = next(iter(self._keys.values()))
        if some.graph.finalized():
            return
        with _core.graph_of(some):
            filename, save, restore = _tf.add_saver_nodes(list(self._keys.items()), self._name or "save")
        self.saver_def = protos.SaverDef(
            filename_tensor_name=filename.name, save_tensor_name=save.name, restore_op_name=restore.name,
            max_to_keep=self._keep or 0, keep_checkpoint_every_n_hours=self._hours, version=protos.SaverDef.V2)

    def _adopt(self, saver_def):
        """A saver whose operations came with a graph: what they restore are its variables."""
        graph = _core.get_default_graph()
        self.saver_def = protos.SaverDef()
        self.saver_def.CopyFrom(saver_def)
        self._keep, self._hours = saver_def.max_to_keep, saver_def.keep_checkpoint_every_n_hours
        known = {v.op.name: v for key in ("local_variables", "variables") for v in graph.get_collection(key)
                 if isinstance(v, _core.Variable)}
        restore = graph.get_operation_by_name(saver_def.restore_op_name)
        for key, name in _tf.restored_variables(restore):
            v = known.get(name)
            if v is None:
                op = graph.get_operation_by_name(name)
                v = _tf.variable_of_parts(op, op, op.outputs[0], None, False)
            self._keys[key] = v
        if not self._keys:
            raise NotImplementedError("the saver's operation %s restores nothing that can be followed to a variable"
                                      % saver_def.restore_op_name)

    def as_saver_def(self):
        return self.saver_def

    to_proto = as_saver_def

    def export_meta_graph(self, filename=None, collection_list=None, as_text=False, export_scope=None,
                          clear_devices=False, clear_extraneous_savers=False, strip_default_attrs=False):
        """The MetaGraphDef of the default graph with this saver."""
        return meta_graph.export_meta_graph(filename, None, None, self.saver_def, collection_list, as_text, None,
                                            export_scope, clear_devices)

    def set_last_checkpoints(self, last_checkpoints):
        self._last = list(last_checkpoints)

    def recover_last_checkpoints(self, checkpoint_paths):
        self._last = [p for p in checkpoint_paths if checkpoint_exists(p)]

    def save(self, sess, save_path, global_step=None, latest_filename=None, meta_graph_suffix="meta",
             write_meta_graph=True, write_state=True, strip_default_attrs=False):
        """Writes <save_path>[-step].index and .data-…; returns the prefix."""
        if self._deferred:
            self.build()
        latest_filename = latest_filename or "checkpoint"
        if os.path.split(latest_filename)[0]:
            raise ValueError("'latest_filename' must not contain path components")
        prefix = save_path
        if global_step is not None:
            step = int(sess.run(global_step)) if _core.is_tensor(global_step) else int(global_step)
            prefix = "%s-%0*d" % (save_path, 8 if self._pad else 1, step)
        elif os.path.basename(save_path) == latest_filename:
            raise ValueError("'latest_filename' collides with 'save_path': '%s' and '%s'" % (latest_filename, save_path))
        values = {}
        for key, v in self._keys.items():
            value = sess._session.value_of(v)
            if value is None:
                raise errors.FailedPreconditionError(None, v.op, "Attempting to use uninitialized value %s" % v.op.name)
            values[key] = np.asarray(value)
        _tf.write_checkpoint(prefix, values)
        if write_meta_graph:
            meta = meta_graph.make_meta_graph(sess.graph, saver_def=self.saver_def, what="Saver.save (the .meta file)")
            _tf.proto_to_file("MetaGraphDef", meta.SerializeToString(), "%s.%s" % (prefix, meta_graph_suffix), False)
        if write_state:
            self._last = [p for p in self._last if p != prefix] + [prefix]
            while self._keep and len(self._last) > self._keep:
                _tf.remove_checkpoint(self._last.pop(0))
            _tf.write_checkpoint_state(os.path.dirname(prefix) or ".", prefix, self._last, latest_filename)
        return prefix

    def restore(self, sess, save_path):
        """Gives the variables the values of a checkpoint; they need no initialisation before."""
        if save_path is None:
            raise ValueError("Can't load save_path when it is None.")
        if not _tf.checkpoint_exists(save_path):
            raise ValueError("The passed save_path is not a valid checkpoint: %s" % save_path)
        if self._deferred:
            self.build()
        reader = _tf.CheckpointReader(save_path)
        shapes, types = reader.shapes(), reader.types()
        missing = [k for k in self._keys if k not in shapes]
        if missing:
            raise errors.NotFoundError(None, None, (
                "Restoring from checkpoint failed. This is most likely due to a Variable name or other graph key that is "
                "missing from the checkpoint. Key %s not found in checkpoint%s\n  it holds: %s"
                % (missing[0], "" if len(missing) == 1 else "; missing too: " + ", ".join(missing[1:]), ", ".join(shapes))))
        wrong = []
        for key, v in self._keys.items():
            if types[key] != v.dtype.as_datatype_enum:
                wrong.append("tensor_name = %s; expected dtype %s does not equal original dtype %d"
                             % (key, v.dtype.name, types[key]))
            elif not self._reshape and list(shapes[key]) != v.shape.as_list():
                wrong.append("Assign requires shapes of both tensors to match. lhs shape= %s rhs shape= %s (%s)"
                             % (v.shape.as_list(), list(shapes[key]), key))
        if wrong:
            raise errors.InvalidArgumentError(None, None, (
                "Restoring from checkpoint failed. This is most likely due to a mismatch between the current graph and the "
                "graph from the checkpoint. " + "\n  ".join(wrong)))
        for key, v in self._keys.items():
            value = np.asarray(reader.read(key))
            sess._session.load(v, np.ascontiguousarray(value).reshape(v.shape.as_list()))


def import_meta_graph(meta_graph_or_file, clear_devices=False, import_scope=None, **kwargs):
    """Adds the graph, the variables and the collections of a MetaGraphDef to the default graph; gives its saver
    (None when it has no variables)."""
    meta = meta_graph_or_file
    if not protos.is_message(meta, "MetaGraphDef"):
        meta = meta_graph.read_meta_graph_file(meta)
    graph = _core.get_default_graph()
    prefix, _ = meta_graph.import_meta(graph, meta, clear_devices, import_scope, **kwargs)
    return saver_of(graph, meta, prefix)


def saver_of(graph, meta, prefix=""):
    """The saver that came with a MetaGraphDef, once that is in the graph."""
    if meta.HasField("saver_def") and meta.saver_def.restore_op_name:
        saver_def = protos.SaverDef()
        saver_def.CopyFrom(meta.saver_def)
        for name in ("filename_tensor_name", "save_tensor_name", "restore_op_name"):
            setattr(saver_def, name, prefix + getattr(saver_def, name))
        with graph.as_default():
            return Saver(saver_def=saver_def)
    with graph.as_default():
        return Saver() if variables.global_variables() else None


def latest_checkpoint(checkpoint_dir, latest_filename=None):
    return _tf.latest_checkpoint(checkpoint_dir, latest_filename or "checkpoint")


def get_checkpoint_state(checkpoint_dir, latest_filename=None):
    found = _tf.read_checkpoint_state(checkpoint_dir, latest_filename or "checkpoint")
    return None if found is None else CheckpointState(found[0], list(found[1]))


def checkpoint_exists(checkpoint_prefix):
    return _tf.checkpoint_exists(checkpoint_prefix)


class NewCheckpointReader:
    """Looks into a checkpoint without a graph."""

    def __init__(self, filepattern):
        self._reader = _tf.CheckpointReader(filepattern)

    def get_variable_to_shape_map(self):
        return {k: list(s) for k, s in self._reader.shapes().items()}

    def get_variable_to_dtype_map(self):
        by_number = {d.as_datatype_enum: d for d in _core.DTYPES.values()}
        return {k: by_number.get(t) for k, t in self._reader.types().items()}

    def has_tensor(self, name):
        return name in self._reader.shapes()

    def get_tensor(self, name):
        if not self.has_tensor(name):
            raise errors.NotFoundError(None, None, "Key %s not found in checkpoint" % name)
        return self._reader.read(name)


def list_variables(ckpt_dir_or_file):
    return sorted(NewCheckpointReader(ckpt_dir_or_file).get_variable_to_shape_map().items())


def load_variable(ckpt_dir_or_file, name):
    return NewCheckpointReader(ckpt_dir_or_file).get_tensor(name)
