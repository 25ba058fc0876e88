"""tf.data.Dataset: what the elements are and how to read them. Nothing is read before an iterator asks."""
import numpy as np

from trivium import _tf
from trivium.tf import _core, errors
from trivium.tf.data import elements as rows_of
from trivium.tf.data.function import Function
from trivium.tf.data.structure import Spec, flatten, map_leaves, pack, same_nesting


class Reading:
    """One pass of an iterator over its data sets: values of the tensors they hold, and what they remember."""

    def __init__(self, values):
        self.values, self.memory = values, {}

    def of(self, value):
        return self.values[value] if _core.is_tensor(value) else value

    def integer(self, value):
        return None if value is None else int(self.of(value))

    def kept(self, owner, make):
        if owner not in self.memory:
            self.memory[owner] = make()
        return self.memory[owner]


def _count(value, name):
    if value is None or _core.is_tensor(value):
        return _core.tensor(value) if value is not None else None
    try:
        return int(value)
    except (TypeError, ValueError):
        raise TypeError("Dataset: %s is an integer, not %r" % (name, value)) from None


def _component(value):
    """A leaf of a structure as an array, or as a tensor when it is one."""
    if _core.is_tensor(value) or _core._holds_tensor(value):
        return _core.tensor(value)
    return _core.to_array(value)


def _spec_of(leaf):
    return Spec(leaf.dtype, leaf.shape)


class Dataset:
    """Elements of one structure. Methods give new data sets."""

    def __init__(self, element, parents=(), tensors=(), function=None):
        self._element, self._parents, self._function = element, parents, function
        self._held = [t for t in tensors if _core.is_tensor(t)] + (function.captures if function else [])
        self._graph = _core.get_default_graph()

    def _tensors(self):
        found = list(self._held)
        for parent in self._parents:
            found += parent._tensors()
        return list(dict.fromkeys(found))

    def _open(self, reading):
        raise NotImplementedError

    output_types = property(lambda self: map_leaves(lambda s: s.dtype, self._element))
    output_shapes = property(lambda self: map_leaves(lambda s: s.shape, self._element))
    output_classes = property(lambda self: map_leaves(lambda s: _core.Tensor, self._element))

    def __iter__(self):
        raise RuntimeError("__iter__() is only supported inside of tf.function or when eager execution is enabled; "
                           "use make_one_shot_iterator().get_next()")

    # -- sources

    @staticmethod
    def from_tensors(tensors):
        return _FromTensors(tensors)

    @staticmethod
    def from_tensor_slices(tensors):
        return _FromSlices(tensors)

    @staticmethod
    def from_generator(generator, output_types, output_shapes=None, args=None):
        return _FromGenerator(generator, output_types, output_shapes, args)

    @staticmethod
    def range(*args):
        return _Range(*args)

    @staticmethod
    def zip(datasets):
        return _Zip(datasets)

    @staticmethod
    def list_files(file_pattern, shuffle=None, seed=None):
        files = _ListFiles(file_pattern)
        return files if shuffle is False else files.shuffle(1 << 40, seed=seed)

    # -- transformations

    def repeat(self, count=None):
        return _Repeat(self, count)

    def shuffle(self, buffer_size, seed=None, reshuffle_each_iteration=None):
        return _Shuffle(self, buffer_size, seed, reshuffle_each_iteration is not False)

    def batch(self, batch_size, drop_remainder=False):
        return _Batch(self, batch_size, drop_remainder)

    def padded_batch(self, batch_size, padded_shapes, padding_values=None, drop_remainder=False):
        return _PaddedBatch(self, batch_size, padded_shapes, padding_values, drop_remainder)

    def map(self, map_func, num_parallel_calls=None):
        return _Map(self, map_func)

    def filter(self, predicate):
        return _Filter(self, predicate)

    def flat_map(self, map_func):
        return _Interleave(self, map_func, 1, None, "flat_map")

    def interleave(self, map_func, cycle_length, block_length=1, num_parallel_calls=None):
        return _Interleave(self, map_func, cycle_length, block_length, "interleave")

    def take(self, count):
        return _Take(self, count)

    def skip(self, count):
        return _Skip(self, count)

    def concatenate(self, dataset):
        return _Concatenate(self, dataset)

    def prefetch(self, buffer_size):
        """The same elements: they are made when they are asked for."""
        return self

    def cache(self, filename=""):
        if filename != "":
            raise NotImplementedError("tf.data.Dataset.cache(filename): elements are kept in memory only")
        return _Cache(self)

    def shard(self, num_shards, index):
        return _Shard(self, num_shards, index)

    def enumerate(self, start=0):
        return Dataset.zip((Dataset.range(start, np.iinfo(np.int64).max), self))

    def apply(self, transformation_func):
        made = transformation_func(self)
        if not isinstance(made, Dataset):
            raise TypeError("`transformation_func` must return a Dataset.")
        return made

    def with_options(self, options):
        return self

    def make_one_shot_iterator(self):
        from trivium.tf.data.iterator import make_one_shot_iterator
        return make_one_shot_iterator(self)

    def make_initializable_iterator(self, shared_name=None):
        from trivium.tf.data.iterator import make_initializable_iterator
        return make_initializable_iterator(self, shared_name)

    def __repr__(self):
        return "<%s shapes: %s, types: %s>" % (type(self).__name__.strip("_"), self.output_shapes, self.output_types)


