"""Estimator: every call builds its graph anew and goes on from the newest checkpoint."""
import collections
import inspect
import os
import tempfile

import numpy as np

from trivium.tf import _core, array_ops, math_ops, metrics, session_hooks, train, variables
from trivium.tf._core import GraphKeys, Tensor
from trivium.tf.data import Dataset


class ModeKeys:
    TRAIN, EVAL, PREDICT = "train", "eval", "infer"


class EstimatorSpec(collections.namedtuple("EstimatorSpec", [
        "mode", "predictions", "loss", "train_op", "eval_metric_ops", "export_outputs", "training_chief_hooks",
        "training_hooks", "scaffold", "evaluation_hooks", "prediction_hooks"])):
    """What a model function gives back."""

    def __new__(cls, mode, predictions=None, loss=None, train_op=None, eval_metric_ops=None, export_outputs=None,
                training_chief_hooks=None, training_hooks=None, scaffold=None, evaluation_hooks=None,
                prediction_hooks=None):
        if mode == ModeKeys.TRAIN and train_op is None:
            raise ValueError("Missing train_op.")
        if mode in (ModeKeys.TRAIN, ModeKeys.EVAL):
            if loss is None:
                raise ValueError("Missing loss.")
            shape = loss.get_shape()
            if shape.ndims not in (0, None) and shape.num_elements() != 1:
                raise ValueError("Loss must be scalar, given: {}".format(loss))
        if mode == ModeKeys.PREDICT and predictions is None:
            raise ValueError("Missing predictions.")
        for name, pair in (eval_metric_ops or {}).items():
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise TypeError("Values of eval_metric_ops must be (metric_value, update_op) tuples, given: %s for key: %s"
                                % (pair, name))
        return super().__new__(cls, mode, predictions, loss, train_op, eval_metric_ops or {}, export_outputs,
                               training_chief_hooks or (), training_hooks or (), scaffold, evaluation_hooks or (),
                               prediction_hooks or ())


class RunConfig:
    """Where and how often to save; session and seed."""

    def __init__(self, model_dir=None, tf_random_seed=None, save_summary_steps=100, save_checkpoints_steps=None,
                 save_checkpoints_secs=None, session_config=None, keep_checkpoint_max=5,
                 keep_checkpoint_every_n_hours=10000, log_step_count_steps=100, **unused):
        self.model_dir, self.tf_random_seed, self.save_summary_steps = model_dir, tf_random_seed, save_summary_steps
        self.save_checkpoints_steps = save_checkpoints_steps
        self.save_checkpoints_secs = save_checkpoints_secs or (None if save_checkpoints_steps else 600)
        self.session_config, self.keep_checkpoint_max = session_config, keep_checkpoint_max
        self.log_step_count_steps = log_step_count_steps

    def replace(self, **kwargs):
        made = RunConfig()
        made.__dict__.update(self.__dict__, **kwargs)
        return made


