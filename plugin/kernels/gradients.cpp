// Unpacks what model.cpp packs.
#include "gradients.h"

namespace OCVF_VARIANT {

template <class T> void LayerGradient<T>::hand_over(T *to, T *to_bias) const
{
  for (int64_t o = 0; o < out; ++o)
    memcpy(to + o * in, weight + o * padded<T>(in), size_t(in) * sizeof(T));
  if (to_bias) memcpy(to_bias, bias, size_t(out) * sizeof(T));
}

template <class T> bool Gradients<T>::begin(const Model<T> &model)
{
  const Sizes &size = model.size;
  const int64_t f = size.features, a = size.angular;
  const bool done = dense.begin(f, f) && collect.zeros(model.all * model.r) &&
                    pairs.zeros(size.species * size.species * model.f);
  if (!done || !size.blocks) return done;
  return down.begin(a, f) && up.begin(f, a) && direct.begin(f, f) && update.begin(f, f);
}

template <class T> void Gradients<T>::hand_over(const Model<T> &model, const Weights<T> &to) const
{
  const Sizes &size = model.size;
  const int64_t features = size.features, species = size.species;
  memset(to.embed_source, 0, size_t(species * features) * sizeof(T));
  memset(to.embed_target, 0, size_t(species * features) * sizeof(T));
  for (int64_t s = 0; s < species; ++s)
    for (int64_t t = 0; t < species; ++t)
      for (int64_t k = 0; k < features; ++k) {
        const T found = pairs[(s * species + t) * model.f + k];
        to.embed_source[s * features + k] += found;
        to.embed_target[t * features + k] += found;
      }
  const auto filter = [&](T *weight, int64_t first, int64_t width) {
    for (int64_t row = 0; row < width; ++row)
      for (int64_t k = 0; k < size.radial; ++k)
        weight[row * size.radial + k] = collect[(first + row) * model.r + k];
  };
  filter(to.embed_radial, 0, features);
  filter(to.own_filter, model.f, features);
  dense.hand_over(to.embed_dense, to.embed_bias);
  if (!size.blocks) return;
  for (int64_t l = 0; l <= size.l_max; ++l)
    filter(to.filters + l * size.angular * size.radial, model.filters_at + l * model.a, size.angular);
  filter(to.leaving_filter, model.leaving_at, features);
  down.hand_over(to.down, to.down_bias);
  up.hand_over(to.up, nullptr);
  direct.hand_over(to.direct, to.direct_bias);
  update.hand_over(to.update, to.update_bias);
}

template struct LayerGradient<float>;
template struct LayerGradient<double>;
template class Gradients<float>;
template class Gradients<double>;

}  // namespace OCVF_VARIANT
