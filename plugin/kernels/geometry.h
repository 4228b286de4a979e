// Basis functions of edges: Bessel functions under the envelope, spherical harmonics. Edges are
// taken as many at a time as a vector has lanes.
#pragma once

#include "dual.h"
#include "matrices.h"

namespace OCVF_VARIANT {

// sqrt(2/c) sin(n pi d/c)/d times the envelope of exponent 6; see potential/radial.py.
struct Radial {
  double cutoff = 0.0;
  int64_t number = 0;

  // Values and derivatives at distances up to the cutoff, (number, lanes) each.
  template <class T, bool dual>
  void operator()(Many<T, dual> d, Rows<T, dual> value, Rows<T, dual> slope) const
  {
    using Number = Many<T, dual>;
    constexpr double p = 6.0;
    constexpr T c0 = (p + 1) * (p + 2) * (p + 3) / 6, c1 = p * (p + 2) * (p + 3) / 2;
    constexpr T c2 = p * (p + 1) * (p + 3) / 2, c3 = p * (p + 1) * (p + 2) / 6;
    const T wave = T(3.14159265358979323846 / cutoff), norm = T(__builtin_sqrt(2.0 / cutoff));
    const Number x = d / T(cutoff), fifth = x * x * x * x * x;
    const Number factor = norm / d;
    const Number cut = factor * (T(1) + fifth * x * (-c0 + x * (c1 + x * (-c2 + x * c3))));
    const Number cut_slope =
        factor * fifth *
        (-T(p) * c0 + x * (T(p + 1) * c1 + x * (-T(p + 2) * c2 + x * T(p + 3) * c3))) / T(cutoff);
    Number sine, cosine;
    sine_cosine<T>(d * wave, sine, cosine);
    const Number falling = cut_slope - cut / d;  // of everything but the sine
    Number s = sine, c = cosine;                 // of n times the angle
    for (int64_t n = 0; n < number; ++n) {
      value.put(n * lanes<T>(), s * cut);
      slope.put(n * lanes<T>(), T(n + 1) * wave * c * cut + s * falling);
      const Number next = s * cosine + c * sine;
      c = c * cosine - s * sine;
      s = next;
    }
  }
};

constexpr int MAX_ORDER = 6;

// Y_lm of the symmetric traceless tensors of potential/angular.py, from monomials x^i y^j z^k.
template <class T> class Harmonics {
 public:
  int64_t l_max = 0, number = 0;

  // The matrices (3^l, 2l+1) of l = 2 ... l_max, one after another. False: no memory.
  bool set(const double *matrices, int64_t highest)
  {
    l_max = highest;
    number = (highest + 1) * (highest + 1);
    int64_t size = 0;
    for (int l = 0; l <= highest; ++l) size += (l + 1) * (l + 2) / 2 * (2 * l + 1);
    if (!table.reserve(size)) return false;
    T *to = table;
    for (int l = 0; l <= highest; ++l) {
      const int width = 2 * l + 1, monomials = (l + 1) * (l + 2) / 2;
      int64_t flat = 1;
      for (int k = 0; k < l; ++k) flat *= 3;
      for (int m = 0; m < width; ++m) {
        double sum[(MAX_ORDER + 1) * (MAX_ORDER + 2) / 2] = {};
        for (int64_t row = 0; row < flat; ++row)
          sum[place(l, row)] +=
              l > 1 ? matrices[row * width + m] : (l == 0 || row == m ? 1.0 : 0.0);
        for (int k = 0; k < monomials; ++k) to[k * width + m] = T(sum[k]);
      }
      if (l > 1) matrices += flat * width;
      to += monomials * width;
    }
    return true;
  }

  // Y_lm of unit vectors: a row of lanes for each, `step` apart.
  template <bool dual> void operator()(const Many<T, dual> *u, Rows<T, dual> y, int64_t step) const
  {
    Many<T, dual> power[3][MAX_ORDER + 1];
    raise(u, power);
    values<0, dual>(power, table, y, step);
  }

  // sum_lm gradient_lm dY_lm/du, Y taken as polynomials of a free vector u; gradients in rows of
  // lanes, `step` apart.
  template <bool dual>
  void transpose(const Many<T, dual> *u, Rows<T, dual> gradient, int64_t step,
                 Many<T, dual> *sum) const
  {
    Many<T, dual> power[3][MAX_ORDER + 1];
    raise(u, power);
    for (int axis = 0; axis < 3; ++axis) sum[axis] = Many<T, dual>{};
    slopes<0, dual>(power, table, gradient, step, sum);
  }

 private:
  Buffer<T> table;  // (monomials, 2l+1) for each l

  // Of the orders from l on; the compiler unrolls each.
  template <int l, bool dual>
  void values(const Many<T, dual> (*power)[MAX_ORDER + 1], const T *from, Rows<T, dual> y,
              int64_t step) const
  {
    if constexpr (l <= MAX_ORDER) {
      if (l > l_max) return;
      constexpr int width = 2 * l + 1;
      Many<T, dual> sum[width] = {};
#pragma GCC unroll 8
      for (int j = 0; j <= l; ++j)
#pragma GCC unroll 8
        for (int i = 0; i <= j; ++i, from += width) {
          const Many<T, dual> monomial = power[0][l - j] * power[1][j - i] * power[2][i];
#pragma GCC unroll 16
          for (int m = 0; m < width; ++m) sum[m] += from[m] * monomial;
        }
#pragma GCC unroll 16
      for (int m = 0; m < width; ++m) y.put((l * l + m) * step, sum[m]);
      values<l + 1, dual>(power, from, y, step);
    }
  }
  template <int l, bool dual>
  void slopes(const Many<T, dual> (*power)[MAX_ORDER + 1], const T *from, Rows<T, dual> gradient,
              int64_t step, Many<T, dual> *sum) const
  {
    if constexpr (l <= MAX_ORDER) {
      if (l > l_max) return;
      constexpr int width = 2 * l + 1;
      Many<T, dual> own[width];
#pragma GCC unroll 16
      for (int m = 0; m < width; ++m) own[m] = gradient.many((l * l + m) * step);
#pragma GCC unroll 8
      for (int j = 0; j <= l; ++j)
#pragma GCC unroll 8
        for (int i = 0; i <= j; ++i, from += width) {
          const int a = l - j, b = j - i;
          Many<T, dual> weight = {};
#pragma GCC unroll 16
          for (int m = 0; m < width; ++m) weight += from[m] * own[m];
          if (a) sum[0] += weight * T(a) * power[0][a - 1] * power[1][b] * power[2][i];
          if (b) sum[1] += weight * T(b) * power[0][a] * power[1][b - 1] * power[2][i];
          if (i) sum[2] += weight * T(i) * power[0][a] * power[1][b] * power[2][i - 1];
        }
      slopes<l + 1, dual>(power, from, gradient, step, sum);
    }
  }

  // Number of the monomial that a product of components is, in the order of the loops above.
  static int place(int l, int64_t row)
  {
    int y = 0, z = 0;
    for (int k = 0; k < l; ++k, row /= 3) {
      y += row % 3 == 1;
      z += row % 3 == 2;
    }
    return (y + z) * (y + z + 1) / 2 + z;
  }

  template <class Number> void raise(const Number *u, Number (*power)[MAX_ORDER + 1]) const
  {
    for (int axis = 0; axis < 3; ++axis) {
      power[axis][0] = T(1) + Number{};
      for (int l = 1; l <= l_max; ++l) power[axis][l] = power[axis][l - 1] * u[axis];
    }
  }
};

}  // namespace OCVF_VARIANT
