"""The command line; each command is a small module that imports what it needs when it runs."""
