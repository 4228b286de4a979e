"""The peer's side of `rdf_inversion.py`: chemtrain 0.2.0 (DiffTRe), in an environment of its own.

    PEER_PYTHON benchmarks/rdf_inversion_peer.py PROBLEM.npz RESULT.npz STARTED NEIGHBORS

Written after the package's own examples of DiffTRe: Nosé-Hoover chains, Adam with b1 = 0.1 and
b2 = 0.4, a rate that decays exponentially, trajectories that serve as long as 90 % of their frames
count, float32. STARTED is the reading of `time.monotonic` when the process was launched.

NEIGHBORS: ``listed`` takes the neighbour list of jax-md, which chemtrain rebuilds at every step
(its loop is vectorised over runs, and a vectorised `cond` takes both branches); ``all`` hands it
all pairs once and for ever, which is faster for some hundred atoms.
"""

# pyright: reportMissingImports=false
import contextlib
import dataclasses
import json
import sys
import tempfile
import time
from functools import partial
from typing import Any

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import optax
from chemtrain import quantity, trainers
from chemtrain.ensemble import sampling
from jax_md import partition, simulate, smap, space

STARTED = float(sys.argv[3])
COMPILING = {"seconds": 0.0}


class GoalReached(Exception):
    """Ends a training."""


def count_compilation(event: str, duration: float, **_: Any) -> None:
    """Adds up what JAX spends on tracing, lowering and compiling."""
    if event.startswith("/jax/core/compile"):
        COMPILING["seconds"] += duration


def pair_energy(r: jax.Array, c: jax.Array, toy: dict[str, Any], **_: Any) -> jax.Array:
    """Prior and spline of a pair, eV; the same as in `rdf_toy`."""
    r = jnp.where(r > 1.0e-3, r, 1.0e3)
    sixth = (toy["prior_sigma"] / r) ** 6
    x = jnp.clip((r - toy["inner"]) / (toy["cutoff"] - toy["inner"]), 0.0, 1.0)
    taper = 1 - x**3 * (10 - 15 * x + 6 * x * x)
    prior = 4 * toy["prior_epsilon"] * (sixth * sixth - sixth) * taper
    place = (r - toy["knot_first"]) / toy["knot_step"]
    interval = jnp.clip(jnp.floor(place), -1, len(c) + 3)
    x, index, padded = place - interval, interval.astype(int) + 4, jnp.pad(c, (4, 4))
    spline = (
        padded[index - 3] * (1 - x) ** 3
        + padded[index - 2] * ((3 * x - 6) * x * x + 4)
        + padded[index - 1] * (((3 - 3 * x) * x + 3) * x + 1)
        + padded[index] * x**3
    )
    inside = (place >= 0) & (r < toy["cutoff"])
    return prior + toy["kt"] * jnp.where(inside, spline / 6, 0.0)


def all_pairs(listed: Any, positions: jax.Array) -> Any:
    """Functions of a neighbour list that holds every pair, and is never made again."""
    whole = listed.allocate(positions)
    pairs = jnp.asarray(np.stack(np.tril_indices(len(positions), -1)[::-1]), dtype=jnp.int32)

    def update(position: jax.Array, neighbors: Any, **_: Any) -> Any:
        del position
        return neighbors

    def allocate(position: jax.Array, extra_capacity: int = 0, **_: Any) -> Any:
        del position, extra_capacity
        return dataclasses.replace(whole, idx=pairs, max_occupancy=pairs.shape[1], update_fn=update)

    return partition.NeighborListFns(allocate, update)  # pyright: ignore


