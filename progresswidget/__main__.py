"""``python -m progresswidget``."""

from __future__ import annotations

import sys

from progresswidget.cli import main

sys.exit(main())
