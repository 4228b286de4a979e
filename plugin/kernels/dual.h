// Numbers that carry their derivative along one direction, so that the code that takes a first
// derivative gives a second one when it runs on them.
//
// All kernels are written for `Numbers<T, dual>`: ordinary numbers, or dual ones.
#pragma once

#include "vectors.h"

namespace OCVF_VARIANT {

// E: one number, or as many as a vector has lanes.
template <class E> struct Dual {
  E value, tangent;
};

template <class E> inline Dual<E> operator+(Dual<E> x, Dual<E> y)
{
  return {x.value + y.value, x.tangent + y.tangent};
}
template <class E> inline Dual<E> operator-(Dual<E> x, Dual<E> y)
{
  return {x.value - y.value, x.tangent - y.tangent};
}
template <class E> inline Dual<E> operator-(Dual<E> x) { return {-x.value, -x.tangent}; }
template <class E> inline Dual<E> operator*(Dual<E> x, Dual<E> y)
{
  return {x.value * y.value, x.tangent * y.value + x.value * y.tangent};
}
template <class E> inline Dual<E> operator/(Dual<E> x, Dual<E> y)
{
  const E ratio = x.value / y.value;
  return {ratio, (x.tangent - ratio * y.tangent) / y.value};
}
template <class E> inline Dual<E> &operator+=(Dual<E> &x, Dual<E> y) { return x = x + y; }

// S: a constant.
template <class S, class E> inline Dual<E> operator+(S c, Dual<E> x) { return {c + x.value, x.tangent}; }
template <class S, class E> inline Dual<E> operator*(S c, Dual<E> x)
{
  return {c * x.value, c * x.tangent};
}
template <class S, class E> inline Dual<E> operator*(Dual<E> x, S c) { return c * x; }
template <class S, class E> inline Dual<E> operator/(Dual<E> x, S c)
{
  return {x.value / c, x.tangent / c};
}

template <class S, class E> inline Dual<E> operator/(S c, Dual<E> x)
{
  const E ratio = c / x.value;
  return {ratio, -ratio * x.tangent / x.value};
}

template <class T, bool dual> struct Numbers;
template <class T> struct Numbers<T, false> {
  using One = T;
  using Many = Wide<T>;
};
template <class T> struct Numbers<T, true> {
  using One = Dual<T>;
  using Many = Dual<Wide<T>>;
};
template <class T, bool dual> using One = typename Numbers<T, dual>::One;
template <class T, bool dual> using Many = typename Numbers<T, dual>::Many;

// Arrays of values and, for dual numbers, of their tangents; either may be null.
template <class T> struct Pair {
  T *value, *tangent;

  Pair operator+(int64_t k) const { return {value ? value + k : value, tangent ? tangent + k : tangent}; }
};

template <class E> inline E value_of(E x) { return x; }
template <class E> inline E value_of(Dual<E> x) { return x.value; }

// What is added up over many edges: numbers that are not dual as they are, of the others tangents.
template <class E> inline E outcome(E x) { return x; }
template <class E> inline E outcome(Dual<E> x) { return x.tangent; }

// Numbers in memory: values, and `next` further on their tangents, if they are dual.
template <class T, bool dual> struct Rows {
  T *data;
  int64_t next;

  Rows operator+(int64_t k) const { return {data + k, next}; }

  One<T, dual> one(int64_t k) const
  {
    if constexpr (dual) return {data[k], data[next + k]};
    else return data[k];
  }
  void set(int64_t k, One<T, dual> x) const
  {
    if constexpr (dual) {
      data[k] = x.value;
      data[next + k] = x.tangent;
    } else data[k] = x;
  }
  Many<T, dual> many(int64_t k) const
  {
    if constexpr (dual) return {load(data + k), load(data + next + k)};
    else return load(data + k);
  }
  void put(int64_t k, Many<T, dual> x) const
  {
    if constexpr (dual) {
      store(data + k, x.value);
      store(data + next + k, x.tangent);
    } else store(data + k, x);
  }
};

template <class T> inline Dual<Wide<T>> root(Dual<Wide<T>> x)
{
  const Wide<T> found = root<T>(x.value);
  return {found, x.tangent / (T(2) * found)};
}

template <class T>
inline void sine_cosine(Dual<Wide<T>> angle, Dual<Wide<T>> &sine, Dual<Wide<T>> &cosine)
{
  Wide<T> s, c;
  sine_cosine<T>(angle.value, s, c);
  sine = {s, c * angle.tangent};
  cosine = {c, -s * angle.tangent};
}

// x sigmoid(x) in place, and its derivative where it is wanted.
template <class T, bool dual, bool slope>
inline void silu(Rows<T, dual> x, Rows<T, dual> derivative, int64_t size)
{
  for (int64_t k = 0; k < size; k += lanes<T>()) {
    const Wide<T> in = load(x.data + k);
    const Wide<T> sigmoid = T(1) / (T(1) + exponential<T>(-in));
    const Wide<T> out = in * sigmoid, rest = T(1) - sigmoid;
    const Wide<T> first = sigmoid + out * rest;
    store(x.data + k, out);
    if (slope) store(derivative.data + k, first);
    if constexpr (dual) {
      const Wide<T> along = load(x.data + x.next + k);
      store(x.data + x.next + k, Wide<T>(first * along));
      if (slope) {
        const Wide<T> second = sigmoid * rest * (T(2) + in * (rest - sigmoid));
        store(derivative.data + derivative.next + k, Wide<T>(second * along));
      }
    }
  }
}

}  // namespace OCVF_VARIANT
