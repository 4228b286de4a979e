#include "pair_mliap_unified.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

using namespace LAMMPS_NS;

PairMLIAPUnified::PairMLIAPUnified(LAMMPS *lmp) : Pair(lmp)
{
  single_enable = 0;
  restartinfo = 0;
  one_coeff = 1;
  manybody_flag = 1;
  centroidstressflag = CENTROID_NOTAVAIL;
  comm_forward = comm_reverse = MAX_COLUMNS;
}

PairMLIAPUnified::~PairMLIAPUnified()
{
  if (!copymode) free_types();
}

void PairMLIAPUnified::free_types()
{
  if (!allocated) return;
  memory->destroy(setflag);
  memory->destroy(cutsq);
  memory->destroy(cutghost);
  allocated = 0;
}

void PairMLIAPUnified::allocate()
{
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  memory->create(cutghost, n, n, "pair:cutghost");
  std::fill_n(&setflag[0][0], n * n, 0);
  std::fill_n(&cutsq[0][0], n * n, 0.0);
  std::fill_n(&cutghost[0][0], n * n, 0.0);
  allocated = 1;
}

void PairMLIAPUnified::settings(int narg, char **arg)
{
  if (narg < 2 || narg > 3 || std::strcmp(arg[0], "unified") != 0)
    error->all(FLERR,
               "expected: pair_style mliap unified FILE [0|1]\n"
               "found: other words (this plugin knows no other ML-IAP models)\n"
               "to do: correct the pair_style command; for the mliap of LAMMPS itself set "
               "OCVF_PLUGIN=0 in the environment");
  if (std::strcmp(update->unit_style, "metal") != 0)
    error->all(FLERR,
               "expected: units metal, which the model is in\nfound: units {}\n"
               "to do: begin the input with 'units metal'",
               update->unit_style);
  ghostneigh = narg == 3 ? utils::logical(FLERR, arg[2], false, lmp) : 0;
  file_ = arg[1];
  free_types();    // a second pair_style command: another model, other elements

  // A script may have set the threads of torch itself; where ranks share a machine they must not
  // all take every core.
  const bool choose_threads = !ocvf::Model::python_is_running() || comm->nprocs > 1;
  std::string failure;
  try {
    model_.reset();
    model_ = std::make_unique<ocvf::Model>(file_, choose_threads ? comm->nthreads : 0);
  } catch (const std::exception &problem) {
    failure = problem.what();
  }
  if (!all_ranks_do(failure.empty() ? FINISHED : FAILED)) stop_all(failure);

  if (comm->me == 0)
    utils::logmesg(lmp, "Model {}: elements{}, cutoff {} A\n{}", file_, element_names(),
                   model_->cutoff(), model_->summary());
}

void PairMLIAPUnified::coeff(int narg, char **arg)
{
  const int n_types = atom->ntypes;
  if (narg != 2 + n_types)
    error->all(FLERR,
               "expected: pair_coeff * * and {} element names (or NULL), one for each atom "
               "type\nfound: {} words\nto do: correct the pair_coeff command",
               n_types, narg);
  if (!allocated) allocate();

  const auto &known = model_->elements();
  element_of_type_.assign(n_types + 1, -1);
  for (int type = 1; type <= n_types; type++) {
    const std::string name = arg[1 + type];
    if (name == "NULL") continue;
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end())
      error->all(FLERR,
                 "expected: elements of the model {}:{}\nfound: {} for atom type {}\n"
                 "to do: name the elements in the order of the atom types; NULL for types "
                 "of another pair style in hybrid/overlay",
                 file_, element_names(), name, type);
    element_of_type_[type] = static_cast<int>(found - known.begin());
  }
  for (int i = 1; i <= n_types; i++)
    for (int j = i; j <= n_types; j++)
      setflag[i][j] = element_of_type_[i] >= 0 && element_of_type_[j] >= 0;
}

std::string PairMLIAPUnified::element_names() const
{
  std::string names;
  for (const auto &element : model_->elements()) names += " " + element;
  return names;
}

void PairMLIAPUnified::init_style()
{
  if (!force->newton_pair)
    error->all(FLERR,
               "expected: newton on, which the forces on ghost atoms need\n"
               "found: newton off for pairs\nto do: 'newton on' before the box is made");
  // LAMMPS itself makes the ghosts of one cutoff; those of several are for the user to ask for.
  const double present = std::max(comm->cutghostuser, model_->cutoff() + neighbor->skin);
  const double needed = model_->ghost_cutoff() + neighbor->skin;
  if (ghostneigh && comm->mode == Comm::SINGLE && present < needed)
    error->all(FLERR,
               "expected: ghost atoms within {} A, for a model of several layers with the "
               "neighbours of ghosts (third word of pair_style: 1)\nfound: within {} A\n"
               "to do: 'comm_modify cutoff {}', or 0 as third word: ghosts then get what "
               "they need from their owners",
               needed, present, needed);
  neighbor->add_request(
      this, ghostneigh ? NeighConst::REQ_FULL | NeighConst::REQ_GHOST : NeighConst::REQ_FULL);
}

double PairMLIAPUnified::init_one(int i, int j)
{
  cutghost[i][j] = cutghost[j][i] = model_->cutoff();
  return model_->cutoff();
}

void PairMLIAPUnified::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  collect_pairs();
  ocvf::Step step = describe_step(eflag, vflag);
  stopped_ = false;
  disagreement_.clear();

  std::string failure;
  try {
    if (!positions_are_numbers_) throw std::runtime_error("found positions that are not numbers");
    model_->evaluate(step);
    failure = check_results();
  } catch (const std::exception &problem) {
    failure = problem.what();
  }
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  if (stopped_)
    failure.clear();    // another rank's failure or the disagreement ended this one
  else
    stopped_ = !all_ranks_do(failure.empty() ? FINISHED : FAILED);
  if (stopped_) stop_all(failure.empty() ? disagreement_ : failure);

  if (eflag_global) eng_vdwl += energy_;
  if (eflag_atom)
    for (int ii = 0; ii < n_listed_; ii++) eatom[center_[ii]] += center_energy_[ii];
  if (vflag_fdotr) virial_fdotr_compute();
}
