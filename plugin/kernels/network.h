// A network of at most one interaction block, an atom at a time; see potential/dimenet.py, whose
// names are used here. What an atom's edges have gives two sums: of the messages that reach the
// atom at the start (`own`), and of those that leave it after the block, added at their targets
// (`arrived`). The derivative takes the gradients of both sums back to the vectors of the edges and
// to the weights. On dual numbers all of these become derivatives along a direction of the vectors.
//
// Nothing is kept between two calls: going back, an atom's messages are computed again, which costs
// about as much as reading them from memory would, and needs no memory.
#pragma once

#include "edges.h"
#include "gradients.h"

namespace OCVF_VARIANT {

// As the caller holds them; see variants.h.
template <class T> struct Given {
  Pair<const T> vector, of_own, of_arrived;
};
template <class T> struct Wanted {
  Pair<T> own, arrived, slope;
  const Weights<T> *weights;
};

template <class T, bool dual> class Network {
 public:
  explicit Network(const Model<T> &weights) : model(weights) {}
  // False: no memory.
  bool run(const Edges &edges, const Given<T> &given, const Wanted<T> &wanted);
  // What a table of functions of the distance holds, for edges of the given
  // lengths between two species: (number, Columns::number). False: no memory.
  bool columns(int64_t source, int64_t target, const T *distance, int64_t number, T *to);

 protected:
  using Number = Many<T, dual>;
  using Block = Rows<T, dual>;

  const Model<T> &model;
  Gradients<T> sums;
  bool of_weights = false;  // whether these are wanted

  // Edges within the cutoff of the atom at hand: `n` rows, and `incoming` the first row of the
  // messages that reach it, after those that leave it.
  int64_t n = 0, incoming = 0;
  int64_t here = 0;
  Buffer<int64_t> edge;
  // Eight rows: the vector, its length, the unit vector, the derivative along the length.
  Table<T, dual> place;
  int64_t step = 0;      // length of these rows
  Table<T, dual> spare;  // functions of as many edges as there are lanes
  Table<T, dual> row;    // features of one atom or edge
  Table<T, dual> basis, basis_slope, basis_gradient, harmonic, harmonic_gradient;
  Table<T, dual> filtered, filtered_gradient;
  Table<T, dual> hidden, hidden_slope, hidden_gradient, message, message_slope, gradient;
  Table<T, dual> x, x_slope, x_gradient, product, product_gradient;
  Table<T, dual> bracket, bracket_gradient, turned, angular, angular_gradient;
  Table<T, dual> mixed, mixed_slope, mixed_gradient, updated, updated_slope, updated_gradient;

  bool reserve(int64_t rows);  // for the edges of an atom
  void choose(const Edges &edges, const Given<T> &given, int64_t first, int64_t last);
  template <bool radial> void expand();
  template <bool slopes> void messages(const Edges &edges);
  template <bool slopes> void products();
  template <bool slopes> void turn();
  void reach(Pair<T> own);
  void leave(const Edges &edges, Pair<T> arrived);
  void back_reach(Pair<const T> of_own);
  void back_leave(const Edges &edges, Pair<const T> of_arrived);
  void back_turn();
  void back_products();
  void back_messages(const Edges &edges);
  void chain(Pair<T> slope);
  void fetch(Pair<const T> from);    // a row of the caller's
  void hand_over(Pair<T> to) const;  // adds to one
};

}  // namespace OCVF_VARIANT
