"""The documentation names what exists: links, files, commands, configurations. Without mkdocs."""

import argparse
import importlib.util
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from ocvf_lmp.cli import _parser
from ocvf_lmp.config import schema
from ocvf_lmp.config.schema import ExperimentConfig

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
NAMED = re.compile(r"`([\w./*-]+)`")
FOLDERS = ("inputs/", "data/", "benchmarks/", "docs/", "tests/", "plugin/", "python/")
CONFIGURATION = "# ocvf-lmp train\n"
"""First line of a YAML block that is a whole configuration."""

_spec = importlib.util.spec_from_file_location("input_reference", DOCS / "input_reference.py")
assert _spec is not None
assert _spec.loader is not None
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)

PAGES = {path: path.read_text() for path in sorted(DOCS.rglob("*.md"))}
PAGES[DOCS / reference.PAGE] = reference.page()
NAMES = [str(path.relative_to(DOCS)) for path in PAGES]


def blocks(*languages):
    return [
        pytest.param(text, id=f"{path.relative_to(DOCS)}-{number}")
        for path, page in PAGES.items()
        for number, (language, text) in enumerate(FENCE.findall(page))
        if language in languages
    ]


def headings(page):
    found = re.findall(r"^#+ (.*)$", FENCE.sub("", page), re.MULTILINE)
    return {reference.anchor(title) for title in found}


