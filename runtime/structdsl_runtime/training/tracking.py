"""Where metrics go besides the tables: tensorboard, trackio, wandb; fed by the parent as it reads a worker's events.

Workers know nothing of trackers, so a run that goes on after a stop tells each tracker the whole curve once, from the
events that were kept. A tracker that cannot be opened stops the step before anything is trained; one that fails later
is given up with a warning, and the training goes on.

What a user sets in the environment (`WANDB_*`, `TRACKIO_*`) wins over what is chosen here. Files of tensorboard and of
wandb lie in the folder of the run, below `tensorboard/<stage>` and `wandb`; trackio keeps its own place.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol, Self

from structdsl.plan import Train
from structdsl_runtime.operation import Context, Fault

Values = Mapping[str, float]


class Tracker(Protocol):
    """Somewhere that metrics go."""

    def log(self, step: int, values: Values) -> None: ...

    def close(self) -> None: ...


class Trackers:
    """All trackers of a stage, as a context; outside it nothing is open."""

    def __init__(self, arguments: Train, context: Context) -> None:
        self._context = context
        self._open: dict[str, Tracker] = {}
        for name in arguments.trackers:
            self._open[name] = opened(name, arguments, context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._open):
            self._attempt(name, lambda tracker: tracker.close())
        self._open.clear()

    def log(self, step: int, values: Values) -> None:
        for name in list(self._open):
            self._attempt(name, lambda tracker: tracker.log(step, values))

    def _attempt(self, name: str, act: Callable[[Tracker], None]) -> None:
        try:
            act(self._open[name])
        except Exception as error:  # noqa: BLE001 - whatever a tracker raises, the training is worth more
            del self._open[name]
            reason = f"{type(error).__name__}: {error}"
            self._context.warn(f"{name} failed and gets nothing more of this stage: {reason}")


def require(names: Iterable[str]) -> None:
    """Raises Fault E0809 where the package of a tracker is not installed."""
    absent = tuple(name for name in names if find_spec(name) is None)
    if absent:
        raise Fault(
            "E0809",
            f"{' and '.join(f'`{name}`' for name in absent)} cannot be imported",
            helps=("`pip install 'structdsl[trackers]'`, or take the name out of `track`",),
        )


def opened(name: str, arguments: Train, context: Context) -> Tracker:
    """A tracker by its name; raises Fault E0809 where it is not installed or does not start."""
    require([name])
    try:
        return OPEN[name](arguments, context)
    except Exception as error:
        raise Fault(
            "E0809",
            f"`{name}` does not start: {type(error).__name__}: {error}",
            helps=("without a network: `WANDB_MODE=offline`",) if name == "wandb" else (),
        ) from error


class Tensorboard:
    """Event files, written by the package itself: torch is not needed for it."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import (  # type: ignore[import-untyped] # noqa: PLC0415
            EventFileWriter,
        )

        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventFileWriter(str(folder))

    def log(self, step: int, values: Values) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped] # noqa: PLC0415
        from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped] # noqa: PLC0415

        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=scalars)))

    def close(self) -> None:
        self._writer.close()


class Wandb:
    """A run of wandb, one a stage."""

    def __init__(self, arguments: Train, context: Context) -> None:
        import wandb  # type: ignore[import-not-found] # noqa: PLC0415

        chosen = {
            "WANDB_PROJECT": ("project", project(context)),
            "WANDB_NAME": ("name", arguments.stage),
            "WANDB_RUN_GROUP": ("group", context.run.name),
            "WANDB_DIR": ("dir", str(context.run)),
        }
        settings = {key: value for variable, (key, value) in chosen.items() if variable not in os.environ}
        self._run: Any = wandb.init(config=described(arguments), **settings)

    def log(self, step: int, values: Values) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class Trackio:
    """A run of trackio, one a stage; where it keeps it, or which Space it goes to, is for `TRACKIO_*` to say."""

    def __init__(self, arguments: Train, context: Context) -> None:
        import trackio  # type: ignore[import-not-found] # noqa: PLC0415

        name = f"{arguments.stage}-{context.run.name}"
        wanted = os.environ.get("TRACKIO_PROJECT") or project(context)
        self._run: Any = trackio.init(project=wanted, name=name, config=described(arguments), embed=False)

    def log(self, step: int, values: Values) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


OPEN: Final[Mapping[str, Callable[[Train, Context], Tracker]]] = {
    "tensorboard": lambda arguments, context: Tensorboard(context.run / "tensorboard" / arguments.stage),
    "trackio": Trackio,
    "wandb": Wandb,
}


def project(context: Context) -> str:
    """What a tracker files the runs of a spec under: the name of its folder."""
    return context.root.resolve().name or "structdsl"


def described(arguments: Train) -> dict[str, Any]:
    """What a tracker shows of a stage's settings."""
    return arguments.model_dump(mode="json", exclude_defaults=True)


def of_step(event: Mapping[str, Any], sources: Iterable[str]) -> dict[str, float]:
    """What a `step` event tells a tracker."""
    names = ("loss", "ntp", "kl", "grad_norm", "lr", "tokens", "tokens_per_second", "mfu", "memory", "loss_scale")
    values = {f"train/{name}": event[name] for name in names if event[name] is not None}
    for corpus, (loss, _) in zip(sources, event["sources"], strict=True):
        if loss is not None:
            values[f"loss/{corpus}"] = loss
    return values
