import math

import numpy as np
import pytest
import torch

from ocvf_lmp.errors import DataError
from ocvf_lmp.fit.gr_file import GrFile, read_gr, write_gr
from ocvf_lmp.fit.gr_header import parse_formula

R = np.arange(1, 1501) * 0.01


def crystal_g(r: np.ndarray) -> np.ndarray:
    """A plausible g(r): zero below 2 Å, peaks that fade, then 1."""
    peaks = sum(np.exp(-(((r - c) / 0.15) ** 2)) for c in (2.8, 4.0, 4.9, 5.7, 6.9, 8.0))
    return np.where(r < 2.2, 0.0, 1 - np.exp(-(((r - 2.2) / 2) ** 2))) + 3 * peaks / r


def big_g(r: np.ndarray) -> np.ndarray:
    return 4 * math.pi * r * 0.078 * (crystal_g(r) - 1)


def write(path, header, *columns):
    rows = ["\t".join(f"{x:.6g}" for x in row) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([*header, *rows]) + "\n")
    return path


PDFGETX3 = """[DEFAULT]

version = pdfgetx3-1.2
dataformat = twotheta
mode = xray
wavelength = 0.142959
composition = BaTiO3
qmaxinst = 28.5
qmin = 0
qmax = 26

#### start data
#S 1
#L r(Å)  G(Å$^{-2}$)""".splitlines()

PDFGETN = """History written: Fri Apr 30 17:46:38 2004
prep=gsas     machine=npdf
temp=308     runTitle=a title, 1050.0
##### Sample Material     numElements=3     NormLaue=0.47445
Element relAtomNum atomMass atomCoherCS atomIncoherCS atomAbsorpCS
   O        0.6000   15.999      4.2320        0.0008      0.00019
  Ti        0.2000   47.867     -3.4380        0.4000     13.30000
  Ba        0.2000  137.327      5.0700        1.1300      8.97000
density=     effDensity=3.2839
bank   angle   blendQmin   blendQmax       (0.0 means no info)
  1     90.0        1.62    29.42
  2    -90.0        1.62    29.42
## Damp     Qmin=2.0     Qmax=32     startDampQ=32    QAveMin=0.6
##### start data
#S 1 - PDF from PDFgetN
#L r G(r) dr dG(r)""".splitlines()


def test_pdfgetx3_header_is_understood(tmp_path):
    found = read_gr(write(tmp_path / "x.gr", PDFGETX3, R, big_g(R)), "BaTiO3")
    assert (found.radiation, found.q_max, found.q_min) == ("xray", 26.0, 0.0)
    assert found.composition == pytest.approx({"Ba": 0.2, "Ti": 0.2, "O": 0.6})
    assert found.temperature is None
    assert found.error is None
    assert found.extra["wavelength"] == "0.142959"
    assert not found.synthetic
    np.testing.assert_allclose(found.g, big_g(R), rtol=1e-4, atol=1e-5)


def test_pdfgetn_header_and_four_columns_are_understood(tmp_path):
    dg = np.full_like(R, 0.07)
    path = write(tmp_path / "n.gr", PDFGETN, R, big_g(R), 0 * R, dg)
    found = read_gr(path, {"Ba": 1, "Ti": 1, "O": 3})
    assert (found.radiation, found.q_max) == ("neutron", 32.0)
    assert found.composition == pytest.approx({"Ba": 0.2, "Ti": 0.2, "O": 0.6})
    assert found.temperature is None  # `temp` is the instrument's
    assert found.r_error is None
    assert len(found.r) == len(R)
    np.testing.assert_allclose(found.error, dg)


@pytest.mark.parametrize("header", [[], ["1500", "RMC data: a title"], ["# a comment", "r, G"]])
def test_plain_and_rmcprofile_like_columns_are_understood(tmp_path, header):
    found = read_gr(write(tmp_path / "p.gr", header, R, big_g(R)))
    np.testing.assert_allclose(found.r, R, rtol=1e-5)


def test_the_third_of_three_columns_is_the_error_of_g(tmp_path):
    found = read_gr(write(tmp_path / "p.gr", [], R, big_g(R), 0.1 + 0 * R))
    assert found.error is not None
    assert found.r_error is None


