checkin.o: src/service/checkin.c src/service/service.h src/mdm/message.h \
 src/base/context.h src/base/error.h src/base/text.h \
 src/codec/plist_write.h src/codec/plist.h src/db/db.h \
 src/db/statements.h src/db/dialect.h src/net/upstream.h \
 src/net/exchange.h src/base/shared_pool.h src/service/certauth.h \
 src/service/declarative.h src/service/declarative_builtin.h \
 src/codec/json_text.h src/codec/json_tree.h \
 src/service/declarative_enrollment.h src/service/renewal_delivery.h \
 src/storage/cert_renewals.h src/storage/scep.h src/storage/enrollments.h \
 src/crypto/identity_cert.h src/storage/renewal.h src/storage/sender.h \
 src/webhook/publish.h
src/service/service.h:
src/mdm/message.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/codec/plist_write.h:
src/codec/plist.h:
src/db/db.h:
src/db/statements.h:
src/db/dialect.h:
src/net/upstream.h:
src/net/exchange.h:
src/base/shared_pool.h:
src/service/certauth.h:
src/service/declarative.h:
src/service/declarative_builtin.h:
src/codec/json_text.h:
src/codec/json_tree.h:
src/service/declarative_enrollment.h:
src/service/renewal_delivery.h:
src/storage/cert_renewals.h:
src/storage/scep.h:
src/storage/enrollments.h:
src/crypto/identity_cert.h:
src/storage/renewal.h:
src/storage/sender.h:
src/webhook/publish.h:
