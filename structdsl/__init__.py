"""structdsl: a declarative, data-centric language and compiler for adapting large language models to a domain."""

__version__ = "0.4.0"
