"""tensorflow.python.client.timeline: what the steps of a run took, for chrome://tracing."""
import json
import types


class StepStats:
    """The steps of traced runs. dev_stats has one device with a node_stats entry a step."""

    def __init__(self):
        self._events = []

    def _add(self, chrome_trace):
        self._events += [e for e in json.loads(chrome_trace)["traceEvents"] if e.get("ph") == "X"]

    @property
    def dev_stats(self):
        if not self._events:
            return []
        nodes = [types.SimpleNamespace(
            node_name=e["args"]["layer"], timeline_label="%s = %s" % (e["args"]["layer"], e["cat"]),
            all_start_micros=int(e["ts"]), op_start_rel_micros=0, op_end_rel_micros=int(e["dur"]),
            all_end_rel_micros=int(e["dur"])) for e in self._events]
        return [types.SimpleNamespace(device="/job:localhost/replica:0/task:0/device:CPU:0", node_stats=nodes)]


class Timeline:
    """Makes a trace of a run's step_stats."""

    def __init__(self, step_stats, graph=None):
        self._stats = step_stats

    def generate_chrome_trace_format(self, show_dataflow=True, show_memory=False, op_time="schedule"):
        """JSON that opens in chrome://tracing and Perfetto. Steps depend on each other in the order they ran, so
        there are no arrows; memory is planned, not allocated, so there is no curve of it."""
        device = {"name": "process_name", "ph": "M", "pid": 0, "args": {"name": "/device:CPU:0 Compute"}}
        events = [{"ph": "X", "cat": "Op", "name": e["cat"], "pid": 0, "tid": 0, "ts": e["ts"], "dur": e["dur"],
                   "args": {"name": e["args"]["layer"], "op": e["cat"], "kernel": e["name"]}}
                  for e in self._stats._events]
        return json.dumps({"traceEvents": [device] + events}, indent=1)
