#!/usr/bin/env bash
# The twin experiment: run.sh [--quick] [FOLDER].
#
#   world       the core-shell model that the PDFs of data/world come from: the truth
#   prior       the shipped PBEsol network
#   corrected   the prior, trained on the world's PDFs at 100, 150, 250 and 300 K alone
#
# All three are heated in the same cell from the same polar structure. verdict.json and analysis.html
# say how far prior and corrected model are from the world. Everything that is there already is kept,
# so that a run that was interrupted goes on. About two hours on two cores.
#
# --quick, a quarter of an hour on two idle cores: shorter runs of the prior and of the corrected model that is shipped
# in results/twin, against the shipped results of the world.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
shipped=$root/results/twin
quick=
if [ "${1:-}" = --quick ]; then quick=yes; shift; fi
folder=${1:-$root/runs/twin${quick:+-quick}}
mkdir -p "$folder"
cd "$folder"
start=(--repeat 4 4 4 --off-centering 0.06 0.06 0.06 --branches heating)
length=(--lattice 4.0 4.0 4.0 --equilibration 2500 --steps 5000 --every 25)
reference=sweeps/world/sweep.h5

[ -f prior.pt ] || ocvf-lmp export prior.pt --potential "$root/data/prior/bto_pbesol.pt" --precision float32
if [ -n "$quick" ]; then
  length=(--lattice 4.0 4.0 4.0 --equilibration 1000 --steps 2000 --every 20)
  reference=$shipped/world_analysis.json
  potential=$shipped/corrected.pt
else
  ocvf-lmp sweep --lammps "$root/inputs/in.bto_shells" --name world --folder sweeps/world \
      "${start[@]}" --lattice 4.01 4.01 4.01 --temperatures 100:425:25 --timestep 0.0004 \
      --p-damp 0.5 --equilibration 7500 --steps 15000 --every 125 &
  ocvf-lmp train "$root/inputs/twin/train.yaml" --run training
  ocvf-lmp report training --displacement soft-mode
  potential=training/potential.pt
fi
[ -f corrected.pt ] || ocvf-lmp export corrected.pt --potential "$potential" --precision float32
ocvf-lmp sweep prior.pt --folder sweeps/prior "${start[@]}" "${length[@]}" --temperatures 25:350:25 &
ocvf-lmp sweep corrected.pt --folder sweeps/corrected "${start[@]}" "${length[@]}" \
    --temperatures 50:425:25
for job in $(jobs -p); do wait "$job"; done

ocvf-lmp analyze sweeps/corrected/sweep.h5 sweeps/prior/sweep.h5 --out . --reference "$reference" \
    --charges-file "$root/data/bto/born_charges.yaml"
