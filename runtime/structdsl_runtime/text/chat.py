"""A conversation in a chat template: the prompt up to the last answer, and the answer with what ends it there.

Templates are rendered as transformers renders them, in Jinja's sandbox, but that no template learns the date: the same
data give the same samples on every day. A template decides alone what stands before the first turn. Its special tokens
are special, and the same letters in what somebody said are just letters: those are kept apart by a character that
occurs nowhere else, put into them before the template is filled and taken out after.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from structdsl_runtime.files import resolve
from structdsl_runtime.operation import Context, Fault, Inputs
from structdsl_runtime.pretrained import read_json
from structdsl_runtime.text.conversations import Turn
from structdsl_runtime.text.tokens import Tokenizer

if TYPE_CHECKING:
    import jinja2

    from structdsl.plan.operations import Template

CHATML: Final = """\
{{- bos_token }}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
PRIVATE: Final = range(0xF0000, 0xFFFFE)  # characters of private use, of which some occurs in no conversation


@dataclass(frozen=True, slots=True)
class Rendered:
    """A sample in its template; `marks` are the places in `prompt + response` at which a special token stands."""

    prompt: str
    response: str
    marks: list[int]


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt, and what a template writes before (`lead`) and behind (`stop`) every answer to it.

    `marks` are the places in `prompt + lead` at which a special token stands, none where no template is around it.
    """

    prompt: str
    lead: str = ""
    stop: str = ""
    marks: list[int] | None = None


@dataclass(frozen=True, slots=True)
class Chat:
    """A template and the tokenizer that reads what it writes."""

    template: jinja2.Template
    shown: str  # what messages call it
    tokenizer: Tokenizer
    variables: Mapping[str, str]

    def render(self, turns: Sequence[Turn], answer: str, sample_id: str) -> Rendered:
        """The prompt that `turns` make and the response that `answer` makes.

        The response ends with the end of text, where the template writes one after the answer. Raises Fault E0731 where
        the template refuses the conversation, leaves a turn out, or does not write the prompt before the answer.
        """
        whole = [*turns, {"role": "assistant", "content": answer}]
        told = [turn["content"] for turn in whole]
        break_ = next(mark for mark in map(chr, PRIVATE) if not any(mark in text for text in told))
        broken = [turn | {"content": self._broken(turn["content"], break_)} for turn in whole]
        prompt = self._filled(broken[:-1], sample_id, generate=True)
        full = self._filled(broken, sample_id, generate=False)
        if not full.startswith(prompt):
            self._refuse(
                sample_id,
                "it writes other text before an answer than it asks for the answer with",
                f"before: {_end(full, len(prompt))}",
                f"asked for with: {_end(prompt, len(prompt))}",
            )
        shown, asked = _marked(prompt, break_, self.tokenizer), _marked(full[len(prompt) :], break_, self.tokenizer)
        self._check(whole, shown[0], asked[0], sample_id)
        response, marks = self._ended(*asked)
        return Rendered(shown[0], response, [*shown[1], *(len(shown[0]) + place for place in marks)])

    def ask(self, turns: Sequence[Turn], item: str) -> Asked:
        """How a model is asked that was trained on what `render` makes of such turns; raises what that raises.

        `stop` has no white space around it, and is empty where nothing but the end of text stands behind an answer.
        """
        answer = next(mark for mark in map(chr, PRIVATE) if not any(mark in turn["content"] for turn in turns))
        made = self.render(turns, answer, item)
        lead, _, after = made.response.partition(answer)
        stop = after.removesuffix(self.tokenizer.text_of(self.tokenizer.eos_id)).strip()
        begin = len(made.prompt) + len(lead)
        return Asked(made.prompt, lead, stop, [mark for mark in made.marks if mark < begin])

    def sample(self, row: Mapping[str, Any], turns: Sequence[Turn]) -> dict[str, Any]:
        """The columns of a sample that a template changes; raises what `render` raises."""
        made = self.render(turns, row["response"], row["sample_id"])
        return {"prompt": made.prompt, "response": made.response, "marks": made.marks}

    def overhead(self) -> int:
        """Tokens that the template puts around a question and its answer, the end of text included."""
        made = self.render([{"role": "user", "content": "a"}], "a", "")
        return sum(map(len, self.tokenizer.encode_rendered(made.prompt, made.response, made.marks))) - 2

    def _filled(self, turns: Sequence[Turn], sample_id: str, *, generate: bool) -> str:
        given = {**self.variables, "messages": [dict(turn) for turn in turns], "tools": None, "documents": None}
        try:
            return self.template.render(**given, add_generation_prompt=generate)
        except Exception as error:  # noqa: BLE001 - a template is a program of the user, and fails like one
            self._refuse(sample_id, " ".join(str(error).split()) or type(error).__name__)

    def _broken(self, text: str, mark: str) -> str:
        """The text with a mark inside whatever is, or with what follows could become, a special token."""
        specials = self.tokenizer.specials
        places = {place + 1 for special in specials for place in _places(special, text)}
        ends = range(1, max(map(len, specials), default=1))
        places |= {len(text) + 1 - size for size in ends if any(s.startswith(text[-size:]) for s in specials) and text}
        for place in sorted(places, reverse=True):
            text = text[:place] + mark + text[place:]
        return text

    def _check(self, whole: Sequence[Turn], prompt: str, response: str, sample_id: str) -> None:
        for turn in whole[:-1]:
            said = turn["content"].strip()
            if turn["role"] != "assistant" and said not in prompt and json.dumps(said)[1:-1] not in prompt:
                self._refuse(sample_id, f"it leaves out what the {turn['role']} says", f"left out: {said[:80]}")
        if (said := whole[-1]["content"].strip()) not in response:
            self._refuse(sample_id, "it leaves out the answer, or a part of it", f"answer: {said[:80]}")

    def _ended(self, response: str, marks: list[int]) -> tuple[str, list[int]]:
        """The response up to the end of text; white space behind it belongs to a turn that does not come."""
        end = self.tokenizer.text_of(self.tokenizer.eos_id)
        if marks and response.startswith(end, marks[-1]) and not response[marks[-1] + len(end) :].strip():
            return response[: marks[-1] + len(end)], marks
        return response, marks

    def _refuse(self, sample_id: str, reason: str, *notes: str) -> NoReturn:
        of = f" of `{sample_id}`" if sample_id else ""
        raise Fault(
            "E0731",
            f"the chat template {self.shown} cannot render the conversation{of}",
            notes=(f"reason: {reason}", *notes),
            helps=(
                "leave such rows out with `keep`, or name another template: `template = chatml`",
                'or change it: `template = file("chat.jinja")`',
            ),
        )


def asked(messages: Sequence[Turn] | None, question: str) -> list[Turn]:
    """The turns before the answer of a row; what is no conversation is asked by a user."""
    return list(messages[:-1]) if messages is not None else [{"role": "user", "content": question}]


def of_step(template: Template, tokenizer: Tokenizer, inputs: Inputs, context: Context) -> Chat:
    """The template of a step, from its input `template` or else `tokenizer` where it is one of a tokenizer."""
    folders: dict[str, Path] = {
        name: inputs.folder(name) for name in ("tokenizer", "template") if name in inputs.names()
    }
    return load(template, tokenizer, folders, context.root)


def text_of(template: Template, tokenizer: Tokenizer, folders: Mapping[str, Path], root: Path) -> tuple[str, str]:
    """The text of a template as any renderer of chat templates takes it, and how messages call it; see `load`."""
    match template.kind:
        case "chatml":
            begin = "".join(tokenizer.text_of(number) for number in tokenizer.prefix)
            return CHATML.replace("bos_token", json.dumps(begin)), "`chatml`"
        case "file":
            assert template.path is not None, "a file has a path"
            return _read(resolve(template.path, root), template.path), f"`{template.path}`"
        case "tokenizer":
            return _of_tokenizer(folders.get("template", folders["tokenizer"])), "of the tokenizer"


def load(template: Template, tokenizer: Tokenizer, folders: Mapping[str, Path], root: Path) -> Chat:
    """A template; `folders` has the `tokenizer` and, where it is another's, that of the `template`.

    Raises Fault E0721 where a tokenizer has no chat template, E0515 where a file cannot be read, E0731 for no Jinja.
    """
    import jinja2  # noqa: PLC0415 - 50 ms that only templates pay for

    variables = _variables(folders["tokenizer"])
    source, shown = text_of(template, tokenizer, folders, root)
    try:
        return Chat(_environment().from_string(source), shown, tokenizer, variables)
    except jinja2.TemplateSyntaxError as error:
        raise Fault(
            "E0731",
            f"the chat template {shown} is no template of Jinja",
            notes=(f"line {error.lineno}: {error.message}",),
        ) from None


def _environment() -> jinja2.Environment:
    """As transformers builds it (`chat_template_utils`), without `strftime_now`."""
    import jinja2.ext  # noqa: PLC0415
    import jinja2.sandbox  # noqa: PLC0415
    import jinja2.utils  # noqa: PLC0415

    class Generation(jinja2.ext.Extension):
        """`{% generation %}` around what the assistant says: here the text alone counts."""

        tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    class Namespace(jinja2.utils.Namespace):
        """No name that begins with `_`: those lead out of the sandbox."""

        def __init__(self, **attributes: Any) -> None:
            super().__init__()
            for name, value in attributes.items():
                self[name] = value

        def __setitem__(self, name: str, value: Any) -> None:
            if name.startswith("_"):
                raise jinja2.exceptions.SecurityError(f"`{name}` cannot be set on a namespace")
            super().__setitem__(name, value)

    def refuse(message: str) -> NoReturn:
        raise jinja2.TemplateError(message)

    def tojson(value: Any, ensure_ascii: bool = False, **options: Any) -> str:  # noqa: FBT001, FBT002 - its signature
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["namespace"] = Namespace
    environment.globals["raise_exception"] = refuse
    return environment


def _marked(text: str, break_: str, tokenizer: Tokenizer) -> tuple[str, list[int]]:
    """The text without breaks, and where the special tokens are that no break parts."""
    places = [place - text.count(break_, 0, place) for place, _ in tokenizer.find_specials(text)]
    return text.replace(break_, ""), places


def _places(part: str, text: str) -> Iterator[int]:
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + 1)


def _variables(folder: Path) -> dict[str, str]:
    """`bos_token` and the others, as the files of a tokenizer name them."""
    found: dict[str, str] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        for key, value in read_json(folder / name, str(folder)).items():
            text = value.get("content") if isinstance(value, dict) else value
            if key.endswith("_token") and isinstance(text, str):
                found[key] = text
    return found


def _of_tokenizer(folder: Path) -> str:
    """The chat template of a tokenizer's folder, in whichever of the places that transformers has used for it."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return _read(path, path.name)
    for name in ("chat_template.json", "tokenizer_config.json"):
        for source in _sources(read_json(folder / name, str(folder)).get("chat_template")):
            return source
    raise Fault(
        "E0721",
        "the tokenizer has no chat template",
        notes=("looked for `chat_template.jinja`, and `chat_template` in `tokenizer_config.json`",),
        helps=(
            "write `template = chatml`",
            'or `template = file("chat.jinja")`, or `of(model.x)` of a model that has one',
        ),
    )


def _sources(value: object) -> Iterator[str]:
    """One template, or the one called default of a list of named ones."""
    if isinstance(value, str):
        yield value
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, dict) and entry.get("name") == "default" and isinstance(entry.get("template"), str):
            yield entry["template"]


def _read(path: Path, shown: str) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Fault("E0515", f"`{shown}` cannot be read: {error}") from None


def _end(text: str, size: int) -> str:
    return json.dumps(text[max(0, size - 40) : size], ensure_ascii=False)
