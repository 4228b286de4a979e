// A network whose functions of the distance come from a table: what is left to compute is what
// depends on angles.
#pragma once

#include "distance_table.h"
#include "network.h"

namespace OCVF_VARIANT {

template <class T> class Tabulated : private Network<T, false> {
 public:
  explicit Tabulated(const Model<T> &weights) : Network<T, false>(weights) {}
  bool made() const { return table.at.number > 0; }
  // `exact` holds the same weights in double precision. False: no memory.
  bool make(const Model<double> &exact) { return table.make(this->model, exact); }
  // As the network's; without derivatives by weights.
  bool run(const Edges &edges, const Given<T> &given, const Wanted<T> &wanted);

 private:
  DistanceTable<T> table;
  Table<T, false> rate;      // derivatives of all columns by the distance
  Table<T, false> own_term;  // what reaches the centre at the start

  template <bool slopes> void look_up(const Edges &edges);
  void reach(Pair<T> own);
  void back_reach(Pair<const T> of_own);
  void back_columns();
  Wide<T> along(int64_t k, int64_t column, const T *given, int64_t width) const;
};

}  // namespace OCVF_VARIANT
