#!/usr/bin/env bash
# Makes the two LMDB databases that lenet_train_test.prototxt reads from the files in data/mnist.
set -euo pipefail
cd "$(dirname "$0")/../.."
for part in train:train test:t10k; do
  name=examples/mnist/mnist_${part%%:*}_lmdb stem=data/mnist/${part##*:}
  rm -rf "$name"
  build/tools/convert_mnist_data -backend lmdb "$stem-images-idx3-ubyte.gz" "$stem-labels-idx1-ubyte.gz" "$name"
done
