// Packs the weights.
#include "model.h"

namespace OCVF_VARIANT {

template <class T>
static bool copy(Buffer<T> &to, const double *from, int64_t size)
{
  if (!to.reserve(padded<T>(size))) return false;
  for (int64_t k = 0; k < size; ++k) to[k] = T(from[k]);
  return true;
}

template <class T> bool Model<T>::set(const Sizes &sizes, const Weights<const double> &w)
{
  size = sizes;
  if (size.blocks > 1 || size.l_max > MAX_ORDER) return false;
  const int64_t features = size.features, orders = size.l_max + 1;
  f = padded<T>(features);
  a = padded<T>(size.angular);
  r = padded<T>(size.radial);
  filters_at = 2 * f;
  leaving_at = filters_at + orders * a;
  all = size.blocks ? leaving_at + f : 2 * f;
  radial = Radial{size.cutoff, size.radial};
  if (!harmonics.set(w.traceless, size.l_max)) return false;
  y = padded<T>(harmonics.number);

  bool done = pairs.reserve(size.species * size.species * f) &&
              spread.reserve(size.radial * all) && collect.reserve(all * r) &&
              dense.set(w.embed_dense, features, features) && copy(dense_bias, w.embed_bias, features);
  if (!done) return false;
  for (int64_t s = 0; s < size.species; ++s)
    for (int64_t t = 0; t < size.species; ++t)
      for (int64_t k = 0; k < features; ++k)
        pairs[(s * size.species + t) * f + k] =
            T(w.embed_source[s * features + k] + w.embed_target[t * features + k]);
  const auto fill = [&](const double *weight, int64_t first, int64_t width) {
    for (int64_t row = 0; row < width; ++row)
      for (int64_t k = 0; k < size.radial; ++k) {
        spread[k * all + first + row] = T(weight[row * size.radial + k]);
        collect[(first + row) * r + k] = T(weight[row * size.radial + k]);
      }
  };
  fill(w.embed_radial, 0, features);
  fill(w.own_filter, f, features);
  if (!size.blocks) return true;
  for (int64_t l = 0; l < orders; ++l)
    fill(w.filters + l * size.angular * size.radial, filters_at + l * a, size.angular);
  fill(w.leaving_filter, leaving_at, features);
  return down.set(w.down, size.angular, features) && copy(down_bias, w.down_bias, size.angular) &&
         up.set(w.up, features, size.angular) && direct.set(w.direct, features, features) &&
         copy(direct_bias, w.direct_bias, features) && update.set(w.update, features, features) &&
         copy(update_bias, w.update_bias, features);
}

template struct Model<float>;
template struct Model<double>;

}  // namespace OCVF_VARIANT
