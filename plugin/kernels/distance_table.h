// What a network computes from the distance of an edge and the species at its ends alone, in
// polynomials that join at the ends of short intervals.
//
// A row of columns for each edge: what reaches the centre from the neighbour at the start (`own`),
// the products that the angular sum adds up, the message that leaves the centre, what it becomes
// before the angular part is added (`mixed`), and the filter of the message after the block. Layers
// and basis functions are then evaluated once a network, not once an edge. Only while weights stand
// still, and in single precision: the polynomials are as exact as that.
#pragma once

#include "model.h"

namespace OCVF_VARIANT {

template <class T> class DistanceTable {
 public:
  Columns at{};

  // `exact` holds the same weights in double precision. False: no memory.
  bool make(const Model<T> &model, const Model<double> &exact);

  // Where an edge stands: its polynomials, and the place in their interval, from -1 to 1.
  struct Place {
    const T *from;
    T t;
  };
  Place find(int64_t here, int64_t there, T distance) const
  {
    const T in_steps = distance * per_length;
    int64_t k = int64_t(in_steps);
    if (k >= intervals) k = intervals - 1;
    const int64_t pair = here * species + there;
    return {polynomials + (pair * intervals + k) * (DEGREE + 1) * at.number,
            T(2) * (in_steps - T(k)) - T(1)};
  }
  // Values of some lanes from a column on, and their derivatives by the distance.
  template <bool slopes> Wide<T> read(Place place, int64_t column, Wide<T> &slope) const
  {
    const T *from = place.from + (DEGREE + 1) * column;
    Wide<T> value = load(from + DEGREE * lanes<T>()), rate = {};
#pragma GCC unroll 8
    for (int power = DEGREE - 1; power >= 0; --power) {
      if (slopes) rate = rate * place.t + value;
      value = value * place.t + load(from + power * lanes<T>());
    }
    if (slopes) slope = rate * (T(2) * per_length);
    return value;
  }

 private:
  static constexpr int DEGREE = 5;
  static constexpr double INTERVAL = 0.1;  // at most, Å
  int64_t intervals = 0, species = 0;
  T per_length = 0;
  Buffer<T> polynomials;  // (source, target, interval, column / lanes, power, lane)
};

}  // namespace OCVF_VARIANT
