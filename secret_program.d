secret_program.o: src/config/secret_program.c src/config/secret_program.h \
 src/base/time.h src/base/context.h src/base/error.h src/base/text.h
src/config/secret_program.h:
src/base/time.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