class _FromTensors(Dataset):
    def __init__(self, tensors):
        parts = map_leaves(_component, tensors)
        self._parts = flatten(parts)
        super().__init__(map_leaves(_spec_of, parts), tensors=self._parts)

    def _open(self, reading):
        return rows_of.FromIterator([[reading.of(p) for p in self._parts]])


class _FromSlices(Dataset):
    """Arrays stay where they are; they are no constants of the graph."""

    def __init__(self, tensors):
        parts = map_leaves(_component, tensors)
        self._parts, sizes = flatten(parts), set()
        for p in self._parts:
            dims = _core.TensorShape(p.shape)
            if dims.ndims == 0:
                raise ValueError("from_tensor_slices: a component is a scalar; it has no slices")
            if dims.ndims is not None and dims[0].value is not None:
                sizes.add(dims[0].value)
        if len(sizes) > 1:
            raise ValueError("Dimensions %s are not compatible: components have different numbers of slices"
                             % " and ".join(str(s) for s in sorted(sizes)))
        super().__init__(map_leaves(lambda p: Spec(p.dtype, _core.TensorShape(p.shape)[1:]), parts), tensors=self._parts)

    def _open(self, reading):
        return rows_of.Rows([np.asarray(reading.of(p)) for p in self._parts])


def _checked(value, spec):
    """One component of what a generator yields."""
    try:
        array = np.asarray(_core.to_array(value, spec.dtype.name))
    except (TypeError, ValueError):
        raise errors.InvalidArgumentError(None, None, (
            "TypeError: `generator` yielded an element that could not be converted to the expected type. The expected "
            "type was %s, but the yielded element was %s." % (spec.dtype.name, value))) from None
    if not spec.shape.is_compatible_with(array.shape):
        raise errors.InvalidArgumentError(None, None, (
            "ValueError: `generator` yielded an element of shape %s where an element of shape %s was expected."
            % (array.shape, spec.shape)))
    return array


class _FromGenerator(Dataset):
    def __init__(self, generator, output_types, output_shapes, args):
        if not callable(generator):
            raise TypeError("`generator` must be callable.")
        types = map_leaves(_core.as_dtype, _listless(output_types))
        if output_shapes is None:
            element = map_leaves(lambda t: Spec(t, None), types)
        else:
            shapes = [_core.TensorShape(s) for s in _shapes_like(types, output_shapes)]
            element = pack(types, iter([Spec(t, s) for t, s in zip(flatten(types), shapes)]))
        self._generator, self._args = generator, [_component(a) for a in args or ()]
        super().__init__(element, tensors=self._args)

    def _open(self, reading):
        specs, element = flatten(self._element), self._element

        def rows():
            for value in self._generator(*[np.asarray(reading.of(a)) for a in self._args]):
                value = tuple(value) if isinstance(element, tuple) and isinstance(value, list) else value
                if not same_nesting(element, value):
                    raise errors.InvalidArgumentError(None, None, (
                        "TypeError: `generator` yielded an element that did not match the expected structure. The "
                        "expected structure was %s, but the yielded element was %s." % (self.output_types, value)))
                yield [_checked(v, s) for v, s in zip(flatten(value), specs)]
        return rows_of.FromIterator(rows())


