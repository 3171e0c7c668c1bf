"""Stages: what they start from, what they read, how large their steps are, whom they learn from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from structdsl.diagnostics import Label
from structdsl.lineage import (
    MEASURED_ROLES,
    TEXT_ROLES,
    asked_only,
    chunking,
    data_of,
    mixed_corpora,
    needs,
    origin,
    root_model,
    structure_of,
)
from structdsl.passes.check_models import same_tokenizer
from structdsl.passes.finding import Finding
from structdsl.passes.places import item_span
from structdsl.plan import batch
from structdsl.promised import maker_of
from structdsl.schema.cluster import Cluster
from structdsl.schema.corpus import Synthetic
from structdsl.schema.model import Scratch
from structdsl.schema.stage import About
from structdsl.unit import Declaration, Unit

READS = {"sft": "instruction", "ssft": "instruction", "dpo": "preference"}
WHAT = {"instruction": "questions and answers", "preference": "pairs of answers"}


def stages_start_somewhere(unit: Unit) -> Iterator[Finding]:
    reported: set[str] = set()
    for stage in unit.of_kind("stage"):
        circle = _circle((stage.address,), unit, set())
        if circle and not reported.intersection(circle):
            first = unit.blocks[circle[0]]
            attribute = next(name for name, address in needs(first, unit).items() if address == [*circle, circle[0]][1])
            verb = "start from" if attribute == "from" else "wait for"
            yield Finding(
                "E0405",
                f"stages {verb} each other: {' → '.join([*circle, circle[0]])}",
                first.span_of(attribute),
                "closes the circle",
                helps=("let the first of them start from a model",) if attribute == "from" else (),
            )
        reported.update(circle)


def _circle(path: tuple[str, ...], unit: Unit, done: set[str]) -> tuple[str, ...]:
    """The first circle of stages that a path runs into; empty where it leads to models."""
    stage = unit.blocks[path[-1]]
    if stage.kind != "stage" or stage.values is None or stage.address in done:
        return ()
    for address in needs(stage, unit).values():
        if address in path:
            return path[path.index(address) :]
        if found := _circle((*path, address), unit, done):
            return found
    done.add(stage.address)
    return ()


def stages_have_weights_to_work_with(unit: Unit) -> Iterator[Finding]:
    for stage in unit.of_kind("stage"):
        for attribute, address in needs(stage, unit).items():
            if address in unit.blocks and asked_only(unit.blocks[address]):
                message = f"`{address}` is a server: it answers, and shows no weights and no probabilities"
                helps = ('name a model with weights: `hf("…")` or `path("…")`',)
                yield Finding("E0718", message, stage.span_of(attribute), "an endpoint", helps=helps)


def stages_read_what_they_can(unit: Unit) -> Iterator[Finding]:
    for stage in unit.of_kind("stage"):
        data = unit.blocks.get(data_of(stage) or "")
        if data is None or data.values is None or data.kind != "corpus":
            continue
        role, wanted = data.values.role, READS[stage.variant or ""]
        if role in MEASURED_ROLES:
            message = f"`{data.address}` is measured only, and cannot be trained on"
            yield Finding("E0509", message, stage.span_of("data"), f"role {role}")
        elif role != wanted:
            message = f"`{stage.variant}` reads {WHAT[wanted]}, and `{data.address}` has role {role}"
            yield Finding("E0506", message, stage.span_of("data"), f"role {role}")


def structure_meets_data(unit: Unit) -> Iterator[Finding]:
    for stage in unit.of_kind("stage"):
        if stage.variant not in {"scpt", "ssft"}:
            continue
        data, address = unit.blocks[data_of(stage) or ""], structure_of(stage, unit)
        if data.values is None:
            continue
        if address is None:
            notes = ("`structure`: the taxonomy that is revealed; a synthetic corpus brings its own",)
            message = "`stage: ssft` needs `structure`"
            yield Finding("E0401", message, stage.block.head, "no `structure` here", notes=notes)
            continue
        taxonomy = unit.blocks[address]
        if taxonomy.values is None:
            continue
        if stage.variant == "scpt":
            yield from _mixed(stage, data, taxonomy, unit)
        elif isinstance(data.values, Synthetic) and data.values.over != taxonomy.address:
            message = f"`{data.address}` is written along `{data.values.over}`, not along `{taxonomy.address}`"
            helps = (f"write `structure = {data.values.over}`",)
            yield Finding("E0706", message, stage.span_of("structure"), "no question has a place in it", helps=helps)


def _mixed(stage: Declaration, mixture: Declaration, taxonomy: Declaration, unit: Unit) -> Iterator[Finding]:
    if _unread(taxonomy.values.over, unit):
        return
    mixed = mixed_corpora(mixture, unit)
    shared = [name for name in mixed if name in taxonomy.values.over]
    if not shared:
        label = Label(span=stage.span_of("data"), text=f"draws from {', '.join(mixed)}", primary=False)
        yield Finding(
            "E0706",
            f"`{mixture.address}` holds no corpus of `{taxonomy.address}`: no chunk would see its map",
            stage.span_of("structure"),
            f"orders {', '.join(taxonomy.values.over)}",
            others=(label,),
        )
    length = stage.values.length
    for name in shared:
        cap = chunking(unit.blocks[name], unit).max
        if cap + 1 >= length:
            yield Finding(
                "E0710",
                f"chunks of up to {cap} tokens leave no room for the map in a length of {length}",
                stage.span_of("length"),
                f"{length} positions = map + chunk + 1 end of text",
                helps=(f"raise `length`, or cut `{name}` finer: `paragraphs(max = {length // 2} tokens)`",),
            )


def _unread(names: Iterable[str], unit: Unit) -> bool:
    """Whether some of these blocks could not be read, so that nothing more can be said of them."""
    return any(unit.blocks[name].values is None for name in names)


def batches_are_whole(unit: Unit) -> Iterator[Finding]:
    for stage in unit.of_kind("stage"):
        if stage.variant == "merge":
            continue
        yield from _batch(stage, unit)
        root, length = root_model(stage, unit), stage.values.length
        if root is not None and root.values is not None and isinstance(root.values.source, Scratch):
            positions = root.values.source.positions
            if length > positions:
                message = f"`{root.address}` knows {positions} positions, and `length` is {length}"
                yield Finding("E0303", message, stage.span_of("length"), "too long")


def _batch(stage: Declaration, unit: Unit) -> Iterator[Finding]:
    """Whole rows on every process, of pairs two, and whole passes where `extra` says how many rows those have."""
    values = stage.values
    if isinstance(values.batch, About):
        return
    cluster = unit.blocks[values.cluster].values if values.cluster else Cluster()
    if cluster is None:
        return
    processes, pairs, micro = cluster.world, stage.variant == "dpo", batch.rows_a_pass(cluster.deepspeed.extra)
    if micro is not None and (not isinstance(micro, int) or micro < 1):
        return  # reported with the cluster
    share = values.length * batch.share(processes=processes, pairs=pairs, micro=micro)
    if not values.batch % share:
        return
    factors, arithmetic = "`length` × processes", f"{values.length} × {processes}"
    if pairs:
        factors, arithmetic = f"2 × {factors}", f"2 × {arithmetic}"
    if micro is not None:
        factors, arithmetic = f"{factors} × rows a pass", f"{arithmetic} × {micro}"
    below = values.batch // share * share
    fits = f"`batch = {below} tokens` or `{below + share} tokens`" if below else f"`batch = {share} tokens`"
    yield Finding(
        "E0705",
        f"`batch` must be a multiple of {factors}: {values.batch} / ({arithmetic})",
        stage.span_of("batch", "length"),
        f"{values.batch} positions",
        notes=("a pair takes two rows",) if pairs else (),
        helps=(f"write {fits}", f"`about({values.batch} tokens)` takes the nearest that fits the machine"),
    )


def teachers_fit(unit: Unit) -> Iterator[Finding]:
    for stage in unit.of_kind("stage"):
        distill = getattr(stage.values, "distill", None)
        if distill is None:
            continue
        name, span = type(distill).__name__.lower(), stage.span_of("distill")
        if stage.variant not in {"cpt", "scpt"}:
            message = f"`{name}` learns from a teacher over plain text, and `{stage.variant}` reads {_read(stage)}"
            helps = ("distil in a stage of variant cpt or scpt",)
            yield Finding("E0707", message, span, f"in a stage of variant {stage.variant}", helps=helps)
            continue
        teacher = unit.blocks.get(distill.teacher or origin(stage))
        if teacher is None or teacher.values is None:
            continue
        one, other = root_model(stage, unit), root_model(teacher, unit)
        if one is not None and other is not None and same_tokenizer(one, other, unit) is False:
            message = f"`{teacher.address}` reads with another tokenizer than `{stage.address}`"
            helps = ("choose a teacher that shares it, such as the model that the stage starts from",)
            yield Finding("E0708", message, span, f"the tokenizer of `{other.address}`", helps=helps)


def _read(stage: Declaration) -> str:
    return WHAT[READS[stage.variant or ""]]


def adapters_continue_adapters(unit: Unit) -> Iterator[Finding]:
    for stage in unit.of_kind("stage"):
        if getattr(stage.values, "adapter", None) != "continue":
            continue
        before = unit.blocks.get(stage.values.from_)
        if before is None or before.values is None:
            continue
        if getattr(before.values, "adapter", None) is None:
            message = f"`{before.address}` has no adapter to continue"
            label = Label(span=stage.span_of("from"), text="trains all of its weights", primary=False)
            others = (label,) if before.kind == "stage" else ()
            helps = ("write `adapter = lora(rank = 16)` for a new one",)
            yield Finding("E0701", message, stage.span_of("adapter"), "nothing before it", helps=helps, others=others)


def merges_share_a_root(unit: Unit) -> Iterator[Finding]:
    for stage in unit.of_kind("stage"):
        if stage.variant != "merge":
            continue
        base, tuned = (unit.blocks[name] for name in (stage.values.base, stage.values.tuned))
        if base.values is None or tuned.values is None or asked_only(base) or asked_only(tuned):
            continue
        one, other = root_model(base, unit), root_model(tuned, unit)
        if one is None or other is None or one.values is None or other.values is None:
            continue
        fresh = Scratch in {type(one.values.source), type(other.values.source)}
        if base.address == tuned.address:
            message = f"`{base.address}` stands on both sides: any weight between them gives it back"
            yield Finding("E0709", message, stage.span_of("tuned"), "the same as `base`")
        elif one.address != other.address and fresh:
            message = f"weights of `{base.address}` and `{tuned.address}` have nothing in common"
            notes = (f"one goes back to `{one.address}`, the other to `{other.address}`",)
            yield Finding("E0709", message, stage.span_of("tuned"), "of another origin", notes=notes)


def tracked_corpora_are_text(unit: Unit) -> Iterator[Finding]:
    for stage in unit.of_kind("stage"):
        if stage.variant == "merge":
            continue
        probes = stage.values.probes
        if stage.values.evaluate_every is not None and not probes:
            message = "`evaluate_every` measures the corpora in `track`, and there is none"
            helps = ("add one: `track = [corpus.…]`",)
            yield Finding("E0723", message, stage.span_of("evaluate_every"), "measures nothing", helps=helps)
        for name in probes:
            corpus, span = maker_of(name, unit), item_span(stage, "track", name)
            if corpus is None or corpus.values is None:
                continue
            if corpus.values.role not in TEXT_ROLES:
                message = f"the loss of text is followed, and `{corpus.address}` has role {corpus.values.role}"
                yield Finding("E0403", message, span, f"role {corpus.values.role}")
