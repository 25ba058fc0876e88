"""Where the time of a program goes.

    with trivium.profiler.trace("epoch.json") as t:
        train(...)
    print(t.summary())

The file opens in Perfetto (ui.perfetto.dev): the steps of every plan, plans being made, batches being
read by workers, and the trainer waiting for them. TRIVIUM_TRACE=epoch.json traces a whole process
without a change to it."""

from trivium import _C


class Sum:
    """What the spans of one kind and name came to."""

    def __init__(self, kind, name, calls, total_us, longest_us):
        self.kind, self.name, self.calls = kind, name, calls
        self.total_us, self.longest_us = total_us, longest_us

    def __repr__(self):
        return f"{self.kind} '{self.name}': {self.calls} calls, {self.total_us / 1e3:.3f} ms"


class trace:
    """Traces a block; a path gets the file at its end. One trace is taken at a time."""

    def __init__(self, path=None):
        self.path = path
        self._sums, self._summary, self.elapsed_us = [], "", 0.0

    def __enter__(self):
        if _C._trace_on():
            raise RuntimeError("profiler.trace: a trace is being taken already")
        _C._trace_start()
        return self

    def __exit__(self, *_):
        _C._trace_stop()
        self._sums = [Sum(*values) for values in _C._trace_sums()]
        self._summary, self.elapsed_us = _C._trace_summary(), _C._trace_elapsed_us()
        if self.path is not None:
            _C._trace_write(str(self.path))

    def sums(self):
        return self._sums

    def total_us(self, name):
        """Time of all spans called so; 0 when there is none."""
        return sum(s.total_us for s in self._sums if s.name == name)

    def summary(self):
        return self._summary
