"""LAMMPS inputs that run dynamics for a training: the one made here, or one of the user's.

Both are run with the same variables (``-var``) in a folder of their own, and write the same files:
a prior that is more than a pair style (bonds, charges of shells, k-space, a thermostat of its own)
is described by a whole input. Such an input finds

- ``start.data``: where the atoms stand and move, in the input's ``atom_style``, with zeros for
  molecules and charges; types in the order of the symbols;
- ``${model}``: file of the correction, for ``pair_style hybrid/overlay ... mliap unified ${model}
  ${ghosts}`` and ``pair_coeff * * mliap SYMBOLS``, with NULL for types that it adds itself;
  ``none`` in a sweep of the prior alone;
- ``${ghosts}``: third word of that style; where it is 1, the input must ask for the ghost atoms
  that the model needs: ``comm_modify cutoff $(v_reach+v_skin)`` with its own skin;
- ``${temperature}`` K, ``${pressure}`` bar, ``${barostat}`` (``tri``, ``aniso``, ``iso``, or
  ``none`` at constant cell), ``${t_damp}``, ``${p_damp}`` and ``${timestep}`` in ps;
- ``${steps}``: steps of the run, ``${every}``: steps between frames;
- ``${here}``: the folder of the input, for files beside it,

and writes, counting steps from 0, of the atoms of ``start.data`` alone

- ``frames.dump``: ``dump custom ${every} frames.dump id type xu yu zu``, to all digits;
- ``last.dump``: the last configuration, ``id type xu yu zu vx vy vz``;
- in the log of its last run, every ``${every}`` steps, at least the columns ``step temp pe pxx pyy
  pzz pxy pxz pyz`` (metal units) in any order.

Atoms that the input adds (shells of polarizable ions) are its own affair: it makes them anew in
every run. Reweighting stays exact with them, for averages over cores and shells together: the
weight of a frame depends on ΔH alone, and ΔH on the cores alone. That holds for shells at the
temperature of the cores as well as for shells that follow the cores adiabatically, where the cores
are sampled with the least energy over the shells.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ocvf_lmp.errors import InputError
from ocvf_lmp.lammps.cells import ATOM_STYLES
from ocvf_lmp.lammps.parity import SKIN
from ocvf_lmp.md.parameters import NptParameters

BAROSTATS = {"flexible": "tri", "orthogonal": "aniso", "isotropic": "iso", "fixed": "none"}
NEEDED = ("model", "temperature", "timestep", "steps", "every")
"""Variables without which no input can be right."""

_INPUT = """\
units metal
atom_style atomic
boundary p p p
box tilt large
read_data start.data
{interactions}
neighbor {skin} bin
neigh_modify every 1 delay 0 check yes
if "${{ghosts}} == 1" then "comm_modify cutoff $(v_reach+{skin}:%.10g)"
timestep ${{timestep}}
{motion}
thermo ${{every}}
thermo_style custom step temp pe pxx pyy pzz pxy pxz pyz
thermo_modify format float %.15g
dump frames all custom ${{every}} frames.dump id type xu yu zu
dump_modify frames sort id format float %.15g
run ${{steps}}
write_dump all custom last.dump id type xu yu zu vx vy vz modify sort id format float %.17g
"""
_THERMOSTAT = "temp ${temperature} ${temperature} ${t_damp}"
_BAROSTAT = "${barostat} ${pressure} ${pressure} ${p_damp}"


def generated_input(
    prior: Sequence[str], symbols: Sequence[str], mode: str, *, corrected: bool = True
) -> str:
    """The input for a model that is whole or laid over a pair style of LAMMPS, or for that alone.

    Args:
        prior: LAMMPS commands ``pair_style`` and ``pair_coeff`` of the prior; empty: the prior is
            in the model.
        symbols: of the atom types, in their order.
        mode: of the barostat, see `NptParameters`.
        corrected: whether there is a model; without one, the prior runs alone.

    Raises:
        InputError: not exactly one ``pair_style``.
    """
    motion = f"fix motion all nvt {_THERMOSTAT}"
    if mode != "fixed":
        flip = " flip no" if mode == "flexible" else ""
        motion = f"fix motion all npt {_THERMOSTAT} {_BAROSTAT}{flip}"
    interactions = "\n".join(prior)
    if corrected:
        interactions = overlay(prior, "mliap unified ${model} ${ghosts}", symbols)
    return _INPUT.format(interactions=interactions, skin=SKIN, motion=motion)


def overlay(prior: Sequence[str], model: str, symbols: Sequence[str]) -> str:
    """LAMMPS commands for a model, laid over the pair style of a prior if there is one.

    Args:
        prior: ``pair_style`` and ``pair_coeff`` commands; others are kept as they are.
        model: style and arguments of the model.
        symbols: of the atom types, in their order.

    Raises:
        InputError: not exactly one ``pair_style``.
    """
    style, *_ = model.split()
    own = f"pair_coeff * * {style} {' '.join(symbols)}"
    if not prior:
        return f"pair_style {model}\npair_coeff * * {' '.join(symbols)}"
    styles = [line.split() for line in prior if line.split()[:1] == ["pair_style"]]
    if len(styles) != 1 or len(styles[0]) < 2:
        raise InputError(
            f"expected one command pair_style for the prior in LAMMPS, found {len(styles)}; several"
            " styles go into one pair_style hybrid/overlay"
        )
    words = styles[0][1:]
    hybrid = words[0].startswith("hybrid")
    lines = []
    for line in prior:
        first, *rest = line.split() or [""]
        if first == "pair_style":
            lines.append(f"pair_style hybrid/overlay {' '.join(words[hybrid:])} {model}")
        elif first == "pair_coeff" and not hybrid:
            lines.append(f"pair_coeff {' '.join(rest[:2])} {words[0]} {' '.join(rest[2:])}")
        else:
            lines.append(line)
    return "\n".join([*lines, own])


def atom_style_of(path: Path) -> str:
    """The atom style of a user's input, which is checked as far as it can be without running it.

    Args:
        path: the input.

    Raises:
        InputError: it leaves variables unused that it must use, or has an atom style
            that ``start.data`` cannot be written in.
    """
    text = _commands(path)
    for name in re.findall(r"^\s*include\s+\"?([^\"\n]+?)\"?\s*$", text, re.MULTILINE):
        included = Path(name.replace("${here}", str(path.parent)))
        text += _commands(included) if included.is_file() else ""
    unused = [n for n in NEEDED if not re.search(rf"\$\{{{n}\}}|\bv_{n}\b", text)]
    if unused:
        raise InputError(
            f"expected the LAMMPS input {path} to use the variables"
            f" {', '.join('${' + name + '}' for name in NEEDED)}, found nothing of"
            f" {', '.join(unused)}; ocvf-lmp sets them (-var): see inputs/in.bto_shells"
        )
    styles = set(re.findall(r"\batom_style\s+([\w/]+)", text))
    if len(styles) != 1 or not styles <= set(ATOM_STYLES):
        raise InputError(
            f"expected one atom_style of {', '.join(ATOM_STYLES)} in {path}, found"
            f" {', '.join(sorted(styles)) or 'none'}; start.data is written in it"
        )
    return styles.pop()


def _commands(path: Path) -> str:
    return re.sub(r"#.*", "", path.read_text())


def variables_of(params: NptParameters, n_steps: int, every: int) -> dict[str, object]:
    """What an input is told of a run without a model, by the name of the LAMMPS variable.

    Args:
        params: the ensemble.
        n_steps: number of steps.
        every: steps between frames.
    """
    return {
        "model": "none",
        "ghosts": 0,
        "reach": "0.0",
        "temperature": repr(params.temperature),
        "pressure": repr(params.pressure),
        "barostat": BAROSTATS[params.mode],
        "t_damp": repr(params.t_damp),
        "p_damp": repr(params.p_damp),
        "timestep": repr(params.timestep),
        "steps": n_steps,
        "every": every,
    }
