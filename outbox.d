outbox.o: src/storage/outbox.c src/storage/outbox.h src/base/context.h \
 src/base/error.h src/base/text.h src/base/time.h src/db/db.h \
 src/db/statements.h src/db/dialect.h src/db/schema.h \
 src/storage/outbox_payload.h
src/storage/outbox.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/base/time.h:
src/db/db.h:
src/db/statements.h:
src/db/dialect.h:
src/db/schema.h:
src/storage/outbox_payload.h:
