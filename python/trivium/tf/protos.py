"""TensorFlow's messages (GraphDef, Summary, Example, …) as Python objects. Their schema comes from the C++
side; bytes are parsed when a field is first looked at."""
import struct

from trivium import _tf

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
        if isinstance(value, str):
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


# ---- messages

class Message:
    """A message; its subclasses differ in their fields."""
    _fields, _by_number, _name = {}, {}, ""

    def __init__(self, **fields):
        set_ = object.__setattr__
        set_(self, "_values", {})
        set_(self, "_raw", None)
        set_(self, "_unknown", b"")
        set_(self, "_marked", False)
        for name, value in fields.items():
            if value is not None:
                self._assign(name, value)

    def _assign(self, name, value):
        field = self._field(name)
        if field.label == "map":
            getattr(self, name).update(value)
        elif field.label == "list":
            made = getattr(self, name)
            for v in value:
                made.add(**v) if isinstance(v, dict) else made.append(v)
        elif field.type == "message":
            if isinstance(value, dict):
                value = _CLASSES[field.of](**value)
            getattr(self, name).CopyFrom(value)
        else:
            setattr(self, name, value)

    def _field(self, name):
        field = self._fields.get(name)
        if field is None:
            raise ValueError('Protocol message %s has no "%s" field.' % (self._name.split(".")[-1], name))
        return field

    def __getattr__(self, name):
        field = type(self)._fields.get(name)
        if field is None:
            raise AttributeError("'%s' object has no attribute '%s'" % (type(self).__name__, name))
        self._load()
        values = self._values
        if name in values:
            return values[name]
        if field.label == "map":
            values[name] = _Map(field, self._name)
        elif field.label == "list":
            values[name] = _Messages(field.of) if field.type == "message" else _Numbers(field, self._name)
        elif field.type == "message":
            values[name] = _CLASSES[field.of]()
        else:
            return field.default()
        return values[name]

    def __setattr__(self, name, value):
        field = self._fields.get(name)
        if field is None:
            raise AttributeError('Assignment not allowed (no field "%s" in protocol message object).' % name)
        if field.label != "one" or field.type == "message":
            raise AttributeError('Assignment not allowed to %s field "%s" in protocol message object.'
                                 % ("composite" if field.type == "message" else "repeated", name))
        self._load()
        value = _checked(field, value, self._name)
        self._leave_oneof(field)
        self._values[name] = value

    def _leave_oneof(self, field):
        if field.oneof:
            for other in self._fields.values():
                if other.oneof == field.oneof and other is not field:
                    self._values.pop(other.name, None)

    def _has(self, field):
        """Whether a field would be written."""
        value = self._values.get(field.name)
        if value is None:
            return False
        if field.label != "one":
            return len(value) > 0
        if field.type == "message":
            return value._marked or value._is_set()
        return field.oneof is not None or value != field.default() or \
            (isinstance(value, float) and str(value) == "-0.0")

    def _is_set(self):
        return bool(self._raw) or bool(self._unknown) or any(
            self._has(f) or (f.name in self._values and f.oneof) for f in self._fields.values()
            if f.name in self._values)

    # Parsing.

    def _load(self):
        raw = self._raw
        if raw is None:
            return
        object.__setattr__(self, "_raw", None)
        self._parse(raw)

    def _parse(self, data):
        at, size = 0, len(data)
        try:
            while at < size:
                begin = at
                tag, at = _read_varint(data, at)
                field, wire = self._by_number.get(tag >> 3), tag & 7
                if field is None:
                    at = _skip(data, at, wire)
                    object.__setattr__(self, "_unknown", self._unknown + bytes(data[begin:at]))
                else:
                    at = self._parse_field(field, wire, data, at)
            if at != size:
                raise ValueError("a field reaches past the end")
        except (IndexError, struct.error, ValueError, UnicodeDecodeError) as error:
            raise DecodeError("Error parsing message: the bytes are no %s (%s)" % (self._name, error)) from None

    def _parse_field(self, field, wire, data, at):
        kind = field.type
        if wire == 2 and kind not in ("string", "bytes", "message"):
            end, at = _read_varint(data, at)
            end += at
            if end > len(data):
                raise ValueError("a list reaches past the end")
            values = getattr(self, field.name)
            while at < end:
                value, at = self._number(kind, data, at)
                list.append(values, value)
            return at
        if wire == 2:
            length, at = _read_varint(data, at)
            end = at + length
            if end > len(data):
                raise ValueError("a field reaches past the end")
            self._put(field, data[at:end])
            return end
        value, at = self._number(kind, data, at)
        if field.label == "list":
            list.append(getattr(self, field.name), value)
        else:
            self._leave_oneof(field)
            self._values[field.name] = value
        return at

    @staticmethod
    def _number(kind, data, at):
        layout = _FLOATS.get(kind) or _FIXED.get(kind)
        if layout:
            size = struct.calcsize(layout)
            return struct.unpack_from(layout, data, at)[0], at + size
        value, at = _read_varint(data, at)
        return _decode_number(kind, value), at

    def _put(self, field, raw):
        if field.label == "map":
            entry = _CLASSES[field.of]()
            entry._parse(raw)
            target = getattr(self, field.name)
            dict.__setitem__(target, entry.key, entry.value)
        elif field.type == "message":
            if field.label == "list":
                made = _CLASSES[field.of]()
                object.__setattr__(made, "_raw", raw)
                list.append(getattr(self, field.name), made)
            else:
                self._leave_oneof(field)
                child = getattr(self, field.name)
                object.__setattr__(child, "_marked", True)
                if child._is_set():
                    child.MergeFromString(raw)
                else:
                    object.__setattr__(child, "_raw", raw)
        else:
            value = raw.decode() if field.type == "string" else bytes(raw)
            if field.label == "list":
                list.append(getattr(self, field.name), value)
            else:
                self._leave_oneof(field)
                self._values[field.name] = value

    def ParseFromString(self, serialized):
        self.Clear()
        return self.MergeFromString(serialized)

    def MergeFromString(self, serialized):
        serialized = bytes(serialized)
        if self._is_set():
            self._load()
            self._parse(serialized)
        else:
            _check_shape(serialized, self._name)
            object.__setattr__(self, "_raw", serialized)
        object.__setattr__(self, "_marked", True)
        return len(serialized)

    @classmethod
    def FromString(cls, serialized):
        made = cls()
        made.ParseFromString(serialized)
        return made

    # Writing.

    def SerializeToString(self, deterministic=None):
        if self._raw is not None:
            return self._raw
        parts = []
        for field in self._by_number.values():
            if field.name not in self._values or not self._has(field):
                continue
            self._write(field, self._values[field.name], parts)
        parts.append(self._unknown)
        return b"".join(parts)

    SerializePartialToString = SerializeToString

    @staticmethod
    def _write(field, value, parts):
        kind = field.type
        tag = _varint(field.number << 3 | (2 if field.label == "map" else _wire_type(kind)))
        if field.label == "map":
            for key in sorted(value):
                entry = _varint(1 << 3 | _wire_type(field.key.type)) + _encode(field.key.type, key)
                entry += _varint(2 << 3 | _wire_type(field.value.type)) + _encode(field.value.type, value[key])
                parts.append(tag + _varint(len(entry)) + entry)
        elif field.label == "one":
            parts.append(tag + _encode(kind, value))
        elif field.packed:
            body = b"".join([_encode(kind, v) for v in value])
            parts.append(_varint(field.number << 3 | 2) + _varint(len(body)) + body)
        else:
            parts.extend([tag + _encode(kind, v) for v in value])

    def ByteSize(self):
        return len(self.SerializeToString())

    # The rest of what protocol messages do.

    def HasField(self, name):
        self._load()
        if name not in self._fields and any(f.oneof == name for f in self._fields.values()):
            return self.WhichOneof(name) is not None
        field = self._field(name)
        if field.label != "one" or (field.type != "message" and not field.oneof):
            raise ValueError("Field %s.%s does not have presence." % (self._name, name))
        return self._has(field)

    def WhichOneof(self, name):
        self._load()
        fields = [f for f in self._fields.values() if f.oneof == name]
        if not fields:
            raise ValueError("Protocol message %s has no oneof \"%s\" field." % (self._name, name))
        found = [f.name for f in fields if self._has(f)]
        return found[-1] if found else None

    def ListFields(self):
        self._load()
        return [(f, self._values[f.name]) for f in self._by_number.values() if self._has(f)]

    def Clear(self):
        self._values.clear()
        object.__setattr__(self, "_raw", None)
        object.__setattr__(self, "_unknown", b"")
        object.__setattr__(self, "_marked", False)

    def ClearField(self, name):
        self._load()
        self._field(name)
        self._values.pop(name, None)

    def SetInParent(self):
        object.__setattr__(self, "_marked", True)

    def CopyFrom(self, other):
        if other is self:
            return
        self._same(other)
        self.Clear()
        object.__setattr__(self, "_raw", other.SerializeToString() or None)
        object.__setattr__(self, "_marked", True)

    def MergeFrom(self, other):
        self._same(other)
        self.MergeFromString(other.SerializeToString())

    def _same(self, other):
        if type(other) is not type(self):
            raise TypeError("Parameter to CopyFrom() must be instance of same class: expected %s got %s."
                            % (type(self).__name__, type(other).__name__))

    def IsInitialized(self):
        return True

    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return self._canonical() == other._canonical()

    def _canonical(self):
        return type(self).FromString(self.SerializeToString())._loaded().SerializeToString()

    def _loaded(self):
        self._load()
        for value in self._values.values():
            for item in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]):
                if isinstance(item, Message):
                    item._loaded()
        return self

    __hash__ = None

    def __deepcopy__(self, memo):
        made = type(self)()
        made.CopyFrom(self)
        return made

    __copy__ = lambda self: self.__deepcopy__(None)

    def __reduce__(self):
        return type(self).FromString, (self.SerializeToString(),)

    def __dir__(self):
        return list(self._fields) + list(super().__dir__())

    def __str__(self):
        return _tf.proto_to_text(self._name, self.SerializeToString())

    __repr__ = __str__


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


