"""Compiles the LAMMPS plugin with CMake on `pip install`; all metadata are in pyproject.toml.

OCVF_BUILD_PLUGIN=0 in the environment leaves it out: a pure Python package, for those whose own
LAMMPS has ML-IAP built in.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.resolve()


class BuildPlugin(build_ext):
    """A plugin is not a Python module: CMake builds it, and its name carries no Python version."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split("."))) + ".so"

    def build_extension(self, ext: Extension) -> None:
        target = Path(self.get_ext_fullpath(ext.name)).resolve()
        build = Path(self.build_temp).resolve()
        command = ["cmake", "-S", str(ROOT), "-B", str(build)]
        command += ["-G", "Ninja"] if shutil.which("ninja") else []
        command += [f"-DPython_EXECUTABLE={sys.executable}"]
        command += [f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={target.parent}"]
        subprocess.run(command, check=True)
        subprocess.run(["cmake", "--build", str(build)], check=True)

    def copy_extensions_to_source(self) -> None:
        for ext in self.extensions:
            folder = self.get_finalized_command("build_py").get_package_dir("ocvf_lmp")
            Path(folder, ext.name.split(".")[1]).mkdir(exist_ok=True)
        super().copy_extensions_to_source()


wanted = os.environ.get("OCVF_BUILD_PLUGIN", "1") != "0"
setup(
    ext_modules=[Extension("ocvf_lmp.plugins.ocvfplugin", sources=[])] if wanted else [],
    cmdclass={"build_ext": BuildPlugin},
)
