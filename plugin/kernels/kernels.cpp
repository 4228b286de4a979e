// C interface of the kernels; the processor at hand decides which variant runs.
#include "variants.h"

#include <cstdlib>
#include <cstring>

namespace {

// Of a network or of a reader.
struct Handle {
  const Calls *calls;
  void *held;
  void (*destroy)(void *held);
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
  return network ? new Handle{calls, network, calls->destroy} : nullptr;
}

OCVF_EXPORT void ocvf_destroy(void *handle)
{
  auto *own = static_cast<Handle *>(handle);
  own->destroy(own->held);
  delete own;
}

// Zero: no memory.
OCVF_EXPORT int ocvf_run(void *handle, const Edges *edges, const Arrays *arrays)
{
  const auto *it = static_cast<Handle *>(handle);
  return it->calls->run(it->held, *edges, *arrays);
}

OCVF_EXPORT void *ocvf_create_reader(int single, const int64_t *sizes, const double *const *weights)
{
  const Calls *calls = choice().calls(single != 0);
  void *reader = calls->create_reader(sizes, weights);
  return reader ? new Handle{calls, reader, calls->destroy_reader} : nullptr;
}

// Zero: no memory.
OCVF_EXPORT int ocvf_read(void *handle, const Readout *what)
{
  const auto *it = static_cast<Handle *>(handle);
  return it->calls->read(it->held, *what);
}

// Places of the edges that are shorter than the limit of their two species, (species, species);
// their number.
OCVF_EXPORT int64_t ocvf_close(const Edges *edges, const void *vectors, int single,
                               const double *limits, int64_t species, int64_t *places)
{
  const auto look = [&](const auto *v) {
    int64_t number = 0;
    for (int64_t e = 0; e < edges->number; ++e, v += 3) {
      const double limit = limits[edges->species[edges->center[e]] * species +
                                  edges->species[edges->neighbor[e]]];
      places[number] = e;
      number += v[0] * v[0] + v[1] * v[1] + v[2] * v[2] < limit * limit;
    }
    return number;
  };
  return single ? look(static_cast<const float *>(vectors))
                : look(static_cast<const double *>(vectors));
}
