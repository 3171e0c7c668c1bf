"""The worker's part of `cache_teacher`: rows in, hidden states out, as memory-mapped arrays.

Shapes: R rows, T positions, P predicting positions of all rows, N of a batch, D hidden, V vocabulary.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from transformers.models.auto.configuration_auto import AutoConfig

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


@torch.inference_mode()
def keep(job: TeacherJob, reporter: Reporter) -> None:
    """Writes `hidden` (P, D), `top` (P,) and `logprob` (P, 2) to the folder `output`; raises Fault E0801."""
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    kind = job.arguments.precision
    kind = ("bf16" if gpu else "fp32") if kind == "auto" else kind
    model = stage.load(job.model, AutoConfig.from_pretrained(job.model), kind, gpu=gpu).to(device).eval()
    head = PredictingHead(model)
    if not head.says_all(model, model.config, device):
        raise Fault(
            "E0801",
            "keeping hidden states of a model that changes its logits behind the output head is not built yet",
            helps=("leave `cache` out: the teacher is asked as the stage goes",),
        )
    width = int((job.rows / "width").read_text())
    arrays: list[Any] = [
        np.memmap(job.rows / f"{name}.bin", dtype, "r").reshape(-1, width)
        for name, dtype in (("input", np.int32), ("segment", np.int16), ("predicts", np.bool_))
    ]
    total = int(arrays[2].sum())
    shapes = {"hidden": (total, head.module.in_features), "top": (total,), "logprob": (total, 2)}
    found = {
        name: np.lib.format.open_memmap(
            job.output / f"{name}.npy", mode="w+", dtype=np.int32 if name == "top" else np.float32, shape=shape
        )
        for name, shape in shapes.items()
    }
    done, rows = 0, max(1, TOKENS // width)
    for first in range(0, len(arrays[0]), rows):
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
    for array in found.values():
        array.flush()


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
