#!/usr/bin/env bash
# The main job on real input, in a few minutes on two cores: train the correction of the shipped
# prior on the shipped (SYNTHETIC) PDFs at two temperatures, export it, run it in LAMMPS on one and
# on two ranks, compare LAMMPS with Python, and write the report. `make demo` calls this.
set -euo pipefail
cd "$(dirname "$0")/.."
run=runs/demo
mkdir -p "$run/lammps"

echo "== 1/5 train"
ocvf-lmp train inputs/bto.yaml --quick --run "$run" --fresh
mkdir -p "$run/lammps"

echo "== 2/5 export"
ocvf-lmp export model.pt --run "$run"
ocvf-lmp info model.pt

echo "== 3/5 LAMMPS on one rank, then on two"
lmp -in inputs/in.bto_npt -log "$run/lammps/log.lammps" -var size 3 -var temperature 150 -var steps 300 \
    -var out "$run/lammps/bto" | tail -n 25
mpirun -np 2 lmp -in inputs/in.bto_npt -log "$run/lammps/log.two_ranks" -var size 3 -var temperature 150 -var steps 100 \
    -var out "$run/lammps/two_ranks" | tail -n 12

echo "== 4/5 LAMMPS against Python"
ocvf-lmp check model.pt

echo "== 5/5 report"
ocvf-lmp report "$run" --log "$run/lammps/log.lammps"
