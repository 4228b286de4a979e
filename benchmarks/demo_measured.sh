#!/usr/bin/env bash
# The same training against a measured x-ray PDF of BaTiO3: demo_measured.sh FILE.gr [REPEAT]
# R_w on 1.5 to 20 Å of the prior and of the corrected model, sampled by LAMMPS in a cell that is
# wide enough (6 x 6 x 6), beside the 0.12 of a free fit of an average structure.
set -euo pipefail
cd "$(dirname "$0")/.."
measured=$1
if [ ! -f "$measured" ]; then
  echo "no measured PDF at $measured: name one, for instance"
  echo "  bash benchmarks/demo_measured.sh my_batio3.gr"
  exit 0
fi
run=runs/demo-measured
mkdir -p "$run"
cp "$measured" "$run/measured.gr"
sed -e 's|\.\./data|../../data|' -e 's|^name:.*|name: demo-measured|' \
    inputs/bto_measured.yaml > "$run/experiment.yaml"
rm -f "$run/checkpoint.pt" "$run/config.yaml"
ocvf-lmp train "$run/experiment.yaml" --run "$run"
ocvf-lmp report "$run"
ocvf-lmp export "$run/corrected.pt" --run "$run" --precision float32
ocvf-lmp export "$run/prior.pt" --potential data/prior/bto_pbesol.pt --precision float32
python benchmarks/measured_pdf.py "$measured" "$run/prior.pt" "$run/corrected.pt"
