retention.o: src/jobs/retention.c src/jobs/retention.h src/base/context.h \
 src/base/error.h src/base/text.h src/base/once_daily.h src/base/time.h \
 src/db/db.h src/db/statements.h src/db/dialect.h src/db/schema.h \
 src/jobs/retention_rules.h src/jobs/retention_walk.h \
 src/storage/enrollment_queries.h
src/jobs/retention.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/base/once_daily.h:
src/base/time.h:
src/db/db.h:
src/db/statements.h:
src/db/dialect.h:
src/db/schema.h:
src/jobs/retention_rules.h:
src/jobs/retention_walk.h:
src/storage/enrollment_queries.h:
