#!/usr/bin/env bash
# A production run in LAMMPS: one MPI rank a core. Submit from the project's folder:
#
#   sbatch inputs/slurm/lmp.sh
#   sbatch --ntasks=32 inputs/slurm/lmp.sh -var temperature 250 -var size 12 -var out bto_250
#
# Submitted again, or requeued, it goes on from the newest restart file of the same `out`, for as
# many further steps as `steps` says. Fill in partition and account of your cluster.
#SBATCH --job-name=bto
#SBATCH --nodes=1
#SBATCH --ntasks=16
#SBATCH --cpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
source "${OCVF_VENV:-.venv}/bin/activate"

export OMP_NUM_THREADS=1          # a rank is one thread; more would fight for the same cores
export HYDRA_LAUNCHER=fork        # one node. Several nodes: remove this line (then mpirun asks Slurm)

out=bto
words=("$@")
for ((k = 0; k + 2 < ${#words[@]}; k++)); do
  if [ "${words[k]}" = -var ] && [ "${words[k + 1]}" = out ]; then out=${words[k + 2]}; fi
done
newest=$(find . -maxdepth 1 -name "$out.restart.*" -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
more=()
if [ -n "$newest" ]; then
  echo "going on from $newest"
  now=$(date +%s)
  if [ -f "$out.lammpstrj" ]; then mv "$out.lammpstrj" "$out.before_$now.lammpstrj"; fi
  more=(-var restart "$newest" -log "log.$out.$now")
else
  more=(-log "log.$out")
fi
mpirun -np "${SLURM_NTASKS:-2}" lmp -in inputs/in.bto_npt "${more[@]}" "$@"
