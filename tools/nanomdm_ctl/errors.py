# SPDX-License-Identifier: Apache-2.0
"""What ends a subcommand early."""


class Stopped(Exception):
    """There is no use in going on."""


class Failed(Exception):
    """What went wrong, and what to do about it; status is the program's."""

    def __init__(self, what, remedy="", status=1):
        super().__init__(what)
        self.remedy = remedy
        self.status = status
