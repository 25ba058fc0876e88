#!/usr/bin/env bash
# Makes the databases and the mean image that cifar10_quick_train_test.prototxt reads.
# usage: examples/cifar10/create_cifar10.sh FOLDER      FOLDER holds data_batch_1.bin … test_batch.bin
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,3s/^# //p' "$0"; exit 1; }
batches=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
rm -rf examples/cifar10/cifar10_{train,test}_lmdb
build/tools/convert_cifar_data "$batches" examples/cifar10 lmdb
build/tools/compute_image_mean -backend lmdb examples/cifar10/cifar10_train_lmdb examples/cifar10/mean.binaryproto
