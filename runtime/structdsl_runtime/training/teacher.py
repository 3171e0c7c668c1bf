"""Who a stage learns from, while it learns: a frozen model that sees the identical input.

Of the teacher only hidden states at predicting positions are made, and its logits a few tokens at a time out of them;
a teacher that does something to its logits behind the head has them made whole.

Shapes: N predicting positions, D hidden, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import deepspeed  # type: ignore[import-untyped]
import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional
from transformers.models.auto.configuration_auto import AutoConfig
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from structdsl_runtime.training import chunked, metrics, targets
from structdsl_runtime.training.isolation import forward_arguments
from structdsl_runtime.training.objective import Answers, PredictingHead
from structdsl_runtime.training.rows import Rows


class Counted(Answers, Protocol):
    """Answers, and what giving them costs."""

    @property
    def shape(self) -> metrics.Shape:
        """What of the teacher takes part in every step."""
        ...


def online(student: Any, head: PredictingHead, *, own_start: bool, load: Callable[[], Any], config: Any) -> Counted:
    """The teacher of a stage, asked as it goes.

    `own_start` says that the teacher is what the stage starts from: under low-rank updates that is the student without
    them, and no second model is held. Else `load` gives one: replicated, or under ZeRO-3 shared out over the ranks by
    an engine of its own, which `config`, the DeepSpeed configuration of the stage, is the model for.
    """
    if own_start and hasattr(student, "disable_adapter"):
        return WithoutUpdates(student, head)
    model = load()
    model.requires_grad_(requires_grad=False)
    teacher_head = PredictingHead(model)
    return Frozen(engine_of(model, config) if _zero(config) == 3 else model, model, teacher_head)


def _zero(config: dict[str, Any]) -> int:
    return int(config["zero_optimization"]["stage"])


def engine_of(model: Any, config: dict[str, Any]) -> Any:
    """An engine without an optimizer: it partitions the parameters as the stage's own does."""
    zero = {name: value for name, value in config["zero_optimization"].items() if name != "offload_optimizer"}
    halves: dict[str, Any] = {kind: config[kind] for kind in ("bf16", "fp16") if kind in config}
    plain = {
        "train_micro_batch_size_per_gpu": config["train_micro_batch_size_per_gpu"],
        "zero_optimization": zero,
        "steps_per_print": config["steps_per_print"],
        **halves,
    }
    engine, *_ = deepspeed.initialize(model=model, config=plain)
    return engine


class Frozen:
    """A second model beside the student."""

    def __init__(self, engine: Any, model: Any, head: PredictingHead) -> None:
        self._engine = engine
        self._model = model
        self._head = head
        self._whole: bool | None = None
        model.eval()
        engine.eval()

    @property
    def shape(self) -> metrics.Shape:
        return metrics.shape_of(self._model)

    @contextmanager
    def __call__(self, student: Any, config: Any, batch: dict[str, Any]) -> Iterator[chunked.Teacher]:
        del student, config  # its attention follows its own configuration
        device = batch["input_BT"].device
        if self._whole is None:
            if self._engine is self._model:
                self._model.to(device)
            self._whole = not self._head.says_all(self._engine, self._model.config, device)
        states_N = _ask(self._engine, self._model.config, self._head, batch, whole=self._whole)
        if self._whole:
            yield lambda run: states_N[run].clone()
            return
        with _gathered(self._head.module):
            yield from_hidden(states_N, self._head.module.weight, self._head.module.bias)


class WithoutUpdates:
    """The student itself, its low-rank updates off."""

    def __init__(self, network: Any, head: PredictingHead) -> None:
        self._network = network
        self._head = head
        self._whole: bool | None = None

    @property
    def shape(self) -> metrics.Shape:
        whole = metrics.shape_of(self._network)
        updates = sum(metrics.size_of(each) for each in self._network.parameters() if each.requires_grad)
        return replace(whole, body=whole.body - updates)

    @contextmanager
    def __call__(self, student: Any, config: Any, batch: dict[str, Any]) -> Iterator[chunked.Teacher]:
        if self._whole is None:
            self._whole = not self._head.says_all(student, config, batch["input_BT"].device)
        training = student.training
        student.eval()
        with self._network.disable_adapter():
            states_N = _ask(student, config, self._head, batch, whole=self._whole)
        student.train(training)
        if self._whole:
            yield lambda run: states_N[run].clone()
            return
        head = self._head.module  # asked while the student's own head is at work, and gathered
        yield lambda run: functional.linear(states_N[run], head.weight.detach(), _detached(head.bias))


