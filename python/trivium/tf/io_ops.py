"""Files as operations."""
from trivium.tf import _core
from trivium.tf._core import op, out


def read_file(filename, name=None):
    """The bytes of a file; NotFoundError in the run when there is none."""
    return out("ReadFile", [("filename", filename, "string")], None, name)


def write_file(filename, contents, name=None):
    return op("WriteFile", [("filename", filename, "string"), ("contents", contents, "string")], None, name)


def decode_raw(bytes, out_type, little_endian=True, name=None):
    """Byte strings as vectors of numbers."""
    return out("DecodeRaw", [("bytes", bytes, "string")],
               {"out_type": _core.as_dtype(out_type), "little_endian": bool(little_endian)}, name)
