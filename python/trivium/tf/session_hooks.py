"""Hooks and monitored sessions of tf.train."""
import collections
import os
import time

import numpy as np

from trivium.tf import _core, array_ops, control_ops, errors, session as _session, summary, variables
from trivium.tf._core import GraphKeys

SessionRunArgs = collections.namedtuple("SessionRunArgs", ["fetches", "feed_dict", "options"], defaults=[None, None])
SessionRunValues = collections.namedtuple("SessionRunValues", ["results", "options", "run_metadata"])


def _log():
    import logging
    return logging.getLogger("trivium.tf")


class SessionRunContext:
    def __init__(self, original_args, session):
        self.original_args, self.session, self.stop_requested = original_args, session, False

    def request_stop(self):
        self.stop_requested = True


class SessionRunHook:
    """What happens around the runs of a monitored session."""

    def begin(self):
        pass

    def after_create_session(self, session, coord):
        pass

    def before_run(self, run_context):
        return None

    def after_run(self, run_context, run_values):
        pass

    def end(self, session):
        pass


def _global_step():
    from trivium.tf import train
    step = train.get_global_step()
    if step is None:
        raise RuntimeError("Global step should be created to use this hook.")
    return step


class StopAtStepHook(SessionRunHook):
    """Stops after num_steps more steps, or at last_step."""

    def __init__(self, num_steps=None, last_step=None):
        if (num_steps is None) == (last_step is None):
            raise ValueError("One of num_steps or last_step must be specified." if num_steps is None else
                             "Only one of num_steps or last_step can be specified.")
        self._number, self._last = num_steps, last_step

    def begin(self):
        self._step = _global_step()

    def after_create_session(self, session, coord):
        if self._last is None:
            self._last = int(session.run(self._step)) + self._number

    def before_run(self, run_context):
        return SessionRunArgs(self._step)

    def after_run(self, run_context, run_values):
        # the step is read before the run's own update
        if int(run_context.session.run(self._step)) >= self._last:
            run_context.request_stop()


class _Timer:
    def __init__(self, every_secs=None, every_steps=None):
        if (every_secs is None) == (every_steps is None):
            raise ValueError("exactly one of every_n_iter and every_n_secs should be provided.")
        self.secs, self.steps, self.time, self.step = every_secs, every_steps, None, None

    def due(self, step):
        if self.step is None:
            return True
        if step == self.step:
            return False
        return step >= self.step + self.steps if self.steps is not None else time.time() >= self.time + self.secs

    def mark(self, step):
        self.step, self.time = step, time.time()


class LoggingTensorHook(SessionRunHook):
    """Logs tensors every so many runs or seconds."""

    def __init__(self, tensors, every_n_iter=None, every_n_secs=None, at_end=False, formatter=None):
        self._tensors = tensors if isinstance(tensors, dict) else {t if isinstance(t, str) else t.name: t for t in tensors}
        self._at_end, self._formatter = at_end, formatter
        self._timer = None if at_end and every_n_iter is None and every_n_secs is None else _Timer(every_n_secs, every_n_iter)

    def begin(self):
        graph, self._count = _core.get_default_graph(), 0
        self._tensors = {k: graph.as_graph_element(t) for k, t in self._tensors.items()}

    def before_run(self, run_context):
        self._due = self._timer is not None and self._timer.due(self._count)
        return SessionRunArgs(self._tensors) if self._due else None

    def _show(self, values):
        text = self._formatter(values) if self._formatter else ", ".join("%s = %s" % (k, values[k]) for k in self._tensors)
        _log().info(text)

    def after_run(self, run_context, run_values):
        if self._due:
            self._timer.mark(self._count)
            self._show(run_values.results)
        self._count += 1

    def end(self, session):
        if self._at_end:
            self._show(session.run(self._tensors))


class StepCounterHook(SessionRunHook):
    """Logs steps per second."""

    def __init__(self, every_n_steps=100, every_n_secs=None, output_dir=None, summary_writer=None):
        self._timer = _Timer(every_n_secs, None if every_n_secs else every_n_steps)

    def begin(self):
        self._step = _global_step()

    def before_run(self, run_context):
        return SessionRunArgs(self._step)

    def after_run(self, run_context, run_values):
        step = int(run_values.results)
        if self._timer.due(step):
            if self._timer.step is not None:
                _log().info("global_step/sec: %g", (step - self._timer.step) / (time.time() - self._timer.time))
            self._timer.mark(step)


