// Sums of derivatives with respect to the weights over the edges of all atoms.
#pragma once

#include "model.h"

namespace OCVF_VARIANT {

// Of a linear layer and its bias.
template <class T> struct LayerGradient {
  Buffer<T> weight, bias;  // (out, padded in), (padded out)
  int64_t out = 0, in = 0;

  bool begin(int64_t n_out, int64_t n_in)
  {
    out = n_out;
    in = n_in;
    return weight.zeros(out * padded<T>(in)) && bias.zeros(padded<T>(out));
  }
  // From the gradients of what leaves the layer, and what came in.
  template <bool dual> void add(Rows<T, dual> given, Rows<T, dual> x, int64_t rows)
  {
    const int64_t o = padded<T>(out), i = padded<T>(in);
    outer<T, dual>(given, o, out, x, i, rows, weight);
    const T *each = given.data + (dual ? given.next : 0);
    for (int64_t k = 0; k < rows; ++k)
      for (int64_t c = 0; c < o; ++c) bias[c] += each[k * o + c];
  }
  void hand_over(T *to, T *to_bias) const;
};

template <class T> class Gradients {
 public:
  LayerGradient<T> dense, down, up, direct, update;
  Buffer<T> pairs, collect;  // laid out as those of the model

  // All zero. False: no memory.
  bool begin(const Model<T> &model);
  // Writes them in torch's layout.
  void hand_over(const Model<T> &model, const Weights<T> &to) const;
};

}  // namespace OCVF_VARIANT