def _listless(types):
    return tuple(_listless(t) for t in types) if isinstance(types, list) else types


def _shapes_like(types, shapes):
    """The shapes of a structure, one for each component; a shape may be a tuple or a list itself."""
    if isinstance(types, dict):
        return [s for key in sorted(types) for s in _shapes_like(types[key], shapes[key])]
    if isinstance(types, tuple):
        return [s for t, given in zip(types, shapes) for s in _shapes_like(t, given)]
    return [shapes]


class _Range(Dataset):
    def __init__(self, *args):
        if not 1 <= len(args) <= 3:
            raise ValueError("Invalid arguments to RangeDataset: %s" % (args,))
        self._args = [_count(a, "range") for a in args]
        super().__init__(Spec("int64", ()), tensors=self._args)

    def _open(self, reading):
        numbers = range(*[reading.integer(a) for a in self._args])
        if len(numbers) > 1 << 22:
            return rows_of.FromIterator([np.int64(i)] for i in numbers)
        return rows_of.Rows([np.arange(numbers.start, numbers.stop, numbers.step, dtype=np.int64)])


class _Zip(Dataset):
    def __init__(self, datasets):
        if isinstance(datasets, list):
            raise TypeError("The argument to `Dataset.zip()` must be a (nested) structure of Dataset objects; a list "
                            "is not: use a tuple")
        self._parts = flatten(datasets)
        for d in self._parts:
            if not isinstance(d, Dataset):
                raise TypeError("The argument to `Dataset.zip()` must be a (nested) structure of Dataset objects, got %r" % (d,))
        super().__init__(_replaced(datasets), tuple(self._parts))

    def _open(self, reading):
        return rows_of.Zipped([p._open(reading) for p in self._parts])


def _replaced(datasets):
    if isinstance(datasets, dict):
        return {k: _replaced(v) for k, v in datasets.items()}
    if isinstance(datasets, tuple):
        return tuple(_replaced(v) for v in datasets)
    return datasets._element


class _ListFiles(Dataset):
    def __init__(self, pattern):
        self._pattern = _component(pattern)
        super().__init__(Spec("string", ()), tensors=[self._pattern])

    def _open(self, reading):
        import glob
        found = []
        for pattern in np.ravel(np.asarray(reading.of(self._pattern), object)):
            found += glob.glob(_text(pattern))
        if not found:
            raise errors.NotFoundError(None, None, "No files matched pattern: %s" % reading.of(self._pattern))
        return rows_of.Rows([np.array([f.encode() for f in sorted(found)], object)])


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


class _Files(Dataset):
    """Records of files, one file after the other."""

    def __init__(self, filenames, compression_type=None, tensors=()):
        if isinstance(filenames, Dataset):
            raise NotImplementedError("%s of a Dataset of file names: use flat_map" % type(self).__name__)
        self._files = _component(filenames)
        self._compression = compression_type or ""
        if not _core.is_tensor(self._compression) and self._compression not in ("", "GZIP", "ZLIB"):
            raise ValueError('compression_type is "", "GZIP" or "ZLIB", not %r' % (compression_type,))
        super().__init__(Spec("string", ()), tensors=[self._files, self._compression] + list(tensors))

    def _records(self, path, compression, reading):
        raise NotImplementedError

    def _open(self, reading):
        def rows():
            for path in np.ravel(np.asarray(reading.of(self._files), object)):
                for record in self._records(_text(path), _text(reading.of(self._compression)), reading):
                    yield [record]
        return rows_of.FromIterator(rows())


