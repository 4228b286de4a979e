"""Compiles the LAMMPS plugin and the kernels with CMake on `pip install`; see pyproject.toml.

OCVF_BUILD_PLUGIN=0 in the environment leaves the plugin out, for those whose own LAMMPS has ML-IAP
built in. The kernels (nothing but C++) are left out where they cannot be compiled: torch then does
their work, several times slower.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

ROOT = Path(__file__).parent.resolve()


class BuildLibraries(build_ext):
    """Not Python modules: CMake builds them, and their names carry no Python version."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split("."))) + ".so"

    def build_extension(self, ext: Extension) -> None:
        target = Path(self.get_ext_fullpath(ext.name)).resolve()
        build = Path(self.build_temp).resolve()
        command = ["cmake", "-S", str(ROOT), "-B", str(build)]
        command += ["-G", "Ninja"] if shutil.which("ninja") else []
        command += [f"-DPython_EXECUTABLE={sys.executable}"]
        command += [f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={target.parent}"]
        command += [f"-DOCVF_PLUGIN={'ON' if wanted else 'OFF'}"]
        name = ext.name.rpartition(".")[2]
        try:
            subprocess.run(command, check=True)
            subprocess.run(["cmake", "--build", str(build), "--target", name], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise CompileError(f"{name} could not be built: {error}") from error

    def copy_extensions_to_source(self) -> None:
        for ext in self.extensions:
            folder = self.get_finalized_command("build_py").get_package_dir("ocvf_lmp")
            Path(folder, ext.name.split(".")[1]).mkdir(exist_ok=True)
        super().copy_extensions_to_source()


wanted = os.environ.get("OCVF_BUILD_PLUGIN", "1") != "0"
setup(
    ext_modules=[
        Extension("ocvf_lmp.plugins.ocvfkernels", sources=[], optional=True),
        *([Extension("ocvf_lmp.plugins.ocvfplugin", sources=[])] if wanted else []),
    ],
    cmdclass={"build_ext": BuildLibraries},
)
