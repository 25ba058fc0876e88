#!/usr/bin/env python3
"""Rewrites Caffe's recorded random numbers (random.npz of the golden set) as random.txt.

One line an array: key, dtype, number of elements, then the elements as hexadecimal bit patterns.

    python3 make_random_txt.py random.npz > random.txt
"""
import sys

import numpy as np

WANTED = ("words", "filler/", "gaussian_long/", "dropout/", "imagedata/shuffle")


def main(path):
    archive = np.load(path)
    for key in archive.files:
        seed, _, rest = key.partition("/")
        if not rest.startswith(WANTED):
            continue
        values = archive[key].reshape(-1)
        bits = values.view(np.uint8 if values.itemsize == 1 else np.uint32)
        print(key, values.dtype, bits.size, *("%x" % b for b in bits))


main(sys.argv[1])