def commands(text, program):
    """Command lines of a shell block that start a program, as words."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = [shlex.split(line, comments=True) for line in joined.splitlines()]
    found = []
    for words in lines:
        if program in words[:4]:  # behind `mpirun -n 4`
            found.append(words[words.index(program) + 1 :])
    return found


def refuse(parser, message):
    raise ValueError(f"{parser.prog}: {message}")


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    path = DOCS / name
    for link in LINK.findall(FENCE.sub("", PAGES[path])):
        if link.startswith("https://"):
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        assert target in PAGES or target.is_file(), f"{name}: no such page: {link}"
        assert not anchor or anchor in headings(PAGES[target]), f"{name}: no such heading: {link}"


@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_named_exist(name):
    package = ROOT / "python" / "ocvf_lmp"
    rooms = {folder.name for folder in package.iterdir() if folder.is_dir()}
    for named in NAMED.findall(FENCE.sub("", PAGES[DOCS / name])):
        if named.startswith(FOLDERS):
            assert list(ROOT.glob(named)), f"{name}: no such file: {named}"
        elif named.endswith(".py") and named.split("/")[0] in rooms:
            assert (package / named).is_file(), f"{name}: no such module: {named}"


@pytest.mark.parametrize("text", blocks("bash"))
def test_files_in_commands_exist(text):
    for word in shlex.split(re.sub(r"\\\n\s*", " ", text), comments=True):
        if word.startswith(FOLDERS):
            assert (ROOT / word).exists(), word


@pytest.mark.parametrize("text", blocks("bash"))
def test_commands_are_such_that_the_program_takes_them(text, monkeypatch):
    monkeypatch.setattr(argparse.ArgumentParser, "error", refuse)
    for words in commands(text, "ocvf-lmp"):
        _parser().parse_args(words)


@pytest.mark.parametrize("script", sorted((ROOT / "inputs" / "slurm").glob("*.sh")))
def test_commands_of_slurm_templates_are_such(script, monkeypatch):
    monkeypatch.setattr(argparse.ArgumentParser, "error", refuse)
    text = script.read_text().replace('"$@"', "--temperatures 50:500:25 --repeat 6 6 6")
    text = re.sub(r"\$\{SLURM_NTASKS:-(\d+)\}", r"\1", text)
    for words in commands(text, "ocvf-lmp"):
        assert _parser().parse_args(words).command == "sweep"
    assert commands(text, "ocvf-lmp") or " lmp -in inputs/in.bto_npt" in text


ASKED = ["--temperatures", "100:400:20", "--repeat", "4", "4", "4"]


def sweep_of_a_job(folder, given):
    """The sweep that the template of a job array starts, with a program that only tells it."""
    program = folder / "bin" / "ocvf-lmp"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    (folder / "bin" / "activate").write_text(f"PATH={program.parent}:$PATH\n")
    job = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_NTASKS": "4", "OCVF_VENV": str(folder)}
    return subprocess.run(
        ["bash", ROOT / "inputs" / "slurm" / "sweep.sh", *given], env=os.environ | job,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "model", "lammps", "temperatures"),
    [
        (["model.pt"], Path("model.pt"), None, "50:500:25"),
        (["model.pt", *ASKED], Path("model.pt"), None, "100:400:20"),
        (["--lammps", "in.own", *ASKED], None, "in.own", "100:400:20"),
        (["model.pt", "--lammps", "in.own", *ASKED], Path("model.pt"), "in.own", "100:400:20"),
        (
            [*ASKED, "--lammps", "in.own", "--lammps-arguments", "-k", "on"],
            None,
            "in.own",
            "100:400:20",
        ),
    ],
)
def test_a_job_array_sweeps_what_it_is_given(tmp_path, given, model, lammps, temperatures):
    done = sweep_of_a_job(tmp_path, given)
    assert done.returncode == 0, done.stderr
    options = _parser().parse_args(done.stdout.splitlines())
    assert (options.model, options.lammps) == (model, lammps)
    assert (options.independent, options.part, options.ranks) == (True, "3/10", 4)
    assert options.temperatures == [temperatures]


def test_a_job_array_of_nothing_says_what_is_missing(tmp_path):
    done = sweep_of_a_job(tmp_path, [])
    assert done.returncode != 0
    assert "name a model file" in done.stderr


@pytest.mark.parametrize(
    "broken", ["ocvf-lmp trian my.yaml", "mpirun -n 2 ocvf-lmp export", "ocvf-lmp check m.pt --x"]
)
def test_a_wrong_command_would_be_seen(broken, monkeypatch):
    monkeypatch.setattr(argparse.ArgumentParser, "error", refuse)
    (words,) = commands(broken, "ocvf-lmp")
    with pytest.raises(ValueError, match="ocvf-lmp"):
        _parser().parse_args(words)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_configurations_are_valid(text):
    assert text.startswith((CONFIGURATION, "# part of")), "say what the block is"
    if text.startswith(CONFIGURATION):
        ExperimentConfig.model_validate(yaml.safe_load(text))


def test_there_are_commands_and_configurations():
    shown = [c for block in blocks("bash") for c in commands(block.values[0], "ocvf-lmp")]
    assert {words[0] for words in shown} >= {"pretrain", "train", "export", "sweep", "check"}
    assert len(blocks("yaml")) >= 2


def test_the_navigation_has_every_page():
    text = (ROOT / "mkdocs.yml").read_text()
    assert {name for name in NAMES if name not in text} == set()
    assert {n for n in re.findall(r"[\w./-]+\.md", text) if n not in NAMES} == set()


def test_the_reference_has_every_option_with_unit_and_range():
    page = PAGES[DOCS / reference.PAGE]
    for model in reference.SECTIONS:
        for option in model.model_fields:
            assert f"| `{option}` |" in page
    assert "| `temperature` | number | *required* | K | > 0 | of the thermostat |" in page
    assert "| `timestep` | number | `0.002` | ps | > 0, ≤ 0.01 | of the integrator |" in page
    assert "| `repeat` | 3 integers | `[2, 2, 2]` |  | ≥ 1 | unit cells along a, b, c |" in page


def test_the_reference_knows_every_part_of_the_schema():
    modules = (schema, reference.priors, reference.sweep)
    classes = {v for m in modules for v in vars(m).values() if isinstance(v, type)}
    parts = {c for c in classes if issubclass(c, schema.Strict)} - {schema.Strict}
    assert parts == set(reference.SECTIONS)


def test_an_option_without_description_is_refused():
    class Bare(schema.Strict):
        nothing_said: int = 1

    with pytest.raises(ValueError, match="nothing_said"):
        reference.table(Bare)
