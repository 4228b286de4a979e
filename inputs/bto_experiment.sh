#!/usr/bin/env bash
# BaTiO3 against the experiment: bto_experiment.sh [FOLDER].
#
# Trains the four-expert correction of bto_experiment.yaml and bto_experiment_large.yaml, those of 250
# and 300 K again in their own phases (bto_experiment_phases.yaml), that of 300 K once more
# (bto_experiment_tetragonal.yaml), heats prior and corrected model in 6x6x6 cells from the same polar
# structure, and puts both beside the experiment and published models (data/bto): analysis.html;
# report.html shows what the correction does to the energy surface. Everything that is there already is
# kept, so that a run that was interrupted goes on. About three hours on two cores.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
case "${1:-}" in
  -*) echo "bto_experiment.sh: expected a folder, found the option $1" >&2; exit 2 ;;
esac
folder=${1:-$root/runs/bto-experiment}
mkdir -p "$folder"
cd "$folder"
series=(--repeat 6 6 6 --off-centering 0.06 0.06 0.06 --branches heating --lattice 4.0 4.0 4.0
  --equilibration 1000 --steps 2000 --every 20)

[ -f prior.pt ] || ocvf-lmp export prior.pt --potential "$root/data/prior/bto_pbesol.pt" --precision float32
ocvf-lmp sweep prior.pt --folder sweeps/prior "${series[@]}" --temperatures 25:325:25 &
ocvf-lmp train "$root/inputs/bto_experiment.yaml" --run training
ocvf-lmp train "$root/inputs/bto_experiment_large.yaml" --run training-large --start training/potential.pt
ocvf-lmp train "$root/inputs/bto_experiment_phases.yaml" --run training-phases --start training-large/potential.pt
ocvf-lmp train "$root/inputs/bto_experiment_tetragonal.yaml" --run training-tetragonal \
    --start training-phases/potential.pt
ocvf-lmp gate potential.pt --expert training-large/potential.pt 100 150 \
    --expert training-phases/potential.pt 250 --expert training-tetragonal/potential_300K.pt 300
[ -f corrected.pt ] || ocvf-lmp export corrected.pt --potential potential.pt --precision float32
ocvf-lmp sweep corrected.pt --folder sweeps/corrected "${series[@]}" --temperatures 25:500:25
for job in $(jobs -p); do wait "$job"; done

ocvf-lmp analyze sweeps/corrected/sweep.h5 sweeps/prior/sweep.h5 --out . \
    --reference "$root/data/bto/experiment.yaml" --charges-file "$root/data/bto/born_charges.yaml"
ocvf-lmp report potential.pt --displacement soft-mode --analysis analysis.html --out report.html
