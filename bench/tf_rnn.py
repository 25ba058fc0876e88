"""Times a training step of a recurrent network: 100 steps of 28 inputs, batch 32, an LSTM of 128 units in dynamic_rnn,
softmax on the last output, SGD.

    python bench/tf_rnn.py            with the TensorFlow that is installed (compat.v1)
    python bench/tf_rnn.py trivium    with trivium.tf (PYTHONPATH=build/python)
    python bench/tf_rnn.py trivium static   the same with static_rnn: no loop, every step is an operation of its own

Run them in turns, five times each, and compare medians; the losses printed must be equal.
"""
import os
import sys
import time

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
if "trivium" in sys.argv:
    import trivium.tf as tf
else:
    import tensorflow.compat.v1 as tf
    tf.disable_v2_behavior()

TIME, BATCH, INPUTS, UNITS, CLASSES = 100, 32, 28, 128, 10


class LSTM:
    """The cell, written out: TensorFlow's own is gone from its latest versions."""
    output_size, state_size = UNITS, (UNITS, UNITS)

    def zero_state(self, batch, dtype):
        return tf.zeros([batch, UNITS], dtype), tf.zeros([batch, UNITS], dtype)

    def __call__(self, x, state, scope=None):
        c, h = state
        with tf.variable_scope("cell", reuse=tf.AUTO_REUSE):
            kernel = tf.get_variable("kernel", [INPUTS + UNITS, 4 * UNITS])
            bias = tf.get_variable("bias", [4 * UNITS])
        i, j, f, o = tf.split(tf.nn.bias_add(tf.matmul(tf.concat([x, h], 1), kernel), bias), 4, 1)
        c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
        h = tf.tanh(c) * tf.sigmoid(o)
        return h, (c, h)


def static(cell, x):
    state, outputs = cell.zero_state(BATCH, tf.float32), []
    for step in tf.unstack(x, axis=1):
        output, state = cell(step, state)
        outputs.append(output)
    return outputs[-1]


x = tf.placeholder(tf.float32, [BATCH, TIME, INPUTS])
y = tf.placeholder(tf.int32, [BATCH])
last = static(LSTM(), x) if "static" in sys.argv else tf.nn.dynamic_rnn(LSTM(), x, dtype=tf.float32)[0][:, -1]
weights = tf.get_variable("weights", [UNITS, CLASSES])
loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=tf.matmul(last, weights)))
step = tf.train.GradientDescentOptimizer(0.05).minimize(loss)

random = np.random.RandomState(0)
feed = {x: random.randn(BATCH, TIME, INPUTS).astype(np.float32), y: random.randint(0, CLASSES, BATCH)}
config = tf.ConfigProto(intra_op_parallelism_threads=2, inter_op_parallelism_threads=2)
with tf.Session(config=config) as sess:
    sess.run(tf.global_variables_initializer())
    for v in tf.trainable_variables():
        v.load((random.randn(*v.shape.as_list()) * 0.08).astype(np.float32), sess)
    begin = time.perf_counter()
    sess.run([loss, step], feed)
    first = time.perf_counter() - begin
    for _ in range(20):
        sess.run([loss, step], feed)
    begin = time.perf_counter()
    for _ in range(100):
        value = sess.run([loss, step], feed)[0]
    took = (time.perf_counter() - begin) / 100
print("tf_rnn  %.2f ms a step  first step %.0f ms  loss %.6f" % (took * 1e3, first * 1e3, value))
