check_httpd.o: src/config/check_httpd.c src/config/check_httpd.h \
 src/config/findings.h src/config/check_tree.h src/config/config.h \
 src/base/context.h src/base/error.h src/base/text.h \
 src/push/apns_message.h src/service/declarative.h src/config/handlers.h
src/config/check_httpd.h:
src/config/findings.h:
src/config/check_tree.h:
src/config/config.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/push/apns_message.h:
src/service/declarative.h:
src/config/handlers.h:
