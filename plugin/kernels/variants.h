// The same kernels, compiled for several kinds of processor.
#pragma once

#include <cstdint>

#include "edges.h"

// What goes in and what comes out, of one precision. Of a pair, the first array is of values; the
// second of their derivatives along a direction of the vectors, which is `vector[1]`. Null: zero
// where it goes in, not wanted where it comes out.
struct Arrays {
  const void *vector[2];                 // (edges, 3); without a direction nothing else has tangents
  const void *of_own[2], *of_arrived[2]; // gradients of the sums, (atoms, features)
  void *own[2], *arrived[2];             // the sums, added to what is there
  void *slope[2];                        // gradient by the vectors; overwritten
  void *const *weights;  // derivatives by the parameters, as on creation; only beside a slope. With
                         // a direction: tangents of these
};

// Atoms that are read, their sums and the gradients of these; of one precision, but for energies.
struct Readout {
  int64_t number;
  const int64_t *atom;      // which ones, (number,)
  const int64_t *species;   // of all atoms
  const void *sums[2];      // (atoms, features): `own`, and `arrived` where there is a block
  void *gradients[2];
  double *energy;           // (number,)
};

struct Calls {
  void *(*create)(const int64_t *sizes, double cutoff, const double *const *weights);
  void (*destroy)(void *kernel);
  bool (*run)(void *kernel, const Edges &edges, const Arrays &arrays);
  void *(*create_reader)(const int64_t *sizes, const double *const *weights);
  void (*destroy_reader)(void *reader);
  bool (*read)(void *reader, const Readout &what);
};

namespace plain { const Calls *calls(bool single); }
namespace avx2 { const Calls *calls(bool single); }
namespace avx512 { const Calls *calls(bool single); }
