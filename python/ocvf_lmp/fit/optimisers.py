"""Which optimiser a plan asks for."""

from ocvf_lmp.fit.descent import Descent, Optimiser
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.gauss_newton import GaussNewton
from ocvf_lmp.fit.newton import Newton


def make_optimiser(experiment: Experiment) -> Optimiser:
    """The optimiser of an experiment's corrections."""
    if experiment.plan.ansatz == "cevm":
        return Newton(experiment)
    if experiment.plan.step == "gauss-newton":
        return GaussNewton(experiment)
    return Descent(experiment)
