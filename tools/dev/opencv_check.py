"""Compares Trivium with OpenCV's dnn module on caffemodels that Trivium trained.

    opencv_check.py BUILD_DIR SCRATCH_DIR        (run by tools/dev/opencv_check)

Prints one row a net and output: shape, largest value, largest difference. Exit code 1 when a
difference is more than what sums of f32 in another order explain.
"""
import gzip
import pathlib
import platform
import subprocess
import sys

import cv2
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOLERANCE = 2e-5  # relative to the largest value of the output

SOLVER = """net: "{net}"
base_lr: {rate} momentum: 0.9 weight_decay: 0.0005 lr_policy: "fixed"
max_iter: {steps} display: 10 snapshot_prefix: "{name}" solver_mode: CPU random_seed: 1
"""

FILLER = 'weight_filler { type: "xavier" }'


def dummy(name, shape, filler):
    dims = " ".join(f"dim: {d}" for d in shape)
    return (f'layer {{ name: "{name}" type: "DummyData" top: "{name}"\n'
            f"  dummy_data_param {{ shape {{ {dims} }} data_filler {{ {filler} }} }} }}\n")


def declared_input(shape):
    dims = " ".join(f"dim: {d}" for d in shape)
    return f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {dims} }} }} }}\n'


def layer(name, kind, bottoms, body="", top=None):
    wires = " ".join(f'bottom: "{b}"' for b in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}" {wires} top: "{top or name}"\n  {body} }}\n'


def conv(name, bottom, outputs, kernel, more=""):
    return layer(name, "Convolution", bottom,
                 f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} {more} {FILLER} }}")


