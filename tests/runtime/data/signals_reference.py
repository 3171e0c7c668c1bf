"""Signals of one text at a time, in plain Python: what the kernel is held to."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

TERMINALS = ".!?…‼⁇⁈⁉\u037e։؟۔؞।॥෴።፧፨។៕၊။᠃᠉།༎"
WIDE = "。！？｡．"
QUOTES = "\"'”’»›」』"
STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}
POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u9fff"
    "\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U0001aff0-\U0001b16f\U00020000-\U000323af]"
)
Found = dict[str, float | None]


def measured(text: str) -> Found:
    """Every signal of a text."""
    return _of_text(text) | _of_words(text, str.split, "") | _of_words(text, unicode_words, "_unicode")


def unicode_words(text: str) -> list[str]:
    """Runs of letters, marks and numbers; letters of scripts without spaces one by one."""
    words: list[str] = []
    inside = alone = False  # of a word; of one that only marks go on
    for character in text:
        kind = _kind(character)
        single = kind == "L" and UNSPACED.match(character) is not None
        if kind not in "LMN":
            inside = False
            continue
        if inside and (kind == "M" or not (single or alone)):
            words[-1] += character
        else:
            words.append(character)
            alone = single
        inside = True
    return words


def _of_text(text: str) -> Found:
    lines = text.split("\n")
    full = [line for line in lines if line.strip()]
    paragraphs = [part.strip("\n") for part in re.split(r"\n(?:[^\S\n]*\n)+", "\n" + _emptied(lines) + "\n")]
    paragraphs = [part for part in paragraphs if part]
    found: Found = {
        "n_symbol_words": sum(not _real(word) for word in text.split()),
        "n_hashes": text.count("#"),
        "n_ellipses": text.count("...") + text.count("…"),
        "n_braces": text.count("{") + text.count("}"),
        "n_lorem_ipsum": _lowered(text).count("lorem ipsum"),
        "n_sentences": _sentences(text),
        "n_lines": len(lines) - (lines[-1] == ""),
        "n_full_lines": len(full),
        "n_bullet_lines": sum(line.lstrip().startswith(("-", "•")) for line in lines),
        "n_ellipsis_lines": sum(line.rstrip().endswith(("...", "…")) for line in lines),
        "n_ended_lines": sum(map(_ended, full)),
        "n_short_lines": sum(len(line) <= 30 for line in full),
        "n_javascript_lines": sum("javascript" in _lowered(line) for line in lines),
        "n_policy_lines": sum(any(phrase in _lowered(line) for phrase in POLICIES) for line in lines),
        "n_paragraphs": len(paragraphs),
    }
    for name, parts in (("line", full), ("paragraph", paragraphs)):
        again = [part for index, part in enumerate(parts) if part in parts[:index]]
        found[f"duplicate_{name}s"] = len(again) / max(len(parts), 1)
        found[f"duplicate_{name}_characters"] = sum(map(len, again)) / max(len(text), 1)
    return found


def _of_words(text: str, split: Callable[[str], list[str]], suffix: str) -> Found:
    words = split(text)
    real = [word for word in words if _real(word)]
    kept = [line for line in text.split("\n") if _kept(line, split)]
    found: Found = {
        "n_words": len(real),
        "n_unique_words": len(set(words)),
        "mean_word_length": sum(map(len, real)) / len(real) if real else None,
        "n_alphabetic_words": sum(any(_kind(character) == "L" for character in word) for word in words),
        "n_stop_words": len(STOP_WORDS.intersection(words)),
        "n_c4_lines": len(kept),
        "n_c4_sentences": sum(map(_sentences, kept)),
    }
    for n in range(2, 11):
        grams = [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
        name = f"top_{n}gram" if n < 5 else f"duplicate_{n}gram"
        characters = _most_frequent(grams, n) if n < 5 else _covered(words, grams, n)
        found[name] = characters / max(len(text), 1)
    return {name + suffix: value for name, value in found.items()}


def _most_frequent(grams: Sequence[tuple[str, ...]], n: int) -> int:
    counts = Counter(grams)
    number, length = max(((c, sum(map(len, gram)) + n - 1) for gram, c in counts.items() if c > 1), default=(0, 0))
    return number * length


def _covered(words: Sequence[str], grams: Sequence[tuple[str, ...]], n: int) -> int:
    seen, again = set(), set[int]()
    for start, gram in enumerate(grams):
        if gram in seen:
            again.update(range(start, start + n))
        seen.add(gram)
    return sum(len(words[index]) for index in again)


def _emptied(lines: Sequence[str]) -> str:
    return "\n".join(line if line.strip() else "" for line in lines)


def _sentences(text: str) -> int:
    found = 0
    for stop in re.finditer(f"[{re.escape(TERMINALS + WIDE)}]+", text):
        behind = text[stop.end() :].lstrip(QUOTES)
        found += stop[0][-1] in WIDE or not behind or behind[0].isspace()
    return found


def _kept(line: str, split: Callable[[str], list[str]]) -> bool:
    lowered = _lowered(line)
    fine = _ended(line) and not line.rstrip().endswith(("...", "…")) and len(split(line)) >= 5
    return fine and "javascript" not in lowered and not any(phrase in lowered for phrase in POLICIES)


def _ended(line: str) -> bool:
    return line.rstrip()[-1:] in {*TERMINALS, *WIDE, *QUOTES}


def _real(word: str) -> bool:
    return any(_kind(character) in "LMN" for character in word)


def _kind(character: str) -> str:
    return unicodedata.category(character)[0]


def _lowered(text: str) -> str:
    return "".join(character.lower() if character.isascii() else character for character in text)
