"""The worker's part of `cache_teacher`: rows in, parts with hidden states out.

Every part is some passes through the model, and done for good: a worker that is killed has asked in vain for what was
not in one yet, and the next is given what is missing.

Shapes: R rows, T positions, N predicting positions of a pass, D hidden, V vocabulary.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from transformers.models.auto.configuration_auto import AutoConfig

from structdsl_runtime.operation import Fault
from structdsl_runtime.training import stage, teacher_states
from structdsl_runtime.training.batches import positions
from structdsl_runtime.training.events import Reporter
from structdsl_runtime.training.isolation import forward_arguments
from structdsl_runtime.training.job import TeacherJob
from structdsl_runtime.training.objective import PredictingHead
from structdsl_runtime.training.teacher import from_hidden

TOKENS: Final = 8192  # of a forward pass
CHUNK: Final = 1 << 25  # logits at a time
PART: Final = 64 << 20  # bytes of hidden states that a part holds at least, but for the last


@torch.inference_mode()
def keep(job: TeacherJob, reporter: Reporter) -> None:
    """Writes parts to the folder `output`, in the order of the rows. Raises Fault E0745."""
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    kind = job.arguments.precision
    assert kind != "auto", "settled by the operation"
    model = stage.load(job.model, AutoConfig.from_pretrained(job.model), kind, gpu=gpu).to(device).eval()
    head = PredictingHead(model)
    if not head.says_all(model, model.config, device):
        raise Fault(
            "E0745",
            "the teacher changes its logits behind the output head: its hidden states do not give them back",
            helps=("leave `cache` out: the teacher is asked as the stage goes",),
        )
    width = int((job.rows / "width").read_text())
    input_RT, segment_RT, predicts_RT = (
        np.memmap(job.rows / f"{name}.bin", dtype, "r").reshape(-1, width)
        for name, dtype in (("input", np.int32), ("segment", np.int16), ("predicts", np.bool_))
    )
    names = np.fromfile(job.rows / "texts.bin", f"S{teacher_states.TEXT}").astype(f"U{teacher_states.TEXT}")
    before_R = np.concatenate(([0], np.cumsum(segment_RT.max(axis=1) + 1, dtype=np.int64)))  # texts in earlier rows
    rows = max(1, TOKENS // width)
    pending: list[pa.Table] = []
    done = held = 0
    for first in range(0, len(input_RT), rows):
        run = slice(first, first + rows)
        segment_BT = segment_RT[run].astype(np.int64)
        input_BT, position_BT = input_RT[run].astype(np.int64), positions(segment_BT)
        predict_N = np.flatnonzero(predicts_RT[run])
        target_N = torch.from_numpy(input_BT.reshape(-1)[predict_N + 1]).to(device)
        given = (torch.from_numpy(part).to(device) for part in (input_BT, segment_BT, position_BT))
        with head.keep(torch.from_numpy(predict_N).to(device), lambda hidden_ND: hidden_ND):
            hidden_ND: Tensor = model(**forward_arguments(model.config, *given)).logits
        ids_N2, logprob_N2 = _said(head, hidden_ND, target_N)
        text_N = before_R[first + predict_N // width] + segment_BT.reshape(-1)[predict_N]
        offset_N = position_BT.reshape(-1)[predict_N] + 1
        told = teacher_states.table_of(names[text_N], offset_N, ids_N2, logprob_N2, hidden_ND.float().cpu().numpy())
        pending.append(told)
        done, held = done + len(predict_N), held + told.nbytes
        if held >= PART or run.stop >= len(input_RT):
            teacher_states.add(job.output, pa.concat_tables(pending))
            pending, held = [], 0
        reporter.emit("asked", done=done)


def _said(head: PredictingHead, hidden_ND: Tensor, target_N: Tensor) -> tuple[Any, Any]:
    """What follows at each position and the first choice, and the log-probabilities of both."""
    logits = from_hidden(hidden_ND, head.module.weight, head.module.bias)
    size = max(1, CHUNK // len(head.module.weight))
    places, pairs = [target_N.new_empty(0, 2)], [hidden_ND.new_empty(0, 2, dtype=torch.float32)]
    for start in range(0, len(hidden_ND), size):
        run = slice(start, min(len(hidden_ND), start + size))
        log_CV = logits(run).float().log_softmax(-1)
        places.append(torch.stack((target_N[run], log_CV.argmax(-1)), 1))
        pairs.append(log_CV.gather(1, places[-1]))
    return torch.cat(places).cpu().numpy(), torch.cat(pairs).cpu().numpy()