class CheckpointSaverHook(SessionRunHook):
    """Saves at the start, every so often, and at the end."""

    def __init__(self, checkpoint_dir, save_secs=None, save_steps=None, saver=None, checkpoint_basename="model.ckpt",
                 scaffold=None, listeners=None):
        if saver is not None and scaffold is not None:
            raise ValueError("You cannot provide both saver and scaffold.")
        self._prefix = os.path.join(checkpoint_dir, checkpoint_basename)
        self._dir, self._saver, self._scaffold = checkpoint_dir, saver, scaffold
        self._timer = _Timer(save_secs, save_steps)

    def begin(self):
        self._step = _global_step()

    def _save(self, session, step):
        saver = self._saver or (self._scaffold.saver if self._scaffold else None)
        if saver is None:
            raise RuntimeError("CheckpointSaverHook: there is no saver")
        os.makedirs(self._dir, exist_ok=True)
        _log().info("Saving checkpoints for %d into %s.", step, self._prefix)
        saver.save(session, self._prefix, global_step=step)
        self._timer.mark(step)

    def after_create_session(self, session, coord):
        self._save(session, int(session.run(self._step)))

    def after_run(self, run_context, run_values):
        step = int(run_context.session.run(self._step))
        if self._timer.due(step):
            self._save(run_context.session, step)

    def end(self, session):
        step = int(session.run(self._step))
        if step != self._timer.step:
            self._save(session, step)


class NanLossDuringTrainingError(RuntimeError):
    def __str__(self):
        return "NaN loss during training."


class NanTensorHook(SessionRunHook):
    """Stops (or fails) when a loss is NaN."""

    def __init__(self, loss_tensor, fail_on_nan_loss=True):
        self._loss, self._fail = loss_tensor, fail_on_nan_loss

    def before_run(self, run_context):
        return SessionRunArgs(self._loss)

    def after_run(self, run_context, run_values):
        if np.isnan(run_values.results):
            if self._fail:
                raise NanLossDuringTrainingError
            run_context.request_stop()


class SummarySaverHook(SessionRunHook):
    """Writes summaries every so often."""

    def __init__(self, save_steps=None, save_secs=None, output_dir=None, summary_writer=None, scaffold=None,
                 summary_op=None):
        self._timer, self._op, self._scaffold = _Timer(save_secs, save_steps), summary_op, scaffold
        self._writer, self._dir = summary_writer, output_dir

    def begin(self):
        if self._writer is None and self._dir:
            self._writer = summary.FileWriter(self._dir)
        self._step = _global_step()

    def before_run(self, run_context):
        op = self._op if self._op is not None else self._scaffold.summary_op if self._scaffold else None
        self._due = op is not None and self._timer.due(self._timer.step if self._timer.step is None else self._next)
        return SessionRunArgs({"step": self._step, **({"summary": op} if self._due else {})})

    def after_run(self, run_context, run_values):
        step = int(run_values.results["step"])
        self._next = step + 1
        if self._due:
            self._timer.mark(step)
            self._writer.add_summary(run_values.results["summary"], step)
            self._writer.flush()

    def end(self, session):
        if self._writer is not None:
            self._writer.flush()


class FeedFnHook(SessionRunHook):
    def __init__(self, feed_fn):
        self._feed = feed_fn

    def before_run(self, run_context):
        return SessionRunArgs(None, self._feed())


class FinalOpsHook(SessionRunHook):
    """Runs something last."""
    final_ops_values = None

    def __init__(self, final_ops, final_ops_feed_dict=None):
        self._ops, self._feed = final_ops, final_ops_feed_dict

    def end(self, session):
        if self._ops is not None:
            self.final_ops_values = session.run(self._ops, self._feed)


class Scaffold:
    """What a session needs before its first step."""

    def __init__(self, init_op=None, init_feed_dict=None, init_fn=None, ready_op=None, ready_for_local_init_op=None,
                 local_init_op=None, summary_op=None, saver=None, copy_from_scaffold=None):
        self.init_op, self.init_feed_dict, self.init_fn = init_op, init_feed_dict, init_fn
        self.local_init_op, self.summary_op, self.saver = local_init_op, summary_op, saver

    def finalize(self):
        from trivium.tf import train
        if self.init_op is None:
            self.init_op = variables.global_variables_initializer()
        if self.local_init_op is None:
            self.local_init_op = array_ops.group(variables.local_variables_initializer(),
                                                 *_core.get_collection(GraphKeys.TABLE_INITIALIZERS))
        if self.summary_op is None:
            self.summary_op = summary.merge_all()
        if self.saver is None and variables.global_variables():
            found = _core.get_collection(GraphKeys.SAVERS)
            self.saver = found[0] if found else train.Saver()
        return self


