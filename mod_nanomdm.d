mod_nanomdm.o: mod_nanomdm.c src/config/check.h src/config/config.h \
 src/base/context.h src/base/error.h src/base/text.h \
 src/push/apns_message.h src/service/declarative.h \
 src/config/config_dump.h src/config/directives.h \
 src/config/start_notice.h src/config/traffic_dump_file.h \
 src/config/kinds.h src/httpd/access.h src/httpd/api.h src/httpd/auth.h \
 src/httpd/child.h src/httpd/declarations.h src/httpd/device.h \
 src/httpd/enroll.h src/httpd/health.h src/httpd/identity.h \
 src/httpd/log.h src/httpd/migration.h src/httpd/rate_limiter.h \
 src/httpd/request_counters.h src/base/counters.h src/httpd/scep.h \
 src/httpd/status.h src/api/db_stats.h src/api/amount.h \
 src/api/identity_stats.h src/base/time.h src/httpd/status_guard.h \
 src/httpd/traffic_dump.h
src/config/check.h:
src/config/config.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/push/apns_message.h:
src/service/declarative.h:
src/config/config_dump.h:
src/config/directives.h:
src/config/start_notice.h:
src/config/traffic_dump_file.h:
src/config/kinds.h:
src/httpd/access.h:
src/httpd/api.h:
src/httpd/auth.h:
src/httpd/child.h:
src/httpd/declarations.h:
src/httpd/device.h:
src/httpd/enroll.h:
src/httpd/health.h:
src/httpd/identity.h:
src/httpd/log.h:
src/httpd/migration.h:
src/httpd/rate_limiter.h:
src/httpd/request_counters.h:
src/base/counters.h:
src/httpd/scep.h:
src/httpd/status.h:
src/api/db_stats.h:
src/api/amount.h:
src/api/identity_stats.h:
src/base/time.h:
src/httpd/status_guard.h:
src/httpd/traffic_dump.h:
