"""The experimental facts in data/bto: complete, consistent, and converted as they say."""

import math
from collections.abc import Iterator

import pytest
import torch
import yaml

from ocvf_lmp.fit.targets import LatticeTarget
from ocvf_lmp.observables.scattering import NEUTRON_LENGTHS
from ocvf_lmp.system.cell import lengths_angles, volume

READINGS = {"read", "second_hand", "unchecked"}
SECTIONS = (
    "transitions",
    "lattices",
    "densities",
    "polarizations",
    "latent_heats",
    "expansions",
)


@pytest.fixture(scope="module")
def facts(request):
    path = request.config.rootpath / "data" / "bto" / "experiment.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def charges(request):
    path = request.config.rootpath / "data" / "bto" / "born_charges.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def records(facts) -> Iterator[dict]:
    for section in SECTIONS:
        yield from facts[section]


def pseudocubic(cell: dict, setting: str) -> tuple[list[float], list[float]]:
    """The five-atom cell of a record, by the formulas in the file's header."""
    if setting == "pseudocubic":
        return [cell[k] for k in "abc"], [cell[k] for k in ("alpha", "beta", "gamma")]
    edge = 0.5 * math.hypot(cell["b"], cell["c"])
    shear = math.degrees(2.0 * math.atan(cell["b"] / cell["c"]))
    return [cell["a"], edge, edge], [shear, 90.0, 90.0]


def by_id(facts) -> dict[str, dict]:
    return {record["id"]: record for record in facts["lattices"]}


def test_every_record_has_a_unit_a_known_source_and_says_how_it_was_read(facts):
    seen = set()
    for record in records(facts):
        assert record["id"] not in seen
        seen.add(record["id"])
        assert record["reading"] in READINGS, record["id"]
        assert record["sources"], record["id"]
        assert set(record["sources"]) <= set(facts["sources"]), record["id"]
        assert "uncertainty" in record, record["id"]
        assert record.get("unit") or record.get("units"), record["id"]
        if "units" in record:
            assert set(record["units"]) == {"length", "angle"}
    assert len(seen) >= 15


def test_every_temperature_has_a_unit_and_missing_ones_say_why(facts):
    for record in [*facts["lattices"], *facts["densities"], *facts["targets"]]:
        temperature = record["temperature"]
        assert temperature["unit"] == "K"
        assert temperature["value"] is not None or temperature["note"]


def test_nothing_from_a_source_that_was_not_seen_claims_to_be_read(facts):
    unseen = {k for k, source in facts["sources"].items() if source["seen"].startswith("not seen")}
    unseen.add("kwei1993")  # abstract only
    for record in records(facts):
        if set(record["sources"]) & unseen:
            assert record["reading"] == "unchecked", record["id"]


def test_values_of_ranges_are_their_middles(facts):
    for record in records(facts):
        ends = record.get("range")
        pairs = (
            []
            if ends is None
            else [(record["cell"][k], v) for k, v in ends.items()]
            if isinstance(ends, dict)
            else [(record["value"], ends)]
        )
        for value, (low, high) in pairs:
            assert value == pytest.approx(0.5 * (low + high), abs=1e-9), record["id"]


def test_pseudocubic_blocks_follow_from_the_cells_by_the_stated_formulas(facts):
    for record in facts["lattices"]:
        lengths, angles = pseudocubic(record["cell"], record["setting"])
        assert record["pseudocubic"]["lengths"] == pytest.approx(lengths, abs=6e-5), record["id"]
        assert record["pseudocubic"]["angles"] == pytest.approx(angles, abs=6e-5), record["id"]


def test_the_formulas_agree_with_cell_vectors_and_halve_the_volume(facts):
    orthorhombic = [r for r in facts["lattices"] if r["setting"] == "orthorhombic"]
    assert len(orthorhombic) == 3
    for record in orthorhombic:
        a, b, c = (record["cell"][k] for k in "abc")
        rows = torch.tensor(
            [[a, 0.0, 0.0], [0.0, -b / 2, c / 2], [0.0, b / 2, c / 2]], dtype=torch.float64
        )
        lengths, angles = pseudocubic(record["cell"], "orthorhombic")
        assert lengths_angles(rows).tolist() == pytest.approx([*lengths, *angles], abs=1e-10)
        assert abs(float(volume(rows))) == pytest.approx(a * b * c / 2, rel=1e-12)


