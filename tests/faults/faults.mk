# The fault run; included by the Makefile.
#
#   make check-faults                  every fault on each database, minutes
#   make check-faults FAULTS=short     some of them, in less than one
#   make check-faults FAULTS=galera    those whose names begin so
#
# A line for each fault on standard output; fails when anything was lost.

FAULTS ?= full

.PHONY: check-faults

check-faults:
	@build-aux/install-deps.sh $(if $(filter short,$(FAULTS)),check,faults)
	+@$(MAKE_ALL)
	@/usr/bin/python3 tests/faults/faults.py $(if $(filter short,$(FAULTS)), \
	    --short,$(filter-out full,$(FAULTS)))
