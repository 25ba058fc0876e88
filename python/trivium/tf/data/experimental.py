"""tf.data.experimental and tf.contrib.data: transformations for Dataset.apply."""
AUTOTUNE = -1


def shuffle_and_repeat(buffer_size, count=None, seed=None):
    return lambda dataset: dataset.shuffle(buffer_size, seed).repeat(count)


def map_and_batch(map_func, batch_size, num_parallel_batches=None, drop_remainder=False, num_parallel_calls=None):
    return lambda dataset: dataset.map(map_func).batch(batch_size, drop_remainder)


def parallel_interleave(map_func, cycle_length, block_length=1, sloppy=False, buffer_output_elements=None,
                        prefetch_input_elements=None):
    return lambda dataset: dataset.interleave(map_func, cycle_length, block_length)


def prefetch_to_device(device, buffer_size=None):
    return lambda dataset: dataset


def batch_and_drop_remainder(batch_size):
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


def unbatch():
    """Each element is one slice of an element before."""
    from trivium.tf.data.dataset import Dataset
    return lambda dataset: dataset.flat_map(
        lambda *parts: Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0]))


def __getattr__(name):
    from trivium.tf import _core
    if name.startswith("__"):
        raise AttributeError(name)
    raise _core.Absent("tf.data.experimental.%s is not in this version" % name)
