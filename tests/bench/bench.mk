# The benchmarks; included by the Makefile.
#
#   make bench                     all but "large", about ten minutes
#   make bench BENCH=quick         the same in about three minutes
#   make bench BENCH=large         does history or size cost anything?
#   make bench BENCH=large ROWS=200000    the same with smaller tables
#   make bench BENCH=combine       polls and reports together and alone
#   make bench BENCH=declarative   declarations: 1,000 and 100,000 enrollments
#   make bench BENCH=enrollment    SCEP, renewals, and what strangers send
#   make bench BENCH=lists         lists, searches and nanomdmctl devices
#   make bench BENCH=handshakes    TLS as advised beside Debian's defaults
#   make bench BASELINE=OLD.so     compares with another build as well
#   make bench BENCH=older BASELINE=OLD.so    goals beside an older build
#   make bench DB=pgsql            one database: sqlite3, pgsql, mysql
#   make bench-tools               the programs alone
#
# A table on standard output, all figures in build-bench/bench.json.

BENCH        ?= full
BENCH_BUILD  := build-bench
BENCH_PROGS  := $(addprefix $(BENCH_BUILD)/,load apns_server client_library)
BENCH_CFLAGS := -O2 -g -D_GNU_SOURCE

.PHONY: bench bench-tools

bench:
	@build-aux/install-deps.sh bench
	+@$(MAKE_ALL) bench-tools
	@/usr/bin/python3 tests/bench/bench.py --mode $(BENCH) \
	    $(if $(BASELINE),--baseline $(BASELINE)) \
	    $(if $(ROWS),--rows $(ROWS)) $(if $(DB),--db $(DB)) \
	    --json $(BENCH_BUILD)/bench.json

bench-tools: $(BENCH_PROGS)

$(BENCH_BUILD)/load: tests/bench/load.c tests/bench/load_device.c \
                     tests/bench/load.h
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) \
	    -lssl -lcrypto -lpthread

$(BENCH_BUILD)/apns_server: tests/bench/apns_server.c
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(BENCH_CFLAGS) -o $@ $< -lnghttp2 -lssl -lcrypto

# With the module's own statements. What dialects do on a connection of the
# module is not called here, and what that needs is left out.
$(BENCH_BUILD)/client_library: tests/bench/client_library.c src/db/statements.c \
                               $(wildcard src/db/dialect*.c) src/crypto/digest.c src/base/text.c \
                               src/db/statements.h src/db/dialect.h
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(CPPFLAGS) $(BENCH_CFLAGS) \
	    -isystem $(shell pg_config --includedir) \
	    $(addprefix -isystem ,$(patsubst -I%,%,$(filter -I%, \
	        $(shell mariadb_config --include)))) \
	    -no-pie -Wl,--unresolved-symbols=ignore-all \
	    -o $@ $(filter %.c,$^) -laprutil-1 -lapr-1 -lcrypto -lpq -lmariadb \
	    -lsqlite3 -lpthread
