"""tf.python_io: TFRecord files read and written by Python."""
from trivium import _tf


class TFRecordCompressionType:
    NONE, ZLIB, GZIP = 0, 1, 2


class TFRecordOptions:
    """How a file is compressed."""

    def __init__(self, compression_type=None, **unused):
        self.compression_type = compression_type

    def text(self):
        return {None: "", 0: "", 1: "ZLIB", 2: "GZIP"}.get(self.compression_type, self.compression_type)

    @classmethod
    def get_compression_type_string(cls, options):
        return "" if options is None else options.text()


def _compression(options):
    if options is None:
        return ""
    return options if isinstance(options, str) else TFRecordOptions(options).text() if isinstance(
        options, int) else options.text()


class TFRecordWriter:
    """Writes records to a file."""

    def __init__(self, path, options=None):
        self._writer = _tf.RecordWriter(path, _compression(options))

    def write(self, record):
        self._writer.write(record)

    def flush(self):
        self._writer.flush()

    def close(self):
        self._writer.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def tf_record_iterator(path, options=None):
    """The records of a file; DataLossError where it is damaged."""
    reader = _tf.RecordReader(path, _compression(options))
    return iter(reader.next, None)
