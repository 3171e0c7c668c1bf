"""What `diff` asks of git: where a repository begins, which commit a name means, and a file as it was then."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


class NoRepository(Exception):  # noqa: N818 - a state of affairs
    """No git, no repository around a folder, or none with a commit; the message says which."""


class UnknownRevision(Exception):  # noqa: N818 - the same
    """A name that stands for no commit; `known` are names that do."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(name)
        self.known = known


@dataclass(frozen=True, slots=True)
class Repository:
    root: Path

    def commit(self, name: str) -> str:
        """The commit that a name stands for; raises `UnknownRevision`, and `NoRepository` before the first commit."""
        done = _git(self.root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if done.returncode or name.startswith("-"):
            if _git(self.root, "rev-parse", "--verify", "--quiet", "HEAD").returncode:
                raise NoRepository(f"`{self.root}` has no commit yet")
            names = _git(self.root, "for-each-ref", "--format=%(refname:short)").stdout.decode(errors="replace")
            raise UnknownRevision(name, ("HEAD", *names.split()))
        return done.stdout.decode().strip()

    def fork(self, one: str, other: str) -> str:
        """The commit at which two part; raises `UnknownRevision` where they have nothing in common."""
        done = _git(self.root, "merge-base", self.commit(one), self.commit(other))
        if done.returncode:
            raise UnknownRevision(f"{one}...{other}", ())
        return done.stdout.decode().strip()

    def show(self, commit: str, path: str) -> bytes:
        """A file, by its path from the root, as it was; raises FileNotFoundError."""
        done = _git(self.root, "show", f"{commit}:{path}")
        if done.returncode:
            raise FileNotFoundError(2, "not in that revision", path)
        return done.stdout


def repository(folder: Path) -> Repository:
    """The repository that a folder lies in; raises `NoRepository`."""
    try:
        done = _git(folder, "rev-parse", "--show-toplevel")
    except FileNotFoundError:
        raise NoRepository("git is not installed") from None
    if done.returncode:
        raise NoRepository(f"`{folder}` is in no git repository")
    return Repository(Path(done.stdout.decode().rstrip("\n")))


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)  # noqa: S603, S607 - arguments are a list, git is found as the user's shell finds it
