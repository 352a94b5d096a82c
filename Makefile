# mod_nanomdm: an Apple MDM server in Apache httpd.
#
#   make            build mod_nanomdm.so
#   make install    install it; on Debian with mods-available/nanomdm.*
#   make dist       mod_nanomdm-VERSION.tar.gz, of what is committed
#   make deb        libapache2-mod-nanomdm_VERSION-1_ARCH.deb, of the same
#   make manual     build/manual: directives.html, mod_nanomdm.8, nanomdmctl.1
#   make demo       watch the main job, on a private httpd
#   make run        the same server, to try things on
#   make check      every test; installs what it needs (Debian, root)
#   make bench      what requests cost, against a static file; also as root
#   make check-faults    what happens when something breaks; also as root
#   make check-platforms what other releases of Debian say; also as root
#   make check-console   pictures of the status page, held against axe-core
#   make check-packages  packages built and used in clean systems; also as root
#   make fuzz       FUZZ_RUNS inputs for each fuzz target

APXS       ?= apxs
# Silent where a tool is missing: "make demo" and "make check" install it.
ask        = $(shell command -v $(1) >/dev/null 2>&1 && $(1) $(2))
CC         := $(if $(filter default,$(origin CC)),$(or \
                $(call ask,$(APXS),-q CC),cc),$(CC))
LIBEXECDIR := $(call ask,$(APXS),-q LIBEXECDIR)

# As system headers: clang would warn of what APR's macros do.
FOREIGN  := $(call ask,$(APXS),-q INCLUDEDIR) $(patsubst -I%,%,$(filter-out \
              -I/usr/include,$(call ask,apr-1-config,--includes) \
              $(call ask,apu-1-config,--includes)))
override CPPFLAGS := -I. -Isrc -Ibuild \
            $(addprefix -isystem ,$(sort $(FOREIGN))) \
            $(call ask,$(APXS),-q EXTRA_CPPFLAGS) $(CPPFLAGS)
CFLAGS   ?= -O2 -g
# -Werror in "make check" and with WERROR=-Werror: what a library or a compiler
# newer than this release warns of does not keep anybody from building it.
WERROR   ?=
WARNINGS := -std=gnu11 -Wall -Wextra -Wformat=2 -Wshadow \
            -Wstrict-prototypes -Wmissing-prototypes -Wvla $(WERROR)
# Before the caller's flags, which win. _FORTIFY_SOURCE wants an optimizer.
OPTIMIZES := $(filter-out -O0,$(lastword $(filter -O%,$(CFLAGS))))
FORTIFIES := $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS))
HARDENED := -fstack-protector-strong \
            $(if $(OPTIMIZES),$(if $(FORTIFIES),,-U_FORTIFY_SOURCE \
              -D_FORTIFY_SOURCE=2))
HARD_LINK := -Wl,-z,relro,-z,now
LIBS     := -lexpat -lplist-2.0 -ljansson -lcurl -lnghttp2 -lssl -lcrypto -lm

SOURCES  := mod_nanomdm.c $(sort $(wildcard src/*/*.c))
# A variant of the build, such as one with sanitizers, has a place of its own.
BUILD    ?= build
MODULE   ?= mod_nanomdm.so
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o)
SCHEMA   := build/schema_text.h

# What programs say is read by scripts and tests.
export LC_ALL := C.UTF-8

# With all cores, unless the caller says how many. Its recipes begin with "+":
# make does not see $(MAKE) in a variable, and would not share its jobs.
MAKE_ALL  = $(MAKE) --no-print-directory -s \
              $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc)) all

.PHONY: all install dist manual deb demo run check clean

all: $(MODULE)

$(MODULE): $(OBJECTS)
	$(CC) -shared $(HARD_LINK) $(LDFLAGS) -o $@ $(OBJECTS) $(LIBS)

# Hidden is all but the module record, which config/config.h declares. Headers
# that an object includes are in its .d file, written while it is compiled.
$(BUILD)/%.o: %.c Makefile | $(SCHEMA)
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(HARDENED) $(CPPFLAGS) $(CFLAGS) -fPIC \
	    -fvisibility=hidden -MMD -MP -c -o $@ $<

-include $(OBJECTS:.o=.d)

ifeq ($(LIBEXECDIR),)
.PHONY: no-apxs
$(OBJECTS): no-apxs
no-apxs:
	@echo "$(APXS) was not found: install apache2-dev (httpd-devel), or write" \
	    "APXS=PATH" >&2; exit 1
endif

$(SCHEMA): build-aux/embed-schema.sh $(wildcard schema/*.sql schema/upgrade/*.sql)
	@mkdir -p $(@D)
	build-aux/embed-schema.sh > $@

# ---- install ----

DESTDIR    ?=
MODS       := /etc/apache2/mods-available

install: all
	install -d $(DESTDIR)$(LIBEXECDIR)
	install -m 644 $(MODULE) $(DESTDIR)$(LIBEXECDIR)/mod_nanomdm.so
	install -d $(DESTDIR)/etc/nanomdm
	if [ -d $(MODS) ] || [ -d $(DESTDIR)$(MODS) ]; then \
	    install -d $(DESTDIR)$(MODS) && \
	    install -m 644 conf/nanomdm.load conf/nanomdm.conf \
	        $(DESTDIR)$(MODS); fi

# ---- hand on ----

dist:
	@build-aux/dist.sh

# The manual of docs/directives.md as a page of HTML and of man, and what
# nanomdmctl says of itself.
manual:
	@build-aux/manual.py build/manual

deb:
	@build-aux/install-deps.sh deb
	@build-aux/deb.sh

# ---- try and test; these install what is missing (Debian, as root) ----

demo:
	@build-aux/install-deps.sh demo
	+@$(MAKE_ALL)
	@/usr/bin/python3 tools/demo.py

run:
	@build-aux/install-deps.sh demo
	+@$(MAKE_ALL)
	@/usr/bin/python3 tools/demo.py --stay

check:
	@build-aux/install-deps.sh check
	+@$(MAKE_ALL) WERROR=-Werror
	@/usr/bin/python3 tests/run.py

-include tests/unit/unit.mk tests/fuzz/fuzz.mk tests/bench/bench.mk \
         tests/faults/faults.mk tests/platforms/platforms.mk \
         tests/console/console.mk tests/packages/packages.mk

clean:
	rm -rf build $(filter-out build-aux,$(wildcard build-*)) *.so
