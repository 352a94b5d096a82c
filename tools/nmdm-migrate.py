#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An older name; see nanomdm_ctl/migrate.py."""

import sys

from nanomdm_ctl import migrate
from nanomdm_ctl.main import run_alone

if __name__ == "__main__":
    sys.exit(run_alone(migrate))
