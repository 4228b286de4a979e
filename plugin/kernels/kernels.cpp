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

// Zero: no memory.
OCVF_EXPORT int ocvf_run(void *handle, const Edges *edges, const Arrays *arrays)
{
  const auto *it = static_cast<Handle *>(handle);
  return it->calls->run(it->network, *edges, *arrays);
}
