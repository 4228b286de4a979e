"""Errors a user can act on: what was expected, what was found, what to do."""


class OcvfError(Exception):
    """Base of every error raised on purpose; the command line prints it without a traceback."""


class InputError(OcvfError, ValueError):
    """A value, option or file of the user's does not have the form or range that is needed."""


class DataError(OcvfError, ValueError):
    """A data file is missing, malformed, or in other units or species than expected."""


class ModelFileError(OcvfError, ValueError):
    """A model file is truncated, of another version, or for other species."""


class SimulationError(OcvfError, RuntimeError):
    """A simulation left physical ground: NaN, an exploding cell, atoms far too close."""


class TrainingError(OcvfError, RuntimeError):
    """A training cannot go on: a loss that is not finite, a noisy gradient, a full disk."""


class LammpsError(OcvfError, RuntimeError):
    """LAMMPS could not be found or ended with an error."""
