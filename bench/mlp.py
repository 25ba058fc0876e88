"""Times the two small training programs through Python: 64 x 1000 x 100 x 10, sum of squares, SGD and Adam.

    python bench/mlp.py            with the torch that is installed
    python bench/mlp.py trivium    with trivium.torch (PYTHONPATH=build/python)

Run them in turns, five times each, and compare medians; the losses printed must be equal.
"""
import sys
import time

if sys.argv[1:] == ["trivium"]:
    import trivium.torch as torch
else:
    import torch


def measure(kind, steps=500):
    """Milliseconds a step after a warm-up, and the last loss."""
    torch.manual_seed(0)
    x, y = torch.randn(64, 1000), torch.randn(64, 10)
    model = torch.nn.Sequential(torch.nn.Linear(1000, 100), torch.nn.ReLU(), torch.nn.Linear(100, 10))
    loss_of = torch.nn.MSELoss(reduction="sum")
    make = torch.optim.SGD if kind == "sgd" else torch.optim.Adam
    optimizer = make(model.parameters(), lr=1e-6)

    def run(count):
        for _ in range(count):
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
        return loss.item()

    run(100)
    begin = time.perf_counter()
    loss = run(steps)
    return (time.perf_counter() - begin) / steps * 1e3, loss


torch.set_num_threads(2)
for kind in ("sgd", "adam"):
    print("mlp_%s  %.3f ms a step  loss %.4f" % (kind, *measure(kind)))
