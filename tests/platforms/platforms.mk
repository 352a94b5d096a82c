# Other releases of Debian; included by the Makefile.
#
#   make check-platforms                     trixie and sid, everything; hours
#   make check-platforms PLATFORMS=sid       one of them
#   make check-platforms PLATFORMS=trixie FORM=short
#                                            gcc, clang, demo and unit tests, in
#                                            minutes; as far as time allows
#
# As root, in folders of debootstrap's, on a loopback of their own. Needs a mirror
# of Debian (MIRROR, or the default of debootstrap); without one it says so and
# passes nothing.

PLATFORMS ?= trixie sid
FORM      ?= long

.PHONY: check-platforms

check-platforms:
	@build-aux/install-deps.sh platforms
	@/usr/bin/python3 tests/platforms/platforms.py \
	    $(if $(filter short,$(FORM)),--short) $(PLATFORMS)
