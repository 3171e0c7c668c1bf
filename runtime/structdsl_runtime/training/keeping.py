"""The worker's part of `cache_teacher`: rows in, hidden states out, as memory-mapped arrays.

The arrays outlive a worker that is killed: beside them stands how many rows are on disk, and in what setting they were
computed. The next worker goes on behind these rows, in the same setting; in another it begins anew.

Shapes: R rows, T positions, P predicting positions of all rows, N of a batch, D hidden, V vocabulary.
"""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor
from transformers.models.auto.configuration_auto import AutoConfig

from structdsl_runtime.files import replace
from structdsl_runtime.operation import Fault
from structdsl_runtime.training import stage
from structdsl_runtime.training.batches import positions
from structdsl_runtime.training.events import Reporter
from structdsl_runtime.training.isolation import forward_arguments
from structdsl_runtime.training.job import TeacherJob
from structdsl_runtime.training.objective import PredictingHead
from structdsl_runtime.training.teacher import from_hidden

TOKENS: Final = 8192  # of a forward pass
CHUNK: Final = 1 << 25  # logits at a time
SECONDS: Final = 30.0  # of work that a kill undoes at most
MARK: Final = "kept.json"


class Mark(BaseModel):
    """How far the arrays are filled, and in what setting."""

    setting: dict[str, str]
    rows: int = 0
    positions: int = 0


@torch.inference_mode()
def keep(job: TeacherJob, reporter: Reporter) -> None:
    """Writes `hidden` (P, D), `top` (P,) and `logprob` (P, 2) to the folder `output`; goes on where
    an earlier worker was killed. Raises Fault E0745.
    """
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    kind = job.arguments.precision
    kind = ("bf16" if gpu else "fp32") if kind == "auto" else kind
    model = stage.load(job.model, AutoConfig.from_pretrained(job.model), kind, gpu=gpu).to(device).eval()
    head = PredictingHead(model)
    if not head.says_all(model, model.config, device):
        raise Fault(
            "E0745",
            "the teacher changes its logits behind the output head: its hidden states do not give them back",
            helps=("leave `cache` out: the teacher is asked as the stage goes",),
        )
    width = int((job.rows / "width").read_text())
    arrays: list[Any] = [
        np.memmap(job.rows / f"{name}.bin", dtype, "r").reshape(-1, width)
        for name, dtype in (("input", np.int32), ("segment", np.int16), ("predicts", np.bool_))
    ]
    total, hidden = int(arrays[2].sum()), head.module.in_features
    rows = max(1, TOKENS // width)
    setting = {"precision": kind, "device": device.type, "rows": str(rows), "torch": version("torch")}
    found, mark = open_arrays(job.output, {"hidden": (total, hidden), "top": (total,), "logprob": (total, 2)}, setting)
    done, saved = mark.positions, time.monotonic()
    for first in range(mark.rows, len(arrays[0]), rows):
        input_BT, segment_BT, predicts_BT = (np.array(array[first : first + rows]) for array in arrays)
        segment_BT = segment_BT.astype(np.int64)
        parts = (input_BT.astype(np.int64), segment_BT, positions(segment_BT))
        arguments = forward_arguments(model.config, *(torch.from_numpy(part).to(device) for part in parts))
        predict_N = np.flatnonzero(predicts_BT)
        target_N = torch.from_numpy(parts[0].reshape(-1)[predict_N + 1]).to(device)
        with head.keep(torch.from_numpy(predict_N).to(device), lambda hidden_ND: hidden_ND):
            hidden_ND: Tensor = model(**arguments).logits
        run = slice(done, done + len(predict_N))
        found["hidden"][run] = hidden_ND.float().cpu().numpy()
        found["top"][run], found["logprob"][run] = _said(head, hidden_ND, target_N, job.arguments.temperature)
        done = run.stop
        reporter.emit("asked", done=done)
        if time.monotonic() - saved >= SECONDS or first + rows >= len(arrays[0]):
            for array in found.values():
                array.flush()
            mark = Mark(setting=setting, rows=first + rows, positions=done)
            replace(job.output / MARK, mark.model_dump_json(), durable=True)
            saved = time.monotonic()


def open_arrays(
    folder: Path, shapes: dict[str, tuple[int, ...]], setting: dict[str, str]
) -> tuple[dict[str, Any], Mark]:
    """Arrays to fill, and how far they are: those of an earlier worker where it computed in this setting."""
    mark = Mark(setting=setting)
    path = folder / MARK
    if path.exists():
        before = Mark.model_validate_json(path.read_bytes())
        if before.setting == setting:
            mark = before
        else:
            path.unlink()  # before the arrays that it tells of
    mode: Literal["r+", "w+"] = "r+" if mark.rows else "w+"
    arrays: dict[str, Any] = {
        name: np.lib.format.open_memmap(
            folder / f"{name}.npy", mode=mode, dtype=np.int32 if name == "top" else np.float32, shape=shape
        )
        for name, shape in shapes.items()
    }
    return arrays, mark


def _said(head: PredictingHead, hidden_ND: Tensor, target_N: Tensor, temperature: float) -> tuple[Any, Any]:
    """The first choice at each position, and the log-probabilities of the token and of that choice."""
    logits = from_hidden(hidden_ND, head.module.weight, head.module.bias)
    size = max(1, CHUNK // len(head.module.weight))
    tops, pairs = [], []
    for start in range(0, len(hidden_ND), size):
        run = slice(start, min(len(hidden_ND), start + size))
        log_CV = logits(run).float().div(temperature).log_softmax(-1)
        places_C2 = torch.stack((target_N[run], log_CV.argmax(-1)), 1)
        tops.append(places_C2[:, 1])
        pairs.append(log_CV.gather(1, places_C2))
    if not tops:
        return np.empty(0, np.int32), np.empty((0, 2), np.float32)
    return torch.cat(tops).cpu().numpy(), torch.cat(pairs).cpu().numpy()
