dbd_cache.o: src/httpd/dbd_cache.c src/httpd/dbd_cache.h src/base/cond.h \
 src/base/context.h src/base/error.h src/base/text.h src/base/time.h
src/httpd/dbd_cache.h:
src/base/cond.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/base/time.h:
