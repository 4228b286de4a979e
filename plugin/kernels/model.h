// Sizes and weights of a network of at most one interaction block, packed for the kernels; see
// potential/dimenet.py, whose names are used here.
#pragma once

#include "geometry.h"

namespace OCVF_VARIANT {

struct Sizes {
  int64_t features, angular, radial, l_max, species, blocks;
  double cutoff;
};

// One array for each parameter, row-major, as torch holds them. `Number`: const double for weights,
// T for derivatives with respect to them.
template <class Number> struct Weights {
  Number *embed_source, *embed_target, *embed_radial, *embed_dense, *embed_bias;
  Number *own_filter, *traceless;
  Number *down, *down_bias, *filters, *up, *direct, *direct_bias, *update, *update_bias;
  Number *leaving_filter;
};

template <class T> struct Model {
  Sizes size{};
  int64_t f = 0, a = 0, r = 0, y = 0;               // padded widths
  int64_t filters_at = 0, leaving_at = 0, all = 0;  // columns of what is linear in the basis
  Radial radial;
  Harmonics<T> harmonics;
  Buffer<T> pairs;            // first layer's constants of each (source, target)
  Buffer<T> spread, collect;  // all filters of the basis, and their transpose
  Layer<T> dense, down, up, direct, update;
  Buffer<T> dense_bias, down_bias, direct_bias, update_bias;

  // False: no memory, or a size that is not supported.
  bool set(const Sizes &sizes, const Weights<const double> &weights);
};

// What depends on the distance of an edge and the species at its ends alone: first columns of each
// part, padded to whole vectors; see distance_table.h.
struct Columns {
  int64_t products, message, mixed, leaving, number;  // the part of `own` begins at zero

  template <class T> static Columns of(const Model<T> &model)
  {
    const int64_t f = model.f, products = f;
    if (!model.size.blocks) return {f, f, f, f, f};
    const int64_t message = products + (model.size.l_max + 1) * model.a;
    return {products, message, message + f, message + 2 * f, message + 3 * f};
  }
};

}  // namespace OCVF_VARIANT
