// What this variant offers to the choice in kernels.cpp.
#include "readout.h"
#include "tabulated.h"
#include "variants.h"

#include <new>

namespace OCVF_VARIANT {

template <class Number, class Any> static Weights<Number> weights(Any *const *w)
{
  const auto at = [&](int k) { return static_cast<Number *>(w[k]); };
  return {at(0), at(1), at(2),  at(3),  at(4),  at(5),  at(6),  at(7),
          at(8), at(9), at(10), at(11), at(12), at(13), at(14), at(15)};
}

// Double precision is computed as it is; single precision reads functions of the distance from
// tables, except where derivatives by weights or along a direction are wanted.
template <class T> struct Tables {
  explicit Tables(const Model<T> &) {}
  bool set(const Sizes &, const Weights<const double> &) { return true; }
  bool apply(const Given<T> &, const Wanted<T> &) { return false; }
  bool run(const Edges &, const Given<T> &, const Wanted<T> &) { return false; }
};
template <> struct Tables<float> {
  Model<double> exact;
  Tabulated<float> network;

  explicit Tables(const Model<float> &model) : network(model) {}
  bool set(const Sizes &size, const Weights<const double> &weights) { return exact.set(size, weights); }
  bool apply(const Given<float> &given, const Wanted<float> &wanted)
  {
    return !given.vector.tangent && !wanted.weights;
  }
  bool run(const Edges &edges, const Given<float> &given, const Wanted<float> &wanted)
  {
    return (network.made() || network.make(exact)) && network.run(edges, given, wanted);
  }
};

template <class T> struct Kernel {
  Model<T> model;
  Tables<T> tables{model};
  Network<T, false> network{model};
  Network<T, true> dual{model};

  static void *create(const int64_t *sizes, double cutoff, const double *const *w)
  {
    auto *kernel = new (std::nothrow) Kernel();
    const Sizes size{sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], cutoff};
    const auto given = weights<const double>(w);
    if (kernel && kernel->model.set(size, given) && kernel->tables.set(size, given)) return kernel;
    delete kernel;
    return nullptr;
  }
  static void destroy(void *kernel) { delete static_cast<Kernel *>(kernel); }
  static bool run(void *kernel, const Edges &edges, const Arrays &arrays)
  {
    const auto in = [](const void *const *pair) {
      return Pair<const T>{static_cast<const T *>(pair[0]), static_cast<const T *>(pair[1])};
    };
    const auto out = [](void *const *pair) {
      return Pair<T>{static_cast<T *>(pair[0]), static_cast<T *>(pair[1])};
    };
    const Weights<T> into = arrays.weights ? weights<T>(arrays.weights) : Weights<T>{};
    const Given<T> given{in(arrays.vector), in(arrays.of_own), in(arrays.of_arrived)};
    const Wanted<T> wanted{out(arrays.own), out(arrays.arrived), out(arrays.slope),
                           arrays.weights ? &into : nullptr};
    auto *it = static_cast<Kernel *>(kernel);
    if (it->tables.apply(given, wanted)) return it->tables.run(edges, given, wanted);
    if (arrays.vector[1]) return it->dual.run(edges, given, wanted);
    return it->network.run(edges, given, wanted);
  }
  static void *create_reader(const int64_t *sizes, const double *const *w)
  {
    auto *reader = new (std::nothrow) Reader<T>();
    if (reader && reader->set({sizes[0], sizes[1], sizes[2]}, w)) return reader;
    delete reader;
    return nullptr;
  }
  static void destroy_reader(void *reader) { delete static_cast<Reader<T> *>(reader); }
  static bool read(void *reader, const Readout &what)
  {
    return static_cast<Reader<T> *>(reader)->read(what);
  }
  static constexpr Calls calls{create, destroy, run, create_reader, destroy_reader, read};
};

const Calls *calls(bool single) { return single ? &Kernel<float>::calls : &Kernel<double>::calls; }

}  // namespace OCVF_VARIANT
