// The same kernels, compiled for several kinds of processor.
#pragma once

#include "edges.h"

struct Calls {
  void *(*create)(const int64_t *sizes, double cutoff, const double *const *w);
  void (*destroy)(void *kernel);
  bool (*forward)(void *kernel, const Edges &edges, const void *vector, void *own, void *arrived);
  bool (*backward)(void *kernel, const Edges &edges, const void *vector, const void *own,
                   const void *arrived, void *slope, void *const *weights);
  bool (*curvature)(void *kernel, const Edges &edges, const void *vector, const void *direction,
                    const void *own, const void *arrived, void *own_tangent, void *arrived_tangent,
                    void *slope, void *const *weights);
};

namespace plain { const Calls *calls(bool single); }
namespace avx2 { const Calls *calls(bool single); }
namespace avx512 { const Calls *calls(bool single); }
