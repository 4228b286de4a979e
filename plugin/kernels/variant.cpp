// What this variant offers to the choice in kernels.cpp.
#include "variants.h"
#include "network.h"

#include <new>

namespace OCVF_VARIANT {

template <class T> struct Kernel {
  static void *create(const int64_t *sizes, double cutoff, const double *const *w)
  {
    auto *network = new (std::nothrow) Network<T>();
    const Sizes size{sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], cutoff};
    const Weights weights{w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7],
                          w[8], w[9], w[10], w[11], w[12], w[13], w[14], w[15]};
    if (network && network->set(size, weights)) return network;
    delete network;
    return nullptr;
  }
  static void destroy(void *network) { delete static_cast<Network<T> *>(network); }
  static bool forward(void *network, const Edges &edges, const void *vector, void *own, void *arrived)
  {
    return static_cast<Network<T> *>(network)->forward(edges, static_cast<const T *>(vector),
                                                       static_cast<T *>(own), static_cast<T *>(arrived));
  }
  static bool backward(void *network, const Edges &edges, const void *vector, const void *own,
                       const void *arrived, void *slope)
  {
    return static_cast<Network<T> *>(network)->backward(
        edges, static_cast<const T *>(vector), static_cast<const T *>(own),
        static_cast<const T *>(arrived), static_cast<T *>(slope));
  }
  static constexpr Calls calls{create, destroy, forward, backward};
};

const Calls *calls(bool single) { return single ? &Kernel<float>::calls : &Kernel<double>::calls; }

}  // namespace OCVF_VARIANT
