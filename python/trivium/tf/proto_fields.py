"""The fields of protocol messages: how values are written and read, which are accepted, lists and maps of them."""
import struct

_FLOATS = {"float": "<f", "double": "<d"}
_FIXED = {"fixed32": "<I", "fixed64": "<Q", "sfixed32": "<i", "sfixed64": "<q"}
_UNSIGNED = ("uint32", "uint64")
_RANGES = {"int32": (-2 ** 31, 2 ** 31 - 1), "int64": (-2 ** 63, 2 ** 63 - 1), "uint32": (0, 2 ** 32 - 1),
           "uint64": (0, 2 ** 64 - 1), "enum": (-2 ** 31, 2 ** 31 - 1), "fixed32": (0, 2 ** 32 - 1)}


class _Field:
    __slots__ = ("number", "name", "type", "label", "of", "oneof", "packed", "key", "value")

    def __init__(self, row):
        self.number, self.name, self.type, self.label, self.of, self.oneof, self.packed = row
        self.key = self.value = None

    def default(self):
        if self.type in ("string", "bytes"):
            return "" if self.type == "string" else b""
        return {"bool": False, "float": 0.0, "double": 0.0}.get(self.type, 0)


_CLASSES, _ENUMS = {}, {}


# ---- the wire

def _varint(value):
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data, at):
    result = shift = 0
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 127) << shift
        if byte < 128:
            return result & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than ten bytes")


def _wire_type(kind):
    if kind in ("string", "bytes", "message"):
        return 2
    if kind in ("double", "fixed64", "sfixed64"):
        return 1
    return 5 if kind in ("float", "fixed32", "sfixed32") else 0


def _encode(kind, value):
    if kind == "string":
        value = value.encode()
    elif kind == "message":
        value = value.SerializeToString()
    if kind in ("string", "bytes", "message"):
        return _varint(len(value)) + value
    layout = _FLOATS.get(kind) or _FIXED.get(kind)
    if layout:
        return struct.pack(layout, value)
    if kind in ("sint32", "sint64"):
        value = value << 1 ^ value >> 63
    return _varint(int(value))


def _decode_number(kind, value):
    if kind == "bool":
        return bool(value)
    if kind in _UNSIGNED:
        return value
    return value - (1 << 64) if value >> 63 else value


def _skip(data, at, wire):
    if wire == 0:
        return _read_varint(data, at)[1]
    if wire == 2:
        size, at = _read_varint(data, at)
        return at + size
    if wire in (1, 5):
        return at + (8 if wire == 1 else 4)
    raise ValueError("wire type %d" % wire)


def _checked(field, value, owner):
    """A value as the field takes it; TypeError names both."""
    kind = field.type
    if kind in ("string", "bytes"):
        if isinstance(value, str) and (kind == "string" or owner != "BytesList"):  # data is never text
            return value if kind == "string" else value.encode()
        if isinstance(value, (bytes, bytearray)):
            return bytes(value) if kind == "bytes" else bytes(value).decode()
    elif kind in _FLOATS:
        try:
            number = float(value)
            return struct.unpack("<f", struct.pack("<f", number))[0] if kind == "float" else number
        except (TypeError, ValueError):
            pass
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    elif kind == "bool":
        if not isinstance(value, (str, bytes)):
            return bool(value)
    else:
        if hasattr(value, "as_datatype_enum"):
            value = value.as_datatype_enum
        if kind == "enum" and isinstance(value, str) and value in _ENUMS.get(field.of, {}):
            return _ENUMS[field.of][value]
        try:
            number = value.__index__()
        except (AttributeError, TypeError):
            number = None
        if number is not None:
            low, high = _RANGES.get(kind, _RANGES["int64"])
            if not low <= number <= high:
                raise ValueError("Value out of range: %d (%s.%s is %s)" % (number, owner, field.name, kind))
            return number
    raise TypeError("%r has type %s, but %s.%s is %s" % (value, type(value).__name__, owner, field.name, kind))


# ---- containers

class _Numbers(list):
    """A repeated field of numbers or strings."""

    def __init__(self, field, owner, values=()):
        super().__init__()
        self._field, self._owner = field, owner
        self.extend(values)

    def append(self, value):
        super().append(_checked(self._field, value, self._owner))

    def extend(self, values):
        for v in values if values is not None else ():
            self.append(v)

    MergeFrom = extend

    def __setitem__(self, at, value):
        if isinstance(at, slice):
            super().__setitem__(at, [_checked(self._field, v, self._owner) for v in value])
        else:
            super().__setitem__(at, _checked(self._field, value, self._owner))


class _Messages(list):
    """A repeated field of messages."""

    def __init__(self, kind, values=()):
        super().__init__()
        self._kind = kind
        self.extend(values)

    def add(self, **fields):
        made = _CLASSES[self._kind](**fields)
        list.append(self, made)
        return made

    def append(self, message):
        self.add().CopyFrom(message)

    def extend(self, messages):
        for m in list(messages) if messages is not None else ():
            self.append(m)

    MergeFrom = extend


class _Map(dict):
    """A map field; a key that is asked for comes into being where values are messages."""

    def __init__(self, field, owner):
        super().__init__()
        self._field, self._owner = field, owner

    def __missing__(self, key):
        value = self._field.value
        made = _CLASSES[value.of]() if value.type == "message" else value.default()
        key = _checked(self._field.key, key, self._owner)
        dict.__setitem__(self, key, made)
        return made

    def __setitem__(self, key, value):
        if self._field.value.type == "message":
            raise ValueError("%s.%s: a message in a map is changed in place: [%r].CopyFrom(…)"
                             % (self._owner, self._field.name, key))
        super().__setitem__(_checked(self._field.key, key, self._owner),
                            _checked(self._field.value, value, self._owner))

    def get_or_create(self, key):
        return self[key]

    def MergeFrom(self, other):
        for key in other:
            if self._field.value.type == "message":
                self[key].CopyFrom(other[key])
            else:
                self[key] = other[key]

    def update(self, other=(), **more):
        for key, value in dict(other, **more).items():
            if self._field.value.type == "message":
                self[key].CopyFrom(value)
            else:
                self[key] = value


# ---- bytes that are no message

class DecodeError(ValueError):
    """The bytes are no such message."""


def _check_shape(data, name):
    """The outermost fields must fill the bytes; what is inside is looked at when it is used."""
    at = 0
    try:
        while at < len(data):
            tag, at = _read_varint(data, at)
            if not tag >> 3:
                raise ValueError("a field without a number")
            at = _skip(data, at, tag & 7)
        if at != len(data):
            raise ValueError("a field reaches past the end")
    except (IndexError, ValueError) as error:
        raise DecodeError("Error parsing message: the bytes are no %s (%s)" % (name, error)) from None
