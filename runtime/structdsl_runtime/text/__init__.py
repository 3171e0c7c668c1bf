"""Text as the data operations see it: normal form, Markdown headings, chunks, slugs, stable hashes, prompts."""
