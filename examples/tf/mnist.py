"""Trains a network of the named kind on MNIST and prints its accuracy on the test images.

    PYTHONPATH=build/python python examples/tf/mnist.py convnet FOLDER_WITH_IDX_FILES [steps]

Kinds: logistic, perceptron, convnet, layers.
"""
import sys

import trivium.tf as tf
from trivium.tf.examples.tutorials.mnist import input_data


def variable(*shape):
    return tf.Variable(tf.random_normal(shape, stddev=0.1))


def logistic(x, keep):
    return tf.matmul(x, tf.Variable(tf.zeros([784, 10]))) + tf.Variable(tf.zeros([10]))


def perceptron(x, keep):
    hidden = tf.nn.relu(tf.add(tf.matmul(x, variable(784, 256)), variable(256)))
    hidden = tf.nn.relu(tf.add(tf.matmul(hidden, variable(256, 256)), variable(256)))
    return tf.matmul(hidden, variable(256, 10)) + variable(10)


def convnet(x, keep):
    def layer(x, filters, bias):
        x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, filters, strides=[1, 1, 1, 1], padding="SAME"), bias))
        return tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")
    image = tf.reshape(x, shape=[-1, 28, 28, 1])
    image = layer(layer(image, variable(5, 5, 1, 32), variable(32)), variable(5, 5, 32, 64), variable(64))
    dense = variable(7 * 7 * 64, 512)
    flat = tf.reshape(image, [-1, dense.get_shape().as_list()[0]])
    flat = tf.nn.dropout(tf.nn.relu(tf.add(tf.matmul(flat, dense), variable(512))), keep)
    return tf.add(tf.matmul(flat, variable(512, 10)), variable(10))


def layers(x, keep):
    with tf.variable_scope("ConvNet"):
        image = tf.reshape(x, [-1, 28, 28, 1])
        image = tf.layers.max_pooling2d(tf.layers.conv2d(image, 32, 5, activation=tf.nn.relu), 2, 2)
        image = tf.layers.max_pooling2d(tf.layers.conv2d(image, 64, 3, activation=tf.nn.relu), 2, 2)
        dense = tf.layers.dense(tf.layers.flatten(image), 256, activation=tf.nn.relu)
        return tf.layers.dense(tf.nn.dropout(dense, keep), 10)


kind, folder = sys.argv[1], sys.argv[2]
steps = int(sys.argv[3]) if len(sys.argv) > 3 else 300
tf.set_random_seed(1)
mnist = input_data.read_data_sets(folder, one_hot=True, seed=1)
x, y = tf.placeholder(tf.float32, [None, 784]), tf.placeholder(tf.float32, [None, 10])
keep = tf.placeholder(tf.float32)
logits = {"logistic": logistic, "perceptron": perceptron, "convnet": convnet, "layers": layers}[kind](x, keep)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=logits, labels=y))
train = (tf.train.GradientDescentOptimizer(0.5) if kind == "logistic" else tf.train.AdamOptimizer(0.001)).minimize(loss)
correct = tf.equal(tf.argmax(tf.nn.softmax(logits), 1), tf.argmax(y, 1))
accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(steps):
        images, labels = mnist.train.next_batch(128)
        sess.run(train, feed_dict={x: images, y: labels, keep: 0.75})
        if step % 100 == 0:
            print("step %d loss %.4f" % (step, sess.run(loss, {x: images, y: labels, keep: 1.0})))
    print("accuracy %.4f" % sess.run(accuracy, {x: mnist.test.images[:2000], y: mnist.test.labels[:2000], keep: 1.0}))
