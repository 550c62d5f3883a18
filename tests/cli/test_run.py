"""`flocket run`: finds what it is to serve, and says in one line what is not there."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from flocket.cli import main
from flocket.cli.run import load
from flocket.errors import ConfigError

numbers = itertools.count()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, from which modules are imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


@pytest.fixture
def module(here: Path) -> str:
    """A module in it whose name no other test has imported."""
    name = f"a_module_{next(numbers)}"
    (here / f"{name}.py").write_text("io = 1\nclass site:\n    io = 42\n")
    return name


def test_an_object_of_a_module_in_this_folder_is_found(module: str) -> None:
    assert load(f"{module}:io") == 1
    assert load(f"{module}:site.io") == 42


def test_an_object_of_a_package_is_found(here: Path) -> None:
    (here / "a_package").mkdir()
    (here / "a_package" / "web.py").write_text("io = 'here'\n")
    assert load("a_package.web:io") == "here"


@pytest.mark.parametrize("target", ["", "MODULE", ":io", "MODULE:", "MODULE:nothing", "no_module:io",
                                    "MODULE.sub:io", "MODULE:site.nothing"])
def test_what_is_not_there_is_said_in_one_line(
    module: str, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = target.replace("MODULE", module)
    with pytest.raises(ConfigError) as raised:
        load(target)
    assert "\n" not in str(raised.value)
    assert main(["run", target]) == 2
    assert capsys.readouterr().err == f"flocket: {raised.value}\n"


@pytest.mark.parametrize(
    ("text", "line", "error"),
    [
        ("import a_thing_that_is_not_installed\n", 1, "ModuleNotFoundError"),
        ("def f():\n    raise ValueError('two\\nlines')\nf()\n", 3, "ValueError"),
        ("def (:\n", 1, "SyntaxError"),
    ],
)
def test_a_module_that_fails_shows_where_and_nothing_of_ours(
    here: Path, capsys: pytest.CaptureFixture[str], text: str, line: int, error: str
) -> None:
    name = f"a_failing_module_{next(numbers)}"
    (here / f"{name}.py").write_text(text)
    assert main(["run", f"{name}:io"]) == 2
    said = capsys.readouterr().err
    assert f'{name}.py", line {line}' in said
    assert "flocket/cli" not in said
    assert "importlib" not in said
    assert said.splitlines()[-1] == f"flocket: {name} cannot be imported: {error}, see above"


def test_an_option_that_cannot_be_is_one_line_also_where_a_module_says_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "misspelt.py").write_text("from flocket import Server\nio = Server(ping_intervall=3)\n")
    assert main(["run", "misspelt:io"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_what_cannot_be_served_is_refused(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", f"{module}:io"]) == 2
    assert "neither a Server nor an ASGI application" in capsys.readouterr().err
