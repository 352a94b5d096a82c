paging.o: src/api/paging.c src/api/paging.h src/base/context.h \
 src/base/error.h src/base/text.h
src/api/paging.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
