# SPDX-License-Identifier: Apache-2.0
"""nanomdmctl: the command line of mod_nanomdm.

main.py reads the command line; settings.py, client.py and output.py are what
all subcommands use. Each subcommand is a module with add_arguments(parser) and
run(args), by the name that the table in main.py gives.
"""

VERSION = "0.2.0"               # NMDM_VERSION of src/base/version.h
