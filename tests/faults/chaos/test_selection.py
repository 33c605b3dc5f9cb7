"""A few faults of each kind on the real thing, within three minutes; `make faults` runs the full counts."""

from tests.faults.chaos.home import Home
from tests.faults.chaos.kills import kill_trainers, kill_workers
from tests.faults.chaos.leaving import ask_workers_to_leave, offer_demo_model
from tests.faults.chaos.ledger import Ledger
from tests.faults.chaos.outages import break_valkey
from tests.worker.hub import Hub


def test_killed_trainers_cost_nothing_but_the_steps_since_the_checkpoint(home: Home, ledger: Ledger, seed: int) -> None:
    kill_trainers(home, ledger, count=3, seed=seed).check()


def test_a_killed_workers_run_goes_on_elsewhere(home: Home, ledger: Ledger, seed: int) -> None:
    kill_workers(home, ledger, count=1, seed=seed).check()


def test_a_restart_of_valkey_is_not_noticed(home: Home, ledger: Ledger, seed: int) -> None:
    break_valkey(home, ledger, count=1, seed=seed).check()


def test_a_worker_that_is_asked_to_leave_hands_its_run_back(home: Home, ledger: Ledger, hub: Hub, seed: int) -> None:
    offer_demo_model(hub)

    ask_workers_to_leave(home, ledger, hub, ("step", "checkpoint"), seed=seed).check()
