// C interface of the kernels; the processor at hand decides which variant runs.
#include "variants.h"

#include <cstdlib>
#include <cstring>

namespace {

struct Handle {
  const Calls *calls;
  void *network;
};

struct Choice {
  const char *name;
  const Calls *(*calls)(bool single);
};

// OCVF_KERNELS (plain, avx2) asks for less than the processor has.
Choice choice()
{
#ifdef OCVF_X86
  const char *wanted = getenv("OCVF_KERNELS");
  const auto allowed = [&](const char *name) { return !wanted || strcmp(wanted, name) == 0; };
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && allowed("avx512"))
    return {"avx512", avx512::calls};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && allowed("avx2"))
    return {"avx2", avx2::calls};
#endif
  return {"plain", plain::calls};
}

}  // namespace

#define OCVF_EXPORT extern "C" __attribute__((visibility("default")))

OCVF_EXPORT const char *ocvf_variant() { return choice().name; }

OCVF_EXPORT void *ocvf_create(int single, const int64_t *sizes, double cutoff,
                              const double *const *weights)
{
  const Calls *calls = choice().calls(single != 0);
  void *network = calls->create(sizes, cutoff, weights);
  return network ? new Handle{calls, network} : nullptr;
}

OCVF_EXPORT void ocvf_destroy(void *handle)
{
  auto *own = static_cast<Handle *>(handle);
  own->calls->destroy(own->network);
  delete own;
}

OCVF_EXPORT int ocvf_forward(void *handle, const Edges *edges, const void *vector, void *own,
                             void *arrived)
{
  const auto *it = static_cast<Handle *>(handle);
  return it->calls->forward(it->network, *edges, vector, own, arrived);
}

// From gradients of the sums; `weights`: null, or an array for each parameter, as on creation.
OCVF_EXPORT int ocvf_backward(void *handle, const Edges *edges, const void *vector, const void *own,
                              const void *arrived, void *slope, void *const *weights)
{
  const auto *it = static_cast<Handle *>(handle);
  return it->calls->backward(it->network, *edges, vector, own, arrived, slope, weights);
}

// Derivatives along a direction of the vectors: of the sums (added), and of what `ocvf_backward`
// gives for constant gradients of the sums.
OCVF_EXPORT int ocvf_curvature(void *handle, const Edges *edges, const void *vector,
                               const void *direction, const void *own, const void *arrived,
                               void *own_tangent, void *arrived_tangent, void *slope,
                               void *const *weights)
{
  const auto *it = static_cast<Handle *>(handle);
  return it->calls->curvature(it->network, *edges, vector, direction, own, arrived, own_tangent,
                              arrived_tangent, slope, weights);
}
