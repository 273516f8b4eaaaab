"""The chief hands out trials over gRPC and notes what comes back. It always ends, whatever happens to its workers.

Keras Tuner's protocol and servicer; its loop waits for ever for a worker that died (keras_tuner.distribute 1.4.8).
There is no password: who reaches the port can take trials and report scores. It is bound to this machine unless
another address is given; give one of a network that only you are on.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from keras_tuner.src import protos  # Keras Tuner has no public name for its protocol
from keras_tuner.src.distribute.oracle_chief import OracleServicer

from kmodels.core.cli import console
from kmodels.core.spec.errors import UserError

PATIENCE = 60.0  # seconds without a sign of life after which a worker counts as dead; they give one every few
IDLE = 1800.0  # seconds without any worker, once there was one, after which the chief ends
POLL = 0.2  # seconds between two looks at the workers
FAREWELL = 10.0  # seconds for other workers to learn that there is no more to do


class Chief(OracleServicer):
    """Serves one oracle. Calls come one at a time, from one thread; `serve` looks at the workers in between.

    Parameters
    ----------
    oracle : Restartable
        That hands out the trials.
    deadline : float
        After so long it ends in any case [s].
    patience, idle : float
        See PATIENCE and IDLE [s].
    """

    def __init__(self, oracle, deadline: float, patience: float = PATIENCE, idle: float = IDLE):
        super().__init__(oracle)
        self.deadline, self.patience, self.idle = deadline, patience, idle
        self.seen: dict[str, float] = {}  # worker -> when it last said something
        self.told: set[str] = set()  # workers that know that there is no more to do
        self.fault: Exception | None = None
        self.pool = ThreadPoolExecutor(max_workers=1)

    # -- what workers call, in the pool's thread ----------------------------------------------------------------

    def CreateTrial(self, request, context):  # noqa: N802 - gRPC's names
        """Hand a worker its next trial."""
        with self._noting_faults():
            self.seen[request.tuner_id] = time.monotonic()
            answer = super().CreateTrial(request, context)
            if answer.trial.status == protos.get_proto().TrialStatus.STOPPED:
                self.told.add(request.tuner_id)
            return answer

    def UpdateTrial(self, request, context):  # noqa: N802
        """Note what a trial measured."""
        self._sign_of_life(request.trial_id, context)
        with self._noting_faults():
            return super().UpdateTrial(request, context)

    def EndTrial(self, request, context):  # noqa: N802
        """Note how a trial ended."""
        self._sign_of_life(request.trial.trial_id, context)
        with self._noting_faults():
            return super().EndTrial(request, context)

    def GetTrial(self, request, context):  # noqa: N802
        """Answer what a worker asks every few seconds of its trial, to say that it lives."""
        self._sign_of_life(request.trial_id, context)
        with self._noting_faults():
            return super().GetTrial(request, context)

    def _sign_of_life(self, trial_id, context):
        if trial_id not in self.oracle.trials:
            context.abort(grpc.StatusCode.NOT_FOUND, "a trial of another search")
        for worker, trial in self.oracle.ongoing_trials.items():
            if trial.trial_id == trial_id:
                self.seen[worker] = time.monotonic()

    @contextmanager
    def _noting_faults(self):
        """Note exceptions, which gRPC keeps to itself: a full disk would be a search that stands still."""
        try:
            yield
        except Exception as error:
            self.fault = error
            raise

    # -- the loop -----------------------------------------------------------------------------------------------

    def listen(self, address: str) -> str:
        """Begin to serve at HOST:PORT, port 0 for any free one.

        Returns
        -------
        str
            The address, with the port that it got.

        Raises
        ------
        UserError
            Where it cannot listen there.
        """
        logging.getLogger("grpc").setLevel(logging.CRITICAL)  # faults are told once, by whoever serves
        self.server = grpc.server(self.pool, options=[("grpc.so_reuseport", 0)])
        protos.get_service_grpc().add_OracleServicer_to_server(self, self.server)
        host = address.rpartition(":")[0]
        try:
            port = self.server.add_insecure_port(address)
        except RuntimeError:
            port = 0
        if not port:
            raise UserError(f"--chief {address}: cannot listen there; is the port taken, or the address another's?")
        self.server.start()
        return f"{host}:{port}"

    def serve(
        self, lost: Callable[[], list[str | None]] = lambda: [], after: Callable[[], object] = lambda: None
    ) -> str | None:
        """Serve until every trial has ended, or there is nothing to wait for.

        Parameters
        ----------
        lost : callable
            Gives the workers known to have died since the last call, and None in the list when no worker is left.
        after : callable
            Called when trials have ended.

        Returns
        -------
        str or None
            Why it ended before every trial had; else None.
        """
        began, ended = time.monotonic(), len(self.oracle.end_order)
        try:
            while True:
                time.sleep(POLL)
                gone = lost()
                self._serialised(self._give_up_on, [worker for worker in gone if worker is not None])
                if self.fault is not None:
                    raise self.fault
                if len(self.oracle.end_order) > ended:
                    ended = len(self.oracle.end_order)
                    after()
                if self.told:
                    return self._farewell()
                reason = self._hopeless(began, None in gone)
                if reason:
                    return reason
        finally:
            self.server.stop(grace=1).wait()

    def _serialised(self, call, *arguments):
        """Call in the thread that answers workers: nothing of the oracle is touched by two threads."""
        return self.pool.submit(call, *arguments).result()

    def _give_up_on(self, gone: list[str]) -> None:
        """Give the trials of dead workers to others: of those that are `gone`, and of those silent for too long."""
        silent = [worker for worker in self.oracle.ongoing_trials if self._silence(worker) > self.patience]
        for worker in {*gone, *silent}:
            self.seen.pop(worker, None)
            trial = self.oracle.abandon(worker)
            if trial is not None:
                why = "died" if worker in gone else f"was silent for {self.patience:g} s"
                what = f"failed: {trial.message}" if trial.status == "FAILED" else "is given to another"
                console.say(f"worker {worker} {why}; trial {trial.trial_id} {what}")

    def _silence(self, worker: str) -> float:
        return time.monotonic() - self.seen.get(worker, 0.0)

    def _hopeless(self, began: float, nobody: bool) -> str | None:
        """Say why there is nothing to wait for; None where there is."""
        now = time.monotonic()
        if nobody:
            return "no worker is left"
        if now - began > self.deadline:
            return f"the deadline of {self.deadline / 3600:.3g} hours is over"
        if self.seen and now - max(self.seen.values()) > self.idle:
            return f"no worker has said anything for {self.idle / 60:.0f} minutes"
        return None

    def _farewell(self) -> None:
        """Let the other workers ask once more, so that they learn of the end."""
        until = time.monotonic() + FAREWELL
        while set(self.seen) - self.told and time.monotonic() < until:
            time.sleep(POLL)
