"""`structdsl fmt` and `structdsl fix` on files."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from structdsl.cli.main import cli
from structdsl.repair import repair
from tests.format.conftest import FENCE, HEAD, PAGES, ROOT

UGLY = "language 1\ncorpus a { source=files('*.md'), role=domain }\n".replace("'", '"')
FINE = 'language 1\n\ncorpus a { source = files("*.md"), role = domain }\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, arguments, input=text)


class TestFmt:
    def test_all_specs_below_the_folder(self, folder: Path) -> None:
        for name in ("b.adapt", "lib/a.adapt", "build/c.adapt", ".hidden/d.adapt", "notes.md"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(UGLY)
        (folder / "fine.adapt").write_text(FINE)
        done = call("fmt")
        assert done.stdout == "formatted b.adapt\nformatted lib/a.adapt\n2 files formatted, 1 file unchanged\n"
        assert done.exit_code == 0
        assert (folder / "lib/a.adapt").read_text() == FINE
        assert (folder / "build/c.adapt").read_text() == UGLY
        assert call("fmt").stdout == "3 files unchanged\n"

    def test_check_and_diff_write_nothing(self, folder: Path) -> None:
        (folder / "a.adapt").write_text(UGLY)
        check = call("fmt", "--check")
        assert (check.stdout, check.exit_code) == ("would format a.adapt\n1 file to format\n", 1)
        diff = call("fmt", "--diff", "a.adapt")
        assert diff.exit_code == 0
        assert "+corpus a { source = " in diff.stdout
        assert call("fmt", "--diff", "--check").exit_code == 1
        assert (folder / "a.adapt").read_text() == UGLY

    def test_standard_input(self, folder: Path) -> None:
        done = call("fmt", "-", text=UGLY)
        assert (done.stdout, done.exit_code) == (FINE, 0)
        assert call("fmt", "--check", "-", text=UGLY).exit_code == 1
        assert call("fmt", "--check", "-", text=FINE).exit_code == 0
        assert not list(folder.iterdir())

    def test_a_file_with_mistakes_stays_and_the_others_go_on(self, folder: Path) -> None:
        (folder / "a.adapt").write_text("language 1\ncorpus a { x = }\n")
        (folder / "b.adapt").write_text(UGLY)
        (folder / "c.adapt").write_bytes(b"language 1\n\xff")
        done = call("fmt", "a.adapt", "b.adapt", "c.adapt", "d.adapt")
        assert done.exit_code == 1
        assert done.stdout == "formatted b.adapt\n1 file formatted, 3 files not read\n"
        assert re.findall(r"E\d{4}", done.stderr) == ["E0101", "E0802", "E0802"]

    def test_links_and_modes_stay(self, folder: Path) -> None:
        (folder / "real").mkdir()
        (folder / "real/a.adapt").write_text(UGLY)
        (folder / "real/a.adapt").chmod(0o640)
        (folder / "a.adapt").symlink_to("real/a.adapt")
        assert call("fmt", "a.adapt").exit_code == 0
        assert (folder / "a.adapt").is_symlink()
        assert (folder / "real/a.adapt").read_text() == FINE
        assert stat.S_IMODE((folder / "real/a.adapt").stat().st_mode) == 0o640
        assert not list(folder.glob("real/.*"))


class TestFix:
    def test_what_is_fixed_and_what_is_left(self, folder: Path) -> None:
        (folder / "lib").mkdir()
        (folder / "lib/b.adapt").write_text('language 1\ncorpus base { source: files("*.md"), role = domain }\n')
        text = "language 1\nimport './lib/b.adapt' as b\ncorpus a extends b.corpus.base { limt = 30 k docs, z = 1 }\n"
        (folder / "a.adapt").write_text(text)
        diff = call("fix", "--diff")
        assert "+corpus base { source = files" in diff.stdout
        assert (folder / "a.adapt").read_text() == text
        done = call("fix", "a.adapt", "--diagnostics", "concise")
        assert done.exit_code == 1
        assert done.stdout.splitlines() == [
            "a.adapt:2:8: E0110 fixed: './lib/b.adapt' → \"./lib/b.adapt\"",
            "a.adapt:3:34: E0204 fixed: limt → limit",
            "a.adapt:3:41: E0105 fixed: 30 k → 30k",
            "lib/b.adapt:2:21: E0109 fixed: : → =",
        ]
        assert "unknown attribute `z`" in done.stderr
        assert "limit = 30k docs" in (folder / "a.adapt").read_text()

    def test_nothing_to_fix(self, folder: Path) -> None:
        (folder / "a.adapt").write_text(FINE)
        done = call("fix")
        assert (done.stdout, done.exit_code) == ("a.adapt: nothing to fix\n", 0)

    def test_errors_without_a_repair(self, folder: Path) -> None:
        (folder / "a.adapt").write_text('language 1\ncorpus a { source = files("*.md") }\n')
        done = call("fix")
        assert (done.stdout, done.exit_code) == ("a.adapt: nothing that a message knows a repair for\n", 1)
        assert "needs `role`" in done.stderr

    def test_files_elsewhere_stay_as_they_are(self, folder: Path) -> None:
        (folder / "own").mkdir()
        other = 'language 1\ncorpus base { source: files("*.md"), role = domain }\n'
        (folder / "b.adapt").write_text(other)
        (folder / "own/a.adapt").write_text(
            'language 1\nimport "../b.adapt" as b\ncorpus a extends b.corpus.base { }\n'
        )
        assert call("fix", "own/a.adapt").exit_code == 1
        assert (folder / "b.adapt").read_text() == other

    def test_no_such_file(self, folder: Path) -> None:
        done = call("fix", "none.adapt")
        assert (done.exit_code, "E0802" in done.stderr) == (1, True)
        assert not list(folder.iterdir())


def snippets() -> dict[str, str]:
    """Every text that the pages show, mistakes and all."""
    found: dict[str, str] = {}
    for page in PAGES:
        for path in sorted((ROOT / page).glob("*.md")):
            prelude = ""
            for fence in FENCE.finditer(path.read_text(encoding="utf-8")):
                if "prelude" in fence[0].split("\n")[0]:
                    prelude = fence[1]
                    continue
                head = "" if HEAD.search(fence[1]) else "language 1\n"
                found[f"{path.stem}:{fence.start()}"] = f"{head}{fence[1]}\n{prelude}"
    return found


@pytest.mark.parametrize(("place", "text"), snippets().items(), ids=list(snippets()))
def test_fixes_cure_what_they_are_for(place: str, text: str, tmp_path: Path) -> None:
    """A fix that does not cure would be proposed again, in every round."""
    spec = tmp_path / f"{place.partition(':')[0].lower()}.adapt"
    spec.write_text(text, encoding="utf-8")
    repaired = repair(text, spec)
    assert not [fault.message for fault in repaired.left if fault.fixes]
    assert len({(fixed.code, fixed.line, fixed.change) for fixed in repaired.fixed}) == len(repaired.fixed)
