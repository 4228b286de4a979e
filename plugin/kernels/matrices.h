// Products of small matrices: many rows (edges), a few dozen columns (features).
#pragma once

#include <cstdlib>

#include "dual.h"

namespace OCVF_VARIANT {

// Memory that grows and is never handed back before the end; aligned to the vectors.
template <class T> class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  ~Buffer() { free(data); }
  // Content is lost where it grows; what is new is zero. False: no memory.
  bool reserve(int64_t size)
  {
    if (size <= held) return true;
    free(data);
    held = 0;
    const size_t bytes = (size_t(size) * sizeof(T) + 63) / 64 * 64;
    data = static_cast<T *>(aligned_alloc(64, bytes));
    if (!data) return false;
    memset(data, 0, bytes);
    held = size;
    return true;
  }
  // The same, all zero.
  bool zeros(int64_t size)
  {
    if (!reserve(size)) return false;
    memset(data, 0, size_t(size) * sizeof(T));
    return true;
  }
  operator T *() const { return data; }

 private:
  T *data = nullptr;
  int64_t held = 0;
};

// Rows with their memory.
template <class T, bool dual> class Table : public Rows<T, dual> {
 public:
  Table() : Rows<T, dual>{nullptr, 0} {}
  // Content is lost. False: no memory.
  bool reserve(int64_t rows, int64_t columns)
  {
    if (!memory.reserve((dual ? 2 : 1) * rows * columns)) return false;
    this->data = memory;
    this->next = rows * columns;
    return true;
  }

 private:
  Buffer<T> memory;
};

// Every row begins as the bias.
template <class T, bool dual>
inline void begin(Rows<T, dual> to, const T *bias, int64_t rows, int64_t width)
{
  for (int64_t k = 0; k < rows; ++k)
    for (int64_t c = 0; c < width; c += lanes<T>()) store(to.data + k * width + c, load(bias + c));
  if (dual) memset(to.data + to.next, 0, size_t(rows * width) * sizeof(T));
}

// A matrix as the left factor: element (row, k) lies at data[row * row_step + k * k_step].
template <class T> struct Left {
  const T *data;
  int64_t row_step, k_step;
};

