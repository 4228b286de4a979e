#!/usr/bin/env bash
# Runs the deployment tests in LAMMPS builds that have ML-IAP themselves: real_mliap.sh FOLDER
# FOLDER holds an `install` script that puts such a build into a virtual environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
builds=$1
if [ ! -x "$builds/install" ]; then
  echo "no LAMMPS builds in $builds: set OCVF_LMP_MLIAP to your own lmp and run"
  echo "  pytest -q tests/lammps/test_parity.py"
  exit 0
fi
for kind in plain kokkos; do
  venv=.venv-mliap-$kind
  if [ ! -e "$venv/.ready" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q -c constraints.txt torch numpy ase jaxtyping setuptools wheel
    "$builds/install" "$venv" "$kind"
    OCVF_BUILD_PLUGIN=0 "$venv/bin/pip" install -q --no-deps --no-build-isolation .
    touch "$venv/.ready"
  fi
  .venv/bin/ocvf-lmp export "$venv/model.pt" --potential data/prior/bto_pbesol.pt
  if [ "$kind" = kokkos ]; then
    OMP_PROC_BIND=false .venv/bin/ocvf-lmp check "$venv/model.pt" --lmp "$venv/bin/lmp" \
        --lammps-arguments -k on t 1 -sf kk
  else
    .venv/bin/ocvf-lmp check "$venv/model.pt" --lmp "$venv/bin/lmp"
  fi
done
