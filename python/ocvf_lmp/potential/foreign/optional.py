"""Packages that not everybody has, imported when they are needed and without their noise."""

import contextlib
import importlib
import io
import os
import warnings
from collections.abc import Iterator
from typing import Any

from ocvf_lmp.errors import InputError

_UNSAFE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
"""mace sets it for the whole process on import, so that every later `torch.load` that does not say
otherwise runs code from the files it reads."""


def optional_module(name: str, extra: str) -> Any:
    """A module of an optional package.

    Args:
        name: such as ``mace.modules``.
        extra: the extra of this package that installs it.

    Raises:
        InputError: it is not installed, or cannot be imported.
    """
    with quiet():
        try:
            return importlib.import_module(name)
        except ImportError as reason:
            raise InputError(
                f"expected the Python package {name.split('.')[0]} for this prior, found that it"
                f" cannot be imported ({reason}); install it by: pip install 'ocvf-lmp[{extra}]'"
            ) from reason


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps back what other packages print and warn of, and the settings that they change."""
    before = os.environ.get(_UNSAFE)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            os.environ.pop(_UNSAFE, None)
        else:
            os.environ[_UNSAFE] = before