// MR rows times NV vectors of columns, kept in registers.
template <class T, int MR, int NV, bool add>
inline void tile(Left<T> a, const T *b, int64_t b_step, int64_t depth, T *c, int64_t c_step)
{
  Wide<T> sum[MR][NV];
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
    for (int n = 0; n < NV; ++n)
      sum[m][n] = add ? load(c + m * c_step + n * lanes<T>()) : Wide<T>{};
  for (int64_t k = 0; k < depth; ++k) {
    Wide<T> right[NV];
#pragma GCC unroll 8
    for (int n = 0; n < NV; ++n) right[n] = load(b + k * b_step + n * lanes<T>());
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m) {
      const T left = a.data[m * a.row_step + k * a.k_step];
#pragma GCC unroll 8
      for (int n = 0; n < NV; ++n) sum[m][n] += left * right[n];
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
    for (int n = 0; n < NV; ++n) store(c + m * c_step + n * lanes<T>(), sum[m][n]);
}

#if OCVF_VECTOR_BYTES == 64
constexpr int ROWS = 8, COLUMNS = 2;  // 16 sums of 32 registers
#else
constexpr int ROWS = 4, COLUMNS = 2;  // 8 sums of 16 registers
#endif

template <class T, int NV, bool add>
inline void strip(Left<T> a, int64_t rows, const T *b, int64_t b_step, int64_t depth, T *c,
                  int64_t c_step)
{
  int64_t m = 0;
  const auto at = [&](int64_t row) {
    return Left<T>{a.data + row * a.row_step, a.row_step, a.k_step};
  };
  for (; m + ROWS <= rows; m += ROWS)
    tile<T, ROWS, NV, add>(at(m), b, b_step, depth, c + m * c_step, c_step);
  if (ROWS > 4 && m + 4 <= rows) {
    tile<T, 4, NV, add>(at(m), b, b_step, depth, c + m * c_step, c_step);
    m += 4;
  }
  switch (rows - m) {
    case 3: tile<T, 3, NV, add>(at(m), b, b_step, depth, c + m * c_step, c_step); break;
    case 2: tile<T, 2, NV, add>(at(m), b, b_step, depth, c + m * c_step, c_step); break;
    case 1: tile<T, 1, NV, add>(at(m), b, b_step, depth, c + m * c_step, c_step); break;
    default: break;
  }
}

// C = A B, or C += A B; columns are padded to the lanes.
template <class T, bool add>
inline void multiply(Left<T> a, int64_t rows, const T *b, int64_t b_step, int64_t depth,
                     int64_t columns, T *c, int64_t c_step)
{
  int64_t n = 0;
  for (; n + COLUMNS * lanes<T>() <= columns; n += COLUMNS * lanes<T>())
    strip<T, COLUMNS, add>(a, rows, b + n, b_step, depth, c + n, c_step);
  for (; n < columns; n += lanes<T>())
    strip<T, 1, add>(a, rows, b + n, b_step, depth, c + n, c_step);
}

// C = A B, or C += A B, where B is constant and all of C's columns are wanted.
template <class T, bool dual, bool add>
inline void linear(Rows<T, dual> a, int64_t a_step, int64_t rows, const T *b, int64_t depth,
                   int64_t columns, Rows<T, dual> c)
{
  for (int sheet = 0; sheet < (dual ? 2 : 1); ++sheet) {
    const Left<T> left{a.data + sheet * a.next, a_step, 1};
    multiply<T, add>(left, rows, b, columns, depth, columns, c.data + sheet * c.next, columns);
  }
}

// The same where both factors may be dual; `a_next` from the left factor's values to its tangents.
template <class T, bool dual, bool add>
inline void multiply(Left<T> a, int64_t a_next, int64_t rows, Rows<T, dual> b, int64_t b_step,
                     int64_t depth, int64_t columns, Rows<T, dual> c, int64_t c_step)
{
  multiply<T, add>(a, rows, b.data, b_step, depth, columns, c.data, c_step);
  if constexpr (dual) {
    const Left<T> tangent{a.data + a_next, a.row_step, a.k_step};
    T *sum = c.data + c.next;
    multiply<T, add>(a, rows, b.data + b.next, b_step, depth, columns, sum, c_step);
    multiply<T, true>(tangent, rows, b.data, b_step, depth, columns, sum, c_step);
  }
}

// Adds the outcome of A^T B, (columns of A, columns of B).
template <class T, bool dual>
inline void outer(Rows<T, dual> a, int64_t a_step, int64_t a_columns, Rows<T, dual> b,
                  int64_t b_step, int64_t rows, T *sum)
{
  const auto from = [&](const T *left, const T *right) {
    multiply<T, true>(Left<T>{left, 1, a_step}, a_columns, right, b_step, rows, b_step, sum, b_step);
  };
  if constexpr (dual) {
    from(a.data + a.next, b.data);
    from(a.data, b.data + b.next);
  } else from(a.data, b.data);
}

// Weights of a linear layer, (out, in) in memory, for both directions.
template <class T> class Layer {
 public:
  bool set(const double *weight, int64_t n_out, int64_t n_in)
  {
    out = n_out;
    in = n_in;
    if (!forward.reserve(in * padded<T>(out)) || !backward.reserve(out * padded<T>(in)))
      return false;
    for (int64_t o = 0; o < out; ++o)
      for (int64_t i = 0; i < in; ++i) {
        forward[i * padded<T>(out) + o] = T(weight[o * in + i]);
        backward[o * padded<T>(in) + i] = T(weight[o * in + i]);
      }
    return true;
  }
  // y (rows, padded out) = or += x W^T for x (rows, padded in).
  template <bool dual, bool add>
  void apply(Rows<T, dual> x, int64_t rows, Rows<T, dual> y) const
  {
    linear<T, dual, add>(x, padded<T>(in), rows, forward, in, padded<T>(out), y);
  }
  // x (rows, padded in) = or += y W for y (rows, padded out).
  template <bool dual, bool add>
  void transpose(Rows<T, dual> y, int64_t rows, Rows<T, dual> x) const
  {
    linear<T, dual, add>(y, padded<T>(out), rows, backward, out, padded<T>(in), x);
  }

 private:
  int64_t out = 0, in = 0;
  Buffer<T> forward, backward;
};

}  // namespace OCVF_VARIANT
