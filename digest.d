digest.o: src/crypto/digest.c src/crypto/digest.h src/base/context.h \
 src/base/error.h src/base/text.h
src/crypto/digest.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
