status_html.o: src/httpd/status_html.c src/httpd/status_html.h \
 src/api/timeline.h src/storage/enrollment_queries.h src/base/context.h \
 src/base/error.h src/base/text.h src/storage/queue_queries.h \
 src/mdm/message.h src/storage/declarations_status.h src/httpd/status.h \
 src/api/db_stats.h src/api/amount.h src/api/identity_stats.h \
 src/base/time.h src/base/counters.h src/base/version.h src/httpd/html.h \
 src/httpd/identities_html.h src/httpd/plot_html.h src/httpd/reply.h \
 src/httpd/verdict_html.h
src/httpd/status_html.h:
src/api/timeline.h:
src/storage/enrollment_queries.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/storage/queue_queries.h:
src/mdm/message.h:
src/storage/declarations_status.h:
src/httpd/status.h:
src/api/db_stats.h:
src/api/amount.h:
src/api/identity_stats.h:
src/base/time.h:
src/base/counters.h:
src/base/version.h:
src/httpd/html.h:
src/httpd/identities_html.h:
src/httpd/plot_html.h:
src/httpd/reply.h:
src/httpd/verdict_html.h:
