"""Every setting is documented, named as users configure it, and takes effect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from traitlets import TraitError
from traitlets.config import Config

from jupyter_server_ext.config import Settings
from jupyter_server_ext.extension import ProgressExtension

if TYPE_CHECKING:
    from conftest import Server

NAMES = sorted(Settings.class_traits(config=True))


def test_there_are_settings() -> None:
    assert len(NAMES) >= 13


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_a_help_text(name: str) -> None:
    text = Settings.class_traits()[name].help
    assert len(text) > 40
    assert text.rstrip().endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_in_the_readme(name: str) -> None:
    assert f"`{name}`" in (Path(__file__).parents[2] / "README.md").read_text()


def test_no_setting_is_hidden_elsewhere() -> None:
    own = ProgressExtension.class_own_traits(config=True)
    assert set(own) <= set(NAMES) | {"name"}


def test_settings_are_read_from_the_configuration() -> None:
    extension = ProgressExtension(config=Config({"ProgressExtension": {"push_interval": 0.2}}))
    assert extension.push_interval == 0.2


@pytest.mark.parametrize(
    "name",
    [name for name in NAMES if name not in {"roots", "store", "kernel_url", "expiring_folders"}],
)
def test_nonsense_is_refused(name: str) -> None:
    with pytest.raises(TraitError):
        ProgressExtension(**{name: -1})


@pytest.mark.parametrize("both", [{"heartbeat_timeout": 30.0}, {"heartbeat": 5.0}])
def test_a_silent_peer_must_have_time_to_answer(both: dict[str, float]) -> None:
    whole = {"heartbeat": 30.0, "heartbeat_timeout": 5.0} | both
    with pytest.raises(TraitError, match="more than heartbeat"):
        ProgressExtension(config=Config({"ProgressExtension": whole}))
    assert ProgressExtension(heartbeat=3.0, heartbeat_timeout=4.0).heartbeat_timeout == 4.0


def test_no_piece_of_a_password_is_told() -> None:
    with pytest.raises(TraitError) as raised:
        Settings(store_url="redis://:5ecret#pass@host:6379/0")
    assert "5ecret" not in str(raised.value)


@pytest.mark.parametrize("settings", [{"heartbeat": 7.0, "roots": ["/srv/exports"]}])
async def test_a_server_uses_them(server: Server) -> None:
    assert server.services.heartbeat == 7.0
    assert server.services.roots[1] == "/srv/exports"
