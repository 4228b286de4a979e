"""Who runs the dynamics of a training."""

from ocvf_lmp.build.prior import Prior
from ocvf_lmp.config.schema import ExperimentConfig
from ocvf_lmp.errors import InputError
from ocvf_lmp.lammps.dynamics import Host
from ocvf_lmp.lammps.engine import LammpsEngine
from ocvf_lmp.lammps.run import find_lammps
from ocvf_lmp.md.engine import Engine, Twin


def build_engine(config: ExperimentConfig, prior: Prior) -> Engine:
    """The twin, or LAMMPS.

    Raises:
        LammpsError: there is no LAMMPS.
        InputError: the twin cannot evaluate the prior, the estimator needs the twin, or LAMMPS
            cannot be given the input of the prior.
    """
    sampler, twin = config.sampler, config.sampler.engine == "twin"
    if twin and prior.in_lammps:
        raise InputError(
            "expected LAMMPS to sample a prior that only LAMMPS knows, found the twin; set"
            " sampler: {engine: lammps}"
        )
    if config.training.estimator == "adjoint" and not twin:
        raise InputError(
            "expected the twin for training.estimator: adjoint, which walks its trajectories back,"
            " found LAMMPS as the sampler; set training.estimator: reweight"
        )
    if twin:
        return Twin()
    lammps = find_lammps(sampler.lmp, sampler.arguments)
    return LammpsEngine(Host(lammps, prior.in_lammps, sampler.ranks), sampler.precision)
