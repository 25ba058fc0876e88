"""tf.gfile: files by TensorFlow's names; the errors are tf.errors'."""
import glob as _glob
import os
import shutil

from trivium.tf import errors


def _missing(path):
    return errors.NotFoundError(None, None, "%s; No such file or directory" % path)


def _text(path):
    return path.decode() if isinstance(path, bytes) else os.fspath(path)


class GFile:
    """An open file; modes "r", "w", "a", each with "b" for bytes and "+"."""

    def __init__(self, name, mode="r"):
        self._name, self._mode, self._file = _text(name), mode, None

    name = property(lambda self: self._name)
    mode = property(lambda self: self._mode)

    def _open(self):
        if self._file is None:
            try:
                binary = "b" in self._mode
                self._file = open(self._name, self._mode, encoding=None if binary else "utf-8")
            except FileNotFoundError:
                raise _missing(self._name) from None
            except PermissionError as error:
                raise errors.PermissionDeniedError(None, None, str(error)) from None
        return self._file

    def read(self, n=-1):
        return self._open().read(n)

    def readline(self):
        return self._open().readline()

    def readlines(self):
        return self._open().readlines()

    def write(self, file_content):
        self._open().write(file_content)

    def seek(self, offset=None, whence=0, position=None):
        self._open().seek(offset if position is None else position, whence)

    def tell(self):
        return self._open().tell()

    def size(self):
        return stat_length(self._name)

    def flush(self):
        if self._file is not None:
            self._file.flush()

    def close(self):
        if self._file is not None:
            self._file.close()
            self._file = None

    def __iter__(self):
        return iter(self._open())

    def __next__(self):
        return next(self._open())

    next = __next__

    def __enter__(self):
        if "w" in self._mode or "a" in self._mode:
            self._open()
        return self

    def __exit__(self, *error):
        self.close()


Open = FastGFile = GFile


def stat_length(path):
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        raise _missing(path) from None


def Exists(filename):
    return os.path.exists(_text(filename))


def IsDirectory(dirname):
    return os.path.isdir(_text(dirname))


def ListDirectory(dirname):
    if not os.path.isdir(_text(dirname)):
        raise errors.NotFoundError(None, None, "Could not find directory %s" % _text(dirname))
    return os.listdir(_text(dirname))


def Glob(filename):
    patterns = filename if isinstance(filename, (list, tuple)) else [filename]
    return sorted(f for p in patterns for f in _glob.glob(_text(p)))


def MakeDirs(dirname):
    os.makedirs(_text(dirname), exist_ok=True)


def MkDir(dirname):
    try:
        os.mkdir(_text(dirname))
    except FileExistsError:
        raise errors.AlreadyExistsError(None, None, "%s; File exists" % _text(dirname)) from None
    except FileNotFoundError:
        raise _missing(_text(dirname)) from None


def Remove(filename):
    try:
        os.remove(_text(filename))
    except FileNotFoundError:
        raise _missing(_text(filename)) from None


def DeleteRecursively(dirname):
    path = _text(dirname)
    if not os.path.lexists(path):
        raise _missing(path)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


def _target(newpath, overwrite):
    if os.path.exists(newpath) and not overwrite:
        raise errors.AlreadyExistsError(None, None, "file already exists: %s" % newpath)


def Copy(oldpath, newpath, overwrite=False):
    oldpath, newpath = _text(oldpath), _text(newpath)
    _target(newpath, overwrite)
    try:
        shutil.copyfile(oldpath, newpath)
    except FileNotFoundError:
        raise _missing(oldpath) from None


def Rename(oldname, newname, overwrite=False):
    oldname, newname = _text(oldname), _text(newname)
    _target(newname, overwrite)
    try:
        os.replace(oldname, newname)
    except FileNotFoundError:
        raise _missing(oldname) from None


def Stat(filename):
    try:
        found = os.stat(_text(filename))
    except FileNotFoundError:
        raise _missing(_text(filename)) from None

    class FileStatistics:
        length, mtime_nsec, is_directory = found.st_size, found.st_mtime_ns, os.path.isdir(_text(filename))
    return FileStatistics()


def Walk(top, in_order=True):
    return os.walk(_text(top), topdown=in_order)
