// Short vectors of numbers, as wide as the processor's registers.
//
// Everything lives in a namespace of its variant: the same code is compiled for several kinds of
// processor, and the linker must never take one kind's functions for another's. For the same
// reason no templates of the standard library are used.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#define OCVF_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define OCVF_VECTOR_BYTES 32
#else
#define OCVF_VECTOR_BYTES 16
#endif

namespace OCVF_VARIANT {

template <class T> struct Vector;

template <> struct Vector<float> {
  typedef float type __attribute__((vector_size(OCVF_VECTOR_BYTES)));
  typedef int32_t bits __attribute__((vector_size(OCVF_VECTOR_BYTES)));
  static constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  static constexpr int mantissa = 23;
  static constexpr int degree = 7;
  static constexpr float largest = 87.0f;
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
};

template <> struct Vector<double> {
  typedef double type __attribute__((vector_size(OCVF_VECTOR_BYTES)));
  typedef int64_t bits __attribute__((vector_size(OCVF_VECTOR_BYTES)));
  static constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr int mantissa = 52;
  static constexpr int degree = 13;
  static constexpr double largest = 708.0;
  static constexpr double ln2_high = 6.93145751953125e-1, ln2_low = 1.42860682030941723212e-6;
};

template <class T> using Wide = typename Vector<T>::type;

// As many bytes of numbers.
template <class T, int bytes> struct Part {
  typedef T type __attribute__((vector_size(bytes)));
};

template <class T> constexpr int lanes() { return OCVF_VECTOR_BYTES / int(sizeof(T)); }

// Smallest multiple of the lanes that is not below n.
template <class T> constexpr int64_t padded(int64_t n)
{
  return (n + lanes<T>() - 1) / lanes<T>() * lanes<T>();
}

template <class T> inline Wide<T> load(const T *at)
{
  Wide<T> v;
  memcpy(&v, at, sizeof(v));
  return v;
}

template <class T> inline void store(T *at, Wide<T> v) { memcpy(at, &v, sizeof(v)); }

template <class T> inline Wide<T> root(Wide<T> x)
{
  T each[lanes<T>()];
  store(each, x);
  for (int k = 0; k < lanes<T>(); ++k) each[k] = __builtin_sqrt(each[k]);
  return load(each);
}

template <class T> inline Wide<T> all(T value) { return Wide<T>{} + value; }

// Sum over the lanes, by halves.
template <class T, int bytes = OCVF_VECTOR_BYTES>
inline T total(typename Part<T, bytes>::type v)
{
  if constexpr (bytes == int(sizeof(T))) return v[0];
  else {
    typename Part<T, bytes / 2>::type half[2];
    memcpy(half, &v, sizeof(v));
    return total<T, bytes / 2>(half[0] + half[1]);
  }
}

// e^x from 2^k times the Taylor polynomial of the rest, |rest| <= ln(2)/2; to rounding.
template <class T> inline Wide<T> exponential(Wide<T> x)
{
  using V = Vector<T>;
  x = x > V::largest ? all<T>(V::largest) : x;
  x = x < -V::largest ? all<T>(-V::largest) : x;
  const Wide<T> shifted = x * T(1.4426950408889634074) + V::magic;
  const Wide<T> k = shifted - V::magic;
  const Wide<T> rest = (x - k * V::ln2_high) - k * V::ln2_low;
  constexpr double inverse[14] = {1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720,
                                  1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800,
                                  1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
  Wide<T> sum = all<T>(T(inverse[V::degree]));
#pragma GCC unroll 16
  for (int n = V::degree - 1; n >= 0; --n) sum = sum * rest + T(inverse[n]);
  typename V::bits power, scale;
  memcpy(&power, &sum, sizeof(sum));
  memcpy(&scale, &shifted, sizeof(shifted));
  power += scale << V::mantissa;
  memcpy(&sum, &power, sizeof(sum));
  return sum;
}

// Sine and cosine of an angle between 0 and pi, from Taylor polynomials about pi/2.
template <class T> inline void sine_cosine(Wide<T> angle, Wide<T> &sine, Wide<T> &cosine)
{
  const Wide<T> t = angle - T(1.57079632679489661923), square = t * t;
  constexpr int terms = sizeof(T) == 4 ? 7 : 12;  // next one: (pi/2)^(2 terms) / (2 terms)!
  Wide<T> even = all<T>(1), odd = all<T>(1);
#pragma GCC unroll 12
  for (int k = terms - 1; k > 0; --k) {
    even = T(1) - even * square * T(1.0 / ((2 * k - 1) * (2 * k)));
    odd = T(1) - odd * square * T(1.0 / ((2 * k) * (2 * k + 1)));
  }
  sine = even;
  cosine = -odd * t;
}

}  // namespace OCVF_VARIANT
