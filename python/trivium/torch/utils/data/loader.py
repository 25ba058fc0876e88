"""DataLoader: batches of a dataset in the sampler's order. Workers are threads; the order of the
batches does not depend on them."""

import collections
import queue
import threading
import time
import traceback

from trivium import _C
from trivium.torch.utils.data.collate import default_collate, default_convert
from trivium.torch.utils.data.dataset import IterableDataset, batch_reader
from trivium.torch.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler

WorkerInfo = collections.namedtuple("WorkerInfo", ("id", "num_workers", "seed", "dataset"))
_here = threading.local()


def get_worker_info():
    """The worker that runs this, or None outside of workers."""
    return getattr(_here, "info", None)


def _traced(kind, name, work):
    """What work() gives; a trace, when one is taken, shows how long it took."""
    if not _C._trace_on():
        return work()
    start = time.perf_counter_ns()
    try:
        return work()
    finally:
        _C._trace_add(kind, name, start)


class _Endless:
    def __iter__(self):
        while True:
            yield None


class DataLoader:
    """Iterating gives batches; iterating again starts anew. pin_memory has no effect."""

    _fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")

    def __init__(self, dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None,
                 num_workers=0, collate_fn=None, pin_memory=False, drop_last=False, timeout=0,
                 worker_init_fn=None, multiprocessing_context=None, generator=None, *,
                 prefetch_factor=None, persistent_workers=False, pin_memory_device="", in_order=True):
        if num_workers < 0 or timeout < 0:
            raise ValueError("num_workers and timeout must not be negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError("prefetch_factor needs workers: num_workers is 0")
        if num_workers == 0 and persistent_workers:
            raise ValueError("persistent_workers needs workers: num_workers is 0")
        self.dataset, self.num_workers, self.pin_memory = dataset, num_workers, pin_memory
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.timeout, self.worker_init_fn, self.generator = timeout, worker_init_fn, generator
        self.persistent_workers, self.in_order = persistent_workers, in_order
        self._iterable = isinstance(dataset, IterableDataset)
        if self._iterable:
            if shuffle or sampler is not None or batch_sampler is not None:
                raise ValueError("a stream has no shuffle, sampler or batch_sampler")
            sampler = _Endless()
        if sampler is not None and shuffle and not self._iterable:
            raise ValueError("sampler and shuffle exclude each other")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("batch_sampler excludes batch_size, shuffle, sampler and drop_last")
            batch_size, drop_last = None, False
        elif batch_size is None:
            if drop_last:
                raise ValueError("drop_last needs a batch_size")
        if sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler, self.batch_sampler = sampler, batch_sampler
        batched = batch_sampler is not None
        self.collate_fn = collate_fn or (default_collate if batched else default_convert)
        self._reader = None
        self._ready = True

    def __setattr__(self, name, value):
        if name in self._fixed and getattr(self, "_ready", False):
            raise ValueError(f"DataLoader.{name} is fixed once the loader exists: make a new one")
        object.__setattr__(self, name, value)

    def __len__(self):
        if self._iterable:
            n = len(self.dataset)
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
        return len(self._orders())

    def _orders(self):
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __iter__(self):
        # Every iteration draws, with workers or without: seeds agree with PyTorch's.
        seed = int(_C.empty((), dtype=_C.int64).random_(generator=self.generator).item())
        self._reader = self._direct()
        if self.num_workers:
            return _Workers(self, seed)
        return self._stream() if self._iterable else self._plain()

    def _direct(self):
        """The dataset's own way to read a batch, where it gives what item by item would."""
        if self._iterable or self.batch_sampler is None or self.collate_fn is not default_collate:
            return None
        return batch_reader(self.dataset)

    def _fetch(self, order):
        if self.batch_sampler is None:
            return self.collate_fn(self.dataset[order])
        if self._reader is not None:
            order = list(order)
            if order and all(type(i) is int and i >= 0 for i in order):
                return self._reader(order)
        many = getattr(self.dataset, "__getitems__", None)
        if many is not None:
            return self.collate_fn(many(order))
        dataset = self.dataset
        return self.collate_fn([dataset[i] for i in order])

    def _plain(self):
        for order in self._orders():
            yield _traced("data", "batch read by the trainer", lambda: self._fetch(order))

    def _stream(self):
        if self.batch_size is None:
            for example in self.dataset:
                yield self.collate_fn(example)
            return
        batch = []
        for example in self.dataset:
            batch.append(example)
            if len(batch) == self.batch_size:
                yield self.collate_fn(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.collate_fn(batch)


class _Failure:
    def __init__(self, error, worker):
        self.error, self.text, self.worker = error, traceback.format_exc(), worker

    def throw(self):
        message = f"in DataLoader worker {self.worker}:\n{self.text}"
        try:
            error = type(self.error)(message)
        except Exception:
            raise RuntimeError(message) from self.error
        raise error from self.error


class _Workers:
    """Threads that fetch; results are handed out in order."""

    _DONE = object()

    def __init__(self, loader, seed):
        self._loader, self._seed = loader, seed
        self._closed = False
        n = loader.num_workers
        if loader._iterable:
            self._queues = [queue.Queue(loader.prefetch_factor) for _ in range(n)]
            self._alive = list(range(n))
            target = self._run_stream
        else:
            self._orders = enumerate(loader._orders())
            self._tasks = queue.Queue()
            self._results = queue.Queue()
            self._held, self._next, self._sent = {}, 0, 0
            target = self._run
        self._turn = 0
        self._threads = [threading.Thread(target=target, args=(i,), daemon=True) for i in range(n)]
        for thread in self._threads:
            thread.start()
        if not loader._iterable:
            for _ in range(n * loader.prefetch_factor):
                self._send()

    def _begin(self, worker):
        _here.info = WorkerInfo(worker, self._loader.num_workers, self._seed + worker,
                                self._loader.dataset)
        _C._set_grad_enabled(True)
        if self._loader.worker_init_fn is not None:
            self._loader.worker_init_fn(worker)

    def _run(self, worker):
        started = None
        try:
            self._begin(worker)
        except Exception as error:
            started = _Failure(error, worker)
        while True:
            task = self._tasks.get()
            if task is None or self._closed:
                return
            number, order = task
            try:
                result = started or _traced("data", "batch read by a worker",
                                            lambda: self._read(order))
            except Exception as error:
                result = _Failure(error, worker)
            self._results.put((number, result))

    def _read(self, order):
        batch = self._loader._fetch(order)
        _C._submit()
        return batch

    def _run_stream(self, worker):
        out = self._queues[worker]
        try:
            self._begin(worker)
            for batch in self._loader._stream():
                if self._closed:
                    return
                _C._submit()
                out.put(batch)
        except Exception as error:
            out.put(_Failure(error, worker))
        out.put(self._DONE)

    def _send(self):
        task = next(self._orders, None)
        if task is not None:
            self._sent += 1
            self._tasks.put(task)

    def __iter__(self):
        return self

    def __len__(self):
        return len(self._loader)

    def _get(self, source):
        try:
            return _traced("wait", "loader wait",
                           lambda: source.get(timeout=self._loader.timeout or None))
        except queue.Empty:
            raise RuntimeError(f"a DataLoader worker gave no batch within {self._loader.timeout} s"
                               ) from None

    def __next__(self):
        result = self._next_streamed() if self._loader._iterable else self._next_ordered()
        if isinstance(result, _Failure):
            self._close()
            result.throw()
        return result

    def _next_streamed(self):
        while self._alive:
            worker = self._alive[self._turn % len(self._alive)]
            result = self._get(self._queues[worker])
            if result is self._DONE:
                self._alive.remove(worker)
                continue
            self._turn += 1
            return result
        raise StopIteration

    def _next_ordered(self):
        if self._next >= self._sent:
            self._close()
            raise StopIteration
        while self._next not in self._held:
            number, result = self._get(self._results)
            self._held[number] = result
        result = self._held.pop(self._next)
        self._next += 1
        self._send()
        return result

    def _close(self):
        self._closed = True
        if not self._loader._iterable:
            for _ in self._threads:
                self._tasks.put(None)

    def __del__(self):
        try:
            self._close()
        except Exception:
            pass
