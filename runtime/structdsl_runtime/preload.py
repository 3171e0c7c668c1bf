"""What workers are forked from: all that tasks need is imported here, once, in a process without threads.

The fork server of a pool alone imports this. Numbers are crunched by one thread in each worker, for the workers are as
many as the processors; and a process that forks must have none beside its own, which the libraries named here would
start while they are imported. Ctrl-C is left to the run, by this process and all that it becomes.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import typing

signal.signal(signal.SIGINT, signal.SIG_IGN)
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # of NumPy
os.environ["RAYON_NUM_THREADS"] = "1"  # of tokenizers
os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"


class _WithoutPandas:
    """With its first array Arrow imports pandas, if it is there: 0.2 s, and no task wants it."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        del path, target
        if name == "pandas":
            raise ModuleNotFoundError(name)


importlib.import_module("structdsl_runtime.machine").unmap_what_is_free()
gc.disable()  # all that is made here stays
sys.meta_path.insert(0, _WithoutPandas)
try:
    plan = importlib.import_module("structdsl.plan")
    operations = importlib.import_module("structdsl_runtime.operations").OPERATIONS
    for kind in typing.get_args(typing.get_args(plan.Operation)[0]):
        name = kind.model_fields["op"].default
        if isinstance(kind.partition, plan.Rows) and name in operations:
            operations[name]
    importlib.import_module("pyarrow").array([0])
finally:
    sys.meta_path.remove(_WithoutPandas)
    gc.enable()
