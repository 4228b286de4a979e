// Memory of a network for the edges of one atom.
#include "network.h"

#include <initializer_list>

namespace OCVF_VARIANT {

template <class T, bool dual> bool Network<T, dual>::reserve(int64_t rows)
{
  const Sizes &size = model.size;
  const int64_t orders = size.l_max + 1, harmonics = model.harmonics.number, y = model.y;
  const auto all = [](std::initializer_list<Table<T, dual> *> tables, int64_t rows, int64_t columns) {
    bool done = true;
    for (auto *each : tables) done = done && each->reserve(rows, columns);
    return done;
  };
  step = padded<T>(rows);
  bool done = edge.reserve(rows) && place.reserve(8, step) &&
              spare.reserve(2 * size.radial + harmonics, lanes<T>()) && row.reserve(1, model.f) &&
              all({&basis, &basis_slope, &basis_gradient}, rows, model.r) &&
              all({&filtered, &filtered_gradient}, rows, model.all) &&
              all({&hidden, &hidden_slope, &hidden_gradient}, 2 * rows, model.f) &&
              all({&message, &message_slope, &gradient}, 2 * rows, model.f);
  if (!done || !size.blocks) return done;
  return harmonic.reserve(harmonics, step) && harmonic_gradient.reserve(rows, y) &&
         all({&x, &x_slope, &x_gradient, &angular, &angular_gradient}, rows, model.a) &&
         all({&product, &product_gradient}, rows, orders * model.a) &&
         all({&bracket, &bracket_gradient}, harmonics, model.a) &&
         all({&mixed, &mixed_slope, &mixed_gradient}, rows, model.f) &&
         all({&updated, &updated_slope, &updated_gradient}, rows, model.f) &&
         turned.reserve((orders + 1) * model.a, y);
}

template class Network<float, false>;
template class Network<float, true>;
template class Network<double, false>;
template class Network<double, true>;

}  // namespace OCVF_VARIANT
