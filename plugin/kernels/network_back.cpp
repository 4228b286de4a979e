// From the gradients of the sums back to the vectors of the edges and to the weights.
#include "network.h"

namespace OCVF_VARIANT {

// x *= y.
template <class T, bool dual> static void scale(Rows<T, dual> x, Rows<T, dual> y, int64_t size)
{
  for (int64_t k = 0; k < size; k += lanes<T>()) x.put(k, x.many(k) * y.many(k));
}

template <class T, bool dual> void Network<T, dual>::fetch(Pair<const T> from)
{
  const size_t bytes = size_t(model.size.features) * sizeof(T);
  memcpy(row.data, from.value, bytes);
  if (!dual) return;
  if (from.tangent) memcpy(row.data + row.next, from.tangent, bytes);
  else memset(row.data + row.next, 0, bytes);
}

template <class T, bool dual> void Network<T, dual>::back_reach(Pair<const T> of_own)
{
  const int64_t f = model.f;
  fetch(of_own);
  for (int64_t k = 0; k < n; ++k) {
    const Block filter = filtered + k * model.all + f, of_filter = filtered_gradient + k * model.all + f;
    const Block reaching = message + (incoming + k) * f, of_message = gradient + (incoming + k) * f;
    for (int64_t c = 0; c < f; c += lanes<T>()) {
      const Number given = row.many(c);
      of_filter.put(c, given * reaching.many(c));
      of_message.put(c, given * filter.many(c));
    }
  }
}

template <class T, bool dual>
void Network<T, dual>::back_leave(const Edges &edges, Pair<const T> of_arrived)
{
  const int64_t f = model.f;
  for (int64_t k = 0; k < n; ++k) {
    fetch(of_arrived + edges.neighbor[edge[k]] * model.size.features);
    const Block filter = filtered + k * model.all + model.leaving_at, leaving = updated + k * f;
    const Block of_filter = filtered_gradient + k * model.all + model.leaving_at;
    for (int64_t c = 0; c < f; c += lanes<T>()) {
      const Number given = row.many(c), of_message = given * filter.many(c);
      of_filter.put(c, given * leaving.many(c));
      gradient.put(k * f + c, of_message);
      updated_gradient.put(k * f + c, of_message * updated_slope.many(k * f + c));
    }
  }
}

template <class T, bool dual> void Network<T, dual>::back_turn()
{
  const int64_t orders = model.size.l_max + 1, number = model.harmonics.number;
  const int64_t f = model.f, a = model.a, y = model.y;
  model.update.template transpose<dual, false>(updated_gradient, n, mixed_gradient);
  scale<T, dual>(mixed_gradient, mixed_slope, n * f);
  model.up.template transpose<dual, false>(mixed_gradient, n, angular_gradient);
  if (of_weights) {
    sums.update.template add<dual>(updated_gradient, mixed, n);
    sums.up.template add<dual>(mixed_gradient, angular, n);
  }

  multiply<T, dual, false>(Left<T>{harmonic.data, step, 1}, harmonic.next, number, angular_gradient, a, n,
                           a, bracket_gradient, a);
  for (int64_t k = 0; k < n; ++k)
    for (int64_t c = 0; c < a; c += lanes<T>()) {
      const Number given = -angular_gradient.many(k * a + c);
      for (int64_t l = 0; l < orders; ++l) product_gradient.put((k * orders + l) * a + c, given);
    }
  for (int64_t l = 0; l < orders; ++l)
    multiply<T, dual, true>(Left<T>{harmonic.data + l * l * step, 1, step}, harmonic.next, n,
                            bracket_gradient + l * l * a, a, 2 * l + 1, a, product_gradient + l * a,
                            orders * a);

  // Y meets the bracket where it leaves, and the product where the bracket is made.
  const Block leaves = turned, makes = turned + a * y;
  for (int64_t l = 0; l < orders; ++l)
    for (int64_t m = l * l; m < (l + 1) * (l + 1); ++m)
      for (int64_t c = 0; c < a; ++c) {
        leaves.set(c * y + m, bracket.one(m * a + c));
        makes.set((l * a + c) * y + m, bracket_gradient.one(m * a + c));
      }
  multiply<T, dual, false>(Left<T>{angular_gradient.data, a, 1}, angular_gradient.next, n, leaves, y,
                           model.size.angular, y, harmonic_gradient, y);
  multiply<T, dual, true>(Left<T>{product.data, orders * a, 1}, product.next, n, makes, y, orders * a,
                          y, harmonic_gradient, y);
}

// Through the layer and the filters that the messages pass before angles are known.
template <class T, bool dual> void Network<T, dual>::back_products()
{
  model.direct.template transpose<dual, true>(mixed_gradient, n, gradient);
  if (of_weights) sums.direct.template add<dual>(mixed_gradient, message, n);
  const int64_t orders = model.size.l_max + 1, a = model.a;
  for (int64_t k = 0; k < n; ++k) {
    const Block filter = filtered + k * model.all + model.filters_at;
    const Block of_filter = filtered_gradient + k * model.all + model.filters_at;
    for (int64_t c = 0; c < a; c += lanes<T>()) {
      const Number own = x.many(k * a + c);
      Number total = {};
      for (int64_t l = 0; l < orders; ++l) {
        const Number given = product_gradient.many((k * orders + l) * a + c);
        of_filter.put(l * a + c, given * own);
        total += given * filter.many(l * a + c);
      }
      x_gradient.put(k * a + c, total * x_slope.many(k * a + c));
    }
  }
  const Block reaching = message + incoming * model.f;
  model.down.template transpose<dual, true>(x_gradient, n, gradient + incoming * model.f);
  if (of_weights) sums.down.template add<dual>(x_gradient, reaching, n);
}

template <class T, bool dual> void Network<T, dual>::back_messages(const Edges &edges)
{
  const int64_t both = incoming + n, f = model.f, all = model.all, species = model.size.species;
  scale<T, dual>(gradient, message_slope, both * f);
  model.dense.template transpose<dual, false>(gradient, both, hidden_gradient);
  scale<T, dual>(hidden_gradient, hidden_slope, both * f);
  for (int64_t k = 0; k < n; ++k)
    for (int64_t c = 0; c < f; c += lanes<T>()) {
      Number sum = hidden_gradient.many((incoming + k) * f + c);
      if (model.size.blocks) sum += hidden_gradient.many(k * f + c);
      filtered_gradient.put(k * all + c, sum);
    }
  linear<T, dual, false>(filtered_gradient, all, n, model.collect, all, model.r, basis_gradient);
  for (int64_t k = 0; k < n; ++k) {
    One<T, dual> sum = {};
    for (int64_t c = 0; c < model.size.radial; ++c)
      sum += basis_gradient.one(k * model.r + c) * basis_slope.one(k * model.r + c);
    place.set(7 * step + k, sum);
  }
  if (!of_weights) return;
  sums.dense.template add<dual>(gradient, hidden, both);
  outer<T, dual>(filtered_gradient, all, all, basis, model.r, n, sums.collect);
  for (int64_t k = 0; k < n; ++k) {
    const int64_t there = edges.species[edges.neighbor[edge[k]]];
    T *away = sums.pairs + (here * species + there) * f;
    T *toward = sums.pairs + (there * species + here) * f;
    for (int64_t c = 0; c < f; ++c) {
      if (model.size.blocks) away[c] += outcome(hidden_gradient.one(k * f + c));
      toward[c] += outcome(hidden_gradient.one((incoming + k) * f + c));
    }
  }
}

template <class T, bool dual> void Network<T, dual>::chain(Pair<T> slope)
{
  const int64_t y = model.y, harmonics = model.harmonics.number;
  const Block angle = spare;
  for (int64_t k = 0; k < n; k += lanes<T>()) {
    const int64_t used = n - k < lanes<T>() ? n - k : lanes<T>();
    for (int64_t lane = 0; lane < used && model.size.blocks; ++lane)
      for (int64_t m = 0; m < harmonics; ++m)
        angle.set(m * lanes<T>() + lane, harmonic_gradient.one((k + lane) * y + m));
    Number u[3], turn[3] = {};
    for (int axis = 0; axis < 3; ++axis) u[axis] = place.many((4 + axis) * step + k);
    if (model.size.blocks) model.harmonics.template transpose<dual>(u, angle, lanes<T>(), turn);
    const Number parallel = turn[0] * u[0] + turn[1] * u[1] + turn[2] * u[2];
    const Number d = place.many(3 * step + k), force = place.many(7 * step + k);
    for (int axis = 0; axis < 3; ++axis) {
      const Number found = force * u[axis] + (turn[axis] - parallel * u[axis]) / d;
      for (int64_t lane = 0; lane < used; ++lane) {
        const int64_t at = 3 * edge[k + lane] + axis;
        if (slope.value) slope.value[at] = value_of(found)[lane];
        if (dual && slope.tangent) slope.tangent[at] = outcome(found)[lane];
      }
    }
  }
}

template class Network<float, false>;
template class Network<float, true>;
template class Network<double, false>;
template class Network<double, true>;

}  // namespace OCVF_VARIANT
