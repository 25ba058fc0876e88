"""Fits a line with gradient descent; the graph is described first, then run.

    PYTHONPATH=build/python python examples/tf/linear_regression.py
"""
import numpy as np
import trivium.tf as tf

rng = np.random.RandomState(0)
train_x = rng.uniform(0, 10, 40)
train_y = 0.7 * train_x + 1.5 + rng.normal(0, 0.1, 40)

x, y = tf.placeholder("float"), tf.placeholder("float")
w, b = tf.Variable(rng.randn(), name="weight"), tf.Variable(rng.randn(), name="bias")
prediction = tf.add(tf.multiply(x, w), b)
cost = tf.reduce_sum(tf.pow(prediction - y, 2)) / (2 * len(train_x))
step = tf.train.GradientDescentOptimizer(0.2).minimize(cost)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for epoch in range(300):
        for one_x, one_y in zip(train_x, train_y):
            sess.run(step, feed_dict={x: one_x, y: one_y})
    print("cost %.5f  weight %.3f  bias %.3f"
          % (sess.run(cost, {x: train_x, y: train_y}), sess.run(w), sess.run(b)))
