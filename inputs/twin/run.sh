#!/usr/bin/env bash
# The twin experiment: run.sh [--quick | --biased] [FOLDER].
#
#   world       the core-shell model that the PDFs of data/world come from: the truth
#   prior       a PBEsol network
#   corrected   the prior, trained on the world's PDFs at 100, 150, 250 and 300 K alone: experts, in small
#               cells, in those of the PDFs, and in the right phases (train.yaml, large.yaml,
#               experts.yaml); then that of 250 K goes on for all four temperatures (shared_large.yaml,
#               and shared_far.yaml with G(r) up to 20 Å)
#
# All three are heated from the same polar structure, and cooled from the cubic one, in the same cell,
# that of the PDFs. verdict.json and analysis.html say how far prior and corrected model are from the
# world; training/report.html (--quick: correction.html) shows what the correction does, and leads
# there. Everything that is there already is kept, so that a run that was interrupted goes on. About
# eight hours on two cores.
#
# --quick, a quarter of an hour on two idle cores: prior and the corrected model that is shipped in
# results/twin, heated in smaller cells (4x4x4), against the shipped results of the world there.
#
# --biased, some two hours: another prior, a network of a core-shell model that differs from the world
# in one number (data/prior), and one correction for all temperatures from the beginning (shared.yaml,
# shared_large.yaml), against the shipped results of the world. What came out: results/twin_biased.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
shipped=$root/results/twin
mode=
case "${1:-}" in
  --quick | --biased) mode=${1#--}; shift ;;
  -*) echo "run.sh: expected --quick, --biased or a folder, found $1" >&2; exit 2 ;;
esac
folder=${1:-$root/runs/twin${mode:+-$mode}}
mkdir -p "$folder"
cd "$folder"
start=(--off-centering 0.06 0.06 0.06 --branches heating)
[ "$mode" = quick ] || start+=(cooling)
cells=(6 6 6)
prior=$root/data/prior/bto_pbesol_200.pt

if [ "$mode" = quick ]; then
  cells=(4 4 4)
  reference=$shipped/world_4x4x4_analysis.json
  potential=$shipped/corrected.pt
elif [ "$mode" = biased ]; then
  prior=$root/data/prior/bto_biased.pt
  reference=$shipped/world_analysis.json
  ocvf-lmp train "$root/inputs/twin/shared.yaml" --run training-shared --prior "$prior" --epochs 10
  ocvf-lmp train "$root/inputs/twin/shared_large.yaml" --run training --prior "$prior" \
      --start training-shared/potential.pt --epochs 4
  potential=training/potential.pt
else
  reference=sweeps/world/sweep.h5
  ocvf-lmp sweep --lammps "$root/inputs/in.bto_shells" --name world --folder sweeps/world \
      "${start[@]}" --repeat "${cells[@]}" --lattice 4.01 4.01 4.01 --temperatures 125:400:25 \
      --timestep 0.0004 --p-damp 0.5 --equilibration 5000 --steps 10000 --every 100 &
  ocvf-lmp train "$root/inputs/twin/train.yaml" --run training-small
  ocvf-lmp train "$root/inputs/twin/large.yaml" --run training-large --start training-small/potential.pt
  ocvf-lmp train "$root/inputs/twin/experts.yaml" --run training-experts \
      --start training-large/potential.pt
  ocvf-lmp train "$root/inputs/twin/shared_large.yaml" --run training-shared \
      --start training-experts/potential.pt
  ocvf-lmp train "$root/inputs/twin/shared_far.yaml" --run training --start training-shared/potential.pt
  potential=training/potential.pt
fi
[ -f prior.pt ] || ocvf-lmp export prior.pt --potential "$prior" --precision float32
[ -f corrected.pt ] || ocvf-lmp export corrected.pt --potential "$potential" --precision float32
models=("${start[@]}" --repeat "${cells[@]}" --lattice 4.0 4.0 4.0 --equilibration 1000 --steps 2000 --every 20)
ocvf-lmp sweep prior.pt --folder sweeps/prior "${models[@]}" --temperatures 25:350:25 &
ocvf-lmp sweep corrected.pt --folder sweeps/corrected "${models[@]}" --temperatures 25:450:25
for job in $(jobs -p); do wait "$job"; done

ocvf-lmp analyze sweeps/corrected/sweep.h5 sweeps/prior/sweep.h5 --out . --reference "$reference" \
    --charges-file "$root/data/bto/born_charges.yaml" --pdfs

# Targets, training and what the correction does to the energy surface; of a potential, the last alone.
if [ -d training ]; then
  ocvf-lmp report training --displacement soft-mode --analysis analysis.html
else
  ocvf-lmp report "$potential" --displacement soft-mode --analysis analysis.html --out correction.html
fi
