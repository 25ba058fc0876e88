"""TensorFlow's messages (GraphDef, Summary, Example, …) as Python objects. Their schema comes from the C++
side; bytes are parsed when a field is first looked at."""
import struct

from trivium import _tf
from trivium.tf.proto_fields import (_CLASSES, _ENUMS, _FIXED, _FLOATS, DecodeError, _check_shape, _checked,
                                     _decode_number, _encode, _Field, _Map, _Messages, _Numbers, _read_varint,
                                     _skip, _varint, _wire_type)


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


