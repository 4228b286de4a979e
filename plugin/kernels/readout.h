// Output layers of a network: from the sums of the messages of an atom to its energy, and back to
// the gradients of these sums. See OutputBlock in potential/blocks.py.
#pragma once

#include "matrices.h"
#include "variants.h"

namespace OCVF_VARIANT {

struct ReaderSizes {
  int64_t features, outputs, species;
};

template <class T> class Reader {
 public:
  // `weights`: of each output the hidden layer, its bias and the final layer; then the scale and the
  // shifts of the species. False: no memory.
  bool set(const ReaderSizes &sizes, const double *const *weights);
  // Energies are written, gradients too, but only those of the atoms that are read. False: no memory.
  bool read(const Readout &what);

 private:
  static constexpr int OUTPUTS = 2;
  struct Output {
    Layer<T> hidden;
    Buffer<T> bias, final;
  };

  int64_t features = 0, f = 0, outputs = 0;
  Output output[OUTPUTS];
  Buffer<double> shift;
  Table<T, false> sum, hidden, slope;

  void add(const Output &output, const Readout &what, const T *sums, T *gradients);
};

}  // namespace OCVF_VARIANT
