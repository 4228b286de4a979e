// All atoms pass a layer together.
#include "readout.h"

#include <initializer_list>

namespace OCVF_VARIANT {

template <class T>
bool Reader<T>::set(const ReaderSizes &sizes, const double *const *weights)
{
  features = sizes.features;
  f = padded<T>(features);
  outputs = sizes.outputs;
  if (outputs > OUTPUTS || !shift.reserve(sizes.species)) return false;
  const double scale = *weights[3 * outputs];
  for (int64_t s = 0; s < sizes.species; ++s) shift[s] = weights[3 * outputs + 1][s];
  for (int64_t k = 0; k < outputs; ++k) {
    Output &own = output[k];
    const double *const *from = weights + 3 * k;
    if (!own.hidden.set(from[0], features, features) || !own.bias.reserve(f) || !own.final.reserve(f))
      return false;
    for (int64_t c = 0; c < features; ++c) {
      own.bias[c] = T(from[1][c]);
      own.final[c] = T(scale * from[2][c]);
    }
  }
  return true;
}

template <class T> bool Reader<T>::read(const Readout &what)
{
  for (Table<T, false> *each : {&sum, &hidden, &slope})
    if (!each->reserve(what.number, f)) return false;
  for (int64_t k = 0; k < what.number; ++k) what.energy[k] = shift[what.species[what.atom[k]]];
  for (int64_t k = 0; k < outputs; ++k)
    add(output[k], what, static_cast<const T *>(what.sums[k]), static_cast<T *>(what.gradients[k]));
  return true;
}

template <class T>
void Reader<T>::add(const Output &own, const Readout &what, const T *sums, T *gradients)
{
  const int64_t n = what.number;
  const size_t bytes = size_t(features) * sizeof(T);
  for (int64_t k = 0; k < n; ++k) memcpy(sum.data + k * f, sums + what.atom[k] * features, bytes);
  begin<T, false>(hidden, own.bias, n, f);
  own.hidden.template apply<false, true>(sum, n, hidden);
  silu<T, false, true>(hidden, slope, n * f);
  for (int64_t k = 0; k < n; ++k) {
    Wide<T> energy = {};
    for (int64_t c = 0; c < f; c += lanes<T>()) {
      const Wide<T> final = load(own.final + c);
      energy += final * hidden.many(k * f + c);
      slope.put(k * f + c, final * slope.many(k * f + c));
    }
    what.energy[k] += double(total<T>(energy));
  }
  own.hidden.template transpose<false, false>(slope, n, sum);
  for (int64_t k = 0; k < n; ++k) memcpy(gradients + what.atom[k] * features, sum.data + k * f, bytes);
}

template class Reader<float>;
template class Reader<double>;

}  // namespace OCVF_VARIANT
