error.o: src/base/error.c src/base/error.h src/base/text.h
src/base/error.h:
src/base/text.h:
