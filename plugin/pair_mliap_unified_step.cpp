// What the model is given of a time step, and what becomes of its answer.
#include "pair_mliap_unified.h"

#include "atom.h"
#include "fix.h"
#include "modify.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace LAMMPS_NS;

void PairMLIAPUnified::collect_pairs()
{
  n_total_ = atom->nlocal + atom->nghost;
  n_listed_ = list->inum;
  element_.resize(n_total_);
  for (int i = 0; i < n_total_; i++) element_[i] = element_of_type_[atom->type[i]];
  for (auto *integers : {&center_, &center_pairs_, &pair_i_, &pair_j_, &pair_j_element_})
    integers->clear();
  vector_.clear();
  positions_are_numbers_ = true;
  const int n_centers = n_listed_ + (ghostneigh ? list->gnum : 0);
  for (int ii = 0; ii < n_centers; ii++) collect_neighbors(list->ilist[ii]);
  energy_ = 0.0;
  center_energy_.assign(n_listed_, 0.0);
}

void PairMLIAPUnified::collect_neighbors(int i)
{
  const double cutoff_squared = model_->cutoff() * model_->cutoff();
  const double *const *const x = atom->x;
  const std::size_t before = pair_i_.size();
  for (int jj = 0; jj < list->numneigh[i]; jj++) {
    const int j = list->firstneigh[i][jj] & NEIGHMASK;
    if (element_[j] < 0) continue;
    const double d[3] = {x[j][0] - x[i][0], x[j][1] - x[i][1], x[j][2] - x[i][2]};
    const double squared = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
    if (std::isnan(squared)) positions_are_numbers_ = false;
    if (!(squared < cutoff_squared)) continue;
    pair_i_.push_back(i);
    pair_j_.push_back(j);
    pair_j_element_.push_back(element_[j]);
    vector_.insert(vector_.end(), d, d + 3);
  }
  center_.push_back(i);
  center_pairs_.push_back(static_cast<int>(pair_i_.size() - before));
}

ocvf::Step PairMLIAPUnified::describe_step(int eflag, int vflag)
{
  ocvf::Step step;
  step.n_local = atom->nlocal;
  step.n_total = n_total_;
  step.n_listed = n_listed_;
  step.n_centers = static_cast<int64_t>(center_.size());
  step.n_pairs = static_cast<int64_t>(pair_i_.size());
  step.eflag = eflag;
  step.vflag = vflag;
  step.timestep = update->ntimestep;
  step.tag_bytes = sizeof(tagint);
  step.temperature = thermostat_target();
  step.energy = &energy_;
  step.center_energy = center_energy_.data();
  step.vector = vector_.data();
  step.position = n_total_ ? &atom->x[0][0] : nullptr;
  step.force = n_total_ ? &atom->f[0][0] : nullptr;
  step.pair_i = pair_i_.data();
  step.pair_j = pair_j_.data();
  step.pair_j_element = pair_j_element_.data();
  step.center = center_.data();
  step.center_pairs = center_pairs_.data();
  step.element = element_.data();
  step.tag = atom->tag;
  step.owner = this;
  step.add_pair_forces = [](void *owner, const double *gradient) {
    static_cast<PairMLIAPUnified *>(owner)->add_pair_forces(gradient);
  };
  step.exchange = [](void *owner, void *data, int64_t width, int single, int forward) {
    auto *const self = static_cast<PairMLIAPUnified *>(owner);
    try {
      return self->exchange({data, width, single != 0}, forward != 0) ? 0 : 1;
    } catch (...) {    // nothing may be thrown through Python
      self->thrown_ = std::current_exception();
      return 1;
    }
  };
  return step;
}

/// Target of the thermostat, K; not a number without one, or with several that differ.
double PairMLIAPUnified::thermostat_target() const
{
  const double none = std::numeric_limits<double>::quiet_NaN();
  double target = none;
  for (auto *const fix : modify->get_fix_list()) {
    int dimension = 0;
    const auto *const own = static_cast<double *>(fix->extract("t_target", dimension));
    if (!own || dimension != 0 || !(*own > 0.0)) continue;
    if (!std::isnan(target) && target != *own) return none;
    target = *own;
  }
  return target;
}

std::string PairMLIAPUnified::check_results() const
{
  const auto count_bad = [](const double *values, int64_t n) {
    return std::count_if(values, values + n, [](double value) { return !std::isfinite(value); });
  };
  const auto energies = count_bad(center_energy_.data(), n_listed_);
  const auto forces = n_total_ ? count_bad(&atom->f[0][0], 3 * static_cast<int64_t>(n_total_)) : 0;
  if (std::isfinite(energy_) && energies == 0 && forces == 0) return "";
  return fmt::format(
      "expected: finite energies and forces\n"
      "found: energy {} eV, {} energies of atoms and {} components of forces that are not finite\n"
      "to do: look at the last configurations (atoms too close, a cell that collapses?); start "
      "from a relaxed one, with a shorter time step, within the model's range",
      energy_, energies, forces);
}

/// The helper of ML-IAP: f_i += g, f_j -= g, virial -= r (x) g, half of it to each atom.
void PairMLIAPUnified::add_pair_forces(const double *gradient)
{
  double *const *const f = atom->f;
  for (std::size_t pair = 0; pair < pair_i_.size(); pair++) {
    const double *const g = gradient + 3 * pair, *const r = &vector_[3 * pair];
    const int i = pair_i_[pair], j = pair_j_[pair];
    for (int k = 0; k < 3; k++) {
      f[i][k] += g[k];
      f[j][k] -= g[k];
    }
    if (!vflag_either) continue;
    const double v[6] = {-r[0] * g[0], -r[1] * g[1], -r[2] * g[2],
                         -r[0] * g[1], -r[0] * g[2], -r[1] * g[2]};
    for (int k = 0; k < 6; k++) {
      if (vflag_global) virial[k] += v[k];
      if (vflag_atom) {
        vatom[i][k] += 0.5 * v[k];
        vatom[j][k] += 0.5 * v[k];
      }
    }
  }
}

double PairMLIAPUnified::memory_usage()
{
  const std::size_t integers = pair_i_.capacity() + pair_j_.capacity() +
      pair_j_element_.capacity() + center_.capacity() + center_pairs_.capacity() +
      element_.capacity();
  const std::size_t reals = vector_.capacity() + center_energy_.capacity();
  return Pair::memory_usage() + integers * sizeof(int) + reals * sizeof(double);
}
