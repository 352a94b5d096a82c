declaration_why_text.o: src/api/declaration_why_text.c \
 src/api/declaration_why_text.h src/codec/json_text.h \
 src/codec/json_tree.h src/base/error.h src/base/text.h \
 src/storage/declarations_status.h src/base/context.h
src/api/declaration_why_text.h:
src/codec/json_text.h:
src/codec/json_tree.h:
src/base/error.h:
src/base/text.h:
src/storage/declarations_status.h:
src/base/context.h:
