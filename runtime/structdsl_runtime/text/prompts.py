"""The form in which a question is asked: one function, read by training and by evaluation.

A model that is trained on one prompt and tested on another is measured on the difference between the two.
"""

from __future__ import annotations


def question_prompt(question: str) -> str:
    """The question on a line of its own; what follows is the answer."""
    return question + "\n"
