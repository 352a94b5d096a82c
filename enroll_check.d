enroll_check.o: src/config/enroll_check.c src/config/enroll.h \
 src/config/check_tree.h src/config/config.h src/base/context.h \
 src/base/error.h src/base/text.h src/push/apns_message.h \
 src/service/declarative.h src/config/kinds.h src/crypto/device_cms.h \
 src/enroll/enroll.h src/mdm/enrollment_profile.h src/crypto/cms_sign.h \
 src/storage/enroll_tokens.h src/storage/scep.h src/enroll/gates.h \
 src/mdm/machine_info.h src/base/time.h src/config/scep.h src/scep/scep.h \
 src/crypto/scep_message.h src/crypto/issuer.h
src/config/enroll.h:
src/config/check_tree.h:
src/config/config.h:
src/base/context.h:
src/base/error.h:
src/base/text.h:
src/push/apns_message.h:
src/service/declarative.h:
src/config/kinds.h:
src/crypto/device_cms.h:
src/enroll/enroll.h:
src/mdm/enrollment_profile.h:
src/crypto/cms_sign.h:
src/storage/enroll_tokens.h:
src/storage/scep.h:
src/enroll/gates.h:
src/mdm/machine_info.h:
src/base/time.h:
src/config/scep.h:
src/scep/scep.h:
src/crypto/scep_message.h:
src/crypto/issuer.h:
