// Messages, and their sums, from the vectors of the edges.
#include "network.h"

#include <initializer_list>

namespace OCVF_VARIANT {

template <class T, bool dual>
bool Network<T, dual>::run(const Edges &edges, const Given<T> &given, const Wanted<T> &wanted)
{
  const int64_t width = model.size.features;
  const bool angular_sums = model.size.blocks;
  const bool forth = wanted.own.value || wanted.own.tangent;
  const bool back = wanted.slope.value || wanted.slope.tangent;
  of_weights = wanted.weights;
  if (of_weights && !sums.begin(model)) return false;
  for (T *each : {wanted.slope.value, wanted.slope.tangent})
    if (each) memset(each, 0, size_t(3 * edges.number) * sizeof(T));
  for (int64_t first = 0, last; first < edges.number; first = last) {
    last = edges.next(first);
    if (!reserve(last - first)) return false;
    choose(edges, given, first, last);
    expand<true>();
    const int64_t place_of_sum = edges.center[first] * width;
    if (back) messages<true>(edges);
    else messages<false>(edges);
    if (angular_sums && back) {
      products<true>();
      turn<true>();
    } else if (angular_sums) {
      products<false>();
      turn<false>();
    }
    if (forth) reach(wanted.own + place_of_sum);
    if (forth && angular_sums) leave(edges, wanted.arrived);
    if (!back) continue;
    back_reach(given.of_own + place_of_sum);
    if (angular_sums) {
      back_leave(edges, given.of_arrived);
      back_turn();
      back_products();
    }
    back_messages(edges);
    chain(wanted.slope);
  }
  if (of_weights) sums.hand_over(model, *wanted.weights);
  return true;
}

template <class T, bool dual>
void Network<T, dual>::choose(const Edges &edges, const Given<T> &given, int64_t first, int64_t last)
{
  const T limit = T(model.size.cutoff) * T(model.size.cutoff);
  n = 0;
  here = edges.species[edges.center[first]];
  for (int64_t e = first; e < last; ++e) {
    const T *v = given.vector.value + 3 * e;
    if (!(v[0] * v[0] + v[1] * v[1] + v[2] * v[2] < limit)) continue;
    for (int axis = 0; axis < 3; ++axis)
      if constexpr (dual) place.set(axis * step + n, {v[axis], given.vector.tangent[3 * e + axis]});
      else place.set(axis * step + n, v[axis]);
    edge[n++] = e;
  }
  for (int64_t k = n; k < padded<T>(n); ++k)  // lanes without an edge
    for (int axis = 0; axis < 3; ++axis) place.set(axis * step + k, T(1) + One<T, dual>{});
  incoming = model.size.blocks ? n : 0;
}

// Lengths and directions of the chosen edges, and their basis functions, edge after edge.
template <class T, bool dual> template <bool radial> void Network<T, dual>::expand()
{
  const int64_t n_radial = model.size.radial, r = model.r;
  const Block value = spare, slope = value + n_radial * lanes<T>();
  for (int64_t k = 0; k < n; k += lanes<T>()) {
    Number v[3], square = {};
    for (int axis = 0; axis < 3; ++axis) {
      v[axis] = place.many(axis * step + k);
      square += v[axis] * v[axis];
    }
    const Number d = root<T>(square);
    place.put(3 * step + k, d);
    for (int axis = 0; axis < 3; ++axis) {
      v[axis] = v[axis] / d;
      place.put((4 + axis) * step + k, v[axis]);
    }
    if (radial) model.radial.template operator()<T, dual>(d, value, slope);
    if (model.size.blocks) model.harmonics.template operator()<dual>(v, harmonic + k, step);
    if (!radial) continue;
    const int64_t used = n - k < lanes<T>() ? n - k : lanes<T>();
    for (int64_t lane = 0; lane < used; ++lane) {
      for (int64_t c = 0; c < n_radial; ++c) {
        basis.set((k + lane) * r + c, value.one(c * lanes<T>() + lane));
        basis_slope.set((k + lane) * r + c, slope.one(c * lanes<T>() + lane));
      }
    }
  }
}

template <class T, bool dual>
template <bool slopes>
void Network<T, dual>::messages(const Edges &edges)
{
  const int64_t f = model.f, all = model.all, species = model.size.species;
  linear<T, dual, false>(basis, model.r, n, model.spread, model.size.radial, all, filtered);
  for (int64_t k = 0; k < n; ++k) {
    const int64_t there = edges.species[edges.neighbor[edge[k]]];
    const Block common = filtered + k * all;
    const T *away = model.pairs + (here * species + there) * f;
    const T *toward = model.pairs + (there * species + here) * f;
    for (int64_t c = 0; c < f; c += lanes<T>()) {
      if (model.size.blocks) hidden.put(k * f + c, load(away + c) + common.many(c));
      hidden.put((incoming + k) * f + c, load(toward + c) + common.many(c));
    }
  }
  const int64_t both = incoming + n;
  silu<T, dual, slopes>(hidden, hidden_slope, both * f);
  begin<T, dual>(message, model.dense_bias, both, f);
  model.dense.template apply<dual, true>(hidden, both, message);
  silu<T, dual, slopes>(message, message_slope, both * f);
}

// What the angular sums add up, and what messages become before the angular part is added.
template <class T, bool dual> template <bool slopes> void Network<T, dual>::products()
{
  const int64_t orders = model.size.l_max + 1, f = model.f, a = model.a;
  begin<T, dual>(x, model.down_bias, n, a);
  model.down.template apply<dual, true>(message + incoming * f, n, x);
  silu<T, dual, slopes>(x, x_slope, n * a);
  for (int64_t k = 0; k < n; ++k) {
    const Block filter = filtered + k * model.all + model.filters_at;
    for (int64_t c = 0; c < a; c += lanes<T>()) {
      const Number own = x.many(k * a + c);
      Number total = {};
      for (int64_t l = 0; l < orders; ++l) {
        const Number term = own * filter.many(l * a + c);
        product.put((k * orders + l) * a + c, term);
        total += term;
      }
      angular.put(k * a + c, -total);  // no angle of an edge with itself
    }
  }
  begin<T, dual>(mixed, model.direct_bias, n, f);
  model.direct.template apply<dual, true>(message, n, mixed);
}

// The angular sums, and the messages after the block.
template <class T, bool dual> template <bool slopes> void Network<T, dual>::turn()
{
  const int64_t orders = model.size.l_max + 1, f = model.f, a = model.a;
  for (int64_t l = 0; l < orders; ++l)
    multiply<T, dual, false>(Left<T>{harmonic.data + l * l * step, step, 1}, harmonic.next, 2 * l + 1,
                             product + l * a, orders * a, n, a, bracket + l * l * a, a);
  multiply<T, dual, true>(Left<T>{harmonic.data, 1, step}, harmonic.next, n, bracket, a,
                          model.harmonics.number, a, angular, a);
  model.up.template apply<dual, true>(angular, n, mixed);
  silu<T, dual, slopes>(mixed, mixed_slope, n * f);
  begin<T, dual>(updated, model.update_bias, n, f);
  model.update.template apply<dual, true>(mixed, n, updated);
  silu<T, dual, slopes>(updated, updated_slope, n * f);
  for (int64_t k = 0; k < n * f; k += lanes<T>()) updated.put(k, updated.many(k) + message.many(k));
}

template <class T, bool dual> void Network<T, dual>::reach(Pair<T> own)
{
  const int64_t f = model.f;
  for (int64_t c = 0; c < f; c += lanes<T>()) {
    Number total = {};
    for (int64_t k = 0; k < n; ++k)
      total += filtered.many(k * model.all + f + c) * message.many((incoming + k) * f + c);
    row.put(c, total);
  }
  hand_over(own);
}

template <class T, bool dual> void Network<T, dual>::leave(const Edges &edges, Pair<T> arrived)
{
  const int64_t f = model.f;
  for (int64_t k = 0; k < n; ++k) {
    const Block filter = filtered + k * model.all + model.leaving_at;
    for (int64_t c = 0; c < f; c += lanes<T>()) row.put(c, filter.many(c) * updated.many(k * f + c));
    hand_over(arrived + edges.neighbor[edge[k]] * model.size.features);
  }
}

template <class T, bool dual> void Network<T, dual>::hand_over(Pair<T> to) const
{
  const int64_t width = model.size.features;
  if (to.value)
    for (int64_t c = 0; c < width; ++c) to.value[c] += row.data[c];
  if (dual && to.tangent)
    for (int64_t c = 0; c < width; ++c) to.tangent[c] += row.data[row.next + c];
}

template <class T, bool dual>
bool Network<T, dual>::columns(int64_t source, int64_t target, const T *distance, int64_t number, T *to)
{
  Buffer<T> vectors;
  Buffer<int64_t> center, neighbor, species;
  if (!vectors.zeros(6 * number) || !center.zeros(number) || !neighbor.reserve(number) ||
      !species.reserve(2) || !reserve(number))
    return false;
  species[0] = source;
  species[1] = target;
  for (int64_t k = 0; k < number; ++k) {
    neighbor[k] = 1;
    vectors[3 * k] = distance[k];
  }
  const Edges edges{number, center, neighbor, species};
  choose(edges, Given<T>{{vectors, vectors + 3 * number}, {}, {}}, 0, number);
  expand<true>();
  messages<false>(edges);
  if (model.size.blocks) products<false>();

  const Columns at = Columns::of(model);
  const int64_t f = model.f;
  const auto copy = [](Block from, int64_t size, T *row) {
    for (int64_t c = 0; c < size; ++c) row[c] = value_of(from.one(c));
  };
  memset(to, 0, size_t(number * at.number) * sizeof(T));  // of edges at the cutoff
  for (int64_t k = 0; k < n; ++k) {
    T *row = to + edge[k] * at.number;
    for (int64_t c = 0; c < f; ++c)
      row[c] = value_of(filtered.one(k * model.all + f + c) * message.one((incoming + k) * f + c));
    if (!model.size.blocks) continue;
    const int64_t products = at.message - at.products;
    copy(product + k * products, products, row + at.products);
    copy(message + k * f, f, row + at.message);
    copy(mixed + k * f, f, row + at.mixed);
    copy(filtered + k * model.all + model.leaving_at, f, row + at.leaving);
  }
  return true;
}

template class Network<float, false>;
template class Network<float, true>;
template class Network<double, false>;
template class Network<double, true>;
// for tabulated.cpp
template void Network<float, false>::expand<false>();
template void Network<float, false>::turn<false>();
template void Network<float, false>::turn<true>();

}  // namespace OCVF_VARIANT
