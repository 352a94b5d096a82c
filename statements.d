statements.o: src/db/statements.c src/db/statements.h src/db/dialect.h \
 src/base/context.h src/base/error.h src/base/text.h src/crypto/digest.h
src/db/statements.h:
src/db/dialect.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/crypto/digest.h:
