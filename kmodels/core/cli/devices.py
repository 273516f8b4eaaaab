"""One training on many devices: the options --devices, --coordinator, --processes and --process-id."""

import argparse
import os
import re
from collections.abc import Mapping

from kmodels.core.runs.jobs.spread import Spread
from kmodels.core.spec.errors import UserError

# Who started the processes says how many they are, which one this is, and which one of its machine.
LAUNCHERS = {
    "slurm": ("SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID"),
    "torchrun": ("WORLD_SIZE", "RANK", "LOCAL_RANK"),
}
PORTS = range(61440, 65536)  # of which a SLURM job takes one by its number: two jobs seldom share a machine and a port


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = options.add_argument_group("one training on many devices").add_argument
    add("--devices", metavar="N|all", help="devices of this machine that share each batch (default: 1)")
    add("--coordinator", metavar="WHERE", help="over machines: HOST:PORT of the first process, slurm or torchrun")
    add("--processes", type=int, metavar="P", help="how many processes --coordinator HOST:PORT joins")
    add("--process-id", type=int, metavar="K", help="which of them this is, 0 to P-1; the first, 0, writes the run")


def spread(args: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Spread | None:
    """Read what the options ask for.

    Parameters
    ----------
    args : argparse.Namespace
        With the options.
    environment : mapping
        Where SLURM and torchrun say what they began.

    Returns
    -------
    Spread or None
        None for one process and one device.

    Raises
    ------
    UserError
        For what cannot be meant.
    """
    devices = number(args.devices)
    where = args.coordinator
    if where is None:
        if args.processes is not None or args.process_id is not None:
            raise UserError("--processes and --process-id: of --coordinator HOST:PORT")
        if int(environment.get("WORLD_SIZE") or 1) > 1 and "TORCHELASTIC_RUN_ID" in environment:
            raise UserError("torchrun began several processes: --coordinator torchrun makes one training of them")
        return None if devices == 1 else Spread(devices)
    if where in LAUNCHERS:
        return _launched(where, args, devices, environment)
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[\w.-]+):\d+", where):
        raise UserError(f"--coordinator {where}: expected HOST:PORT of the first process, or {' or '.join(LAUNCHERS)}")
    if args.processes is None or args.process_id is None:
        raise UserError(f"--coordinator {where}: also --processes P and --process-id K, 0 to P-1")
    return _joined(where, args.processes, args.process_id, 0, devices)


def spread_of(devices: str | int) -> Spread | None:
    """Read a number of devices of this machine, as `spread` does; None for one."""
    n = number(devices)
    return None if n == 1 else Spread(n)


def number(devices: str | int | None) -> int | None:
    """Read a number of devices; None stands for all.

    Raises
    ------
    UserError
        For what is none.
    """
    if devices is None:
        return 1
    if devices == "all":
        return None
    if isinstance(devices, bool) or not re.fullmatch(r"0*[1-9]\d*", str(devices)):
        raise UserError(f"--devices {devices}: expected a number, at least 1, or all")
    return int(devices)


def _launched(by: str, args, devices: int | None, environment) -> Spread:
    """Read the variables of SLURM or torchrun."""
    if args.processes is not None or args.process_id is not None:
        raise UserError(f"--coordinator {by} knows --processes and --process-id by itself")
    missing = [name for name in LAUNCHERS[by] if not environment.get(name, "").isdigit()]
    if missing:
        start = "srun python -m kmodels.fit" if by == "slurm" else "torchrun --nproc-per-node N -m kmodels.fit"
        raise UserError(f"--coordinator {by}: no {missing[0]} in the environment; start by {start}")
    processes, rank, local = (int(environment[name]) for name in LAUNCHERS[by])
    address = _slurm_address(environment) if by == "slurm" else "env://"
    return _joined(address, processes, rank, local, devices)


def _slurm_address(environment) -> str:
    """Name the first machine of a SLURM step, and a port by the job's number."""
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST") or "localhost"
    host = re.sub(r"\[(\d+)[^]]*\]", r"\1", re.split(r",(?![^[]*\])", nodes)[0])  # node[03-07,9],other -> node03
    job = int(environment.get("SLURM_JOB_ID") or 0)
    return f"{host}:{PORTS[job % len(PORTS)]}"


def _joined(address: str, processes: int, rank: int, local_rank: int, devices: int | None) -> Spread:
    if processes < 1 or not 0 <= rank < processes:
        raise UserError(f"--processes {processes}, --process-id {rank}: expected at least one process, and 0 to P-1")
    return Spread(devices, address, processes, rank, local_rank)
