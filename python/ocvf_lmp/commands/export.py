"""``ocvf-lmp export``: the model file that LAMMPS loads."""

import argparse

from ocvf_lmp.build.runs import newest_run, trained_potential
from ocvf_lmp.commands.console import console
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.potential.experts import experts_of
from ocvf_lmp.potential.weights import load_potential


def export(options: argparse.Namespace) -> int:
    """Writes the model file of a run, or of a potential's file."""
    temperature = options.temperature
    if options.potential is not None:
        source = options.potential
    else:
        run = options.folder or newest_run()
        source, temperature = trained_potential(run, options.temperature)
    potential, provenance = load_potential(source)
    experts = experts_of(potential)
    if experts is not None and options.temperature is not None:
        experts.set_temperature(options.temperature)
        experts.frozen, temperature = True, options.temperature
    header = export_model(
        options.model,
        potential,
        delta_only=options.delta_only,
        temperature=temperature,
        trained_temperatures=provenance.get("temperatures", ()),
        precision=options.precision,
        provenance=provenance,
    )
    chosen = "" if temperature is None else f", correction of {temperature:g} K"
    console.print(
        f"wrote {options.model}: {header.kind} from {source}{chosen}, {header.precision};"
        f" species {' '.join(header.symbols)}, reach {header.reach:g} Å"
    )
    if provenance.get("synthetic_targets"):
        console.print("note: trained on SYNTHETIC targets (computed, not measured)")
    if experts is not None and not experts.frozen:
        console.print(
            "note: the experts are mixed at the thermostat's temperature (--temperature freezes it)"
        )
    if options.delta_only:
        console.print(
            "next: add it to the prior's pair style by pair_style hybrid/overlay ... mliap unified"
            f" {options.model} 0"
        )
    else:
        console.print("next: lmp -in inputs/in.bto_npt")
    return 0
