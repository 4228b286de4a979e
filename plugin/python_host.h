// Runs a model of Python inside a process that need not know Python: no Python header, no link to
// libpython. One compiled file serves every Python that torch serves.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ocvf {

/// All that a model sees of one time step. `Step` in python/ocvf_lmp/lammps/host.py mirrors it
/// field by field; `bytes` guards against a compiled file and a Python file that differ.
/// Atoms: owned ones first (n_local), then ghosts (n_total). Centres: atoms that the neighbour
/// list holds, owned ones first (n_listed), then ghosts where asked for (n_centers).
struct Step {
  int64_t bytes = sizeof(Step);
  int64_t n_local = 0, n_total = 0, n_listed = 0, n_centers = 0, n_pairs = 0;
  int64_t eflag = 0, vflag = 0, timestep = 0, tag_bytes = 0;
  double temperature = 0.0;           // target of the thermostat, K; not a number if there is none
  double *energy = nullptr;           // eV
  double *center_energy = nullptr;    // (n_listed) eV
  double *vector = nullptr;           // (n_pairs, 3) x_j - x_i, Å
  double *position = nullptr;         // (n_total, 3) Å
  double *force = nullptr;            // (n_total, 3) eV/Å, of all pair styles: to be added to
  int *pair_i = nullptr, *pair_j = nullptr, *pair_j_element = nullptr;    // (n_pairs)
  int *center = nullptr, *center_pairs = nullptr;                         // (n_centers)
  int *element = nullptr;                                                 // (n_total), -1: NULL
  void *tag = nullptr;                                                    // (n_total)
  void *owner = nullptr;    // first argument of the two functions
  /// Adds dE/d(vector), (n_pairs, 3) eV/Å, to forces and virials.
  void (*add_pair_forces)(void *owner, const double *gradient) = nullptr;
  /// Rows of ghosts from their owners (forward), or added to them (reverse); 0: done, else: stop.
  int (*exchange)(void *owner, void *rows, int64_t width, int single, int forward) = nullptr;
};

/// A model file, loaded. All failures are std::runtime_error with a text for the user.
class Model {
 public:
  /// `threads`: how many torch may use; 0 leaves the choice that the process has made.
  Model(const std::string &file, int threads);
  ~Model();
  Model(const Model &) = delete;
  Model &operator=(const Model &) = delete;

  void evaluate(Step &step) const;

  const std::vector<std::string> &elements() const { return elements_; }
  double cutoff() const { return cutoff_; }                // Å
  double ghost_cutoff() const { return ghost_cutoff_; }    // Å, without exchange of ghost rows
  const std::string &summary() const { return summary_; }

  /// Whether the process runs Python already (a script that imports lammps).
  static bool python_is_running();

 private:
  long long handle_ = -1;
  double cutoff_ = 0.0, ghost_cutoff_ = 0.0;
  std::vector<std::string> elements_;
  std::string summary_;
};

}    // namespace ocvf
