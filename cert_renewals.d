cert_renewals.o: src/storage/cert_renewals.c src/storage/cert_renewals.h \
 src/storage/scep.h src/base/context.h src/base/error.h src/base/text.h \
 src/base/time.h src/storage/sender.h src/mdm/message.h src/db/db.h \
 src/db/statements.h src/db/dialect.h src/db/schema.h
src/storage/cert_renewals.h:
src/storage/scep.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/base/time.h:
src/storage/sender.h:
src/mdm/message.h:
src/db/db.h:
src/db/statements.h:
src/db/dialect.h:
src/db/schema.h:
