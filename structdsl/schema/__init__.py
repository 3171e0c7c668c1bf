"""What may stand in a spec: kinds of blocks, their attributes, and the types of values."""
