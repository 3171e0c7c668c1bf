"""Documents that are made from the code, and how they are made: `python -m docs.generate`."""
