backlog.o: src/webhook/backlog.c src/webhook/backlog.h src/base/context.h \
 src/base/error.h src/base/text.h src/webhook/relay.h src/net/exchange.h \
 src/base/shared_pool.h
src/webhook/backlog.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/webhook/relay.h:
src/net/exchange.h:
src/base/shared_pool.h:
