"""A worker asks a chief for trials, runs them and reports; it ends when there are no more, or no chief."""

import os
import platform
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from keras_tuner.engine.trial import Trial
from keras_tuner.src import protos

from kmodels.core.cli import console
from kmodels.core.spec.errors import UserError

BEAT = 5.0  # seconds between two signs of life
PATIENCE = 60.0  # seconds without an answer after which a worker in a trial saves its state and stops
WAIT = 600.0  # seconds that a chief may take to come up, or to come back
ASK_AGAIN = 1.0  # seconds, while trials of others run that may come back


def named(process: int) -> str:
    """Name the worker that is this process of this machine."""
    return f"{platform.node()}-{process}"


class Client:
    """The chief's oracle, as a worker sees it: three of Keras Tuner's calls, and a sign of life.

    Parameters
    ----------
    address : str
        HOST:PORT of the chief.
    wait, beat, patience : float
        See WAIT, BEAT and PATIENCE [s].
    """

    def __init__(self, address: str, wait: float = WAIT, beat: float = BEAT, patience: float = PATIENCE):
        self.address, self.wait, self.beat, self.patience = address, wait, beat, patience
        # Chief and worker are on one network: a proxy for the world outside is none of their business.
        self.channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        self.stub = protos.get_service_grpc().OracleStub(self.channel)
        self.service = protos.get_service()

    def create_trial(self, worker: str) -> Trial:
        """Ask for the next trial; waits while there is none yet."""
        while True:
            answer = self._ask(self.stub.CreateTrial, self.service.CreateTrialRequest(tuner_id=worker))
            trial = Trial.from_proto(answer.trial)
            if trial.status != "IDLE":
                return trial
            time.sleep(ASK_AGAIN)

    def update_trial(self, trial_id: str, metrics: dict[str, float]) -> None:
        """Report what a trial measured."""
        self._ask(self.stub.UpdateTrial, self.service.UpdateTrialRequest(trial_id=trial_id, metrics=metrics))

    def end_trial(self, trial: Trial) -> None:
        """Report how a trial ended."""
        self._ask(self.stub.EndTrial, self.service.EndTrialRequest(trial=trial.to_proto()))

    def _ask(self, call, request):
        try:
            return call(request, wait_for_ready=True, timeout=self.wait)
        except grpc.RpcError as error:
            raise UserError(
                f"the chief at {self.address} does not answer ({error.code().name.lower()}); what is trained is kept: "
                f"resume the search there, and start this worker again"
            ) from None

    @contextmanager
    def living(self, trial_id: str) -> Iterator[None]:
        """Tell the chief every few seconds, while inside, that this trial is being worked at.

        A worker whose chief has gone would train for nobody: it is stopped as by SIGTERM, which saves its state.
        """
        over = threading.Event()
        thread = threading.Thread(target=self._beat, args=(trial_id, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _beat(self, trial_id, over):
        answered = time.monotonic()
        while not over.wait(self.beat):
            try:
                self.stub.GetTrial(self.service.GetTrialRequest(trial_id=trial_id), timeout=self.beat)
                answered = time.monotonic()
            except grpc.RpcError:
                if time.monotonic() - answered > self.patience:
                    console.say(f"the chief at {self.address} has been silent for {self.patience:.0f} s")
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
