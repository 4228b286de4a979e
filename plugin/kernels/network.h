// A network of at most one interaction block, an atom at a time; see potential/dimenet.py, whose
// names are used here. What an atom's edges have gives two sums: of the messages that reach the
// atom at the start (`own`), and of those that leave it after the block, added at their targets
// (`arrived`). The derivative takes the gradients of both sums back to the vectors of the edges.
//
// Nothing is kept between the two: going back, an atom's messages are computed again, which costs
// about as much as reading them from memory would, and needs no memory.
#pragma once

#include "edges.h"
#include "geometry.h"

namespace OCVF_VARIANT {

struct Sizes {
  int64_t features, angular, radial, l_max, species, blocks;
  double cutoff;
};

// Double precision, row-major, as torch holds them.
struct Weights {
  const double *embed_source, *embed_target, *embed_radial, *embed_dense, *embed_bias;
  const double *own_filter, *traceless;
  const double *down, *down_bias, *filters, *up, *direct, *direct_bias, *update, *update_bias;
  const double *leaving_filter;
};

template <class T> class Network {
 public:
  // False: no memory, or a size that is not supported.
  bool set(const Sizes &sizes, const Weights &weights);
  // Adds to own and arrived, (atoms, features). False: no memory.
  bool forward(const Edges &edges, const T *vector, T *own, T *arrived);
  // Writes slope, (edges, 3), from the gradients of the two sums. False: no memory.
  bool backward(const Edges &edges, const T *vector, const T *own_gradient,
                const T *arrived_gradient, T *slope);

 private:
  Sizes size{};
  int64_t f = 0, a = 0, r = 0, y = 0;  // padded widths
  int64_t filters_at = 0, leaving_at = 0, all = 0;  // columns of what is linear in the basis
  Radial radial;
  Harmonics<T> harmonics;
  Buffer<T> pairs;            // first layer's constants of each (source, target)
  Buffer<T> spread, collect;  // all filters of the basis, and their transpose
  Layer<T> dense, down, up, direct, update;
  Buffer<T> dense_bias, down_bias, direct_bias, update_bias;

  // Edges within the cutoff of the atom at hand: `n` rows, and `incoming` the first row of the
  // messages that reach it, after those that leave it.
  int64_t n = 0, incoming = 0;
  int64_t here = 0;
  Buffer<int64_t> edge;
  Buffer<T> place;   // seven rows: the vector, its length, the unit vector
  int64_t step = 0;  // length of these rows
  Buffer<T> spare;   // functions of as many edges as there are lanes
  Buffer<T> basis, basis_slope, basis_gradient, harmonic, harmonic_gradient;
  Buffer<T> filtered, filtered_gradient;
  Buffer<T> hidden, hidden_slope, hidden_gradient, message, message_slope, gradient;
  Buffer<T> x, x_slope, x_gradient, product, product_gradient;
  Buffer<T> bracket, bracket_gradient, turned, angular, angular_gradient;
  Buffer<T> mixed, mixed_slope, mixed_gradient, updated, updated_slope, updated_gradient;

  bool reserve(int64_t rows);  // for the edges of an atom
  void choose(const Edges &edges, const T *vector, int64_t first, int64_t last);
  void expand();
  template <bool slopes> void messages(const Edges &edges);
  template <bool slopes> void angles();
  void leave(const Edges &edges, T *arrived) const;
  void back_angles(const Edges &edges, const T *arrived_gradient);
  void back_messages();
  void chain(T *slope);
};

}  // namespace OCVF_VARIANT
