"""Sources into documents, portion by portion: `portions` divides, `part` reads one, `found` looks at all of them.

`read_portion` is a pure function from a portion to rows, so that portions are read wherever there is a processor for
one. What no portion can know by itself (an id that an earlier one had, a column that none has) comes after.
"""
