// Messages, and their sums, from the vectors of the edges.
#include "network.h"

namespace OCVF_VARIANT {

// Every row begins as the bias.
template <class T>
static void begin(T *to, const T *bias, int64_t rows, int64_t width)
{
  for (int64_t k = 0; k < rows; ++k) memcpy(to + k * width, bias, size_t(width) * sizeof(T));
}

template <class T>
void Network<T>::choose(const Edges &edges, const T *vector, int64_t first, int64_t last)
{
  const T limit = T(size.cutoff) * T(size.cutoff);
  n = 0;
  here = edges.species[edges.center[first]];
  for (int64_t e = first; e < last; ++e) {
    const T *v = vector + 3 * e;
    if (!(v[0] * v[0] + v[1] * v[1] + v[2] * v[2] < limit)) continue;
    for (int axis = 0; axis < 3; ++axis) place[axis * step + n] = v[axis];
    edge[n++] = e;
  }
  for (int64_t k = n; k < padded<T>(n); ++k)  // lanes without an edge
    for (int axis = 0; axis < 3; ++axis) place[axis * step + k] = T(1);
  incoming = size.blocks ? n : 0;
  expand();
}

// Basis functions of the chosen edges, edge after edge.
template <class T> void Network<T>::expand()
{
  T *value = spare, *slope = value + size.radial * lanes<T>(), *angle = slope + size.radial * lanes<T>();
  for (int64_t k = 0; k < n; k += lanes<T>()) {
    Wide<T> v[3], square = {};
    for (int axis = 0; axis < 3; ++axis) {
      v[axis] = load(place + axis * step + k);
      square += v[axis] * v[axis];
    }
    const Wide<T> d = root<T>(square);
    store(place + 3 * step + k, d);
    for (int axis = 0; axis < 3; ++axis) {
      v[axis] /= d;
      store(place + (4 + axis) * step + k, v[axis]);
    }
    radial.template operator()<T>(d, value, slope);
    if (size.blocks) harmonics(v, angle);
    const int64_t used = n - k < lanes<T>() ? n - k : lanes<T>();
    for (int64_t lane = 0; lane < used; ++lane) {
      for (int64_t c = 0; c < size.radial; ++c) {
        basis[(k + lane) * r + c] = value[c * lanes<T>() + lane];
        basis_slope[(k + lane) * r + c] = slope[c * lanes<T>() + lane];
      }
      if (!size.blocks) continue;
      for (int64_t m = 0; m < harmonics.number; ++m)
        harmonic[(k + lane) * y + m] = angle[m * lanes<T>() + lane];
    }
  }
}

template <class T> template <bool slopes> void Network<T>::messages(const Edges &edges)
{
  multiply<T, false>(Left<T>{basis, r, 1}, n, spread, all, size.radial, all, filtered, all);
  for (int64_t k = 0; k < n; ++k) {
    const int64_t there = edges.species[edges.neighbor[edge[k]]];
    const T *common = filtered + k * all;
    const T *away = pairs + (here * size.species + there) * f;
    const T *toward = pairs + (there * size.species + here) * f;
    for (int64_t c = 0; c < f; ++c) {
      if (size.blocks) hidden[k * f + c] = common[c] + away[c];
      hidden[(incoming + k) * f + c] = common[c] + toward[c];
    }
  }
  const int64_t both = incoming + n;
  silu<T, slopes>(hidden, hidden_slope, both * f);
  begin<T>(message, dense_bias, both, f);
  dense.template apply<true>(hidden, both, message);
  silu<T, slopes>(message, message_slope, both * f);
}

template <class T> template <bool slopes> void Network<T>::angles()
{
  const int64_t orders = size.l_max + 1;
  begin<T>(x, down_bias, n, a);
  down.template apply<true>(message + incoming * f, n, x);
  silu<T, slopes>(x, x_slope, n * a);
  for (int64_t k = 0; k < n; ++k) {
    const T *filter = filtered + k * all + filters_at;
    for (int64_t c = 0; c < a; c += lanes<T>()) {
      const Wide<T> own = load(x + k * a + c);
      Wide<T> total = {};
      for (int64_t l = 0; l < orders; ++l) {
        const Wide<T> term = own * load(filter + l * a + c);
        store(product + (k * orders + l) * a + c, term);
        total += term;
      }
      store(angular + k * a + c, Wide<T>(-total));  // no angle of an edge with itself
    }
  }
  for (int64_t l = 0; l < orders; ++l)
    multiply<T, false>(Left<T>{harmonic + l * l, 1, y}, 2 * l + 1, product + l * a, orders * a, n, a,
                       bracket + l * l * a, a);
  multiply<T, true>(Left<T>{harmonic, y, 1}, n, bracket, a, harmonics.number, a, angular, a);
  begin<T>(mixed, direct_bias, n, f);
  direct.template apply<true>(message, n, mixed);
  up.template apply<true>(angular, n, mixed);
  silu<T, slopes>(mixed, mixed_slope, n * f);
  begin<T>(updated, update_bias, n, f);
  update.template apply<true>(mixed, n, updated);
  silu<T, slopes>(updated, updated_slope, n * f);
  for (int64_t k = 0; k < n * f; ++k) updated[k] += message[k];
}

template <class T> void Network<T>::leave(const Edges &edges, T *arrived) const
{
  for (int64_t k = 0; k < n; ++k) {
    T *target = arrived + edges.neighbor[edge[k]] * size.features;
    const T *filter = filtered + k * all + leaving_at, *leaving = updated + k * f;
    for (int64_t c = 0; c < size.features; ++c) target[c] += filter[c] * leaving[c];
  }
}

template <class T>
bool Network<T>::forward(const Edges &edges, const T *vector, T *own, T *arrived)
{
  for (int64_t first = 0, last; first < edges.number; first = last) {
    last = edges.next(first);
    if (!reserve(last - first)) return false;
    choose(edges, vector, first, last);
    messages<false>(edges);
    T *row = own + edges.center[first] * size.features;
    for (int64_t k = 0; k < n; ++k) {
      const T *filter = filtered + k * all + f, *reaching = message + (incoming + k) * f;
      for (int64_t c = 0; c < size.features; ++c) row[c] += filter[c] * reaching[c];
    }
    if (!size.blocks) continue;
    angles<false>();
    leave(edges, arrived);
  }
  return true;
}

template <class T>
bool Network<T>::backward(const Edges &edges, const T *vector, const T *own_gradient,
                          const T *arrived_gradient, T *slope)
{
  memset(slope, 0, size_t(3 * edges.number) * sizeof(T));
  for (int64_t first = 0, last; first < edges.number; first = last) {
    last = edges.next(first);
    if (!reserve(last - first)) return false;
    choose(edges, vector, first, last);
    messages<true>(edges);
    const T *row = own_gradient + edges.center[first] * size.features;
    for (int64_t k = 0; k < n; ++k) {
      const T *filter = filtered + k * all + f, *reaching = message + (incoming + k) * f;
      T *of_filter = filtered_gradient + k * all + f, *of_message = gradient + (incoming + k) * f;
      for (int64_t c = 0; c < size.features; ++c) {
        of_filter[c] = row[c] * reaching[c];
        of_message[c] = row[c] * filter[c];
      }
    }
    if (size.blocks) {
      angles<true>();
      back_angles(edges, arrived_gradient);
    }
    back_messages();
    chain(slope);
  }
  return true;
}

template <class T>
void Network<T>::back_angles(const Edges &edges, const T *arrived_gradient)
{
  const int64_t orders = size.l_max + 1, number = harmonics.number;
  for (int64_t k = 0; k < n; ++k) {
    const T *given = arrived_gradient + edges.neighbor[edge[k]] * size.features;
    const T *filter = filtered + k * all + leaving_at, *leaving = updated + k * f;
    T *of_filter = filtered_gradient + k * all + leaving_at, *of_message = gradient + k * f;
    for (int64_t c = 0; c < size.features; ++c) {
      of_filter[c] = given[c] * leaving[c];
      of_message[c] = given[c] * filter[c];
      updated_gradient[k * f + c] = of_message[c] * updated_slope[k * f + c];
    }
  }
  update.template transpose<false>(updated_gradient, n, mixed_gradient);
  for (int64_t k = 0; k < n * f; ++k) mixed_gradient[k] *= mixed_slope[k];
  direct.template transpose<true>(mixed_gradient, n, gradient);
  up.template transpose<false>(mixed_gradient, n, angular_gradient);

  multiply<T, false>(Left<T>{harmonic, 1, y}, number, angular_gradient, a, n, a, bracket_gradient, a);
  for (int64_t k = 0; k < n; ++k)
    for (int64_t c = 0; c < a; c += lanes<T>()) {
      const Wide<T> given = -load(angular_gradient + k * a + c);
      for (int64_t l = 0; l < orders; ++l) store(product_gradient + (k * orders + l) * a + c, given);
    }
  for (int64_t l = 0; l < orders; ++l)
    multiply<T, true>(Left<T>{harmonic + l * l, y, 1}, n, bracket_gradient + l * l * a, a, 2 * l + 1, a,
                      product_gradient + l * a, orders * a);

  // Y meets the bracket where it leaves, and the product where the bracket is made.
  T *leaves = turned, *makes = turned + a * y;
  for (int64_t l = 0; l < orders; ++l)
    for (int64_t m = l * l; m < (l + 1) * (l + 1); ++m)
      for (int64_t c = 0; c < a; ++c) {
        leaves[c * y + m] = bracket[m * a + c];
        makes[(l * a + c) * y + m] = bracket_gradient[m * a + c];
      }
  multiply<T, false>(Left<T>{angular_gradient, a, 1}, n, leaves, y, size.angular, y, harmonic_gradient, y);
  multiply<T, true>(Left<T>{product, orders * a, 1}, n, makes, y, orders * a, y, harmonic_gradient, y);

  for (int64_t k = 0; k < n; ++k) {
    const T *filter = filtered + k * all + filters_at;
    T *of_filter = filtered_gradient + k * all + filters_at;
    for (int64_t c = 0; c < a; c += lanes<T>()) {
      const Wide<T> own = load(x + k * a + c);
      Wide<T> total = {};
      for (int64_t l = 0; l < orders; ++l) {
        const Wide<T> given = load(product_gradient + (k * orders + l) * a + c);
        store(of_filter + l * a + c, Wide<T>(given * own));
        total += given * load(filter + l * a + c);
      }
      store(x_gradient + k * a + c, Wide<T>(total * load(x_slope + k * a + c)));
    }
  }
  down.template transpose<true>(x_gradient, n, gradient + incoming * f);
}

template <class T> void Network<T>::back_messages()
{
  const int64_t both = incoming + n;
  for (int64_t k = 0; k < both * f; ++k) gradient[k] *= message_slope[k];
  dense.template transpose<false>(gradient, both, hidden_gradient);
  for (int64_t k = 0; k < n; ++k) {
    T *into = filtered_gradient + k * all;
    const int64_t toward = (incoming + k) * f;
    for (int64_t c = 0; c < f; ++c) {
      into[c] = hidden_gradient[toward + c] * hidden_slope[toward + c];
      if (size.blocks) into[c] += hidden_gradient[k * f + c] * hidden_slope[k * f + c];
    }
  }
  multiply<T, false>(Left<T>{filtered_gradient, all, 1}, n, collect, r, all, r, basis_gradient, r);
}

template <class T> void Network<T>::chain(T *slope)
{
  T *along = spare, *angle = along + lanes<T>();
  for (int64_t k = 0; k < n; k += lanes<T>()) {
    const int64_t used = n - k < lanes<T>() ? n - k : lanes<T>();
    for (int64_t lane = 0; lane < used; ++lane) {
      T sum = 0;
      for (int64_t c = 0; c < size.radial; ++c)
        sum += basis_gradient[(k + lane) * r + c] * basis_slope[(k + lane) * r + c];
      along[lane] = sum;
      if (!size.blocks) continue;
      for (int64_t m = 0; m < harmonics.number; ++m)
        angle[m * lanes<T>() + lane] = harmonic_gradient[(k + lane) * y + m];
    }
    Wide<T> u[3], turn[3] = {};
    for (int axis = 0; axis < 3; ++axis) u[axis] = load(place + (4 + axis) * step + k);
    if (size.blocks) harmonics.transpose(u, angle, turn);
    const Wide<T> parallel = turn[0] * u[0] + turn[1] * u[1] + turn[2] * u[2];
    const Wide<T> d = load(place + 3 * step + k), force = load(along);
    for (int axis = 0; axis < 3; ++axis) {
      const Wide<T> found = force * u[axis] + (turn[axis] - parallel * u[axis]) / d;
      for (int64_t lane = 0; lane < used; ++lane) slope[3 * edge[k + lane] + axis] = found[lane];
    }
  }
}

template class Network<float>;
template class Network<double>;

}  // namespace OCVF_VARIANT