def _given(values, step):
    """Features and labels of what an input function returned."""
    if isinstance(values, Dataset):
        iterator = values.make_initializable_iterator()
        _core.add_to_collection(GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
        values = iterator.get_next()
    if isinstance(values, (list, tuple)):
        if len(values) != 2:
            raise ValueError("input_fn should return (features, labels) as a len 2 tuple.")
        return values
    return values, None


class Estimator:
    def __init__(self, model_fn, model_dir=None, config=None, params=None, warm_start_from=None):
        if warm_start_from is not None:
            raise NotImplementedError("tf.estimator.Estimator: warm_start_from")
        self._model_fn, self._config = model_fn, config or RunConfig()
        accepted = inspect.signature(model_fn).parameters
        if "features" not in accepted:
            raise ValueError("model_fn (%s) must include features argument." % model_fn)
        self._takes = accepted
        self._params = dict(params or {})
        self._dir = model_dir or self._config.model_dir or tempfile.mkdtemp()

    model_dir = property(lambda self: self._dir)
    config = property(lambda self: self._config)
    params = property(lambda self: dict(self._params))
    model_fn = property(lambda self: self._model_fn)

    def latest_checkpoint(self):
        return train.latest_checkpoint(self._dir)

    def get_variable_names(self):
        return sorted(train.NewCheckpointReader(self._checkpoint()).get_variable_to_shape_map())

    def get_variable_value(self, name):
        return train.load_variable(self._checkpoint(), name)

    def _checkpoint(self, given=None):
        found = given or self.latest_checkpoint()
        if not found:
            raise ValueError("Could not find trained model in model_dir: %s." % self._dir)
        return found

    def _inputs(self, input_fn, mode):
        takes, given = inspect.signature(input_fn).parameters, {}
        if "mode" in takes:
            given["mode"] = mode
        if "params" in takes:
            given["params"] = self.params
        if "config" in takes:
            given["config"] = self._config
        return _given(input_fn(**given), mode)

    def _spec(self, features, labels, mode):
        given = {}
        if "labels" in self._takes:
            given["labels"] = labels
        elif labels is not None:
            raise ValueError("model_fn does not take labels, but input_fn returns labels.")
        for name, value in (("mode", mode), ("params", self.params), ("config", self._config)):
            if name in self._takes:
                given[name] = value
        spec = self._model_fn(features=features, **given)
        if not isinstance(spec, EstimatorSpec):
            raise ValueError("model_fn should return an EstimatorSpec.")
        return spec

    def _graph(self):
        graph = _core.make_graph()
        if self._config.tf_random_seed is not None:
            graph.set_seed(self._config.tf_random_seed)
        return graph

    def train(self, input_fn, hooks=None, steps=None, max_steps=None, saving_listeners=None):
        """`steps` more steps, or up to `max_steps`, or to the end of the input."""
        if steps is not None and max_steps is not None:
            raise ValueError("Can not provide both steps and max_steps.")
        if (steps is not None and steps <= 0) or (max_steps is not None and max_steps <= 0):
            raise ValueError("Must specify %s > 0, given: %s" % (
                ("steps", steps) if steps is not None else ("max_steps", max_steps)))
        with self._graph().as_default():
            step = train.create_global_step()
            features, labels = self._inputs(input_fn, ModeKeys.TRAIN)
            spec = self._spec(features, labels, ModeKeys.TRAIN)
            every = list(hooks or []) + [session_hooks.NanTensorHook(spec.loss), session_hooks.LoggingTensorHook(
                {"loss": spec.loss, "step": step}, every_n_iter=100)] + list(spec.training_hooks) + list(
                    spec.training_chief_hooks)
            if steps is not None or max_steps is not None:
                every.append(session_hooks.StopAtStepHook(steps, max_steps))
            if max_steps is not None and self.latest_checkpoint():
                if int(train.load_variable(self.latest_checkpoint(), "global_step")) >= max_steps:
                    return self
            with session_hooks.MonitoredTrainingSession(
                    checkpoint_dir=self._dir, hooks=every, scaffold=spec.scaffold, config=self._config.session_config,
                    save_checkpoint_secs=self._config.save_checkpoints_secs,
                    save_checkpoint_steps=self._config.save_checkpoints_steps,
                    save_summaries_steps=self._config.save_summary_steps,
                    log_step_count_steps=self._config.log_step_count_steps) as session:
                while not session.should_stop():
                    session.run([spec.train_op, spec.loss])
        return self

    def evaluate(self, input_fn, steps=None, hooks=None, checkpoint_path=None, name=None):
        """The metrics of the model function, the mean loss and the global step, by name."""
        path = self._checkpoint(checkpoint_path)
        with self._graph().as_default():
            step = train.create_global_step()
            features, labels = self._inputs(input_fn, ModeKeys.EVAL)
            spec = self._spec(features, labels, ModeKeys.EVAL)
            pairs = dict(spec.eval_metric_ops)
            if "loss" not in pairs:
                pairs["loss"] = metrics.mean(spec.loss)
            values = {k: v for k, (v, _) in pairs.items()}
            values["global_step"] = step
            updates = [u for _, u in pairs.values()]
            last = session_hooks.FinalOpsHook(values)
            creator = session_hooks.ChiefSessionCreator(spec.scaffold, "", self._config.session_config,
                                                        checkpoint_filename_with_path=path)
            with session_hooks.MonitoredSession(creator, list(hooks or []) + list(spec.evaluation_hooks) + [last]) as session:
                done = 0
                while not session.should_stop() and (steps is None or done < steps):
                    session.run(updates)
                    done += 1
            return last.final_ops_values

    def predict(self, input_fn, predict_keys=None, hooks=None, checkpoint_path=None, yield_single_examples=True):
        """The predictions, one example after the other."""
        path = self._checkpoint(checkpoint_path)
        with self._graph().as_default():
            train.create_global_step()
            features, _ = self._inputs(input_fn, ModeKeys.PREDICT)
            spec = self._spec(features, None, ModeKeys.PREDICT)
            wanted = spec.predictions
            if predict_keys is not None and isinstance(wanted, dict):
                wanted = {k: v for k, v in wanted.items() if k in predict_keys}
            saver = train.Saver()
            session = _opened(saver, path, self._config.session_config)
        from trivium.tf import errors
        while True:
            try:
                batch = session.run(wanted)
            except errors.OutOfRangeError:
                session.close()
                return
            if not yield_single_examples:
                yield batch
            elif isinstance(batch, dict):
                for i in range(len(next(iter(batch.values())))):
                    yield {k: v[i] for k, v in batch.items()}
            else:
                yield from batch

    def export_savedmodel(self, *args, **kwargs):
        raise NotImplementedError("tf.estimator.Estimator.export_savedmodel; tf.saved_model writes models")

    export_saved_model = export_savedmodel


def _opened(saver, path, config):
    from trivium.tf.session import Session
    session = Session(config=config)
    saver.restore(session, path)
    session.run([variables.local_variables_initializer()] + _core.get_collection(GraphKeys.TABLE_INITIALIZERS))
    return session