# Like the first net of MTCNN: PReLU, max pooling in ceil mode, two heads, fully convolutional.
PROPOSAL = (
    conv("conv1", "data", 10, 3) + layer("prelu1", "PReLU", "conv1", top="conv1")
    + layer("pool1", "Pooling", "conv1", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")
    + conv("conv2", "pool1", 16, 3) + layer("prelu2", "PReLU", "conv2", top="conv2")
    + conv("conv3", "conv2", 32, 3) + layer("prelu3", "PReLU", "conv3", top="conv3")
    + conv("conv4-1", "conv3", 2, 1) + conv("conv4-2", "conv3", 4, 1))
PROPOSAL_TRAIN = (
    dummy("data", (32, 3, 12, 12), 'type: "gaussian" std: 1')
    + dummy("label", (32, 1, 1, 1), 'type: "constant" value: 1')
    + dummy("box", (32, 4, 1, 1), 'type: "gaussian" std: 0.3') + PROPOSAL
    + layer("face", "SoftmaxWithLoss", "conv4-1 label")
    + layer("regression", "EuclideanLoss", "conv4-2 box", "loss_weight: 0.5"))
PROPOSAL_DEPLOY = declared_input((1, 3, 12, 12)) + PROPOSAL + layer("prob1", "Softmax", "conv4-1")

# What the other two lack: groups, dilation, normalisations, average pooling, joins.
MIXED = (
    conv("a", "data", 8, 3, "pad: 1 group: 2") + layer("norm", "BatchNorm", "a")
    + layer("scale", "Scale", "norm", "scale_param { bias_term: true }")
    + layer("act", "ReLU", "scale", top="scale") + conv("b", "data", 8, 3, "pad: 2 dilation: 2")
    + layer("lrn", "LRN", "b", "lrn_param { local_size: 3 alpha: 0.01 beta: 0.75 }")
    + layer("sum", "Eltwise", "scale lrn", "eltwise_param { operation: SUM }")
    + layer("joined", "Concat", "sum b")
    + layer("pool", "Pooling", "joined", "pooling_param { pool: AVE kernel_size: 2 stride: 2 }")
    + layer("ip", "InnerProduct", "pool", f"inner_product_param {{ num_output: 5 {FILLER} }}"))
MIXED_TRAIN = (dummy("data", (16, 4, 8, 8), 'type: "gaussian" std: 1')
               + dummy("label", (16,), 'type: "constant" value: 3') + MIXED
               + layer("loss", "SoftmaxWithLoss", "ip label"))
MIXED_DEPLOY = declared_input((1, 4, 8, 8)) + MIXED


def digits(count):
    with gzip.open(ROOT / "data/mnist/t10k-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(16 + 784 * count)[16:], np.uint8)
    return (pixels.reshape(count, 1, 28, 28) / 256).astype(np.float32)


def noise(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


class Check:
    def __init__(self, build, place):
        self.build, self.place, self.good = build, place, True

    def run(self, program, *words):
        subprocess.run([self.build / program, *map(str, words)], cwd=self.place, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def write(self, name, text):
        (self.place / name).write_text(text)
        return name

    def train(self, name, text, steps, rate):
        net = self.write(f"{name}.prototxt", text)
        solver = self.write(f"{name}_solver.prototxt",
                            SOLVER.format(net=net, name=name, steps=steps, rate=rate))
        self.run("tools/caffe", "train", "-solver", solver)
        return f"{name}_iter_{steps}.caffemodel"

    def compare(self, name, deploy, weights, x):
        """`deploy`: a prototxt in the scratch folder whose output layers are named as their tops."""
        np.save(self.place / "x.npy", x)
        self.run("tests/opencv_forward", deploy, weights, "x.npy", "out.npz")
        theirs = cv2.dnn.readNetFromCaffe(str(self.place / deploy), str(self.place / weights))
        for blob, ours in np.load(self.place / "out.npz").items():
            theirs.setInput(x)
            other = theirs.forward(blob)
            if other.size != ours.size:
                raise SystemExit(f"{name} {blob}: shapes {ours.shape} and {other.shape}")
            largest = float(np.abs(other).max())
            difference = float(np.abs(other.ravel() - ours.ravel()).max())
            self.good &= difference <= TOLERANCE * largest
            print(f"| {name} | {blob} | {'x'.join(map(str, ours.shape))} | {largest:.6g} "
                  f"| {difference:.1e} |", flush=True)

    def lenet(self):
        for part, stem in (("train", "train"), ("test", "t10k")):
            data = ROOT / "data/mnist"
            self.run("tools/convert_mnist_data", "-backend", "lmdb", data / f"{stem}-images-idx3-ubyte.gz",
                     data / f"{stem}-labels-idx1-ubyte.gz", f"mnist_{part}_lmdb")
        text = (ROOT / "examples/mnist/lenet_train_test.prototxt").read_text()
        weights = self.train("lenet", text.replace("examples/mnist/", ""), 100, 0.01)
        deploy = self.write("lenet_deploy.prototxt", (ROOT / "examples/mnist/lenet.prototxt").read_text())
        self.compare("LeNet, 100 steps", deploy, weights, digits(16))

    def proposal(self):
        weights = self.train("proposal", PROPOSAL_TRAIN, 50, 0.01)
        deploy = self.write("proposal_deploy.prototxt", PROPOSAL_DEPLOY)
        self.compare("MTCNN-like, 50 steps", deploy, weights, noise(1, 3, 31, 26))

    def mixed(self):
        weights = self.train("mixed", MIXED_TRAIN, 50, 0.01)
        deploy = self.write("mixed_deploy.prototxt", MIXED_DEPLOY)
        self.compare("mixed, 50 steps", deploy, weights, noise(3, 4, 8, 8))


def main():
    check = Check(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve())
    print(f"OpenCV {cv2.__version__}, NumPy {np.__version__}, Python {platform.python_version()}, "
          f"{platform.machine()}\n")
    print("| net | output | shape | largest value | largest difference |\n|---|---|---|---|---|")
    check.lenet()
    check.proposal()
    check.mixed()
    if not check.good:
        raise SystemExit(f"differences beyond {TOLERANCE} of the largest value")


if __name__ == "__main__":
    main()
