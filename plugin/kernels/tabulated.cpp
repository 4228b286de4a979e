#include "tabulated.h"

namespace OCVF_VARIANT {

template <class T>
bool Tabulated<T>::run(const Edges &edges, const Given<T> &given, const Wanted<T> &wanted)
{
  const int64_t width = this->model.size.features;
  const bool angular_sums = this->model.size.blocks;
  if (wanted.slope.value) memset(wanted.slope.value, 0, size_t(3 * edges.number) * sizeof(T));
  for (int64_t first = 0, last; first < edges.number; first = last) {
    last = edges.next(first);
    if (!this->reserve(last - first) || !rate.reserve(last - first, table.at.number) ||
        !own_term.reserve(last - first, this->model.f))
      return false;
    this->choose(edges, given, first, last);
    this->template expand<false>();
    const int64_t place_of_sum = edges.center[first] * width;
    if (wanted.slope.value) {
      look_up<true>(edges);
      if (angular_sums) this->template turn<true>();
    } else {
      look_up<false>(edges);
      if (angular_sums) this->template turn<false>();
    }
    if (wanted.own.value) {
      reach(wanted.own + place_of_sum);
      if (angular_sums) this->leave(edges, wanted.arrived);
    }
    if (!wanted.slope.value) continue;
    back_reach(given.of_own + place_of_sum);
    if (angular_sums) {
      this->back_leave(edges, given.of_arrived);
      this->back_turn();
      back_columns();
    }
    this->chain(wanted.slope);
  }
  return true;
}

template <class T> template <bool slopes> void Tabulated<T>::look_up(const Edges &edges)
{
  const Columns at = table.at;
  const auto &model = this->model;
  const int64_t f = model.f, a = model.a, orders = model.size.l_max + 1;
  for (int64_t k = 0; k < this->n; ++k) {
    const int64_t there = edges.species[edges.neighbor[this->edge[k]]];
    const auto spot = table.find(this->here, there, this->place.one(3 * this->step + k));
    T *rates = rate.data + k * at.number;
    const auto read = [&](int64_t column) {
      Wide<T> slope;
      const Wide<T> value = table.template read<slopes>(spot, column, slope);
      if (slopes) store(rates + column, slope);
      return value;
    };
    for (int64_t c = 0; c < f; c += lanes<T>()) own_term.put(k * f + c, read(c));
    if (!model.size.blocks) continue;
    for (int64_t c = 0; c < a; c += lanes<T>()) {
      Wide<T> total = {};
      for (int64_t l = 0; l < orders; ++l) {
        const Wide<T> term = read(at.products + l * a + c);
        this->product.put((k * orders + l) * a + c, term);
        total += term;
      }
      this->angular.put(k * a + c, -total);  // no angle of an edge with itself
    }
    for (int64_t c = 0; c < f; c += lanes<T>()) {
      this->message.put(k * f + c, read(at.message + c));
      this->mixed.put(k * f + c, read(at.mixed + c));
      this->filtered.put(k * model.all + model.leaving_at + c, read(at.leaving + c));
    }
  }
}

template <class T> void Tabulated<T>::reach(Pair<T> own)
{
  const int64_t f = this->model.f;
  for (int64_t c = 0; c < f; c += lanes<T>()) {
    Wide<T> total = {};
    for (int64_t k = 0; k < this->n; ++k) total += own_term.many(k * f + c);
    this->row.put(c, total);
  }
  this->hand_over(own);
}

// Contribution of some columns, whose gradients are given, to the derivative along the distance.
template <class T>
Wide<T> Tabulated<T>::along(int64_t k, int64_t column, const T *given, int64_t width) const
{
  const T *rates = rate.data + k * table.at.number + column;
  Wide<T> sum = {};
  for (int64_t c = 0; c < width; c += lanes<T>()) sum += load(rates + c) * load(given + c);
  return sum;
}

template <class T> void Tabulated<T>::back_reach(Pair<const T> of_own)
{
  this->fetch(of_own);
  for (int64_t k = 0; k < this->n; ++k)
    this->place.set(7 * this->step + k, total<T>(along(k, 0, this->row.data, this->model.f)));
}

template <class T> void Tabulated<T>::back_columns()
{
  const Columns at = table.at;
  const auto &model = this->model;
  const int64_t f = model.f, products = at.message - at.products;
  for (int64_t k = 0; k < this->n; ++k) {
    Wide<T> sum = along(k, at.products, this->product_gradient.data + k * products, products);
    sum += along(k, at.message, this->gradient.data + k * f, f);
    sum += along(k, at.mixed, this->mixed_gradient.data + k * f, f);
    sum += along(k, at.leaving, this->filtered_gradient.data + k * model.all + model.leaving_at, f);
    this->place.data[7 * this->step + k] += total<T>(sum);
  }
}

template class Tabulated<float>;

}  // namespace OCVF_VARIANT
