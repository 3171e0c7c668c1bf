"""What is generated and committed is what the code says now; every link leads somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from docs.generate import LANGUAGE, ROOT, documents
from structdsl.compile import compile_text
from structdsl.diagnostics import CODES
from structdsl.emit.build import artefacts
from structdsl.plan import Plan, schema
from structdsl.schema.kinds import KINDS


@pytest.fixture(scope="module")
def files() -> dict[Path, str]:
    return documents()


def test_the_committed_files_are_current(files: dict[Path, str]) -> None:
    stale = [
        path.as_posix()
        for path, text in files.items()
        if not (ROOT / path).is_file() or (ROOT / path).read_text(encoding="utf-8") != text
    ]
    left = [path for path in (ROOT / LANGUAGE).rglob("*.md") if path.relative_to(ROOT) not in files]
    assert (stale, left) == ([], []), "run `make docs`"


def test_links_lead_somewhere(files: dict[Path, str]) -> None:
    lost = []
    for path, text in files.items():
        prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL) if path.suffix == ".md" else ""
        for link in re.findall(r"\]\(([^)#\s]+)\)", prose):
            target = (ROOT / path.parent / link).resolve()
            if "://" not in link and not target.exists() and target.relative_to(ROOT) not in files:
                lost.append(f"{path}: {link}")
    assert lost == []


def test_everything_has_its_place(files: dict[Path, str]) -> None:
    index = files[LANGUAGE / "diagnostics.md"]
    assert all(f"[{code}](" in index for code in CODES)
    for name, kind in KINDS.items():
        page = files[LANGUAGE / f"reference/{name}.md"]
        for schema_ in kind.variants.values():
            names = [info.alias or field for field, info in schema_.attributes().items()]
            assert all(f"\n| `{name}` |" in page for name in names)


def test_a_plan_is_one_of_its_schema(quickstart: Path, spec_text: str) -> None:
    plan, _ = compile_text(spec_text, quickstart / "quickstart.adapt")
    assert plan is not None
    built = artefacts(plan)
    assert Plan.model_validate_json(built["plan.json"]) == plan
    assert built["plan.schema.json"] == schema.published()
    known = json.loads(schema.generated())
    assert set(json.loads(built["plan.json"])) == set(known["properties"])
    operations = {each["properties"]["op"]["const"] for each in known["$defs"].values() if "op" in each["properties"]}
    assert {step["operation"]["op"] for step in json.loads(built["plan.json"])["steps"]} <= operations
