"""Input functions over arrays."""
import numpy as np


def numpy_input_fn(x, y=None, batch_size=128, num_epochs=1, shuffle=None, queue_capacity=1000, num_threads=1):
    """A function that gives batches of x (a dict or an array), with y when there is one."""
    if shuffle not in (True, False):
        raise ValueError("shuffle must be provided and explicitly set as boolean (it is recommended to set it as True "
                         "for training); got %s" % shuffle)
    arrays = {k: np.asarray(v) for k, v in x.items()} if isinstance(x, dict) else np.asarray(x)
    lengths = {len(v) for v in (arrays.values() if isinstance(arrays, dict) else [arrays])}
    if y is not None:
        y = {k: np.asarray(v) for k, v in y.items()} if isinstance(y, dict) else np.asarray(y)
        lengths |= {len(v) for v in (y.values() if isinstance(y, dict) else [y])}
    if len(lengths) != 1:
        raise ValueError("Length of tensors in x and y is mismatched: %s" % sorted(lengths))

    def input_fn():
        from trivium.tf.data import Dataset
        dataset = Dataset.from_tensor_slices(arrays if y is None else (arrays, y))
        if shuffle:
            dataset = dataset.shuffle(lengths.copy().pop())
        return dataset.repeat(num_epochs).batch(batch_size).make_one_shot_iterator().get_next()
    return input_fn
