"""Which process a worker is, whoever started it: RANK and the like, from the names that SLURM and OpenMPI use."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Final

NAMES: Final = (  # rank, processes, rank on its machine; the first whose rank is there
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),  # mpirun may run inside of SLURM
    ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
)
MACHINES: Final = ("SLURM_STEP_NUM_NODES", "SLURM_NNODES")
ON_MACHINE: Final = ("LOCAL_WORLD_SIZE", "LOCAL_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE")


def adopt(environ: MutableMapping[str, str]) -> None:
    """Set RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE; a worker that nobody gave a rank is KeyError."""
    names = next((names for names in NAMES if names[0] in environ), NAMES[0])
    rank, world, local = (environ[name] for name in names)
    here = next((environ[name] for name in ON_MACHINE if name in environ), None)
    if here is None:
        nodes = next((int(environ[name]) for name in MACHINES if name in environ), 1)
        here = str(max(1, int(world) // nodes))
    environ.update(RANK=rank, WORLD_SIZE=world, LOCAL_RANK=local, LOCAL_WORLD_SIZE=here)
