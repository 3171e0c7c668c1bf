"""What workers are forked from: all that tasks need is imported here, once, in a process without threads.

The fork server of a pool alone imports this. Numbers are crunched by one thread in each worker, for the workers are as
many as the processors; and a process that forks must have none beside its own, which the libraries named here would
start while they are imported. Ctrl-C is left to the run, by this process and all that it becomes.
"""

from __future__ import annotations

import importlib
import os
import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # of NumPy
os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
importlib.import_module("structdsl_runtime.operations")
importlib.import_module("pyarrow").array([0])  # with its first array Arrow imports pandas, if it is there
