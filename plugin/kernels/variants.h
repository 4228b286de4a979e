// The same kernels, compiled for several kinds of processor.
#pragma once

#include "edges.h"

struct Calls {
  void *(*create)(const int64_t *sizes, double cutoff, const double *const *weights);
  void (*destroy)(void *network);
  bool (*forward)(void *network, const Edges &edges, const void *vector, void *own, void *arrived);
  bool (*backward)(void *network, const Edges &edges, const void *vector, const void *own,
                   const void *arrived, void *slope);
};

namespace plain { const Calls *calls(bool single); }
namespace avx2 { const Calls *calls(bool single); }
namespace avx512 { const Calls *calls(bool single); }