class Head(NamedTuple):
    """An output head by itself, on a CPU until it is asked."""

    weight_VD: Tensor  # noqa: N815 - shape suffix
    bias_V: Tensor | None  # noqa: N815 - shape suffix


def head_of(folder: Path, dtype: torch.dtype) -> Head:
    """The output head of a model, without the rest of it where its file says which tensor it is.

    Called before DeepSpeed is set up: under ZeRO-3 transformers would share the model out.
    """
    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        shell: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    head: Any = shell.get_output_embeddings()
    parameters = dict(shell.named_parameters(remove_duplicate=False))

    def stored(wanted: Any) -> Tensor | None:
        names = {name for name, parameter in parameters.items() if parameter is wanted}
        for path in sorted(folder.glob("*.safetensors")):
            with safe_open(path, framework="pt") as file:
                for name in names.intersection(file.keys()):
                    tensor: Tensor = file.get_tensor(name)
                    return tensor.to(dtype)
        return None

    weight_VD, bias_V = stored(head.weight), None if head.bias is None else stored(head.bias)
    if weight_VD is None or (bias_V is None) != (head.bias is None):  # the files name their tensors otherwise
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        whole = model.get_output_embeddings()
        return Head(whole.weight.detach(), _detached(whole.bias))
    return Head(weight_VD, bias_V)


class Kept:
    """A teacher of which hidden states were kept (see `targets`): only its head is at work."""

    def __init__(self, folder: Path, rows: Rows, head: Head) -> None:
        self._hidden_PD = np.load(folder / targets.HIDDEN, mmap_mode="r")
        self._starts = targets.starts(rows)
        self._head = head

    @property
    def shape(self) -> metrics.Shape:
        return metrics.Shape(body=0, head=self._head.weight_VD.numel(), layers=0, width=0)

    @contextmanager
    def __call__(self, student: Any, config: Any, batch: dict[str, Any]) -> Iterator[chunked.Teacher]:
        del student, config  # nothing is asked of a model
        device = batch["input_BT"].device
        weight_VD, bias_V = self._head
        self._head = Head(weight_VD.to(device), None if bias_V is None else bias_V.to(device))
        first = int(self._starts[min(batch["row"], len(self._starts) - 1)])
        hidden_ND = torch.from_numpy(np.array(self._hidden_PD[first : first + len(batch["predict_N"])]))
        yield from_hidden(hidden_ND.to(device, self._head.weight_VD.dtype), *self._head)


@torch.no_grad()
def _ask(model: Any, config: Any, head: PredictingHead, batch: dict[str, Any], *, whole: bool) -> Tensor:
    """Hidden states (N, D) at predicting positions, or logits (N, V)."""
    arguments = forward_arguments(config, batch["input_BT"], batch["segment_BT"], batch["position_BT"])
    with head.keep(batch["predict_N"], None if whole else lambda hidden_ND: hidden_ND):
        found: Tensor = model(**arguments).logits
    return found


def from_hidden(hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None) -> chunked.Teacher:
    """Logits of runs of `hidden_ND`, all in the same memory: a run is done with before the next is asked for."""
    weight_VD, bias_V = weight_VD.detach(), _detached(bias_V)
    room: list[Tensor] = []

    def logits(run: slice) -> Tensor:
        part_CD = hidden_ND[run]
        if not room:
            room.append(weight_VD.new_empty((len(part_CD), len(weight_VD))))
        found_CV = torch.mm(part_CD, weight_VD.t(), out=room[0][: len(part_CD)])
        return found_CV if bias_V is None else found_CV.add_(bias_V)

    return logits


def _detached(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach()


def _gathered(module: Any) -> AbstractContextManager[None]:
    """Within, the parameters of `module` are whole; under ZeRO-3 each rank enters as often as the others."""
    parts = [parameter for parameter in module.parameters() if hasattr(parameter, "ds_id")]
    return deepspeed.zero.GatheredParameters(parts) if parts else nullcontext()
