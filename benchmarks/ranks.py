"""Training on two MPI ranks against one: the same parameters, and how much sooner.

    python benchmarks/ranks.py [--quick] [--estimator adjoint]

BaTiO3 (40 atoms, 300 K, the SYNTHETIC PDFs of `inputs/bto.yaml`), two replicas, 20 epochs, with
`mpirun -n 1` and `-n 2`.

RESULT parameters_difference_rel: largest difference of a parameter, over the largest parameter.
speedup_two_ranks: ratio of the wall times, start-up included; of use only on two cores that have
nothing else to do. speedup_two_ranks_by_cpu_time: the same from processor time, which other work on
the machine hardly changes: between two exchanges both ranks take the time of the slower one, and
what they spend waiting for each other does not count, nor do start-up and the exchanges themselves.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

CONFIG = Path(__file__).parents[1] / "inputs" / "bto.yaml"
COMMON = {"epochs": 20, "replicas": 2, "evaluate_every": 10}
FULL = {"sampling": 80, "relaxation": 10, "equilibration": 20, "evaluation": 80, "window": 20}
QUICK = {"sampling": 40, "relaxation": 5, "equilibration": 10, "evaluation": 50, "window": 10,
         "min_window": 10, "sample_every": 5}  # fmt: skip


class Timed:
    """A communicator that notes the processor time spent between its exchanges."""

    def __init__(self, world: Any) -> None:
        self.world, self.spent = world, [0.0]
        self.Get_rank, self.Get_size = world.Get_rank, world.Get_size
        self.since = time.process_time()

    def allgather(self, value: Any) -> list[Any]:
        """That of the communicator."""
        self.spent.append(time.process_time() - self.since)
        found = self.world.allgather(value)
        self.since = time.process_time()
        return found


def rank(folder: Path, estimator: str, quick: bool) -> None:
    """What each rank does: the training, as `ocvf-lmp train` does it; the first one's account."""
    from mpi4py import MPI  # noqa: PLC0415 (its import starts MPI)

    from ocvf_lmp.allocator import keep_memory  # noqa: PLC0415 (only the ranks need it)
    from ocvf_lmp.build.trainer import build_trainer  # noqa: PLC0415
    from ocvf_lmp.config.file import load_config  # noqa: PLC0415
    from ocvf_lmp.fit.ranks import Ranks  # noqa: PLC0415

    torch.set_num_threads(1)
    keep_memory()
    plan = COMMON | (QUICK if quick else FULL) | {"estimator": estimator}
    changes = {"sample": {"repeat": [2, 2, 2]}, "dynamics": {"mode": "isotropic"}, "training": plan}
    config = load_config(CONFIG, changes=changes)
    state = next(s for s in config.states if s.temperature == 300.0)
    config = config.model_copy(update={"states": [state]})
    world = MPI.COMM_WORLD
    first = world.Get_rank() == 0
    timed = Timed(world)
    trainer = build_trainer(config, folder, first)
    start, timed.spent, timed.since = time.perf_counter(), [], time.process_time()
    trainer.run(team=Ranks(timed))
    timed.spent.append(time.process_time() - timed.since)
    seconds = time.perf_counter() - start
    accounts = world.gather(timed.spent)
    if first:
        (folder / "account.json").write_text(json.dumps({"wall": seconds, "cpu": accounts}))


def launched(folder: Path, n: int, options: argparse.Namespace) -> dict[str, Any]:
    """Account of a training on some ranks, with the wall time of the whole command."""
    mpirun = Path(sys.executable).with_name("mpirun")
    quick = ["--quick"] if options.quick else []
    command = [str(mpirun), "-n", str(n), sys.executable, __file__, "--rank-of", str(folder)]
    start = time.perf_counter()
    subprocess.run([*command, "--estimator", options.estimator, *quick], check=True)
    whole = time.perf_counter() - start
    account = json.loads((folder / "account.json").read_text()) | {"whole": whole}
    by_rank = [sum(spent) for spent in account["cpu"]]
    account["cpu_together"] = sum(max(moment) for moment in zip(*account["cpu"], strict=True))
    print(
        f"{n} rank(s): {whole:.1f} s, training alone {account['wall']:.1f} s; processor time at"
        f" work {' + '.join(f'{s:.1f}' for s in by_rank)} s, the slower of each piece"
        f" {account['cpu_together']:.1f} s",
        flush=True,
    )
    return account


def parameters(folder: Path) -> torch.Tensor:
    """All parameters of the correction."""
    corrections = torch.load(folder / "checkpoint.pt", weights_only=True)["corrections"]
    return torch.cat([v.flatten() for name in corrections for v in corrections[name].values()])


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short runs")
    parser.add_argument("--estimator", default="reweight", choices=("reweight", "adjoint"))
    parser.add_argument("--rank-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank_of is not None:
        rank(options.rank_of, options.estimator, options.quick)
        return
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(n) for n in (1, 2)]
        one, two = (launched(folder, n, options) for n, folder in enumerate(folders, 1))
        here, there = (parameters(folder) for folder in folders)
    difference = float((here - there).abs().max() / here.abs().max())
    print(f"RESULT parameters_difference_rel {difference:.1e} 1")
    print(f"RESULT speedup_two_ranks {one['whole'] / two['whole']:.2f} 1")
    ratio = one["cpu_together"] / two["cpu_together"]
    print(f"RESULT speedup_two_ranks_by_cpu_time {ratio:.2f} 1")


if __name__ == "__main__":
    main()