class MonitoredSession:
    """A session that is ready to train: restored or initialised, with hooks around every run. Its graph is
    finalized while it is open; the end of the data ends it quietly."""

    def __init__(self, session_creator=None, hooks=None, stop_grace_period_secs=120):
        from trivium.tf import coordinator
        creator = session_creator or ChiefSessionCreator()
        self._hooks, self._coord, self._stop = list(hooks or []), coordinator.Coordinator(), False
        for hook in self._hooks:
            hook.begin()
        self._session = creator.create_session()
        self._graph = self._session.graph
        self._entered = self._graph.as_default()
        self._entered.__enter__()
        try:
            coordinator.start_queue_runners(self._session, self._coord)
            for hook in self._hooks:
                hook.after_create_session(self._session, self._coord)
        except BaseException:
            self._leave()
            raise

    graph = property(lambda self: self._graph)

    def should_stop(self):
        return self._stop or self._session is None or self._coord.should_stop()

    def run(self, fetches, feed_dict=None, options=None, run_metadata=None):
        if self._session is None:
            raise RuntimeError("Run called even after should_stop requested.")
        context = SessionRunContext(SessionRunArgs(fetches, feed_dict), self._session)
        wanted, feeds = {"caller": fetches}, dict(feed_dict or {})
        for i, hook in enumerate(self._hooks):
            asked = hook.before_run(context)
            if asked is not None:
                if asked.fetches is not None:
                    wanted[i] = asked.fetches
                feeds.update(asked.feed_dict or {})
        found = self._session.run(wanted, feeds or None)
        for i, hook in enumerate(self._hooks):
            hook.after_run(context, SessionRunValues(found.get(i), None, None))
        self._stop = self._stop or context.stop_requested
        return found["caller"]

    def run_step_fn(self, step_fn):
        raise NotImplementedError("MonitoredSession.run_step_fn")

    def raw_session(self):
        return self._session

    def _leave(self):
        session, self._session = self._session, None
        self._graph._unfinalize()
        self._entered.__exit__(None, None, None)
        session.close()

    def _finish(self, error):
        if self._session is None:
            return
        try:
            if error is None or issubclass(error, (errors.OutOfRangeError, StopIteration)):
                for hook in self._hooks:
                    hook.end(self._session)
        finally:
            self._coord.request_stop()
            self._leave()

    def close(self):
        self._finish(None)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self._finish(kind)
        return kind is not None and issubclass(kind, (errors.OutOfRangeError, StopIteration))


class ChiefSessionCreator:
    def __init__(self, scaffold=None, master="", config=None, checkpoint_dir=None, checkpoint_filename_with_path=None):
        self._scaffold, self._config = scaffold or Scaffold(), config
        self._dir, self._file = checkpoint_dir, checkpoint_filename_with_path

    def create_session(self):
        from trivium.tf import train
        scaffold = self._scaffold.finalize()
        graph = _core.get_default_graph()
        graph.finalize()
        session = _session.Session(graph=graph, config=self._config)
        found = self._file or (train.latest_checkpoint(self._dir) if self._dir else None)
        if found:
            scaffold.saver.restore(session, found)
        elif scaffold.init_op is not None:
            session.run(scaffold.init_op, scaffold.init_feed_dict)
            if scaffold.init_fn:
                scaffold.init_fn(scaffold, session) if scaffold.init_fn.__code__.co_argcount > 1 else scaffold.init_fn(session)
        session.run(scaffold.local_init_op)
        return session


def MonitoredTrainingSession(master="", is_chief=True, checkpoint_dir=None, scaffold=None, hooks=None,
                             chief_only_hooks=None, save_checkpoint_secs=600, save_summaries_steps=100,
                             save_summaries_secs=None, config=None, stop_grace_period_secs=120, log_step_count_steps=100,
                             max_wait_secs=7200, save_checkpoint_steps=None, summary_dir=None):
    """A MonitoredSession that saves and logs in checkpoint_dir."""
    scaffold, hooks = scaffold or Scaffold(), list(hooks or []) + list(chief_only_hooks or [])
    if checkpoint_dir:
        hooks.append(StepCounterHook(log_step_count_steps))
        if save_summaries_steps or save_summaries_secs:
            hooks.append(SummarySaverHook(None if save_summaries_secs else save_summaries_steps, save_summaries_secs,
                                          summary_dir or checkpoint_dir, scaffold=scaffold))
        if save_checkpoint_secs or save_checkpoint_steps:
            hooks.append(CheckpointSaverHook(checkpoint_dir, None if save_checkpoint_steps else save_checkpoint_secs,
                                             save_checkpoint_steps, scaffold=scaffold))
    return MonitoredSession(ChiefSessionCreator(scaffold, master, config, checkpoint_dir), hooks)


SingularMonitoredSession = MonitoredSession
