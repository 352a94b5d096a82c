# Unit tests of the core with sanitizers; included by the Makefile.
#
#   make check-unit    build and run them; build-unit/result is "PASSED FAILED"
#   make asan-module   mod_nanomdm-asan.so, of the same objects
#   make pool-shim     build-unit/pool_shim.so, to be preloaded behind libasan
#   make check-valgrind    a server of one process under valgrind, on SQLite

UNIT_BUILD   := build-unit
UNIT_RUNTIME := -fsanitize=address,undefined
# APR says that apr_pstrmemdup(p, s, n) allocates n bytes (alloc_size), where it
# allocates n + 1 and ends them with NUL: by what gcc 14 sees, each use of that
# NUL is beyond the object.
# A variable that a library was to set and did not is no address: the stack
# often has NULL there, and nothing would be seen.
UNIT_CFLAGS  := -O1 -g -fPIC -fno-omit-frame-pointer $(UNIT_RUNTIME) \
                -fno-sanitize-recover=undefined -fno-sanitize=object-size \
                -ftrivial-auto-var-init=pattern
UNIT_RULES   := Makefile tests/unit/unit.mk
UNIT_LIBS    := -lcmocka -laprutil-1 -lapr-1 $(LIBS) -ldl -lpthread
UNIT_CORE    := $(patsubst src/%.c,$(UNIT_BUILD)/core/%.o, \
                  $(sort $(filter-out src/httpd/% src/config/%,$(wildcard src/*/*.c))))
UNIT_EDGE    := $(patsubst %.c,$(UNIT_BUILD)/core/%.o, \
                  mod_nanomdm.c \
                  $(patsubst src/%,%,$(wildcard src/httpd/*.c src/config/*.c)))
UNIT_PROGS   := $(patsubst tests/unit/%.c,$(UNIT_BUILD)/%, \
                  $(sort $(wildcard tests/unit/*/test_*.c)))
# Linked in, so that a write beyond a piece of pool memory is found out.
UNIT_SHARED  := $(addprefix $(UNIT_BUILD)/,support.o support_world.o \
                  support_certs.o pool_shim.o)

.PHONY: check-unit asan-module pool-shim check-valgrind
.SECONDARY: $(UNIT_PROGS:=.o) $(UNIT_SHARED) $(UNIT_CORE)

check-unit: $(UNIT_PROGS)
	tests/support/count.sh $(UNIT_BUILD)/result $(UNIT_PROGS)

$(UNIT_PROGS): %: %.o $(UNIT_SHARED) $(UNIT_CORE)
	$(CC) $(UNIT_RUNTIME) -o $@ $^ $(UNIT_LIBS)

$(UNIT_BUILD)/core/%.o: src/%.c $(UNIT_RULES) | $(SCHEMA)
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(CPPFLAGS) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

$(UNIT_BUILD)/core/mod_nanomdm.o: mod_nanomdm.c $(UNIT_RULES)
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(CPPFLAGS) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

asan-module: mod_nanomdm-asan.so

mod_nanomdm-asan.so: $(UNIT_CORE) $(UNIT_EDGE)
	$(CC) -shared $(UNIT_RUNTIME) -o $@ $^ $(LIBS)

$(UNIT_BUILD)/%.o: tests/unit/%.c $(UNIT_RULES) | $(SCHEMA)
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) -Itests/unit $(CPPFLAGS) $(UNIT_CFLAGS) -MMD -MP -c \
	    -o $@ $<

-include $(patsubst %.o,%.d,$(UNIT_CORE) $(UNIT_EDGE) $(UNIT_SHARED)) \
         $(UNIT_PROGS:=.d)

# Not sanitized: what it replaces is used below the sanitizer's malloc.
$(UNIT_BUILD)/pool_shim.o: tests/support/pool_shim.c
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(CPPFLAGS) -O1 -g -fPIC -c -o $@ $<

pool-shim: $(UNIT_BUILD)/pool_shim.so

# With libapr, because what starts httpd is preloaded as well.
$(UNIT_BUILD)/pool_shim.so: $(UNIT_BUILD)/pool_shim.o
	$(CC) -shared -o $@ $< -lapr-1 -ldl -lpthread

check-valgrind: all pool-shim
	@/usr/bin/python3 tests/support/valgrind.py
