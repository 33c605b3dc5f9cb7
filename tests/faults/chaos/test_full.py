"""The full counts of chaos on the real thing, about half an hour on two quiet cores: `make faults`."""

import pytest

from tests.faults.chaos.campaign import CAMPAIGNS, Scene
from tests.faults.chaos.home import Home
from tests.faults.chaos.ledger import Ledger
from tests.worker.hub import Hub


@pytest.mark.faults
@pytest.mark.parametrize("name", CAMPAIGNS)
def test_every_run_ends_as_it_should(name: str, home: Home, ledger: Ledger, hub: Hub, seed: int) -> None:
    campaign = CAMPAIGNS[name]

    campaign.run(Scene(home, ledger, hub, seed), campaign.full).check()
