"""tf.data: elements one after the other, and iterators that give them to a graph."""
from trivium.tf.data import experimental
from trivium.tf.data.dataset import (
    Dataset, FixedLengthRecordDataset, TextLineDataset, TFRecordDataset, get_output_classes,
    get_output_shapes, get_output_types)
from trivium.tf.data.iterator import Iterator, make_initializable_iterator, make_one_shot_iterator


def __getattr__(name):
    from trivium.tf import _core
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.data.%s is not in this version" % name)