def test_transitions_come_in_the_order_of_the_phases(facts):
    value = {r["id"]: r["value"] for r in facts["transitions"]}
    assert value["RO_183"] < value["OT_278"] < value["TC_393"] < value["TC_403"]


def test_phases_at_the_target_temperatures_follow_from_the_transitions(facts):
    value = {r["id"]: r["value"] for r in facts["transitions"]}
    edges = [(value["RO_183"], "R"), (value["OT_278"], "O"), (value["TC_393"], "T")]
    for target in facts["targets"]:
        expected = next((p for edge, p in edges if target["temperature"]["value"] < edge), "C")
        assert target["phase"] == expected
    assert [t["temperature"]["value"] for t in facts["targets"]] == [100.0, 150.0, 250.0, 300.0]


def test_targets_follow_from_the_records_they_name(facts):
    lattices = by_id(facts)
    for target in facts["targets"]:
        named = [lattices[k] for k in target["from"]]
        rows = [
            torch.tensor(r["pseudocubic"]["lengths"] + r["pseudocubic"]["angles"]) for r in named
        ]
        if target["rule"] == "interpolate":
            t0, t1 = (r["temperature"]["value"] for r in named)
            share = (target["temperature"]["value"] - t0) / (t1 - t0)
            expected = rows[0] + share * (rows[1] - rows[0])
        else:
            expected = torch.stack(rows).mean(dim=0)
        found = target["lengths"] + target["angles"]
        assert found == pytest.approx(expected.tolist(), abs=6e-5)


def test_targets_are_no_better_read_than_their_sources_and_their_errors_cover_the_spread(facts):
    lattices = by_id(facts)
    for target in facts["targets"]:
        named = [lattices[k] for k in target["from"]]
        if any(r["reading"] == "unchecked" for r in named):
            assert target["reading"] == "unchecked"
        for record in named:
            for found, value in zip(
                target["lengths"], record["pseudocubic"]["lengths"], strict=True
            ):
                assert abs(found - value) <= target["error"]["length"]


def test_targets_are_accepted_as_lattice_targets_and_met_by_themselves(facts):
    for target in facts["targets"]:
        lattice = LatticeTarget(
            temperature=target["temperature"]["value"],
            pressure=facts["pressure"]["value"],
            lengths=tuple(target["lengths"]),
            angles=tuple(target["angles"]),
            length_error=target["error"]["length"],
            angle_error=target["error"]["angle"],
        )
        mean = torch.tensor([*target["lengths"], *target["angles"]], dtype=torch.float64)
        assert float(lattice.loss(mean)) < 1e-12
        assert float(lattice.loss(mean * 1.001)) > 0.1


def test_the_measured_density_agrees_with_the_quoted_rhombohedral_cell(facts):
    density = facts["densities"][0]
    a, alpha = (by_id(facts)["R_kwei_15K"]["cell"][k] for k in ("a", "alpha"))
    cos = math.cos(math.radians(alpha))
    cell_volume = a**3 * math.sqrt(1 - 3 * cos**2 + 2 * cos**3)
    assert 5.0 / cell_volume == pytest.approx(density["value"], abs=2 * density["uncertainty"])


def test_volumes_of_all_records_lie_within_two_percent(facts):
    volumes = []
    for record in facts["lattices"]:
        lengths, angles = pseudocubic(record["cell"], record["setting"])
        volumes.append(math.prod(lengths) * math.sin(math.radians(angles[0])))
    assert max(volumes) / min(volumes) < 1.02
    assert min(volumes) > 63.5


def test_born_charges_obey_the_acoustic_sum_rule(charges):
    for row in charges["born_charges"]:
        total = row["Ba"] + row["Ti"] + row["O_parallel"] + 2 * row["O_perpendicular"]
        assert abs(total) <= 0.015, row["id"]
        assert row["unit"] == "e"
        assert row["reading"] in READINGS
        assert set(row["sources"]) <= set(charges["sources"])


def test_scattering_lengths_are_those_that_the_forward_model_uses(charges):
    table = {row["element"]: row for row in charges["scattering_lengths"]}
    for symbol, row in table.items():
        assert row["value"] == NEUTRON_LENGTHS[symbol]
        assert row["unit"] == "fm"
        assert set(row["sources"]) <= set(charges["sources"])
    mean = (table["Ba"]["value"] + table["Ti"]["value"] + 3 * table["O"]["value"]) / 5
    assert mean == pytest.approx(3.8082, abs=1e-4)
