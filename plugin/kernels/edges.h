// The edges of all atoms, as the caller holds them.
#pragma once

#include <cstdint>

struct Edges {
  int64_t number;
  const int64_t *center;  // ascending
  const int64_t *neighbor;
  const int64_t *species;  // of each atom

  // First edge after those of the centre of one.
  int64_t next(int64_t first) const
  {
    int64_t last = first;
    while (last < number && center[last] == center[first]) ++last;
    return last;
  }
};
