http_client_thread.o: src/net/http_client_thread.c \
 src/net/http_client_parts.h src/net/curl_transfer.h src/net/exchange.h \
 src/base/context.h src/base/error.h src/base/text.h \
 src/base/shared_pool.h src/net/http_client.h src/base/time.h
src/net/http_client_parts.h:
src/net/curl_transfer.h:
src/net/exchange.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/base/shared_pool.h:
src/net/http_client.h:
src/base/time.h:
