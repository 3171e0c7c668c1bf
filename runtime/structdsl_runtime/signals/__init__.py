"""What documents look like, in numbers: words, lines, repetitions; a kernel over the bytes of many texts at once."""
