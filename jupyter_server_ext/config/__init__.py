"""Every setting: ``c.ProgressExtension.<name>`` in the Jupyter configuration."""

from __future__ import annotations

from jupyter_server_ext.config.conversions import Conversions
from jupyter_server_ext.config.downloads import Downloads
from jupyter_server_ext.config.jobs import Jobs
from jupyter_server_ext.config.live import Live
from jupyter_server_ext.config.state import State
from jupyter_server_ext.config.uploads import Uploads


class Settings(Live, Jobs, State, Downloads, Uploads, Conversions):
    """What an administrator or user can set; mixed into `ProgressExtension`."""
