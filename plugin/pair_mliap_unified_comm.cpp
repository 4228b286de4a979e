// What the ranks say to one another: rows of ghost atoms, and that a rank has failed.
#include "pair_mliap_unified.h"

#include "atom.h"
#include "comm.h"
#include "error.h"

#include <algorithm>

using namespace LAMMPS_NS;

/// Whether all ranks are about to do the same, and none has failed. Every collective action begins
/// with this question: a rank that has failed, or finished, while others want to exchange rows,
/// would else leave them waiting for ever.
bool PairMLIAPUnified::all_ranks_do(int action)
{
  const int mine[2] = {action, -action};
  int largest[2];
  MPI_Allreduce(mine, largest, 2, MPI_INT, MPI_MAX, world);
  const int last = largest[0], first = -largest[1];
  if (first == FAILED) return false;
  if (first != last)
    disagreement_ = "expected: all ranks to exchange rows of ghost atoms alike\n"
                    "found: ranks that exchange other widths, or that have finished\n"
                    "to do: let the model call forward_exchange and reverse_exchange equally often "
                    "on all ranks, also on those without atoms";
  return first == last;
}

/// Ends the run on all ranks, with the text of the first rank that has one.
void PairMLIAPUnified::stop_all(const std::string &failure)
{
  const int mine = failure.empty() ? comm->nprocs : comm->me;
  int source = 0;
  MPI_Allreduce(&mine, &source, 1, MPI_INT, MPI_MIN, world);
  source = std::min(source, comm->nprocs - 1);
  int length = static_cast<int>(failure.size());
  MPI_Bcast(&length, 1, MPI_INT, source, world);
  std::string text = failure;
  text.resize(length);
  MPI_Bcast(text.data(), length, MPI_CHAR, source, world);
  const std::string rank = comm->nprocs > 1 ? " on rank " + std::to_string(source) : "";
  error->all(FLERR, "the model " + file_ + " failed" + rank + "\n" + text);
}

/// Ghost rows become those of their owners (forward), or are added to them and cleared (reverse).
/// False: the ranks end, nothing was exchanged.
bool PairMLIAPUnified::exchange(const Rows &rows, bool forward)
{
  const int code = static_cast<int>(2 * rows.width + (forward ? 1 : 0));
  if (!stopped_) stopped_ = !all_ranks_do(code);
  if (stopped_) return false;

  rows_ = rows;
  for (; rows_.first < rows_.width; rows_.first += MAX_COLUMNS) {
    rows_.count = static_cast<int>(std::min<int64_t>(MAX_COLUMNS, rows_.width - rows_.first));
    if (forward)
      comm->forward_comm(this, rows_.count);
    else
      comm->reverse_comm(this, rows_.count);
    for (int atom_index = atom->nlocal; !forward && atom_index < n_total_; atom_index++)
      for (int k = 0; k < rows_.count; k++) rows_.set(atom_index, k, 0.0);
  }
  return true;
}

int PairMLIAPUnified::pack_forward_comm(int n, int *atoms, double *buffer, int, int *)
{
  double *next = buffer;
  for (int a = 0; a < n; a++)
    for (int k = 0; k < rows_.count; k++) *next++ = rows_.get(atoms[a], k);
  return static_cast<int>(next - buffer);
}

void PairMLIAPUnified::unpack_forward_comm(int n, int first, double *buffer)
{
  for (int a = first; a < first + n; a++)
    for (int k = 0; k < rows_.count; k++) rows_.set(a, k, *buffer++);
}

int PairMLIAPUnified::pack_reverse_comm(int n, int first, double *buffer)
{
  double *next = buffer;
  for (int a = first; a < first + n; a++)
    for (int k = 0; k < rows_.count; k++) *next++ = rows_.get(a, k);
  return static_cast<int>(next - buffer);
}

void PairMLIAPUnified::unpack_reverse_comm(int n, int *atoms, double *buffer)
{
  for (int a = 0; a < n; a++)
    for (int k = 0; k < rows_.count; k++)
      rows_.set(atoms[a], k, rows_.get(atoms[a], k) + *buffer++);
}
