from __future__ import annotations

import os
from pathlib import Path

from flocket.cluster.watch import Sources


def test_it_notices_files_that_are_written_added_and_removed(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    module = package / "module.py"
    module.write_text("a = 1")
    sources = Sources(str(tmp_path))
    assert not sources.changed()
    os.utime(module, ns=(1, 1))
    assert sources.changed()
    assert not sources.changed()
    (package / "new.py").touch()
    assert sources.changed()
    module.unlink()
    assert sources.changed()
    assert not sources.changed()


def test_it_looks_at_nothing_but_the_programs_own_source(tmp_path: Path) -> None:
    for folder in (".git", "__pycache__", "node_modules", "venv"):
        (tmp_path / folder).mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    sources = Sources(str(tmp_path))
    for folder in (".git", "__pycache__", "node_modules", "venv"):
        (tmp_path / folder / "x.py").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "broken.py").symlink_to(tmp_path / "nowhere")
    assert not sources.changed()
