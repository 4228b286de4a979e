#!/usr/bin/env bash
# A temperature sweep as a job array: every temperature of every branch starts on its own, and each
# of the PARTS jobs runs its share of them. Submit from the project's folder:
#
#   sbatch inputs/slurm/sweep.sh model.pt
#   sbatch inputs/slurm/sweep.sh model.pt --temperatures 100:400:20 --repeat 6 6 6
#   sbatch inputs/slurm/sweep.sh --lammps inputs/in.bto_shells --temperatures 100:400:20 --repeat 6 6 6
#
# What follows the script's name are options of `ocvf-lmp sweep`; a model alone gets those below.
# A job that was killed is submitted again alone (sbatch --array=3 ...): temperatures that are
# complete are kept. When all have ended, `ocvf-lmp sweep --folder sweeps/NAME` makes the one file.
#SBATCH --job-name=sweep
#SBATCH --array=1-10
#SBATCH --nodes=1
#SBATCH --ntasks=4
#SBATCH --cpus-per-task=1
#SBATCH --time=12:00:00
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
source "${OCVF_VENV:-.venv}/bin/activate"

PARTS=${PARTS:-10}                # as in --array
export OMP_NUM_THREADS=1
export HYDRA_LAUNCHER=fork        # each LAMMPS stays on its node

: "${1:?name a model file, or a prior by --lammps}"
if [ $# -eq 1 ]; then set -- "$1" --temperatures 50:500:25 --repeat 6 6 6; fi
ocvf-lmp sweep --independent --part "${SLURM_ARRAY_TASK_ID:?}/$PARTS" \
    --ranks "${SLURM_NTASKS:-1}" "$@"   # last: --lammps-arguments takes all that follow it