def _bytes_of(path, compression):
    try:
        if compression == "GZIP":
            import gzip
            return gzip.open(path, "rb")
        file = open(path, "rb")
    except FileNotFoundError:
        raise errors.NotFoundError(None, None, "%s; No such file or directory" % path) from None
    if compression == "ZLIB":
        import io
        import zlib
        with file:
            return io.BytesIO(zlib.decompress(file.read()))
    return file


class TFRecordDataset(_Files):
    """The records of TFRecord files, as byte strings."""

    def __init__(self, filenames, compression_type=None, buffer_size=None, num_parallel_reads=None):
        super().__init__(filenames, compression_type)

    def _records(self, path, compression, reading):
        reader = _tf.RecordReader(path, compression)
        return iter(reader.next, None)


class TextLineDataset(_Files):
    """The lines of text files, without their ends."""

    def __init__(self, filenames, compression_type=None, buffer_size=None):
        super().__init__(filenames, compression_type)

    def _records(self, path, compression, reading):
        with _bytes_of(path, compression) as file:
            for line in file:
                line = line[:-1] if line.endswith(b"\n") else line
                yield line[:-1] if line.endswith(b"\r") else line


class FixedLengthRecordDataset(_Files):
    """Records of `record_bytes` bytes."""

    def __init__(self, filenames, record_bytes, header_bytes=None, footer_bytes=None, buffer_size=None,
                 compression_type=None):
        self._sizes = [_count(record_bytes, "record_bytes"), _count(header_bytes or 0, "header_bytes"),
                       _count(footer_bytes or 0, "footer_bytes")]
        super().__init__(filenames, compression_type, self._sizes)

    def _records(self, path, compression, reading):
        size, header, footer = [reading.integer(s) for s in self._sizes]
        with _bytes_of(path, compression) as file:
            data = file.read()
        body = data[header:len(data) - footer]
        if len(data) < header + footer or len(body) % size:
            raise errors.InvalidArgumentError(None, None, (
                "Excluding the header (%d bytes) and footer (%d bytes), input file \"%s\" has body length %d bytes, which "
                "is not an exact multiple of the record length (%d bytes)." % (header, footer, path, len(body), size)))
        return [body[i:i + size] for i in range(0, len(body), size)]


class _One(Dataset):
    """A transformation of one data set."""

    def __init__(self, parent, element=None, tensors=(), function=None):
        super().__init__(parent._element if element is None else element, (parent,), tensors, function)
        self._parent = parent


class _Repeat(_One):
    def __init__(self, parent, count):
        self._times = _count(count, "count")
        super().__init__(parent, tensors=[self._times])

    def _open(self, reading):
        times = reading.integer(self._times)
        return rows_of.Repeated(lambda: self._parent._open(reading), None if times is None or times < 0 else times)


class _Shuffle(_One):
    def __init__(self, parent, size, seed, again):
        self._size, self._again = _count(size, "buffer_size"), again
        self._seeds = _core.get_default_graph().op_seeds(None if seed is None else int(seed))
        super().__init__(parent, tensors=[self._size])

    def _open(self, reading):
        size = reading.integer(self._size)
        if size <= 0:
            raise errors.InvalidArgumentError(None, None, "buffer_size must be greater than zero.")
        kept = reading.kept(self, lambda: _tf.Shuffler(*self._seeds))
        if self._again:
            shuffler = _tf.Shuffler(kept.word(), kept.word())
        elif self._seeds == (0, 0):  # the same order each time, whatever it is
            shuffler = _tf.Shuffler(*reading.kept((self, "seeds"), lambda: (kept.word(), kept.word())))
        else:
            shuffler = _tf.Shuffler(*self._seeds)
        return rows_of.shuffled(self._parent._open(reading), size, shuffler)


def _batched(element, size, drop):
    head = size if drop and isinstance(size, int) else None
    return map_leaves(lambda s: Spec(s.dtype, _core.TensorShape([head]).concatenate(s.shape)), element)


def _positive(size):
    if size <= 0:
        raise errors.InvalidArgumentError(None, None, "Batch size must be greater than zero.")
    return size


