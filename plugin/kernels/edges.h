// The edges of all atoms, as the caller holds them.
#pragma once

#include <cstdint>

struct Edges {
  int64_t number, atoms;
  const int64_t *center;  // ascending
  const int64_t *neighbor;
  const int64_t *species;  // of each atom
};
