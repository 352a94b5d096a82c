# The status page as pictures and before axe-core; needs chromium and npm.
.PHONY: check-console
check-console: all
	@/usr/bin/python3 tests/console/look.py
