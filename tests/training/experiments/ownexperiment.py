"""An experiment that flies nothing: seeds in, numbers out, and ways to go wrong.

Its tasks run in other processes, which find it as `ownexperiment:EXPERIMENT`. How they are to go
wrong they read from files in the working folder: `<colour>-<seed>` has a word for each try.
"""

import math
import os
import signal
import time
from pathlib import Path

import numpy as np

from drone.errors import UserError
from training.experiments.design import Experiment, Findings, Picture, Table, Task

WHERE = "ownexperiment:EXPERIMENT"
COLOURS = ("red", "blue")
RAN = Path("ran.txt")
"""Has a line for every task that came to its end."""
WAIT_S = 300.0
"""Longer than any test goes on."""


def tasks(seeds, quick):
    return [
        Task("own", (("colour", c),), seed, (f"x = {seed}",)) for seed in seeds for c in COLOURS
    ]


def run(task):
    colour = task.factors[0][1]
    order = _next_order(Path(f"{colour}-{task.seed}"))
    if order == "exit":
        os._exit(3)
    elif order == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif order == "fail":
        raise ZeroDivisionError("of all things")
    elif order == "refuse":
        raise UserError("this cannot be flown")
    elif order == "wait":
        Path(f"{colour}-{task.seed}.waits").write_text(str(os.getpid()))
        time.sleep(WAIT_S)
    rng = np.random.default_rng([task.seed, len(colour)])
    metres = math.nan if order == "nan" else float(rng.uniform(1, 2))
    with RAN.open("a") as file:
        file.write(f"{colour}-{task.seed}\n")
    return {"metres": metres, "pair": (task.seed, 1)}


def _next_order(path):
    """Return the first line of a file, and cross it out."""
    if not path.exists():
        return ""
    first, _, rest = path.read_text().partition("\n")
    path.write_text(rest)
    return first


def analyse(rows):
    from training.experiments import charts
    from training.experiments.statistics import mean

    found = {c: mean([r.figures["metres"] for r in rows if r.like(colour=c)]) for c in COLOURS}
    cells = tuple((colour, str(e.n), e.text(4)) for colour, e in found.items())
    return Findings(
        headline=f"red {found['red'].text(3)} m",
        meaning=(f"Red goes {found['red'].text(3)} m.",),
        tables=(Table("Metres, by colour", ("colour", "n", "metres | way"), cells),),
        pictures=(
            Picture("metres", "By colour.", charts.bars(COLOURS, {"metres": [*found.values()]})),
        ),
        figures={colour: e.to_dict() for colour, e in found.items()},
    )


EXPERIMENT = Experiment(
    name="own",
    question="Do colours matter?",
    claim="It says nothing of colours.",
    protocol=("A number is drawn.",),
    falsified_by="Another number.",
    factors={"colour": COLOURS},
    seeds=range(3),
    quick_seeds=range(1),
    tasks=tasks,
    run=run,
    analyse=analyse,
    cpu_s=30.0,
    quick_cpu_s=6.0,
)
