// Fits the polynomials to the network in double precision.
#include "distance_table.h"
#include "network.h"

namespace OCVF_VARIANT {

// Coefficients of the polynomials that are one at one of the points and zero at the others.
template <int size> static void lagrange(const double (&t)[size], double (&power)[size][size])
{
  for (int j = 0; j < size; ++j) {
    double (&c)[size] = power[j];
    for (int k = 0; k < size; ++k) c[k] = k == 0;
    int degree = 0;
    for (int i = 0; i < size; ++i) {
      if (i == j) continue;
      for (int k = ++degree; k >= 0; --k)
        c[k] = ((k ? c[k - 1] : 0.0) - t[i] * c[k]) / (t[j] - t[i]);
    }
  }
}

template <class T> bool DistanceTable<T>::make(const Model<T> &model, const Model<double> &exact)
{
  constexpr int points = DEGREE + 1;
  const double cutoff = model.size.cutoff;
  // Chebyshev's points with both ends, so that neighbouring polynomials meet.
  constexpr double t[points] = {-1.0, -0.80901699437494742, -0.30901699437494742,
                                0.30901699437494742, 0.80901699437494742, 1.0};
  double power[points][points];
  lagrange(t, power);
  at = Columns::of(model);
  species = model.size.species;
  intervals = int64_t(cutoff / INTERVAL) + 1;
  per_length = T(double(intervals) / cutoff);
  const Columns from = Columns::of(exact);
  const int64_t rows = intervals * points;
  Network<double, false> network{exact};
  Buffer<double> distance, value;
  if (!polynomials.zeros(species * species * rows * at.number) || !distance.reserve(rows) ||
      !value.reserve(rows * from.number))
    return false;
  for (int64_t k = 0; k < intervals; ++k)
    for (int j = 0; j < points; ++j) {
      const double d = (double(k) + 0.5 * (t[j] + 1.0)) * cutoff / double(intervals);
      distance[k * points + j] = d > 1e-6 ? d : 1e-6;  // the limit at zero
    }
  const int64_t f = model.size.features, a = model.size.angular, orders = model.size.l_max + 1;
  for (int64_t here = 0; here < species; ++here)
    for (int64_t there = 0; there < species; ++there) {
      if (!network.columns(here, there, distance, rows, value)) return false;
      T *to = polynomials + (here * species + there) * rows * at.number;
      const auto fit = [&](int64_t k, int64_t source, int64_t target, int64_t width) {
        for (int64_t c = 0; c < width; ++c) {
          const int64_t column = target + c, lane = column % lanes<T>();
          T *own = to + k * points * at.number + (column - lane) * points + lane;
          for (int p = 0; p < points; ++p) {
            double sum = 0.0;
            for (int j = 0; j < points; ++j)
              sum += power[j][p] * value[(k * points + j) * from.number + source + c];
            own[p * lanes<T>()] = T(sum);
          }
        }
      };
      for (int64_t k = 0; k < intervals; ++k) {
        fit(k, 0, 0, f);
        if (!model.size.blocks) continue;
        for (int64_t l = 0; l < orders; ++l)
          fit(k, from.products + l * exact.a, at.products + l * model.a, a);
        fit(k, from.message, at.message, f);
        fit(k, from.mixed, at.mixed, f);
        fit(k, from.leaving, at.leaving, f);
      }
    }
  return true;
}

template class DistanceTable<float>;

}  // namespace OCVF_VARIANT
