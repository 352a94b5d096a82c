# Fuzzing; included by the Makefile after tests/unit/unit.mk.
#
#   make fuzz                 with clang; FUZZ_RUNS inputs for each target
#   make check-fuzz-corpus    the corpus alone, with gcc's sanitizers
#
# What a fuzzer finds is kept in build-fuzz/found-*; new inputs that reach new
# code in build-fuzz/corpus.

FUZZ_CC      ?= clang
FUZZ_RUNS    ?= 100000
FUZZ_BUILD   := build-fuzz
FUZZ_NAMES   := plist plist_tree checkin report command signature header pem json params \
                dm redact seal machine_info declaration status scep
FUZZ_RUNTIME := -fsanitize=address,undefined
FUZZ_CFLAGS  := -O1 -g -fno-omit-frame-pointer $(FUZZ_RUNTIME) \
                -fno-sanitize-recover=undefined \
                -fno-sanitize=object-size -ftrivial-auto-var-init=pattern \
                -Itests/fuzz                             # see unit.mk
FUZZ_CORE    := $(patsubst src/%.c,$(FUZZ_BUILD)/core/%.o, \
                  $(sort $(filter-out src/httpd/% src/config/%,$(wildcard src/*/*.c))))
FUZZ_SHARED  := $(addprefix $(FUZZ_BUILD)/,support.o support_world.o \
                  support_certs.o pool_shim.o)
FUZZ_RULES   := Makefile tests/fuzz/fuzz.mk
FUZZ_HEADERS := $(wildcard tests/fuzz/*.h)

.PHONY: fuzz check-fuzz-corpus $(FUZZ_NAMES:%=fuzz-%)
.SECONDARY: $(FUZZ_CORE) $(FUZZ_SHARED)

fuzz: $(FUZZ_NAMES:%=fuzz-%)

$(FUZZ_NAMES:%=fuzz-%): fuzz-%: $(FUZZ_BUILD)/fuzz_%
	@mkdir -p $(FUZZ_BUILD)/corpus/$*
	@$< -runs=$(FUZZ_RUNS) -max_len=8192 -timeout=20 -rss_limit_mb=2048 \
	    -artifact_prefix=$(FUZZ_BUILD)/found-$*- -print_final_stats=1 \
	    $(FUZZ_BUILD)/corpus/$* tests/fuzz/corpus/$* \
	    > $(FUZZ_BUILD)/$*.log 2>&1 \
	    || { tail -n 60 $(FUZZ_BUILD)/$*.log; exit 1; }
	@echo "fuzz_$*: $$(sed -n \
	    's/^stat::number_of_executed_units: *//p' $(FUZZ_BUILD)/$*.log)" \
	    "executions, nothing found"

$(FUZZ_BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ_HEADERS) $(FUZZ_SHARED) \
                      $(FUZZ_CORE)
	$(FUZZ_CC) $(WARNINGS) $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer \
	    -o $@ $(filter %.c %.o,$^) $(UNIT_LIBS)

$(FUZZ_BUILD)/core/%.o: src/%.c $(FUZZ_RULES) | $(SCHEMA)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(WARNINGS) $(CPPFLAGS) $(FUZZ_CFLAGS) \
	    -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

# Not steered by the fuzzer; pool_shim is not sanitized either: see unit.mk.
$(filter-out %/pool_shim.o,$(FUZZ_SHARED)): $(FUZZ_BUILD)/%.o: tests/unit/%.c \
        $(FUZZ_RULES) | $(SCHEMA)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(WARNINGS) $(CPPFLAGS) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

$(FUZZ_BUILD)/pool_shim.o: tests/support/pool_shim.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(WARNINGS) $(CPPFLAGS) -O1 -g -c -o $@ $<

-include $(patsubst %.o,%.d,$(FUZZ_CORE) $(FUZZ_SHARED))

check-fuzz-corpus: $(FUZZ_NAMES:%=$(FUZZ_BUILD)/replay_%)
	@for name in $(FUZZ_NAMES); do \
	    $(FUZZ_BUILD)/replay_$$name tests/fuzz/corpus/$$name/* \
	        > $(FUZZ_BUILD)/replay_$$name.log \
	        || { tail -n 2 $(FUZZ_BUILD)/replay_$$name.log; exit 1; }; \
	    tail -n 1 $(FUZZ_BUILD)/replay_$$name.log; \
	done

$(FUZZ_BUILD)/replay_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c \
                        $(FUZZ_HEADERS) $(UNIT_SHARED) $(UNIT_CORE)
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(CPPFLAGS) $(FUZZ_CFLAGS) -o $@ \
	    $(filter %.c %.o,$^) $(UNIT_LIBS)