# ---- the classes

def _make_classes():
    for name, values in _tf.proto_enums().items():
        _ENUMS[name] = values
    for name, rows in _tf.proto_messages().items():
        fields = {row[1]: _Field(row) for row in rows}
        by_number = {f.number: f for f in sorted(fields.values(), key=lambda f: f.number)}
        _CLASSES[name] = type(name.split(".")[-1], (Message,), {
            "_fields": fields, "_by_number": by_number, "_name": name, "__module__": __name__})
    for name, cls in _CLASSES.items():
        for field in cls._fields.values():
            if field.label == "map":
                entry = _CLASSES[field.of]._fields
                field.key, field.value = entry["key"], entry["value"]
        outer, _, last = name.rpartition(".")
        if outer and not last.endswith("Entry"):
            setattr(_CLASSES[outer], last, cls)
    for name, values in _ENUMS.items():
        outer = name.rpartition(".")[0]
        if outer:
            for key, number in values.items():
                setattr(_CLASSES[outer], key, number)


_make_classes()
for _name, _class in _CLASSES.items():
    if "." not in _name:
        globals()[_name] = _class
for _name, _values in _ENUMS.items():
    if "." not in _name:
        globals().update(_values)


# ---- text

def to_text(message):
    """Protocol Buffers' text format."""
    return str(message)


def merge_text(text, message):
    """Reads the text format into a message, which keeps what it has."""
    message.MergeFromString(_tf.proto_from_text(message._name, text.decode() if isinstance(text, bytes) else text,
                                                "text"))
    return message


def read_file(kind, path):
    """A message of a file, in either form."""
    return kind.FromString(_tf.proto_from_file(kind._name, path))


def is_message(value, name):
    """Whether a value is such a message; Google's own class of that name counts too."""
    return type(value).__name__ == name and hasattr(value, "SerializeToString")


