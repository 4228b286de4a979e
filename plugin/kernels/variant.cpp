// What this variant offers to the choice in kernels.cpp.
#include "variants.h"
#include "network.h"

#include <new>

namespace OCVF_VARIANT {

template <class Number, class Any> static Weights<Number> weights(Any *const *w)
{
  const auto at = [&](int k) { return static_cast<Number *>(w[k]); };
  return {at(0), at(1), at(2),  at(3),  at(4),  at(5),  at(6),  at(7),
          at(8), at(9), at(10), at(11), at(12), at(13), at(14), at(15)};
}

template <class T> struct Kernel {
  Model<T> model;
  Network<T, false> network{model};
  Network<T, true> dual{model};

  static const T *in(const void *array) { return static_cast<const T *>(array); }
  static T *out(void *array) { return static_cast<T *>(array); }

  static void *create(const int64_t *sizes, double cutoff, const double *const *w)
  {
    auto *kernel = new (std::nothrow) Kernel();
    const Sizes size{sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], cutoff};
    if (kernel && kernel->model.set(size, weights<const double>(w))) return kernel;
    delete kernel;
    return nullptr;
  }
  static void destroy(void *kernel) { delete static_cast<Kernel *>(kernel); }
  static bool forward(void *kernel, const Edges &edges, const void *vector, void *own, void *arrived)
  {
    const Given<T> given{in(vector), nullptr, nullptr, nullptr};
    const Wanted<T> wanted{out(own), out(arrived), nullptr, nullptr};
    return static_cast<Kernel *>(kernel)->network.run(edges, given, wanted);
  }
  static bool backward(void *kernel, const Edges &edges, const void *vector, const void *own,
                       const void *arrived, void *slope, void *const *w)
  {
    const Given<T> given{in(vector), nullptr, in(own), in(arrived)};
    const Weights<T> into = w ? weights<T>(w) : Weights<T>{};
    const Wanted<T> wanted{nullptr, nullptr, out(slope), w ? &into : nullptr};
    return static_cast<Kernel *>(kernel)->network.run(edges, given, wanted);
  }
  static bool curvature(void *kernel, const Edges &edges, const void *vector, const void *direction,
                        const void *own, const void *arrived, void *own_tangent,
                        void *arrived_tangent, void *slope, void *const *w)
  {
    const Given<T> given{in(vector), in(direction), in(own), in(arrived)};
    const Weights<T> into = w ? weights<T>(w) : Weights<T>{};
    const Wanted<T> wanted{out(own_tangent), out(arrived_tangent), out(slope), w ? &into : nullptr};
    return static_cast<Kernel *>(kernel)->dual.run(edges, given, wanted);
  }
  static constexpr Calls calls{create, destroy, forward, backward, curvature};
};

const Calls *calls(bool single) { return single ? &Kernel<float>::calls : &Kernel<double>::calls; }

}  // namespace OCVF_VARIANT
