dialect.o: src/db/dialect.c src/db/dialect.h src/base/context.h \
 src/base/error.h src/base/text.h
src/db/dialect.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