class _Batch(_One):
    def __init__(self, parent, size, drop):
        self._size, self._drop = _count(size, "batch_size"), drop
        super().__init__(parent, _batched(parent._element, self._size, drop is True), [self._size, drop])

    def _open(self, reading):
        return rows_of.Batched(self._parent._open(reading), _positive(reading.integer(self._size)),
                               bool(reading.of(self._drop)))


class _PaddedBatch(_One):
    def __init__(self, parent, size, shapes, values, drop):
        self._size, self._drop = _count(size, "batch_size"), drop
        specs = flatten(parent._element)
        self._shapes = [_core.TensorShape(None if s is None else [None if d == -1 else d for d in _core.TensorShape(s).as_list()])
                        for s in _shapes_like(parent._element, shapes)]
        self._values = [None] * len(specs) if values is None else flatten(_listless(values))
        if len(self._values) != len(specs):
            raise ValueError("padded_batch: %d padding_values for %d components" % (len(self._values), len(specs)))
        for s, spec in zip(self._shapes, specs):
            if spec.shape.ndims is not None and s.ndims != spec.shape.ndims:
                raise ValueError("The padded shape %s is not compatible with the corresponding input component shape %s."
                                 % (s, spec.shape))
        inner = pack(parent._element, iter([Spec(c.dtype, s) for c, s in zip(specs, self._shapes)]))
        super().__init__(parent, _batched(inner, self._size, drop is True), [self._size])

    def _pad(self, column, place, dtype):
        column = [np.asarray(v, object if dtype == _core.string else None) for v in column]
        wanted = self._shapes[place].as_list()
        dims = [max(v.shape[i] for v in column) if d is None else d for i, d in enumerate(wanted)]
        value = self._values[place]
        if value is None:
            value = b"" if dtype == _core.string else 0
        batch = np.full([len(column)] + dims, value, object if dtype == _core.string else dtype.as_numpy_dtype)
        for i, v in enumerate(column):
            if any(have > room for have, room in zip(v.shape, dims)):
                raise errors.DataLossError(None, None, (
                    "Attempted to pad to a smaller size than the input element: shape %s, padded shape %s"
                    % (list(v.shape), dims)))
            batch[(i,) + tuple(slice(0, n) for n in v.shape)] = v if v.ndim else v[()]
        return batch

    def _open(self, reading):
        rows, size = self._parent._open(reading), _positive(reading.integer(self._size))
        types = [s.dtype for s in flatten(self._element)]

        def batches():
            source = rows_of.all_of(rows)
            while True:
                held = [row for _, row in zip(range(size), source)]
                if not held or (self._drop and len(held) < size):
                    return
                yield [self._pad(c, i, types[i]) for i, c in enumerate(zip(*held))]
        return rows_of.FromIterator(batches())


class _Map(_One):
    def __init__(self, parent, map_func):
        function = Function(map_func, parent._element)
        if isinstance(function.result, Dataset):
            raise TypeError("Dataset.map: the function returns a Dataset; use flat_map or interleave")
        super().__init__(parent, function.spec(), function=function)

    def _open(self, reading):
        call = reading.kept(self, lambda: self._function.open(reading.values))
        rows = self._parent._open(reading)
        return rows_of.FromIterator(call(row) for row in rows_of.all_of(rows))


class _Filter(_One):
    def __init__(self, parent, predicate):
        function = Function(predicate, parent._element)
        spec = function.spec()
        if not isinstance(spec, Spec) or spec.dtype != _core.bool_ or spec.shape.ndims not in (0, None):
            raise ValueError("`predicate` must return a scalar boolean tensor.")
        super().__init__(parent, function=function)

    def _open(self, reading):
        call = reading.kept(self, lambda: self._function.open(reading.values))
        rows = self._parent._open(reading)
        return rows_of.FromIterator(row for row in rows_of.all_of(rows) if bool(call(row)[0]))


