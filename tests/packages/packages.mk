# Packages as users get them; included by the Makefile.
#
#   make check-packages                       all of it
#   make check-packages PACKAGES="sid rpm"    some: bookworm, trixie, sid, rpm,
#                                             container, quickstart
#
# As root, with a mirror of Debian (MIRROR, or debootstrap's default). A quarter of
# an hour; PACKAGES_FOLDER, if it is kept, saves most of that the next time, and
# DEB_BUILD_OPTIONS="noopt noautodbgsym parallel=2" most of the compiler's.

PACKAGES ?= bookworm trixie sid rpm container quickstart

.PHONY: check-packages

check-packages:
	@build-aux/install-deps.sh packages
	@/usr/bin/python3 tests/packages/packages.py $(PACKAGES)
