migration.o: src/httpd/migration.c src/httpd/migration.h \
 src/base/context.h src/base/error.h src/base/text.h src/base/version.h \
 src/config/handlers.h src/httpd/api.h src/httpd/location.h \
 src/httpd/reply.h src/httpd/request.h src/service/service.h \
 src/mdm/message.h
src/httpd/migration.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/base/version.h:
src/config/handlers.h:
src/httpd/api.h:
src/httpd/location.h:
src/httpd/reply.h:
src/httpd/request.h:
src/service/service.h:
src/mdm/message.h:
