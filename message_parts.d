message_parts.o: src/mdm/message_parts.c src/mdm/message_parts.h \
 src/mdm/message.h src/base/context.h src/base/error.h src/base/text.h \
 src/codec/plist.h src/codec/plist_repair.h src/codec/plist_binary.h \
 src/codec/plist_tree.h
src/mdm/message_parts.h:
src/mdm/message.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/codec/plist.h:
src/codec/plist_repair.h:
src/codec/plist_binary.h:
src/codec/plist_tree.h:
