#!/usr/bin/env bash
# Runs the deployment tests in LAMMPS builds that have ML-IAP themselves: real_mliap.sh FOLDER
# FOLDER holds an `install` script that puts such a build into a virtual environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
builds=$1
if [ ! -x "$builds/install" ]; then
  echo "no LAMMPS builds in $builds: set OCVF_LMP_MLIAP to your own lmp and run"
  echo "  pytest -q -k real tests/lammps"
  exit 0
fi
for kind in plain kokkos; do
  venv=.venv-mliap-$kind
  if [ ! -e "$venv/.ready" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q -c constraints.txt torch numpy ase jaxtyping setuptools wheel cmake
    "$builds/install" "$venv" "$kind"
    touch "$venv/.ready"
  fi
  OCVF_BUILD_PLUGIN=0 "$venv/bin/pip" install -q --no-deps --no-build-isolation .
  arguments=()
  if [ "$kind" = kokkos ]; then
    arguments=(-k on t 1 -sf kk)
    export OMP_PROC_BIND=false
  fi
  .venv/bin/ocvf-lmp export "$venv/model.pt" --potential data/prior/bto_pbesol.pt
  .venv/bin/ocvf-lmp check "$venv/model.pt" --lmp "$venv/bin/lmp" \
      ${arguments[@]:+--lammps-arguments "${arguments[@]}"}
  OCVF_LMP_MLIAP="$PWD/$venv/bin/lmp ${arguments[*]}" .venv/bin/python -m pytest -q -k real \
      tests/lammps/test_parity.py tests/lammps/test_input.py tests/lammps/test_gate.py tests/lammps/test_host_failures.py \
      tests/lammps/test_dynamics.py -m "not slow"
done
