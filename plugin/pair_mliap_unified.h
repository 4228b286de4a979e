// pair_style mliap unified FILE [0|1]: a model of Python through the ML-IAP unified interface.
// Also named mliap/ocvf, for a LAMMPS that has an `mliap` of its own.
#pragma once

#include "pair.h"
#include "python_host.h"

#include <exception>
#include <memory>
#include <string>
#include <vector>

namespace LAMMPS_NS {

class PairMLIAPUnified : public Pair {
 public:
  explicit PairMLIAPUnified(class LAMMPS *);
  ~PairMLIAPUnified() override;

  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  void compute(int, int) override;
  double memory_usage() override;

  int pack_forward_comm(int, int *, double *, int, int *) override;
  void unpack_forward_comm(int, int, double *) override;
  int pack_reverse_comm(int, int, double *) override;
  void unpack_reverse_comm(int, int *, double *) override;

 private:
  /// A row of numbers for each atom, of which `count` columns from `first` on travel at a time.
  struct Rows {
    void *data = nullptr;
    int64_t width = 0;
    bool single = false;    // float32, otherwise float64
    int64_t first = 0;
    int count = 0;

    double get(int64_t atom, int column) const
    {
      const int64_t place = atom * width + first + column;
      return single ? static_cast<float *>(data)[place] : static_cast<double *>(data)[place];
    }
    void set(int64_t atom, int column, double value)
    {
      const int64_t place = atom * width + first + column;
      if (single)
        static_cast<float *>(data)[place] = static_cast<float>(value);
      else
        static_cast<double *>(data)[place] = value;
    }
  };

  // Columns of an exchange that travel in one message; LAMMPS sizes its buffers by it.
  static constexpr int MAX_COLUMNS = 128;
  // What a rank is about to do; an exchange is a positive number of its own.
  static constexpr int FAILED = -1, FINISHED = 0;

  void allocate();
  void free_types();
  std::string element_names() const;
  void collect_pairs();
  void collect_neighbors(int);
  ocvf::Step describe_step(int, int);
  std::string check_results() const;
  void add_pair_forces(const double *);
  bool exchange(const Rows &, bool forward);
  double thermostat_target() const;

  bool all_ranks_do(int action);
  [[noreturn]] void stop_all(const std::string &failure);

  std::unique_ptr<ocvf::Model> model_;
  std::string file_;
  std::vector<int> element_of_type_;    // index into the model's elements; -1: NULL

  // What the model is given, kept from step to step for their memory only.
  int n_total_ = 0, n_listed_ = 0;
  double energy_ = 0.0;
  std::vector<double> vector_, center_energy_;
  std::vector<int> pair_i_, pair_j_, pair_j_element_, center_, center_pairs_, element_;
  bool positions_are_numbers_ = true;

  Rows rows_;
  bool stopped_ = false;         // the ranks have agreed to end: no communication any more
  std::string disagreement_;     // why, if ranks asked for different things
  std::exception_ptr thrown_;    // an error of LAMMPS' own, carried past Python
};

}    // namespace LAMMPS_NS
