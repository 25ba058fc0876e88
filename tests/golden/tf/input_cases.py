"""Pictures, data sets and sparse updates, written once for TensorFlow and for trivium.tf. Run as a script with a
Python that has TensorFlow, it writes what TensorFlow computes to input_golden.json beside it."""
import json
import pathlib

import numpy as np

CASES = {}


def case(fn):
    CASES[fn.__name__] = fn
    return fn


def run(tf, *fetches, times=1):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return [v for _ in range(times) for v in sess.run(list(fetches))]


def picture(*shape):
    n = int(np.prod(shape))
    return ((np.arange(n) * 37 % 101) / 101.0).astype(np.float32).reshape(shape)


@case
def resized(tf):
    x = tf.constant(picture(1, 5, 4, 2))
    methods = [tf.image.resize_bilinear, tf.image.resize_nearest_neighbor, tf.image.resize_bicubic, tf.image.resize_area]
    out = []
    for method in methods:
        out += run(tf, method(x, [8, 7]), method(x, [3, 2]), method(x, [9, 3], align_corners=method is not methods[3]))
    small = tf.image.resize_images(tf.constant(picture(5, 4, 3)), [2, 3])
    return out + run(tf, small, tf.gradients(tf.reduce_sum(tf.square(tf.image.resize_bilinear(x, [3, 7]))), x)[0])


@case
def coloured(tf):
    x = tf.constant(picture(4, 3, 3))
    u = tf.constant((picture(4, 3, 3) * 255).astype(np.uint8))
    return run(tf, tf.image.adjust_brightness(x, 0.25), tf.image.adjust_contrast(x, 1.5), tf.image.rgb_to_grayscale(x),
               tf.image.rgb_to_grayscale(u), tf.image.convert_image_dtype(u, tf.float32),
               tf.image.convert_image_dtype(x, tf.uint8), tf.image.per_image_standardization(x),
               tf.image.adjust_brightness(u, 0.1))


@case
def placed(tf):
    x = tf.constant(picture(5, 4, 1))
    return run(tf, tf.image.central_crop(x, 0.5), tf.image.rot90(x), tf.image.rot90(x, 3), tf.image.flip_up_down(x),
               tf.image.resize_image_with_crop_or_pad(x, 3, 6), tf.image.pad_to_bounding_box(x, 1, 2, 7, 7),
               tf.image.crop_to_bounding_box(x, 1, 1, 3, 2), tf.image.grayscale_to_rgb(x))


@case
def drawn(tf):
    x = tf.constant(picture(5, 4, 1))
    return run(tf, tf.image.random_flip_left_right(x, seed=3), tf.image.random_flip_up_down(x, seed=4),
               tf.random_crop(x, [3, 2, 1], seed=5), tf.image.random_brightness(x, 0.5, seed=6),
               tf.image.random_contrast(x, 0.5, 1.5, seed=7), times=3)


@case
def elements(tf):
    data = tf.data.Dataset
    sets = [data.range(9).shuffle(4, seed=2).batch(4).repeat(2), data.range(7).map(lambda x: x * x).filter(lambda x: x > 3),
            data.range(5).interleave(lambda x: data.from_tensors(x).repeat(3), cycle_length=3, block_length=2),
            data.range(4).flat_map(lambda x: data.range(x)), data.range(3).concatenate(data.range(8, 10)).skip(1).take(3),
            data.range(1, 5).map(lambda x: tf.fill([tf.cast(x, tf.int32)], x)).padded_batch(2, [None]),
            data.zip((data.range(3), data.range(5, 9))).shard(2, 1), data.range(6).shuffle(3, seed=1).repeat(2).batch(5)]
    out = []
    for made in sets:
        following = tf.data.make_one_shot_iterator(made).get_next()
        with tf.Session() as sess:
            try:
                while True:
                    found = sess.run(following)
                    out += list(found) if isinstance(found, tuple) else [found]
            except tf.errors.OutOfRangeError:
                pass
    return out


@case
def sparse_updates(tf):
    train, out = tf.train, []
    for make in [lambda: train.GradientDescentOptimizer(0.1), lambda: train.MomentumOptimizer(0.1, 0.9),
                 lambda: train.MomentumOptimizer(0.1, 0.9, use_nesterov=True), lambda: train.AdagradOptimizer(0.1),
                 lambda: train.RMSPropOptimizer(0.1, momentum=0.5), lambda: train.AdadeltaOptimizer(0.5),
                 lambda: train.AdamOptimizer(0.1), lambda: train.FtrlOptimizer(0.1, l1_regularization_strength=0.01)]:
        tf.reset_default_graph()
        table = tf.Variable(picture(4, 2))
        ids = tf.placeholder(tf.int32, [None])
        rows = tf.nn.embedding_lookup(table, ids)
        step = make().minimize(tf.reduce_sum(rows * rows * tf.constant([1.0, 3.0])))
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            for chosen in ([1, 3, 1], [0, 1], [3]):
                sess.run(step, {ids: chosen})
            out.append(sess.run(table))
    return out


if __name__ == "__main__":
    import tensorflow.compat.v1 as tensorflow
    tensorflow.disable_v2_behavior()
    golden = {}
    for name, fn in CASES.items():
        tensorflow.reset_default_graph()
        tensorflow.set_random_seed(7)
        golden[name] = [{"dtype": np.asarray(v).dtype.name, "shape": list(np.shape(v)),
                         "values": [float("%.9g" % x) for x in np.ravel(np.asarray(v, np.float64))]}
                        for v in fn(tensorflow)]
    text = json.dumps(golden, separators=(",", ":"))
    pathlib.Path(__file__).with_name("input_golden.json").write_text(text + "\n")
