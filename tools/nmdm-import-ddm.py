#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""KMFDDM becomes rows: see nanomdm_ctl/ddm_import.py."""

import sys

from nanomdm_ctl import ddm_import
from nanomdm_ctl.main import run_alone

if __name__ == "__main__":
    sys.exit(run_alone(ddm_import))