class _Interleave(_One):
    """map_func gives a data set for each element; `cycle` of them are read in turn, `block` elements at a
    time (None: to the end)."""

    def __init__(self, parent, map_func, cycle, block, what):
        function = Function(map_func, parent._element)
        if not isinstance(function.result, Dataset):
            raise TypeError("`map_func` must return a `Dataset` object. (%s)" % what)
        self._inner = function.result
        self._cycle, self._block = _count(cycle, "cycle_length"), _count(block, "block_length")
        super().__init__(parent, self._inner._element, [self._cycle, self._block], function)

    def _open(self, reading):
        tensors = self._inner._tensors()
        call = reading.kept(self, lambda: self._function.open(reading.values, tensors))
        cycle, block = reading.integer(self._cycle), reading.integer(self._block)
        sources = rows_of.all_of(self._parent._open(reading))

        def open_next():
            row = next(sources, None)
            if row is None:
                return None
            values = dict(zip(tensors, call(row))) if tensors else {}
            return rows_of.all_of(self._inner._open(Reading(values)))

        def rows():
            slots, at, ended = [None] * cycle, 0, False
            while True:
                if slots[at] is None and not ended:
                    slots[at] = open_next()
                    ended = slots[at] is None
                if ended and all(s is None for s in slots):
                    return
                given = 0
                while slots[at] is not None and (block is None or given < block):
                    row = next(slots[at], None)
                    if row is None:
                        slots[at] = None
                    else:
                        yield row
                    given += 1
                at = (at + 1) % cycle
        return rows_of.FromIterator(rows())


class _Take(_One):
    def __init__(self, parent, count):
        self._number = _count(count, "count")
        super().__init__(parent, tensors=[self._number])

    def _open(self, reading):
        rows, count = self._parent._open(reading), reading.integer(self._number)
        return rows if count < 0 else rows_of.Taken(rows, count)


class _Skip(_One):
    def __init__(self, parent, count):
        self._number = _count(count, "count")
        super().__init__(parent, tensors=[self._number])

    def _open(self, reading):
        return rows_of.skipped(self._parent._open(reading), reading.integer(self._number))


def _widest(a, b):
    if a.ndims is None or a.ndims != b.ndims:
        return _core.TensorShape(None)
    return _core.TensorShape([x if x == y else None for x, y in zip(a._dims, b._dims)])


class _Concatenate(Dataset):
    def __init__(self, first, second):
        if not same_nesting(first._element, second._element) or first.output_types != second.output_types:
            raise TypeError("Two datasets to concatenate have different types %s and %s"
                            % (first.output_types, second.output_types))
        specs = [Spec(a.dtype, _widest(a.shape, b.shape))
                 for a, b in zip(flatten(first._element), flatten(second._element))]
        super().__init__(pack(first._element, iter(specs)), (first, second))

    def _open(self, reading):
        return rows_of.FromIterator(row for d in self._parents for row in rows_of.all_of(d._open(reading)))


class _Shard(_One):
    def __init__(self, parent, count, index):
        self._shards, self._index = _count(count, "num_shards"), _count(index, "index")
        if isinstance(self._shards, int) and isinstance(self._index, int) and not 0 <= self._index < self._shards:
            raise ValueError("index must be between 0 and %d, got %d" % (self._shards - 1, self._index))
        super().__init__(parent, tensors=[self._shards, self._index])

    def _open(self, reading):
        shards, index = reading.integer(self._shards), reading.integer(self._index)
        rows = rows_of.all_of(self._parent._open(reading))
        return rows_of.FromIterator(row for i, row in enumerate(rows) if i % shards == index)


class _Cache(_One):
    """The first pass of an iterator is kept; later ones read what it kept."""

    def _open(self, reading):
        memory = reading.kept(self, dict)
        if "rows" in memory:
            return rows_of.FromIterator(memory["rows"])

        def rows():
            seen = []
            for row in rows_of.all_of(self._parent._open(reading)):
                seen.append(row)
                yield row
            memory["rows"] = seen
        return rows_of.FromIterator(rows())


def get_output_types(dataset_or_iterator):
    return dataset_or_iterator.output_types


def get_output_shapes(dataset_or_iterator):
    return dataset_or_iterator.output_shapes


def get_output_classes(dataset_or_iterator):
    return dataset_or_iterator.output_classes
