"""tf.flags: values from the command line (--name=value, --name value, --noname for a bool)."""
import sys as _sys


class Error(Exception):
    """A flag that cannot be."""


class _Flag:
    def __init__(self, name, default, help, parse, boolean=False):
        self.name, self.default, self.help, self.parse, self.boolean = name, default, help, parse, boolean
        self.value = default


class _Flags:
    """Flags as attributes. The command line is read when the first one is asked for."""

    def __init__(self):
        self.__dict__.update(_flags={}, _parsed=False, _rest=None)

    def __call__(self, argv, known_only=False):
        """Reads a command line; gives what is no flag. Error for a flag nobody defined."""
        self.__dict__["_parsed"] = True
        rest, words = list(argv[:1]), list(argv[1:])
        while words:
            word = words.pop(0)
            if word == "--":
                rest += words
                break
            if not word.startswith("-") or word == "-":
                rest.append(word)
                continue
            name, equals, text = word.lstrip("-").partition("=")
            name = name.replace("-", "_")
            flag = self._flags.get(name)
            if flag is None and name.startswith("no") and not equals and name[2:] in self._flags and self._flags[
                    name[2:]].boolean:
                self._flags[name[2:]].value = False
                continue
            if flag is None:
                if known_only:
                    rest.append(word)
                    continue
                raise Error("Unknown command line flag '%s'" % name)
            if not equals:
                if flag.boolean:
                    text = "true"
                elif words:
                    text = words.pop(0)
                else:
                    raise Error("Missing value for flag --%s" % name)
            try:
                flag.value = flag.parse(text)
            except ValueError as error:
                raise Error("flag --%s=%s: %s" % (name, text, error)) from None
        self.__dict__["_rest"] = rest
        return rest

    def _read(self):
        if not self._parsed:
            try:
                self(_sys.argv)
            except Error as error:
                if {"-h", "--help", "--helpfull"} & set(_sys.argv[1:]):
                    print(self.text())
                    _sys.exit(1)
                print("FATAL Flags parsing error: %s\nPass --help to see help on flags." % error, file=_sys.stderr)
                _sys.exit(1)

    _parse_flags = _read

    def text(self):
        return "\n".join("  --%s: %s\n    (default: %r)" % (f.name, f.help, f.default)
                         for f in sorted(self._flags.values(), key=lambda f: f.name))

    def __getattr__(self, name):
        if name not in self._flags:
            raise AttributeError(name)
        self._read()
        return self._flags[name].value

    def __setattr__(self, name, value):
        if name not in self._flags:
            raise AttributeError("Unknown command line flag '%s'" % name)
        self._flags[name].value = value

    def __getitem__(self, name):
        return self._flags[name]

    def __contains__(self, name):
        return name in self._flags

    def __iter__(self):
        return iter(self._flags)

    def is_parsed(self):
        return self._parsed

    def mark_as_parsed(self):
        self.__dict__["_parsed"] = True

    def flag_values_dict(self):
        self._read()
        return {f.name: f.value for f in self._flags.values()}

    def define(self, name, default, help, parse, boolean=False):
        if name in self._flags:
            raise Error("The flag '%s' is defined twice." % name)
        if isinstance(default, str) and parse is not str:
            default = parse(default)
        self._flags[name] = _Flag(name, default, help, parse, boolean)


FLAGS = _Flags()


def _truth(text):
    if str(text).lower() in ("true", "t", "1", "yes", "y"):
        return True
    if str(text).lower() in ("false", "f", "0", "no", "n"):
        return False
    raise ValueError("Non-boolean argument to boolean flag")


def DEFINE_string(name, default, help, flag_values=FLAGS, **kwargs):
    flag_values.define(name, default, help, str)


def DEFINE_integer(name, default, help, lower_bound=None, upper_bound=None, flag_values=FLAGS, **kwargs):
    flag_values.define(name, default, help, lambda t: int(t, 0))


def DEFINE_float(name, default, help, lower_bound=None, upper_bound=None, flag_values=FLAGS, **kwargs):
    flag_values.define(name, default if default is None else float(default), help, float)


def DEFINE_bool(name, default, help, flag_values=FLAGS, **kwargs):
    flag_values.define(name, default, help, _truth, True)


DEFINE_boolean = DEFINE_bool


def DEFINE_enum(name, default, enum_values, help, flag_values=FLAGS, **kwargs):
    def parse(text):
        if text not in enum_values:
            raise ValueError("value should be one of <%s>" % "|".join(enum_values))
        return text
    flag_values.define(name, default, help, parse)


def DEFINE_list(name, default, help, flag_values=FLAGS, **kwargs):
    flag_values.define(name, default, help, lambda t: [p.strip() for p in t.split(",")] if t else [])


def mark_flag_as_required(name, flag_values=FLAGS):
    pass
