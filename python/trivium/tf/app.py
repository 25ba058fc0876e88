"""tf.app: runs a program's main with what is left of the command line."""
import sys

from trivium.tf import flags
from trivium.tf.flags import FLAGS  # noqa: F401


def run(main=None, argv=None):
    """main(argv) after the flags are read; its result is the exit status."""
    main = main or sys.modules["__main__"].main
    if argv is not None:
        rest = flags.FLAGS(list(argv))
    else:
        flags.FLAGS._read()
        rest = flags.FLAGS._rest or sys.argv[:1]
    sys.exit(main(rest))
