"""Writes optim.txt and schedules.txt: what PyTorch's optimizers and schedulers do.

    python3 make_optim.py          (needs torch; the tests only read the files)

optim.txt: for every case 20 steps on a small problem in float64, then the parameters.
schedules.txt: the learning rate (and momentum) before every one of 50 steps.
"""
import torch
from torch import optim
from torch.optim import lr_scheduler as sched

CASES = [
    ("SGD", dict(lr=0.05)),
    ("SGD", dict(lr=0.05, momentum=0.9)),
    ("SGD", dict(lr=0.05, momentum=0.9, dampening=0.3, weight_decay=0.1)),
    ("SGD", dict(lr=0.05, momentum=0.9, nesterov=True)),
    ("SGD", dict(lr=0.05, momentum=0.9, maximize=True)),
    ("Adam", dict(lr=0.05)),
    ("Adam", dict(lr=0.05, betas=(0.4, 0.99), eps=1e-3, weight_decay=0.1)),
    ("Adam", dict(lr=0.05, amsgrad=True)),
    ("Adam", dict(lr=0.05, maximize=True)),
    ("AdamW", dict(lr=0.05)),
    ("AdamW", dict(lr=0.05, weight_decay=0.3, amsgrad=True)),
    ("Adadelta", dict()),
    ("Adadelta", dict(lr=0.5, rho=0.8, eps=1e-4, weight_decay=0.1)),
    ("Adagrad", dict(lr=0.05)),
    ("Adagrad", dict(lr=0.05, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5)),
    ("RMSprop", dict(lr=0.02)),
    ("RMSprop", dict(lr=0.02, momentum=0.9, centered=True, weight_decay=0.1)),
    ("RMSprop", dict(lr=0.02, centered=True)),
    ("Adamax", dict(lr=0.05)),
    ("Adamax", dict(lr=0.05, weight_decay=0.1)),
    ("NAdam", dict(lr=0.05)),
    ("NAdam", dict(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True)),
    ("RAdam", dict(lr=0.05)),
    ("RAdam", dict(lr=0.05, weight_decay=0.1)),
    ("RAdam", dict(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True)),
    ("Rprop", dict(lr=0.05)),
    ("Rprop", dict(lr=0.05, etas=(0.6, 1.1), step_sizes=(1e-3, 0.2))),
    ("ASGD", dict(lr=0.05)),
    ("ASGD", dict(lr=0.05, lambd=0.01, t0=5, weight_decay=0.1)),
    ("LBFGS", dict(lr=0.5, max_iter=4)),
    ("LBFGS", dict(max_iter=5, history_size=3, line_search_fn="strong_wolfe")),
]


def start():
    a = torch.arange(6, dtype=torch.float64).view(3, 2).div(7).sub(0.3).requires_grad_()
    b = torch.tensor([0.5, -1.25, 2.0, 0.1], dtype=torch.float64).requires_grad_()
    return [a, b]


def loss_of(params):
    a, b = params
    return ((a * a).sum() - 1.5) ** 2 + (b.cos() * torch.arange(1.0, 5.0, dtype=torch.float64)).sum() + (a[0] * b[:2]).sum()


def flag(value):
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return " ".join(repr(float(v)) for v in value)
    return "1" if value == "strong_wolfe" else repr(float(value))


with open("optim.txt", "w") as out:
    for name, options in CASES:
        params = start()
        opt = getattr(optim, name)(params, **options)
        # A line search decides by rounded values: differences grow from step to step.
        steps = 2 if "line_search_fn" in options else 5 if name == "LBFGS" else 20

        def closure():
            opt.zero_grad()
            loss = loss_of(params)
            loss.backward()
            return loss

        for _ in range(steps):
            if name == "LBFGS":
                opt.step(closure)
            else:
                closure()
                opt.step()
        text = ";".join(f"{k}={flag(v)}" for k, v in options.items())
        values = " ".join(repr(float(v)) for p in params for v in p.detach().flatten())
        print(f"{name}|{text}|{values}", file=out)


SCHEDULES = {
    "StepLR": lambda o: sched.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda o: sched.MultiStepLR(o, [2, 5, 5, 9], 0.3),
    "ExponentialLR": lambda o: sched.ExponentialLR(o, 0.9),
    "LambdaLR": lambda o: sched.LambdaLR(o, lambda e: 0.95**e),
    "MultiplicativeLR": lambda o: sched.MultiplicativeLR(o, lambda e: 0.9 if e % 2 else 1.05),
    "ConstantLR": lambda o: sched.ConstantLR(o),
    "LinearLR": lambda o: sched.LinearLR(o),
    "PolynomialLR": lambda o: sched.PolynomialLR(o, 30, 2.0),
    "CosineAnnealingLR": lambda o: sched.CosineAnnealingLR(o, 7, 0.01),
    "WarmRestarts": lambda o: sched.CosineAnnealingWarmRestarts(o, 3, 2, 0.001),
    "WarmRestarts1": lambda o: sched.CosineAnnealingWarmRestarts(o, 5),
    "CyclicLR": lambda o: sched.CyclicLR(o, 0.01, 0.1, 3),
    "CyclicLR2": lambda o: sched.CyclicLR(o, 0.01, 0.1, 4, 2, mode="triangular2"),
    "CyclicLRexp": lambda o: sched.CyclicLR(o, 0.01, 0.1, 4, mode="exp_range", gamma=0.97),
    "OneCycleLR": lambda o: sched.OneCycleLR(o, 0.1, total_steps=60),
    "OneCycleLR3": lambda o: sched.OneCycleLR(o, 0.1, epochs=6, steps_per_epoch=10, three_phase=True, anneal_strategy="linear"),
    "ReduceLROnPlateau": lambda o: sched.ReduceLROnPlateau(o, patience=2, cooldown=1),
    "SequentialLR": lambda o: sched.SequentialLR(o, [sched.ConstantLR(o, 0.1, 2), sched.LinearLR(o, 0.5, 1.0, 4), sched.ExponentialLR(o, 0.9)], [2, 7]),
    "ChainedScheduler": lambda o: sched.ChainedScheduler([sched.ConstantLR(o, 0.1, 2), sched.ExponentialLR(o, 0.9)]),
}

with open("schedules.txt", "w") as out:
    for name, make in SCHEDULES.items():
        p = torch.zeros(1, requires_grad=True)
        opt = optim.SGD([p], lr=0.1, momentum=0.9)
        s = make(opt)
        values = []
        for epoch in range(50):
            group = opt.param_groups[0]
            values += [group["lr"], group["momentum"]]
            opt.step()
            s.step(1.0 / (1 + epoch // 7)) if name == "ReduceLROnPlateau" else s.step()
        print(name, " ".join(repr(float(v)) for v in values), file=out)