def make_trainer(
    toy: dict[str, Any], positions: jax.Array, r: np.ndarray, goal: np.ndarray, neighbors: str
) -> Any:
    """A `trainers.Difftre` with one state point."""
    plain, shifted = space.periodic(toy["side"])

    def displacement(a: jax.Array, b: jax.Array, **_: Any) -> jax.Array:
        return plain(a, b)  # chemtrain hands over a box, which a fixed cell refuses

    def shift(x: jax.Array, step: jax.Array, **_: Any) -> jax.Array:
        return shifted(x, step)

    ordered = neighbors == "all"
    neighbor_fn: Any = partition.neighbor_list(
        displacement, toy["side"], toy["cutoff"], 0.0, capacity_multiplier=1.5,
        disable_cell_list=True,
        format=partition.OrderedSparse if ordered else partition.Dense,
    )  # fmt: skip
    if ordered:
        neighbor_fn = all_pairs(neighbor_fn, positions)
    listed = neighbor_fn.allocate(positions)

    def template(params: dict[str, jax.Array]) -> Any:
        pair = partial(pair_energy, c=params["c"], toy=toy)
        metric = space.canonicalize_displacement_or_metric(displacement)
        energy = smap.pair_neighbor_list(pair, metric)
        return lambda position, neighbor, **_: energy(position, neighbor)

    simulator = partial(
        simulate.nvt_nose_hoover, shift_fn=shift, dt=toy["timestep"], kT=toy["kt"],
        tau=toy["t_damp"], chain_length=3, chain_steps=1,
    )  # fmt: skip
    params = {"c": jnp.zeros(toy["n_splines"])}
    start, _ = simulator(template(params))
    state = start(
        jax.random.PRNGKey(toy["seed"]), positions, neighbor=listed,
        mass=toy["mass"] * toy["mvv2e"],
    )  # fmt: skip
    step, equilibration = toy["timestep"], toy["equilibration"]
    timings = sampling.process_printouts(
        step, (equilibration + toy["steps"]) * step, equilibration * step, toy["every"] * step
    )
    assert timings.timesteps_per_printout == toy["every"]
    builder = quantity.targets.TargetBuilder()
    builder["rdf"] = quantity.targets.init_radial_distribution_target(
        np.column_stack([r, goal]), rdf_start=r[0] - toy["dr"] / 2,
        rdf_cut=r[-1] + toy["dr"] / 2, nbins=len(r),
    )  # fmt: skip
    targets, functions = builder.build(
        {"displacement_fn": displacement, "reference_box": toy["side"]}
    )
    decay = toy["final_rate"] / toy["learning_rate"]
    optimizer = optax.chain(
        optax.scale_by_adam(*toy["betas"]),
        optax.scale_by_schedule(
            optax.exponential_decay(-toy["learning_rate"], toy["updates"], decay)
        ),
    )
    trainer = trainers.Difftre(
        params, optimizer, reweight_ratio=toy["min_effective"],
        checkpoint_path=tempfile.mkdtemp(),
    )  # fmt: skip
    trainer.add_statepoint(
        template, simulator, neighbor_fn, timings, {"kT": toy["kt"]}, functions,
        sampling.SimulatorState(sim_state=state, nbrs=listed), targets,
    )  # fmt: skip
    return trainer


def main() -> None:
    """Trains, and writes the history."""
    imported = time.monotonic() - STARTED
    jax.monitoring.register_event_duration_secs_listener(count_compilation)
    with np.load(sys.argv[1]) as file:
        toy, positions = json.loads(str(file["toy"])), jnp.asarray(file["positions"])
        r, goal = file["r"], file["target"]
    trainer = make_trainer(toy, positions, r, goal, sys.argv[4])
    names = ("time", "processor", "compiling", "coefficients", "loss", "sampled")
    history: dict[str, list[Any]] = {name: [] for name in names}
    last = [np.zeros(0)]

    def keep(trainer: Any, *_: Any, **__: Any) -> None:
        history["coefficients"].append(np.asarray(trainer.params["c"]))  # waits for the result
        history["time"].append(time.monotonic() - STARTED)
        history["processor"].append(time.process_time())
        history["compiling"].append(COMPILING["seconds"])
        history["loss"].append(float(trainer.batch_losses[-1]))
        used = np.asarray(trainer.trajectory_states[0].energy_params["c"])
        history["sampled"].append(not np.array_equal(used, last[0]))
        last[0] = used
        if len(history["loss"]) >= 3 and max(history["loss"][-3:]) < toy["goal"]:
            raise GoalReached

    trainer.add_task("post_epoch", keep)
    with contextlib.suppress(GoalReached):
        trainer.train(toy["updates"])
    arrays: dict[str, Any] = {k: np.array(v) for k, v in history.items()}
    np.savez(sys.argv[2], imported=imported, **arrays)


if __name__ == "__main__":
    main()
