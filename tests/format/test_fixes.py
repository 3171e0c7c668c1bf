"""What the compiler offers to repair: each repair cures the one thing that it is offered for, and harms nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from structdsl.compile import compile_text
from structdsl.diagnostics import Diagnostic, Severity, removal
from structdsl.repair import applied, repair
from structdsl.syntax.source import Source
from structdsl.syntax.tree import Span
from tests.language.test_pages import ALL, Case

PRELUDE = """
model base { source = hf("Qwen/Qwen2.5-0.5B") }
corpus notes { source = files("notes/*.md"), role = domain }
corpus web { source = hf_dataset("x/y"), role = replay, limit = 10k docs, holdout = 1% }
param share: ratio = 20%
"""
LIBRARY = """\
language 1
param budget: tokens = 2M tokens
corpus textbooks { source = files("books/*.md"), role = domain }
mixture reading { budget = param.budget, weights = { corpus.textbooks: rest } }
"""


DERIVED = 'corpus d: derived {{ over = [lib.corpus.textbooks], role = domain, select = sql "FROM {}" }}'
READING = """\
stage s: cpt { from = model.base, data = lib.mixture.reading }
mixture m { budget = lib.param.budget, weights = { lib.corpus.textbooks: rest } }
"""


def found(text: str, files: dict[str, str] | None = None) -> list[Diagnostic]:
    def read(path: Path) -> str:
        if files is None or path.as_posix() not in files:
            raise FileNotFoundError(2, "No such file or directory")
        return files[path.as_posix()]

    return list(compile_text(text, Path("spec.adapt"), read=read, environment={"BUDGET": "3M tokens"})[1])


def said(diagnostics: list[Diagnostic]) -> Counter[tuple[str, str]]:
    return Counter((d.code, d.message) for d in diagnostics if d.severity is Severity.ERROR)


def places(diagnostic: Diagnostic, path: str) -> list[Span]:
    """Where in a file a diagnostic is."""
    if diagnostic.file is None or diagnostic.file.path.as_posix() != path:
        return []
    return [label.span for label in diagnostic.labels if label.primary]


def written(diagnostic: Diagnostic) -> list[Span]:
    """Where its fixes stand once they are made."""
    spans, shift = list[Span](), 0
    for edit in sorted(diagnostic.fixes, key=lambda edit: edit.span.start):
        spans.append(Span(edit.span.start + shift, edit.span.start + shift + len(edit.text.encode())))
        shift += len(edit.text.encode()) - (edit.span.end - edit.span.start)
    return spans


def overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


# ── a fragment, the code, and the fragment as it is repaired ────────────────────────────────────────────────────────

MIXTURE = "mixture m {{ budget = 5M tokens, weights = {{ {} }} }}"
CORPUS = 'corpus c {{ source = files("*.md"), {} }}'
TAXONOMY = "taxonomy t {{ over = [corpus.notes], {} }}"
SELECT = 'corpus d: derived {{ over = [corpus.web], role = replay, select = sql "SELECT * FROM {}" }}'
CLUSTER = "cluster k {{ {} }}"

REPAIRED = [
    # names of blocks and tables
    ("E0201", MIXTURE.format("corpus.nots: rest"), MIXTURE.format("corpus.notes: rest")),
    ("E0201", MIXTURE.format("corpos.notes: rest"), MIXTURE.format("corpus.notes: rest")),
    ("E0201", "taxonomy t { over = [notes] }", "taxonomy t { over = [corpus.notes] }"),
    ("E0201", "taxonomy t { over = [corpus.notes, corpus.nots] }", None),
    ("E0201", MIXTURE.format("corpus.web: 20%, corpus.wbe: rest"), None),
    ("E0201", "corpus noted extends corpus.notes { }\ntaxonomy t { over = [corpus.noteb] }", None),
    ("E0201", "corpus y_23 extends corpus.notes { }\ntaxonomy t { over = [corpus.y_24] }", None),
    ("E0201", "corpus c extends corpus.nots { role = replay }", "corpus c extends corpus.notes { role = replay }"),
    ("E0201", SELECT.format("${corpus.wb}"), SELECT.format("${corpus.web}")),
    ("E0606", SELECT.format("corpus.web"), SELECT.format("${corpus.web}")),
    ("E0201", "cluster gpus { }\nprofile p { set = { cluster.gpu.nodes: 2 } }",
              "cluster gpus { }\nprofile p { set = { cluster.gpus.nodes: 2 } }"),
    # kinds, variants, attributes, arguments
    ("E0203", "clustr k { nodes = 2 }", "cluster k { nodes = 2 }"),
    ("E0205", 'model other: big { source = path("x") }', 'model other { source = path("x") }'),
    ("E0205", TAXONOMY.format("rule r: heading { }"), TAXONOMY.format("rule r: headings { }")),
    ("E0204", CLUSTER.format("nods = 2"), CLUSTER.format("nodes = 2")),
    ("E0204", CORPUS.format("role = domain, chunk = paragraphs(mx = 1k)"),
              CORPUS.format("role = domain, chunk = paragraphs(max = 1k)")),
    ("E0204", "profile p { sett = { param.share: 10% } }", "profile p { set = { param.share: 10% } }"),
    # choices and calls
    ("E0206", CORPUS.format("role = domian"), CORPUS.format("role = domain")),
    ("E0206", CORPUS.format("role = domain, chunk = paragraph(max = 1k)"),
              CORPUS.format("role = domain, chunk = paragraphs(max = 1k)")),
    ("E0301", CORPUS.format('role = "domain"'), CORPUS.format("role = domain")),
    ("E0301", 'model other { source = path("x"), trust_remote_code = "true" }',
              'model other { source = path("x"), trust_remote_code = true }'),
    ("E0301", 'taxonomy t { over = ["corpus.notes"] }', "taxonomy t { over = [corpus.notes] }"),
    ("E0301", CORPUS.format('role = domain, columns = { "title": "head" }'),
              CORPUS.format('role = domain, columns = { title: "head" }')),
    # params
    ("E0209", MIXTURE.format("corpus.notes: param.shre, corpus.web: rest"),
              MIXTURE.format("corpus.notes: param.share, corpus.web: rest")),
    ("E0209", "profile p { set = { param.shar: 10% } }", "profile p { set = { param.share: 10% } }"),
    ("E0304", "param p: tokns = 3M tokens", "param p: tokens = 3M tokens"),
    # quantities
    ("E0302", "mixture m { budget = 5M tokns, weights = { corpus.notes: rest } }",
              "mixture m { budget = 5M tokens, weights = { corpus.notes: rest } }"),
    ("E0303", MIXTURE.format("corpus.notes: 80, corpus.web: rest"),
              MIXTURE.format("corpus.notes: 80%, corpus.web: rest")),
    *(
        ("E0303", f'corpus c {{ source = files("{wrong}"), role = domain }}',
                  right and f'corpus c {{ source = files("{right}"), role = domain }}')
        for wrong, right in [
            ("**.md", "**/*.md"), ("n/****.md", "n/**/*.md"), ("n/**b/c.md", "n/**/*b/c.md"), ("n**/c", "n*/**/c"),
            ("n/***/c", "n/**/c"), ("s3://b/[*]**", "s3://b/[*]*/**"), ("n/a**b.md", None), ("a**/**b", None),
            ("[**]**.md", None), ("[**]/[*]**", "[**]/[*]*/**"),
        ]
    ),
    ("E0303", TAXONOMY.format('rule r: keywords { path = "Heart Failure", terms = ["a"] }'),
              TAXONOMY.format('rule r: keywords { path = "heart-failure", terms = ["a"] }')),
    # blocks
    ("E0402", CLUSTER.format("deepspeed = { zero: 3, overlap: true }"),
              CLUSTER.format("deepspeed { zero = 3, overlap = true }")),
    ("E0402", CLUSTER.format("deepspeed = { zero = 3 }"), CLUSTER.format("deepspeed { zero = 3 }")),
    ("E0402", CLUSTER.format("deepsped { zero = 3 }"), CLUSTER.format("deepspeed { zero = 3 }")),
    # what has no use is taken out
    ("E0403", CORPUS.format("role = exam, holdout = 1%"), CORPUS.format("role = exam")),
    ("E0403", 'corpus c {\n  source  = files("*.md")\n  holdout = 1%  # none\n  role = exam\n}',
              'corpus c {\n  source  = files("*.md")\n  role = exam\n}'),
    ("W0404", "defaults stage { epochs = 2 }", "defaults stage { }"),
    ("W0405", f'@allow(W0501, reason = "x")\n{CLUSTER.format("")}', CLUSTER.format("")),
    ("W0405", f'@allow(W0501, W0506, reason = "x")\n{CLUSTER.format("")}',
              f'@allow(W0506, reason = "x")\n{CLUSTER.format("")}'),
    ("E0406", f'@alow(W0501, reason = "x")\n{CLUSTER.format("")}',
              f'@allow(W0501, reason = "x")\n{CLUSTER.format("")}'),
    ("E0406", f'@allow(w0501, reason = "x")\n{CLUSTER.format("")}',
              f'@allow(W0501, reason = "x")\n{CLUSTER.format("")}'),
    ("E0406", f'@allow(W0501, reson = "x")\n{CLUSTER.format("")}',
              f'@allow(W0501, reason = "x")\n{CLUSTER.format("")}'),
    # SQL
    ("E0602", CORPUS.format('role = domain, keep = sql "txt LIKE \'a%\'"'),
              CORPUS.format('role = domain, keep = sql "text LIKE \'a%\'"')),
    ("E0602", SELECT.format("${corpus.web} WHERE titel = 'a'"), SELECT.format("${corpus.web} WHERE title = 'a'")),
    ("E0602", CORPUS.format('role = domain, columns = { titel: "head" }'),
              CORPUS.format('role = domain, columns = { title: "head" }')),
    ("E0603", CORPUS.format('role = domain, keep = sql "regexp_matchs(text, \'a\')"'),
              CORPUS.format('role = domain, keep = sql "regexp_matches(text, \'a\')"')),
    # the head of the file, brackets
    ("E0102", TAXONOMY.format("levels = [a, b)"), TAXONOMY.format("levels = [a, b]")),
    ("E0102", MIXTURE.format("corpus.notes: rest]"), MIXTURE.format("corpus.notes: rest")),
    ("E0102", CORPUS.format("role = domain, chunk = paragraphs(max = 1k]"),
              CORPUS.format("role = domain, chunk = paragraphs(max = 1k)")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "text", "better"), REPAIRED)
def test_a_fix_cures_exactly_its_diagnostic(code: str, text: str, better: str | None) -> None:
    spec = f"language 1\n{text}\n{PRELUDE}"
    before = found(spec)
    one = next(d for d in before if d.code == code)
    if better is None:
        assert not one.fixes
        return
    repaired = applied(Source(Path("x"), spec), list(one.fixes))
    assert repaired == f"language 1\n{better}\n{PRELUDE}"
    assert not said(found(repaired)) - (said(before) - said([one]))


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("cluster k { }\nlanguage 1\n", "language 1\n\ncluster k { }\n"),
        ("language 1\ncluster k { }\nlanguage 1  # again\n", "language 1\ncluster k { }\n"),
        (
            'language 1\nimport "a.adapt" as a\n\ncluster k { }\nimport "b.adapt" as b\n',
            'language 1\nimport "a.adapt" as a\nimport "b.adapt" as b\n\ncluster k { }\n',
        ),
        ('language 1\ncluster k { }\nimport "b.adapt" as b', 'language 1\nimport "b.adapt" as b\ncluster k { }\n'),
    ],
)
def test_what_comes_late_is_moved_up(text: str, better: str) -> None:
    library = dict.fromkeys(("a.adapt", "b.adapt"), LIBRARY)
    one = next(d for d in found(text, library) if d.code in {"E0106", "E0107"})
    repaired = applied(Source(Path("x"), text), list(one.fixes))
    assert repaired == better
    assert not said(found(repaired, library))


# ── several files ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "library", "better", "mended"),
    [  # a name is respelt as the file that it stands in calls it
        ("taxonomy t { over = [libb.corpus.textbooks] }", LIBRARY,
         "taxonomy t { over = [lib.corpus.textbooks] }", None),
        (
            f"taxonomy t {{ over = [lib.corpus.textboks] }}\n{READING}",
            LIBRARY,
            f"taxonomy t {{ over = [lib.corpus.textbooks] }}\n{READING}",
            None,
        ),
        (READING, LIBRARY.replace("textbooks: r", "textboks: r"), None, LIBRARY),
        (READING, LIBRARY.replace("param.b", "param.bd"), None, LIBRARY),
        ("corpus c extends lib.corpus.textboks { }\ncorpus d extends lib.corpus.textbooks { }", LIBRARY,
         "corpus c extends lib.corpus.textbooks { }\ncorpus d extends lib.corpus.textbooks { }", None),
        # what only an alias that was not written would reach stays
        (f"taxonomy t {{ over = [corpus.lib_textboks] }}\n{READING}", LIBRARY, None, None),
        (DERIVED.format("lib_textbooks"), LIBRARY, None, None),
        (DERIVED.format("${lib.corpus.textboks}"), LIBRARY, DERIVED.format("${lib.corpus.textbooks}"), None),
    ],
)  # fmt: skip
def test_names_are_respelt_in_the_words_of_their_file(
    text: str, library: str, better: str | None, mended: str | None, tmp_path: Path
) -> None:
    head = 'language 1\nimport "lib.adapt" as lib\nmodel base { source = hf("x/y") }\n'
    spec, other = tmp_path / "spec.adapt", tmp_path / "lib.adapt"
    spec.write_text(head + text)
    other.write_text(library)
    repaired = repair(head + text, spec)
    wanted = {spec: head + better} if better else {}
    assert dict(repaired.after) == wanted | ({other: mended} if mended else {}), [d.message for d in repaired.left]


# ── whatever the spec ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.page}:{case.line}")
def test_no_fix_makes_matters_worse(case: Case) -> None:
    """Each of the fixes cures what it is for, without another error; so do all of them together."""
    before = found(case.spec, case.files)
    for one in before:
        if not one.fixes or one.file is None:
            continue
        for edit in one.fixes:
            assert 0 <= edit.span.start <= edit.span.end <= len(one.file.data)
        name, text = one.file.path.as_posix(), applied(one.file, list(one.fixes))
        files = case.files | {name: text}
        after = found(files.pop("spec.adapt", case.spec), files)
        assert (one.code, one.message) not in Counter((d.code, d.message) for d in after) or before.count(one) > 1
        new = said(after) - said(before)  # a mistake that was hidden by another may come to light, but elsewhere
        here = [place for d in after if (d.code, d.message) in new for place in places(d, name)]
        assert not [place for place in here for other in written(one) if overlap(place, other)], new


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.page}:{case.line}")
def test_all_fixes_together(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDGET", "3M tokens")
    for name, text in case.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "spec.adapt").write_text(case.spec, encoding="utf-8")
    repaired = repair(case.spec, tmp_path / "spec.adapt")
    assert said(list(repaired.left)).total() <= said(found(case.spec, case.files)).total()
    assert not [left.message for left in repaired.left if left.fixes]


@pytest.mark.parametrize(
    ("text", "item", "rest"),
    [
        ("{ a = 1, b = 2 }", "a = 1", "{ b = 2 }"),
        ("{ a = 1, b = 2 }", "b = 2", "{ a = 1 }"),
        ("{ a = 1 }", "a = 1", "{ }"),
        ("{\n  ## why\n  a = 1,  # so\n  b = 2\n}", "a = 1", "{\n  b = 2\n}"),
        ("{ a = 1, b = 2,\n  c = 3 }", "b = 2", "{ a = 1,\n  c = 3 }"),
        ("{ a = 1\n  b = 2 }", "a = 1", "{\n  b = 2 }"),
        ("{ x = 1, a = 1 # so\n  b = 2 }", "a = 1", "{ x = 1 # so\n  b = 2 }"),
        ("[a, b, c]", "b", "[a, c]"),
        ("[\r\n  a,\r\n  b\r\n]", "a", "[\r\n  b\r\n]"),
    ],
)
def test_a_removal_leaves_no_trace(text: str, item: str, rest: str) -> None:
    source, at = Source(Path("x"), text), text.index(item)
    assert applied(source, list(removal(source, Span(at, at + len(item))))) == rest
