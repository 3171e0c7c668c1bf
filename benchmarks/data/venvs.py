"""The peers' environments: a venv each, outside the repository, made once.

`python -m benchmarks.data.venvs --venvs DIR [NAME …]`. Versions are pinned here, so that a table says what it measured;
what is installed already stays. A peer whose packages cannot be had is reported, and left out of the benchmark.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any, Final

REQUIREMENTS: Final = {
    "polars": ("polars==2.1.0",),
    "duckdb": ("duckdb==2.0.0",),
    "rensa": ("rensa==0.5.0", "numpy", "duckdb==2.0.0", "pyarrow"),
    "tokenizers": ("tokenizers==0.23.3", "numpy"),
    "fastokens": ("fastokens==0.3.5", "numpy"),
    "datasets": ("datasets==5.2.0", "tokenizers==0.23.3"),
    "daft": ("daft==0.7.26", "numpy", "scipy"),
    "spark": ("pyspark==4.3.0",),
    "datatrove": ("datatrove[io,processing]==0.10.1", "orjson"),
}
LEFT_OUT: Final = {
    "data-juicer": "wants torch with CUDA while it runs",
    "Dolma": "wants its own input format and a server-sized tree of tools",
}


def python(folder: Path, name: str) -> Path:
    return folder / name / "bin" / "python"


def installed(folder: Path, name: str) -> bool:
    return (folder / name / "installed").exists()


def make(folder: Path, name: str) -> str | None:
    """The venv of a peer; what went wrong, if something did."""
    place = folder / name
    venv.create(place, with_pip=False, clear=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python(folder, name)), "install", "-q"]
    ran = subprocess.run([*pip, *REQUIREMENTS[name]], capture_output=True, text=True, check=False)  # noqa: S603 - pip
    if ran.returncode:
        return ran.stderr.strip()[-500:]
    (place / "installed").touch()
    return None


def versions(folder: Path, name: str) -> dict[str, str]:
    """Of the packages that are asked for by name."""
    wanted = [requirement.split("==")[0].split("[")[0] for requirement in REQUIREMENTS[name]]
    program = (
        "import json, sys; from importlib.metadata import version as v; print(json.dumps(list(map(v, sys.argv[1:]))))"
    )
    ran = subprocess.run(  # noqa: S603 - our own program
        [str(python(folder, name)), "-c", program, *wanted], capture_output=True, text=True, check=True
    )
    return dict(zip(wanted, json.loads(ran.stdout), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", type=Path, required=True, help="where they go: a folder outside the repository")
    parser.add_argument("names", nargs="*", default=list(REQUIREMENTS), metavar="NAME")
    asked: Any = parser.parse_args()
    failed = 0
    for name in asked.names:
        if name not in REQUIREMENTS:
            parser.error(f"{name} is none of {', '.join(REQUIREMENTS)}")
        wrong = None if installed(asked.venvs, name) else make(asked.venvs, name)
        failed += wrong is not None
        print(f"{name}: {wrong or ', '.join(map(' '.join, versions(asked.venvs, name).items()))}", flush=True)
    raise SystemExit(failed > 0)


if __name__ == "__main__":
    main()
