"""MNIST as the tutorials read it."""
from trivium.tf.examples.tutorials.mnist import input_data
