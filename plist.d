plist.o: src/codec/plist.c src/codec/plist.h src/base/context.h \
 src/base/error.h src/base/text.h src/codec/plist_reader.h \
 src/codec/plist_repair.h
src/codec/plist.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/codec/plist_reader.h:
src/codec/plist_repair.h:
