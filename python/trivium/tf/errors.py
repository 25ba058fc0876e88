"""tf.errors: what a run raises, with TensorFlow's codes."""
from trivium import _tf


class OpError(Exception):
    """A failure of a run; `op` is the operation at fault when there is one."""

    def __init__(self, node_def, op, message, error_code=None):
        super().__init__(message)
        self.node_def, self.op, self.message = node_def, op, message
        self.error_code = self.code if error_code is None else error_code

    code = 2

    def __str__(self):
        return self.message

    def _find_op(self, graph):
        """Replaces the name of the node at fault by the operation."""
        if self.op is None and isinstance(self.node_def, str):
            names = [self.node_def, self.node_def.rsplit("/", 1)[0]]
            for name in names:
                try:
                    self.op = graph.get_operation_by_name(name)
                    return
                except (KeyError, ValueError):
                    pass


def _make(name, code):
    return type(name, (OpError,), {"code": code, "__module__": __name__, "__init__": OpError.__init__})


CancelledError = _make("CancelledError", 1)
UnknownError = _make("UnknownError", 2)
InvalidArgumentError = _make("InvalidArgumentError", 3)
DeadlineExceededError = _make("DeadlineExceededError", 4)
NotFoundError = _make("NotFoundError", 5)
AlreadyExistsError = _make("AlreadyExistsError", 6)
PermissionDeniedError = _make("PermissionDeniedError", 7)
ResourceExhaustedError = _make("ResourceExhaustedError", 8)
FailedPreconditionError = _make("FailedPreconditionError", 9)
AbortedError = _make("AbortedError", 10)
OutOfRangeError = _make("OutOfRangeError", 11)
UnimplementedError = _make("UnimplementedError", 12)
InternalError = _make("InternalError", 13)
UnavailableError = _make("UnavailableError", 14)
DataLossError = _make("DataLossError", 15)
UnauthenticatedError = _make("UnauthenticatedError", 16)
_BY_CODE = {c.code: c for c in OpError.__subclasses__()}
OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED = range(8)
(RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS,
 UNAUTHENTICATED) = range(8, 17)


def exception_type_from_error_code(error_code):
    return _BY_CODE[error_code]


def error_code_from_exception_type(cls):
    return cls.code


def _of_code(code, message, node):
    return _BY_CODE.get(code, UnknownError)(node or None, None, message)


_tf.set_op_error(_of_code)
