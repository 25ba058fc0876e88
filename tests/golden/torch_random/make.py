# Writes torch_random.txt: what PyTorch draws, a line a case. Run with a Python that has torch:
#   python tests/golden/torch_random/make.py > tests/golden/torch_random/torch_random.txt
# A line: function, dtype, seed, count, arguments (two numbers), then the CRC-32 of the bytes drawn
# and of the generator's state afterwards. Draws made to warm the generator up are part of a case:
# every case starts with 7 words (rand(7)) so that blocks do not begin at word 0.
import zlib

import torch

DTYPES = {"float32": torch.float32, "float64": torch.float64, "float16": torch.float16,
          "bfloat16": torch.bfloat16, "int64": torch.int64, "int32": torch.int32,
          "int16": torch.int16, "int8": torch.int8, "uint8": torch.uint8, "bool": torch.bool}
FLOATS = ["float32", "float64", "float16", "bfloat16"]


def crc(t):
    flat = torch.empty(t.numel(), dtype=t.dtype).copy_(t.reshape(-1))
    return zlib.crc32(flat.view(torch.uint8).numpy().tobytes())


def draw(name, dtype, n, a, b):
    e = torch.empty(n, dtype=DTYPES[dtype])
    if name == "uniform": return e.uniform_(a, b)
    if name == "normal": return e.normal_(a, b)
    if name == "normal_elements":  # a strided target
        return torch.empty(2 * n, dtype=DTYPES[dtype])[::2].normal_(a, b)
    if name == "random_range": return e.random_(int(a), int(b))
    if name == "random_full": return e.random_()
    if name == "bernoulli": return e.bernoulli_(a)
    if name == "bernoulli_array":
        return torch.bernoulli((torch.arange(n) % 257 / 256).to(DTYPES[dtype]))
    if name == "exponential": return e.exponential_(a)
    if name == "geometric": return e.geometric_(a)
    if name == "log_normal": return e.log_normal_(a, b)
    if name == "cauchy": return e.cauchy_(a, b)
    if name == "randperm": return torch.randperm(n, dtype=DTYPES[dtype])
    p = (torch.arange(n) % 7 + 1).to(DTYPES[dtype])
    if name == "multinomial": return torch.multinomial(p, int(a), bool(b))
    if name == "multinomial_rows": return torch.multinomial(p.repeat(3).view(3, n), int(a), bool(b))
    raise ValueError(name)


def case(name, dtype, seed, n, a=0.0, b=0.0):
    torch.manual_seed(seed)
    torch.rand(7)
    out = draw(name, dtype, n, a, b)
    print(name, dtype, seed, n, repr(float(a)), repr(float(b)), "%08x" % crc(out),
          "%08x" % crc(torch.get_rng_state()))


SIZES = [1, 2, 15, 16, 17, 31, 32, 100, 623, 624, 625, 640, 1000, 4099, 65537]
for dtype in FLOATS:
    for n in SIZES + ([1000003] if dtype in ("float32", "float64") else []):
        case("uniform", dtype, n, n, 0, 1)
        case("uniform", dtype, n + 1, n, -2.5, 3.1)
        case("normal", dtype, n, n, 0, 1)
        case("normal", dtype, n + 1, n, 1.7, .3)
        if n < 5000: case("normal_elements", dtype, n, n, .5, 2)
for n in SIZES:
    for dtype in DTYPES:
        case("random_full", dtype, n, n)
        case("random_range", dtype, n, n, 0, 2)
        case("bernoulli", dtype, n, n, .3)
    for dtype in ["int64", "int32", "float64", "float32"]:
        case("random_range", dtype, n, n, -5, 1000)
        if dtype == "float32": continue
        case("random_range", dtype, n, n, -3, (1 << 28) - 3)
        case("random_range", dtype, n, n, -3, (1 << 28) - 4)
    case("random_range", "int64", n, n, -(1 << 62), 1 << 60)
    case("randperm", "int64", n, n)
    case("randperm", "int32", n + 3, n)
    for dtype in FLOATS:
        if dtype in ("float32", "float64"): case("bernoulli_array", dtype, n, n)
        case("exponential", dtype, n, n, 1)
        case("exponential", dtype, n, n, .7)
        case("geometric", dtype, n, n, .2)
    case("geometric", "int64", n, n, .01)
    case("log_normal", "float64", n, n, 1, 2)
    case("log_normal", "float32", n, n, 0, .25)
    case("cauchy", "float64", n, n, 0, 1)
    case("cauchy", "float32", n, n, .5, 3)
for dtype in ["float32", "float64"]:
    for n in [4, 100, 1000]:
        for replacement in [0, 1]:
            for samples in [1, 4]:
                case("multinomial", dtype, n, n, samples, replacement)
                case("multinomial_rows", dtype, n, n, samples, replacement)
for seed in [0, 1, -1, 42, 2**32, 2**32 + 5, 2**63 - 1, -2**63, 2**64 - 1]:
    case("normal", "float32", seed, 64, 0, 1)