def test_a_written_file_restores_every_field(tmp_path):
    r, g = torch.from_numpy(R), torch.from_numpy(big_g(R))
    data = GrFile(
        r,
        g,
        error=torch.full_like(g, 0.05),
        radiation="neutron",
        composition={"Ba": 0.2, "Ti": 0.2, "O": 0.6},
        q_max=35.0,
        q_min=0.5,
        q_damp=0.02,
        q_broad=0.01,
        temperature=150.0,
        pressure=1.01325,
        density=0.0765,
        synthetic=True,
        source="shell model A in LAMMPS, 8 x 8 x 8 cells, 50 ps",
        extra={"frames": "400", "seed": "1 2 3"},
    )
    write_gr(tmp_path / "w.gr", data, "SYNTHETIC: computed, not measured.\nSecond line.")
    found = read_gr(tmp_path / "w.gr", "BaTiO3")
    for name in data.__dataclass_fields__:
        expected, got = getattr(data, name), getattr(found, name)
        if isinstance(expected, torch.Tensor):
            torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6)
        elif name == "composition":
            assert got == pytest.approx(expected)
        else:
            assert got == expected, name


def test_formulas_become_fractions():
    assert parse_formula("BaTiO3") == pytest.approx({"Ba": 0.2, "Ti": 0.2, "O": 0.6})
    assert parse_formula("Ba0.5 Sr.5 TiO3") == pytest.approx(
        {"Ba": 0.1, "Sr": 0.1, "Ti": 0.2, "O": 0.6}
    )
    assert parse_formula("(BaO)(TiO2)") is None


def damaged(lines):
    return [*lines[:700], "7.01 ******", *lines[701:]]


def rows(g=None, r=R):
    return [f"{x} {y}" for x, y in zip(r, big_g(r) if g is None else g, strict=True)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a text", "without numbers"], "at least 10 rows"),
        ([line.replace(".", ",") for line in rows()], "decimal points"),
        ([*rows()[:300], "3.01 nan", *rows()[301:]], "finite numbers"),
        ([*rows()[:300], "2.5 1.0", *rows()[301:]], "increase"),
        (rows()[::-1], "increase"),
        (damaged(rows()), "damaged"),
        ([*rows(), "#S 2", *rows()], "several curves"),
        ([line + " 1 2 3" for line in rows()], "2, 3 or 4 columns"),
        (rows(100 * big_g(R), R / 10), "nm"),
        ([f"{100 * x} {y}" for x, y in zip(R, big_g(R), strict=True)], "pm"),
        (rows(crystal_g(R)), "tends to 1"),
        (rows(4 * math.pi * R * 0.078 * crystal_g(R)), r"T\(r\)"),
        (rows(4 * math.pi * R**2 * 0.078 * crystal_g(R)), r"R\(r\)"),
        (rows(crystal_g(R) - 1), "in barn"),
    ],
)
def test_what_is_no_pdf_in_angstrom_is_refused_with_advice(tmp_path, lines, message):
    path = tmp_path / "bad.gr"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=message) as caught:
        read_gr(path)
    assert "expected" in str(caught.value)
    assert "found" in str(caught.value)
    assert "bad.gr" in str(caught.value)


def test_a_missing_file_and_another_sample_are_refused(tmp_path):
    with pytest.raises(DataError, match="correct the path"):
        read_gr(tmp_path / "none.gr")
    path = write(tmp_path / "x.gr", PDFGETX3, R, big_g(R))
    with pytest.raises(DataError, match="right sample"):
        read_gr(path, "SrTiO3")


def test_the_measured_files_at_hand_are_read(shared):
    files = sorted((shared / "data" / "pdf").glob("*.gr"))
    assert len(files) >= 10
    for path in files:
        found = read_gr(path)
        assert found.radiation == ("xray" if "xray" in path.name else "neutron")
        assert found.composition is not None
        assert 20 < (found.q_max or 0) < 40
        assert float(found.r[-1]) >= 19.99
        assert (found.error is not None) == ("neutron" in path.name)


def test_the_measured_barium_titanate_has_its_peaks_where_they_are_known(shared):
    found = read_gr(shared / "data" / "pdf" / "BaTiO3_xray_q26_pdfrecipebuilder.gr", "BaTiO3")
    r, g = found.r.numpy(), found.g.numpy()
    for expected in (2.85, 3.46, 4.01, 4.89, 5.67, 6.64):
        near = np.abs(r - expected) < 0.15
        assert r[near][g[near].argmax()] == pytest.approx(expected, abs=0.03)
