# mod_nanomdm: an Apple MDM server in Apache httpd.
#
#   make            build mod_nanomdm.so
#   make install    install it; on Debian with mods-available/nanomdm.*
#   make demo       watch the main job, on a private httpd
#   make run        the same server, to try things on
#   make check      every test; installs what it needs (Debian, root)

APXS       ?= apxs
CC         := $(if $(filter default,$(origin CC)),$(shell $(APXS) -q CC),$(CC))
LIBEXECDIR := $(shell $(APXS) -q LIBEXECDIR)

CPPFLAGS += -I. -Isrc -Ibuild -isystem $(shell $(APXS) -q INCLUDEDIR) \
            $(shell $(APXS) -q EXTRA_CPPFLAGS) \
            $(shell apr-1-config --includes) $(shell apu-1-config --includes)
CFLAGS   ?= -O2 -g
WARNINGS := -std=gnu11 -Wall -Wextra -Werror -Wformat=2 -Wshadow \
            -Wstrict-prototypes -Wmissing-prototypes -Wvla
LIBS     := -lexpat -ljansson -lssl -lcrypto

SOURCES  := mod_nanomdm.c $(sort $(wildcard src/*.c))
HEADERS  := $(wildcard src/*.h)
# A variant of the build, such as one with sanitizers, has a place of its own.
BUILD    ?= build
MODULE   ?= mod_nanomdm.so
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o)
SCHEMA   := build/schema_text.h

.PHONY: all install demo run check bench clean deps

all: $(MODULE)

$(MODULE): $(OBJECTS)
	$(CC) -shared $(LDFLAGS) -o $@ $(OBJECTS) $(LIBS)

$(BUILD)/%.o: %.c $(HEADERS) $(SCHEMA)
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(CPPFLAGS) $(CFLAGS) -fPIC -c -o $@ $<

$(SCHEMA): tools/embed-schema.sh $(wildcard schema/*.sql schema/upgrade/*.sql)
	@mkdir -p $(@D)
	tools/embed-schema.sh > $@

deps:
	tools/install-deps.sh
