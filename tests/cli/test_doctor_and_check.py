"""fastplm doctor and fastplm check, and what all commands share."""

import json
import os
import subprocess
import sys

import pytest

import fastplm
from fastplm.cli import main


def test_doctor_says_what_the_engine_says(capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    cpu = fastplm.cpu_info()
    assert found["version"] == fastplm.__version__
    for name in ("isa", "levels", "threads", "limits"):
        assert found[name] == cpu[name]
    assert found["cuda"] == fastplm.cuda_status()
    assert any(path.endswith("libfastplm.so") for path in found["libraries"])


def test_doctor_for_reading_names_every_level_and_library(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for level in fastplm.cpu_info()["levels"]:
        assert level["name"] in out and level["needs"] in out
    assert "libfastplm.so" in out and fastplm.__version__ in out


@pytest.mark.parametrize(
    "level", [level["name"] for level in fastplm.cpu_info()["levels"] if level["supported"]]
)
def test_doctor_shows_a_forced_level(level):
    found = json.loads(_run("doctor", "--json", FASTPLM_ISA=level).stdout)
    assert found["isa"] == level
    assert found["why"] == "forced by FASTPLM_ISA"
    assert found["settings"]["FASTPLM_ISA"] == level


def test_doctor_with_an_unknown_level_lists_the_known_ones():
    result = _run("doctor", FASTPLM_ISA="mmx")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    for level in fastplm.cpu_info()["levels"]:
        assert level["name"] in result.stderr


def test_check_passes_on_a_real_model(minilm, capsys):
    assert (
        main(["check", str(minilm), "--json", "A short text.", "And a somewhat longer one, with a comma."])
        == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] and report["same_ids"] and report["within_tolerance"]
    assert report["texts"] == 2 and len(report["max_difference_by_layer"]) == 7
    assert 0 < report["max_difference"] == report["max_difference_by_layer"][report["worst_layer"]] < 1e-4


def test_check_for_reading(minilm, capsys):
    assert main(["check", str(minilm), "--dtype", "bfloat16"]) == 0
    out = capsys.readouterr().out
    assert "<- largest" in out and "min cosine" in out and out.endswith("passed\n")


@pytest.mark.parametrize(
    ("dtype", "limits"), [("float32", {"ABSOLUTE": 0.0, "RELATIVE": 0.0}), ("bfloat16", {"COSINE": 1.1})]
)
def test_check_fails_when_the_models_differ(dtype, limits, minilm, monkeypatch, capsys):
    for name, value in limits.items():
        monkeypatch.setattr(f"fastplm.cli.check.{name}", value)
    assert main(["check", str(minilm), "some text", "--dtype", dtype]) == 1
    assert capsys.readouterr().out.endswith("FAILED\n")


def test_check_without_a_tokenizer_compares_random_ids(minilm, tmp_path, capsys):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).symlink_to(minilm / name)
    assert main(["check", str(tmp_path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["same_ids"] is None and "random ids" in report["ids_note"]


def test_check_names_the_library_it_lacks(minilm, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert main(["check", str(minilm)]) == 2
    assert "pip install transformers" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["encode"], ["doctor"], ["check"]])
def test_help_shows_examples(command, capsys):
    assert main([*command, "--help"]) == 0
    assert "examples:\n  fastplm " in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["nope"], ["encode", "--dtype", "float8"], ["check"]])
def test_wrong_usage(arguments, capsys):
    assert main(arguments) == 2
    assert "usage: fastplm" in capsys.readouterr().err


def test_version_is_the_package_s():
    result = _run("--version")
    assert (result.returncode, result.stdout) == (0, f"fastplm {fastplm.__version__}\n")


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "fastplm", *arguments], capture_output=True, text=True, timeout=120,
        env=os.environ | environment,
    )  # fmt: skip
