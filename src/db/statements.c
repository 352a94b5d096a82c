/* SPDX-License-Identifier: Apache-2.0 */
/* statements.c -- every statement, by name.
 *
 * Marks: %s is text, %pDb binary; the words for what databases call
 * differently are those of db/dialect.h. A second text is there only where one
 * of them needs it, and NULL as the first where only one dialect has the
 * statement. Reading a statement, think of its parameters in the order of the
 * marks. Subjects come in the order of db/statements.h, each with what its
 * statements are made of. */

#include "db/statements.h"

#include "crypto/digest.h"

#include <apr_strings.h>

#include <string.h>

typedef struct {
    const char *name;
    const char *sql;
    const char *other[NMDM_DIALECTS];
    int long_columns;           /* bit i for column i */
} statement_t;

#define ROW(stmt, label, ...) [stmt] = { .name = label, .sql = __VA_ARGS__ }
#define SQLITE3 .other[NMDM_SQLITE3] =
#define PGSQL .other[NMDM_PGSQL] =
#define MYSQL .other[NMDM_MYSQL] =
/* Columns of a type above VARCHAR(255), as bits. */
#define LONG_COLUMNS .long_columns =

/* ---- What statements of several subjects have in common ---- */

/* NanoMDMAssociation latest: of the associated certificates the one that the
 * last Authenticate was signed with, which is stored because two times of one
 * second would not decide; and that of a renewal under way. A migrated device
 * has none, and the newest association counts: of those of one time one alone.
 * The last two marks are the certificate, both. */
#define LATEST \
    " AND (EXISTS (SELECT 1 FROM devices d" \
    "               WHERE d.id = a.id AND d.identity_cert = %s)" \
    "      OR EXISTS (SELECT 1 FROM nanomdm_renewals n" \
    "                  WHERE n.id = a.id AND n.identity_cert = %s)" \
    "      OR NOT EXISTS (SELECT 1 FROM devices d" \
    "                      WHERE d.id = a.id" \
    "                        AND d.identity_cert IS NOT NULL)" \
    "         AND NOT EXISTS (SELECT 1 FROM cert_auth_associations o" \
    "                          WHERE o.id = a.id" \
    "                            AND (o.created_at > a.created_at" \
    "                                 OR (o.created_at = a.created_at" \
    "                                     AND o.sha256 > a.sha256))))"

#define UNANSWERED " AND q.answered = FALSE"

/* The queue where only what waits is asked for. By their statistics MariaDB and
 * MySQL may take another index and read all that the device has ever been sent;
 * to other databases this is a comment. */
#define QUEUE_ALL "enrollment_queue q"
#define QUEUE_WAITING QUEUE_ALL " /*! FORCE INDEX (idx_queue_pending) */"

#define UNEXPIRED \
    " AND (q.expires_at IS NULL OR q.expires_at > CURRENT_TIMESTAMP)"

/* What waits for a device and its users is delivered no more; what was
 * answered stays as it is. */
#define CLEAR(pending) \
    "UPDATE enrollment_queue SET active = FALSE" \
    " WHERE active = TRUE" pending \
    "   AND id IN (SELECT e.id FROM enrollments e WHERE e.device_id = %s)" \
    "   AND NOT EXISTS (SELECT 1 FROM command_results r" \
    "                    WHERE r.id = enrollment_queue.id" \
    "                      AND r.command_uuid" \
    "                          = enrollment_queue.command_uuid" \
    "                      AND r.status <> 'NotNow')"

#define CLEAR_JOINED(queue, pending) \
    "UPDATE enrollments e" \
    "  JOIN " queue " ON q.id = e.id" \
    "  LEFT JOIN command_results r" \
    "    ON r.id = q.id AND r.command_uuid = q.command_uuid" \
    "   SET q.active = FALSE" \
    " WHERE e.device_id = %s AND q.active = TRUE" pending \
    "   AND (r.status IS NULL OR r.status = 'NotNow')"

/* A page has NMDM_SQL_IDS rows, so that planners know how many. */
#define PAGE " LIMIT 100"

/* So many enrollments of a type beyond an id. Where nearly all are of one
 * type, PostgreSQL would look for those of another along the primary key,
 * to the end of the table; in this order idx_enrollment_type_id alone has
 * them. */
#define BEYOND(most) \
    "  FROM (SELECT CAST(%s AS TEXT) AS type," \
    "               CAST(%s AS TEXT) AS id) AS place" \
    "  CROSS JOIN LATERAL" \
    "       (SELECT w.id, w.type, w.enabled FROM enrollments w" \
    "         WHERE (w.type, w.id) > (place.type, place.id)" \
    "           AND w.type <= place.type" \
    "         ORDER BY w.type, w.id LIMIT " most ")"

/* A column that tells whether a table has such a row. */
#define HAS(rows) " CASE WHEN EXISTS (SELECT 1 FROM " rows ") THEN 1 ELSE 0 END"

static const statement_t STATEMENTS[STMT_MAX] = {

/* ---- Certificate associations ---- */

/* The columns are those of nmdm_sender_e. */
ROW(STMT_SENDER_LOOK, "sender_look",
    "SELECT" HAS("cert_auth_associations WHERE id = %s AND sha256 = %s") ","
    HAS("devices WHERE id = %s") ","
    HAS("enrollments WHERE device_id = %s") ","
    HAS("nanomdm_pushes WHERE id = %s") ","
    HAS("nanomdm_renewals WHERE id = %s") ","
    HAS("nanomdm_scep_certs WHERE sha256 IN (%s, %s)") ","
    HAS("nanomdm_scep_certs WHERE enrollment_id = %s"
        " AND renew_state IS NOT NULL")),

/* Stores the TokenUpdate of a known device where nothing else is to be done for
 * one: no refused push to forget, no renewal under way, and of certificates
 * that were issued here the device uses the one that it used before. */
ROW(STMT_SENDER_TOKEN_UPDATE, "sender_token_update", NULL,
    MYSQL
    "UPDATE devices"
    "   SET token_update = %s, token_update_at = CURRENT_TIMESTAMP"
    " WHERE id = %s"
    "   AND EXISTS (SELECT 1 FROM cert_auth_associations a"
    "                WHERE a.id = %s AND a.sha256 = %s)"
    "   AND NOT EXISTS (SELECT 1 FROM nanomdm_pushes p WHERE p.id = %s)"
    "   AND NOT EXISTS (SELECT 1 FROM nanomdm_renewals r WHERE r.id = %s)"
    "   AND NOT EXISTS (SELECT 1 FROM nanomdm_scep_certs i"
    "                    WHERE i.sha256 IN (%s, %s)"
    "                      AND i.renew_state IS NULL)"
    "   AND NOT EXISTS (SELECT 1 FROM nanomdm_scep_certs n"
    "                    WHERE n.enrollment_id = %s"
    "                      AND n.renew_state IS NOT NULL"
    "                      AND n.sha256 NOT IN (%s, %s))"),

ROW(STMT_CERT_IS_ASSOCIATED, "cert_is_associated",
    "SELECT id FROM cert_auth_associations WHERE id = %s AND sha256 = %s"),

ROW(STMT_CERT_IS_LATEST, "cert_is_latest",
    "SELECT a.id FROM cert_auth_associations a"
    " WHERE a.id = %s AND a.sha256 = %s" LATEST),

/* Of the two encodings of a certificate the first that is known. */
ROW(STMT_CERT_KNOWN, "cert_known",
    "SELECT sha256 FROM cert_auth_associations WHERE sha256 IN (%s, %s)"
    " ORDER BY CASE WHEN sha256 = %s THEN 0 ELSE 1 END LIMIT 1"),

ROW(STMT_DEVICE_HAS_CERT, "device_has_cert",
    "SELECT id FROM cert_auth_associations WHERE id = %s LIMIT 1"),

ROW(STMT_CERT_ASSOCIATE, "cert_associate",
    "INSERT INTO cert_auth_associations (id, sha256) VALUES (%s, %s)"
    " ON CONFLICT (id, sha256) DO NOTHING",
    MYSQL
    "INSERT INTO cert_auth_associations (id, sha256) VALUES (%s, %s)"
    " ON DUPLICATE KEY UPDATE sha256 = VALUES(sha256)"),

ROW(STMT_CERT_DISSOCIATE, "cert_dissociate",
    "DELETE FROM cert_auth_associations WHERE id = %s AND sha256 = %s"),

/* Until the end of the transaction. */
ROW(STMT_LOCK, "lock", NULL,
    PGSQL
    "SELECT pg_advisory_xact_lock(hashtextextended("
    "           'cert_auth_associations ' || %s, 0))"),

ROW(STMT_DEVICE_OF_CERT, "device_of_cert",
    "SELECT id FROM cert_auth_associations WHERE sha256 = %s"
    " ORDER BY created_at DESC, id LIMIT 1"),

ROW(STMT_DEVICE_OF_LATEST, "device_of_latest",
    "SELECT a.id FROM cert_auth_associations a WHERE a.sha256 = %s" LATEST
    " ORDER BY a.created_at DESC, a.id LIMIT 1"),

ROW(STMT_DEVICE_CERT, "device_cert",
    "UPDATE devices SET identity_cert = %s WHERE id = %s"),

/* ---- Enrollments ---- */

ROW(STMT_DEVICE_PUT, "device_put",
    "INSERT INTO devices (id, identity_cert, serial_number, authenticate,"
    "                     authenticate_at)"
    " VALUES (%s, NULLIF(%s, ''), NULLIF(%s, ''), %s, CURRENT_TIMESTAMP)"
    " ON CONFLICT (id) DO UPDATE"
    "   SET identity_cert = excluded.identity_cert,"
    "       serial_number = excluded.serial_number,"
    "       authenticate = excluded.authenticate,"
    "       authenticate_at = CURRENT_TIMESTAMP,"
    "       unlock_token = NULL,"
    "       unlock_token_at = NULL,"
    "       bootstrap_token_b64 = NULL,"
    "       bootstrap_token_at = NULL",
    MYSQL
    "INSERT INTO devices (id, identity_cert, serial_number, authenticate,"
    "                     authenticate_at)"
    " VALUES (%s, NULLIF(%s, ''), NULLIF(%s, ''), %s, CURRENT_TIMESTAMP)"
    " ON DUPLICATE KEY UPDATE"
    "       identity_cert = VALUES(identity_cert),"
    "       serial_number = VALUES(serial_number),"
    "       authenticate = VALUES(authenticate),"
    "       authenticate_at = CURRENT_TIMESTAMP,"
    "       unlock_token = NULL,"
    "       unlock_token_at = NULL,"
    "       bootstrap_token_b64 = NULL,"
    "       bootstrap_token_at = NULL"),

ROW(STMT_DEVICE_EXISTS, "device_exists",
    "SELECT id FROM devices WHERE id = %s"),

ROW(STMT_DEVICE_TOKEN_UPDATE, "device_token_update",
    "UPDATE devices"
    "   SET token_update = %s, token_update_at = CURRENT_TIMESTAMP"
    " WHERE id = %s"),

ROW(STMT_DEVICE_UNLOCK_TOKEN, "device_unlock_token",
    "UPDATE devices"
    "   SET unlock_token = %pDb, unlock_token_at = CURRENT_TIMESTAMP"
    " WHERE id = %s"),

ROW(STMT_USER_TOKEN_UPDATE, "user_token_update",
    "INSERT INTO users (id, device_id, user_short_name, user_long_name,"
    "                   token_update, token_update_at)"
    " VALUES (%s, %s, NULLIF(%s, ''), NULLIF(%s, ''), %s, CURRENT_TIMESTAMP)"
    " ON CONFLICT (id, device_id) DO UPDATE"
    "   SET user_short_name = excluded.user_short_name,"
    "       user_long_name = excluded.user_long_name,"
    "       token_update = excluded.token_update,"
    "       token_update_at = CURRENT_TIMESTAMP",
    MYSQL
    "INSERT INTO users (id, device_id, user_short_name, user_long_name,"
    "                   token_update, token_update_at)"
    " VALUES (%s, %s, NULLIF(%s, ''), NULLIF(%s, ''), %s, CURRENT_TIMESTAMP)"
    " ON DUPLICATE KEY UPDATE"
    "       user_short_name = VALUES(user_short_name),"
    "       user_long_name = VALUES(user_long_name),"
    "       token_update = VALUES(token_update),"
    "       token_update_at = CURRENT_TIMESTAMP"),

ROW(STMT_USER_AUTHENTICATE, "user_authenticate",
    "INSERT INTO users (id, device_id, user_short_name, user_long_name,"
    "                   user_authenticate, user_authenticate_at)"
    " VALUES (%s, %s, NULLIF(%s, ''), NULLIF(%s, ''), %s, CURRENT_TIMESTAMP)"
    " ON CONFLICT (id, device_id) DO UPDATE"
    "   SET user_short_name = excluded.user_short_name,"
    "       user_long_name = excluded.user_long_name,"
    "       user_authenticate = excluded.user_authenticate,"
    "       user_authenticate_at = CURRENT_TIMESTAMP",
    MYSQL
    "INSERT INTO users (id, device_id, user_short_name, user_long_name,"
    "                   user_authenticate, user_authenticate_at)"
    " VALUES (%s, %s, NULLIF(%s, ''), NULLIF(%s, ''), %s, CURRENT_TIMESTAMP)"
    " ON DUPLICATE KEY UPDATE"
    "       user_short_name = VALUES(user_short_name),"
    "       user_long_name = VALUES(user_long_name),"
    "       user_authenticate = VALUES(user_authenticate),"
    "       user_authenticate_at = CURRENT_TIMESTAMP"),

ROW(STMT_USER_DIGEST, "user_digest",
    "INSERT INTO users (id, device_id, user_short_name, user_long_name,"
    "                   user_authenticate_digest,"
    "                   user_authenticate_digest_at)"
    " VALUES (%s, %s, NULLIF(%s, ''), NULLIF(%s, ''), %s, CURRENT_TIMESTAMP)"
    " ON CONFLICT (id, device_id) DO UPDATE"
    "   SET user_short_name = excluded.user_short_name,"
    "       user_long_name = excluded.user_long_name,"
    "       user_authenticate_digest = excluded.user_authenticate_digest,"
    "       user_authenticate_digest_at = CURRENT_TIMESTAMP",
    MYSQL
    "INSERT INTO users (id, device_id, user_short_name, user_long_name,"
    "                   user_authenticate_digest,"
    "                   user_authenticate_digest_at)"
    " VALUES (%s, %s, NULLIF(%s, ''), NULLIF(%s, ''), %s, CURRENT_TIMESTAMP)"
    " ON DUPLICATE KEY UPDATE"
    "       user_short_name = VALUES(user_short_name),"
    "       user_long_name = VALUES(user_long_name),"
    "       user_authenticate_digest = VALUES(user_authenticate_digest),"
    "       user_authenticate_digest_at = CURRENT_TIMESTAMP"),

ROW(STMT_ENROLLMENT_PUT, "enrollment_put",
    "INSERT INTO enrollments (id, device_id, user_id, type, topic,"
    "                         push_magic, token_hex, last_seen_at,"
    "                         token_update_tally)"
    " VALUES (%s, %s, NULLIF(%s, ''), %s, %s, %s, %s, CURRENT_TIMESTAMP, 1)"
    " ON CONFLICT (id) DO UPDATE"
    "   SET device_id = excluded.device_id,"
    "       user_id = excluded.user_id,"
    "       type = excluded.type,"
    "       topic = excluded.topic,"
    "       push_magic = excluded.push_magic,"
    "       token_hex = excluded.token_hex,"
    "       enabled = TRUE,"
    "       last_seen_at = CURRENT_TIMESTAMP,"
    "       token_update_tally = enrollments.token_update_tally + 1",
    MYSQL
    "INSERT INTO enrollments (id, device_id, user_id, type, topic,"
    "                         push_magic, token_hex, last_seen_at,"
    "                         token_update_tally)"
    " VALUES (%s, %s, NULLIF(%s, ''), %s, %s, %s, %s, CURRENT_TIMESTAMP, 1)"
    " ON DUPLICATE KEY UPDATE"
    "       device_id = VALUES(device_id),"
    "       user_id = VALUES(user_id),"
    "       type = VALUES(type),"
    "       topic = VALUES(topic),"
    "       push_magic = VALUES(push_magic),"
    "       token_hex = VALUES(token_hex),"
    "       enabled = TRUE,"
    "       last_seen_at = CURRENT_TIMESTAMP,"
    "       token_update_tally = enrollments.token_update_tally + 1"),

ROW(STMT_TALLY, "tally",
    "SELECT DIGITS(token_update_tally) FROM enrollments WHERE id = %s"),

ROW(STMT_DEVICE_DISABLE, "device_disable",
    "UPDATE enrollments"
    "   SET enabled = FALSE, token_update_tally = 0,"
    "       last_seen_at = CURRENT_TIMESTAMP"
    " WHERE device_id = %s AND enabled = TRUE"),

ROW(STMT_USER_DISABLE, "user_disable",
    "UPDATE enrollments"
    "   SET enabled = FALSE, token_update_tally = 0,"
    "       last_seen_at = CURRENT_TIMESTAMP"
    " WHERE id = %s AND enabled = TRUE"),

ROW(STMT_SEEN, "seen",
    "UPDATE enrollments SET last_seen_at = CURRENT_TIMESTAMP"
    " WHERE id IN (%IDS)"),

ROW(STMT_SEEN_NOW, "seen_now",
    "UPDATE enrollments SET last_seen_at = CURRENT_TIMESTAMP"
    " WHERE id = %s"),

ROW(STMT_BOOTSTRAP_TOKEN_PUT, "bootstrap_token_put",
    "UPDATE devices"
    "   SET bootstrap_token_b64 = NULLIF(%s, ''),"
    "       bootstrap_token_at = CURRENT_TIMESTAMP"
    " WHERE id = %s"),

ROW(STMT_BOOTSTRAP_TOKEN_GET, "bootstrap_token_get",
    "SELECT bootstrap_token_b64, id FROM devices WHERE id = %s",
    LONG_COLUMNS 1),

/* ---- Renewals ---- */

/* What was queued since the renewal began is for the device as it is now. */
#define BEFORE_RENEWAL(queue) \
    " AND " queue ".created_at <= (SELECT n.staged_at" \
    "                                FROM nanomdm_renewals n" \
    "                               WHERE n.id = %s)"

#define CLEAR_RENEWED \
    CLEAR_JOINED(QUEUE_WAITING, UNANSWERED BEFORE_RENEWAL("q"))

/* What Authenticate said, now that the device has gone through with it; `more`
 * is what it forgets besides. */
#define RENEW(more) \
    "UPDATE devices" \
    "   SET identity_cert = n.identity_cert," \
    "       serial_number = n.serial_number," \
    "       authenticate = n.authenticate," \
    "       authenticate_at = n.staged_at" more \
    "  FROM nanomdm_renewals n WHERE n.id = %s AND devices.id = %s"

#define RENEW_JOINED(more) \
    "UPDATE nanomdm_renewals n JOIN devices" \
    "   SET devices.identity_cert = n.identity_cert," \
    "       devices.serial_number = n.serial_number," \
    "       devices.authenticate = n.authenticate," \
    "       devices.authenticate_at = n.staged_at" more \
    " WHERE n.id = %s AND devices.id = %s"

/* A bootstrap token stored since then belongs to the device as it is now. */
#define FORGOTTEN \
    ", unlock_token = NULL, unlock_token_at = NULL," \
    " bootstrap_token_b64" \
    "     = CASE WHEN devices.bootstrap_token_at > n.staged_at" \
    "            THEN devices.bootstrap_token_b64 END," \
    " bootstrap_token_at" \
    "     = CASE WHEN devices.bootstrap_token_at > n.staged_at" \
    "            THEN devices.bootstrap_token_at END"

/* Only who is enrolled has something to keep. */
ROW(STMT_RENEWAL_SUITS, "renewal_suits",
    "SELECT d.id FROM devices d, enrollments e"
    " WHERE d.id = %s AND e.id = %s AND e.enabled = TRUE"),

ROW(STMT_RENEWAL_PUT, "renewal_put",
    "INSERT INTO nanomdm_renewals (id, identity_cert, serial_number,"
    "                              authenticate, staged_at)"
    " VALUES (%s, NULLIF(%s, ''), NULLIF(%s, ''), %s, CURRENT_TIMESTAMP)"
    " ON CONFLICT (id) DO UPDATE"
    "   SET identity_cert = excluded.identity_cert,"
    "       serial_number = excluded.serial_number,"
    "       authenticate = excluded.authenticate,"
    "       staged_at = excluded.staged_at",
    MYSQL
    "INSERT INTO nanomdm_renewals (id, identity_cert, serial_number,"
    "                              authenticate, staged_at)"
    " VALUES (%s, NULLIF(%s, ''), NULLIF(%s, ''), %s, CURRENT_TIMESTAMP)"
    " ON DUPLICATE KEY UPDATE"
    "       identity_cert = VALUES(identity_cert),"
    "       serial_number = VALUES(serial_number),"
    "       authenticate = VALUES(authenticate),"
    "       staged_at = VALUES(staged_at)"),

/* Whether one is under way, and whether with this certificate. */
ROW(STMT_RENEWAL_FIND, "renewal_find",
    "SELECT CASE WHEN COALESCE(n.identity_cert, '') = %s THEN 1 ELSE 0 END"
    "  FROM nanomdm_renewals n WHERE n.id = %s"),

ROW(STMT_RENEWAL_KEEP, "renewal_keep",
    RENEW(""),
    MYSQL RENEW_JOINED("")),

ROW(STMT_RENEWAL_RESET, "renewal_reset",
    RENEW(FORGOTTEN),
    MYSQL RENEW_JOINED(FORGOTTEN)),

ROW(STMT_RENEWAL_CLEAR, "renewal_clear",
    CLEAR(" AND answered = FALSE" BEFORE_RENEWAL("enrollment_queue")),
    MYSQL CLEAR_RENEWED),

ROW(STMT_RENEWAL_DROP, "renewal_drop",
    "DELETE FROM nanomdm_renewals WHERE id = %s"),

/* ---- The command queue ---- */

/* Admission and answer in one round trip: no row means that the certificate
 * is not associated with the device, a row of NULLs that nothing waits. The
 * second and third parameter are both the one status that does not keep a
 * command back: NotNow, or "" right after a NotNow (behaviour specification
 * 3.4). The inner SELECT picks one UUID from an index and is written so that
 * each of the planners stays with that index; only then is a command read. */
#define NEXT(first, queue, pending, order, whose) \
    "SELECT " first ", c.command_uuid, c.request_type, c.command" \
    "  FROM cert_auth_associations a" \
    "  LEFT JOIN commands c ON c.command_uuid = (" \
    "       SELECT q.command_uuid FROM " queue \
    "        WHERE q.id = %s AND q.active = TRUE" pending \
    "          AND COALESCE((SELECT r.status FROM command_results r" \
    "                         WHERE r.id = q.id" \
    "                           AND r.command_uuid = q.command_uuid), %s)" \
    "              = %s" \
    "        ORDER BY q.priority DESC, q.created_at" order \
    "        LIMIT 1)" \
    " WHERE a.id = %s AND a.sha256 = %s" whose

#define MARKS_4 "%s, %s, %s, %s"
#define MARKS_8 MARKS_4 ", " MARKS_4
#define MARKS_16 MARKS_8 ", " MARKS_8
#define MARKS_32 MARKS_16 ", " MARKS_16
#define MARKS_64 MARKS_32 ", " MARKS_32

/* A poll of one device on MariaDB and MySQL, which plan a statement again each
 * time it runs: whether anything waits at all. This takes them a third of the
 * time that NEXT takes. */
#define WAITS(whose) \
    "SELECT a.id, q.command_uuid FROM cert_auth_associations a" \
    "  LEFT JOIN " QUEUE_WAITING \
    "    ON q.id = %s AND q.active = TRUE" UNANSWERED \
    " WHERE a.id = %s AND a.sha256 = %s" whose \
    " LIMIT 1"

/* The polls of many devices together, on their own channels: for each
 * certificate of each. Of a device that has had more than are looked at, some
 * are not found here, and it asks by itself. */
#define POLL(ids) \
    "SELECT a.id, a.sha256," \
    "       (SELECT q.command_uuid FROM " QUEUE_WAITING \
    "         WHERE q.id = a.id AND q.active = TRUE" UNANSWERED \
    "         LIMIT 1)" \
    "  FROM cert_auth_associations a" \
    " WHERE a.id " ids \
    " LIMIT 1000"

/* Admission joins the write: nothing is stored for a stranger, nor for a
 * command or an enrollment that does not exist. */
#define RESULT_FROM \
    "  FROM cert_auth_associations a, enrollments e, commands c" \
    " WHERE e.id = %s AND c.command_uuid = %s" \
    "   AND a.id = %s AND a.sha256 = %s"

#define RESULT_PUT(whose) \
    "INSERT INTO command_results (id, command_uuid, status, result)" \
    " SELECT e.id, c.command_uuid, %s, %s" RESULT_FROM whose

#define RESULT_NOT_NOW(whose) \
    "INSERT INTO command_results (id, command_uuid, status, result," \
    "                             not_now_at, not_now_tally)" \
    " SELECT e.id, c.command_uuid, %s, %s, CURRENT_TIMESTAMP, 1" \
    RESULT_FROM whose

#define QUEUE_PUT(ids) \
    "INSERT INTO enrollment_queue (priority, id, command_uuid)" \
    " SELECT INTEGER_OF(%s), e.id, c.command_uuid" \
    "   FROM enrollments e, commands c" \
    "  WHERE c.command_uuid = %s AND e.id IN (" ids ")"

#define QUEUE_PUT_EXPIRING(ids) \
    "INSERT INTO enrollment_queue (expires_at, priority, id, command_uuid)" \
    " SELECT TIME_OF(%s), INTEGER_OF(%s), e.id, c.command_uuid" \
    "   FROM enrollments e, commands c" \
    "  WHERE c.command_uuid = %s AND e.id IN (" ids ")"

/* INSERT ... SELECT copies a row twice on SQLite, within this process, before a
 * trigger sees it, and VALUES does not. Where nothing is selected, id is NULL,
 * and the row is left out. The command's UUID is an argument once more. */
#define RESULT_PUT_SQLITE3(whose) \
    "INSERT OR IGNORE INTO command_results (status, result, id, command_uuid)" \
    " VALUES (%s, %s, (SELECT e.id" RESULT_FROM whose "), %s)"

#define RESULT_NOT_NOW_SQLITE3(whose) \
    "INSERT OR IGNORE INTO command_results (not_now_at, not_now_tally," \
    "                                       status, result, id," \
    "                                       command_uuid)" \
    " VALUES (CURRENT_TIMESTAMP, 1, %s, %s," \
    "         (SELECT e.id" RESULT_FROM whose "), %s)"

/* The same parameters, for a result that is there: an upsert that finds its row
 * copies a text once more on SQLite. */
#define RESULT_REPLACE(more, whose) \
    "UPDATE command_results SET status = %s, result = %s," \
    "                           updated_at = CURRENT_TIMESTAMP" more \
    " WHERE id = (SELECT e.id" RESULT_FROM whose ") AND command_uuid = %s"
#define ONCE_MORE ", not_now_tally = not_now_tally + 1"

#define ON_RESULT_PUT \
    " ON CONFLICT (id, command_uuid) DO UPDATE" \
    "   SET status = excluded.status, result = excluded.result"

#define ON_RESULT_NOT_NOW \
    ON_RESULT_PUT "," \
    "       not_now_tally = command_results.not_now_tally + 1"

#define ON_RESULT_PUT_MYSQL \
    " ON DUPLICATE KEY UPDATE" \
    "   status = VALUES(status), result = VALUES(result)"

#define ON_RESULT_NOT_NOW_MYSQL \
    ON_RESULT_PUT_MYSQL "," \
    "   not_now_tally = command_results.not_now_tally + 1"

#define PUT_AND_NEXT(put) \
    "WITH stored AS (" put " RETURNING id)" \
    NEXT("(SELECT COUNT(s.id) FROM stored s)", QUEUE_WAITING, \
         UNANSWERED UNEXPIRED " AND q.command_uuid <> %s", "", "")

/* A report that is not NotNow sets free what was deferred. */
#define IS_DUE \
    "COALESCE((SELECT s.status FROM command_results s" \
    "           WHERE s.id = q.id AND s.command_uuid = q.command_uuid)," \
    "         'NotNow') = 'NotNow'"

/* Reports of many devices, none of them NotNow, and the next command of each.
 * The SELECTs see the tables as they were before the reports. */
#define PUT_MANY_AND_NEXT \
    "WITH reports AS MATERIALIZED" \
    " (SELECT n.id, n.command_uuid, n.sha256, n.status, n.result" \
    "    FROM unnest(CAST(%s AS VARCHAR[]), CAST(%s AS VARCHAR[])," \
    "                CAST(%s AS VARCHAR[]), CAST(%s AS VARCHAR[])," \
    "                CAST(%s AS TEXT[]))" \
    "      AS n (id, command_uuid, sha256, status, result))," \
    " stored AS" \
    " (INSERT INTO command_results (id, command_uuid, status, result)" \
    "  SELECT e.id, c.command_uuid, n.status, n.result" \
    "    FROM reports n, cert_auth_associations a, enrollments e, commands c" \
    "   WHERE e.id = n.id AND c.command_uuid = n.command_uuid" \
    "     AND a.id = n.id AND a.sha256 = n.sha256" \
    "   ORDER BY e.id" ON_RESULT_PUT " RETURNING id)" \
    " SELECT n.id, n.status, c.command_uuid, c.request_type, c.command" \
    "  FROM stored t JOIN reports n ON n.id = t.id" \
    "  LEFT JOIN commands c ON c.command_uuid = (" \
    "       SELECT q.command_uuid FROM " QUEUE_WAITING \
    "        WHERE q.id = n.id AND q.active = TRUE" UNANSWERED UNEXPIRED \
    "          AND q.command_uuid <> n.command_uuid" \
    "          AND " IS_DUE \
    "        ORDER BY q.priority DESC, q.created_at" \
    "        LIMIT 1)"

/* The same where a parameter is one text, so a list is one mark for each value.
 * n is the device's place in all lists. The IN beside an ELT finds rows by
 * their index where the tables' character set is not the connection's. */
#define PUT_MANY(marks) \
    "INSERT INTO command_results (id, command_uuid, status, result)" \
    " SELECT d.id, c.command_uuid, ELT(d.n, " marks "), ELT(d.n, " marks ")" \
    "   FROM (SELECT e.id, FIELD(e.id, " marks ") AS n FROM enrollments e" \
    "          WHERE e.id IN (" marks ")) d" \
    "   JOIN cert_auth_associations a" \
    "     ON a.id = d.id AND a.sha256 = ELT(d.n, " marks ")" \
    "   JOIN commands c" \
    "     ON c.command_uuid IN (" marks ")" \
    "    AND c.command_uuid = ELT(d.n, " marks ")" \
    ON_RESULT_PUT_MYSQL

/* After PUT_MANY: of each report that is stored what it says, and the next
 * command. */
#define NEXT_MANY(marks) \
    "SELECT d.id, r.status, c.command_uuid, c.request_type, c.command" \
    "  FROM (SELECT a.id, a.sha256, FIELD(a.id, " marks ") AS n" \
    "          FROM cert_auth_associations a WHERE a.id IN (" marks ")) d" \
    "  JOIN command_results r" \
    "    ON r.id = d.id AND r.command_uuid IN (" marks ")" \
    "   AND r.command_uuid = ELT(d.n, " marks ")" \
    "  LEFT JOIN commands c ON c.command_uuid = (" \
    "       SELECT q.command_uuid FROM " QUEUE_WAITING \
    "        WHERE q.id = d.id AND q.active = TRUE" UNANSWERED UNEXPIRED \
    "          AND " IS_DUE \
    "        ORDER BY q.priority DESC, q.created_at" \
    "        LIMIT 1)" \
    " WHERE d.sha256 = ELT(d.n, " marks ")"

ROW(STMT_QUEUE_WAITS, "queue_waits", WAITS("")),

ROW(STMT_QUEUE_WAITS_LATEST, "queue_waits_latest", WAITS(LATEST)),

ROW(STMT_QUEUE_POLL, "queue_poll", NULL,
    PGSQL POLL("= ANY (CAST(%s AS VARCHAR[]))")),

ROW(STMT_QUEUE_POLL_4, "queue_poll_4", NULL,
    MYSQL POLL("IN (" MARKS_4 ")")),

ROW(STMT_QUEUE_POLL_8, "queue_poll_8", NULL,
    MYSQL POLL("IN (" MARKS_8 ")")),

ROW(STMT_QUEUE_POLL_16, "queue_poll_16", NULL,
    MYSQL POLL("IN (" MARKS_16 ")")),

ROW(STMT_QUEUE_POLL_32, "queue_poll_32", NULL,
    MYSQL POLL("IN (" MARKS_32 ")")),

ROW(STMT_QUEUE_POLL_64, "queue_poll_64", NULL,
    MYSQL POLL("IN (" MARKS_64 ")")),

ROW(STMT_QUEUE_NEXT, "queue_next",
    NEXT("a.id", QUEUE_WAITING, UNANSWERED UNEXPIRED, "", ""),
    SQLITE3 NEXT("a.id", QUEUE_WAITING, UNANSWERED UNEXPIRED, ", q.rowid", ""),
    LONG_COLUMNS 1 << 3),

ROW(STMT_QUEUE_NEXT_LATEST, "queue_next_latest",
    NEXT("a.id", QUEUE_WAITING, UNANSWERED UNEXPIRED, "", LATEST),
    SQLITE3
    NEXT("a.id", QUEUE_WAITING, UNANSWERED UNEXPIRED, ", q.rowid", LATEST),
    LONG_COLUMNS 1 << 3),

/* On a database without the additive part of the schema. */
ROW(STMT_QUEUE_NEXT_SCAN, "queue_next_scan",
    NEXT("a.id", QUEUE_ALL, "", "", ""),
    SQLITE3 NEXT("a.id", QUEUE_ALL, "", ", q.rowid", ""),
    LONG_COLUMNS 1 << 3),

ROW(STMT_QUEUE_CLEAR, "queue_clear",
    CLEAR(" AND answered = FALSE"),
    MYSQL CLEAR_JOINED(QUEUE_WAITING, UNANSWERED)),

ROW(STMT_QUEUE_CLEAR_SCAN, "queue_clear_scan",
    CLEAR(""),
    MYSQL CLEAR_JOINED(QUEUE_ALL, "")),

ROW(STMT_QUEUE_PUT, "queue_put", QUEUE_PUT("%IDS")),

ROW(STMT_QUEUE_PUT_MANY, "queue_put_many", QUEUE_PUT("%MANY")),

ROW(STMT_QUEUE_PUT_EXPIRING, "queue_put_expiring",
    QUEUE_PUT_EXPIRING("%IDS")),

ROW(STMT_QUEUE_PUT_EXPIRING_MANY, "queue_put_expiring_many",
    QUEUE_PUT_EXPIRING("%MANY")),

ROW(STMT_QUEUE_HAS, "queue_has",
    "SELECT id FROM enrollment_queue WHERE id = %s AND command_uuid = %s"),

ROW(STMT_QUEUE_REMOVE, "queue_remove",
    "DELETE FROM enrollment_queue WHERE id = %s AND command_uuid = %s"),

ROW(STMT_COMMAND_EXISTS, "command_exists",
    "SELECT command_uuid FROM commands WHERE command_uuid = %s"),

ROW(STMT_COMMAND_PUT, "command_put",
    "INSERT INTO commands (command_uuid, request_type, command)"
    " VALUES (%s, %s, %s)"),

/* Run after a device's answer is committed: the last of them
 * sees no reference, so no lock is needed to decide who is last. */
ROW(STMT_COMMAND_REMOVE, "command_remove",
    "DELETE FROM commands"
    " WHERE command_uuid = %s"
    "   AND NOT EXISTS (SELECT 1 FROM enrollment_queue q"
    "                    WHERE q.command_uuid = commands.command_uuid)"
    "   AND NOT EXISTS (SELECT 1 FROM command_results r"
    "                    WHERE r.command_uuid = commands.command_uuid)"),

ROW(STMT_COMMAND_TAKE_BACK, "command_take_back",
    "DELETE FROM commands WHERE command_uuid = %s"),

ROW(STMT_RESULT_PUT, "result_put",
    RESULT_PUT("") ON_RESULT_PUT,
    SQLITE3 RESULT_PUT_SQLITE3("") ON_RESULT_PUT,
    MYSQL RESULT_PUT("") ON_RESULT_PUT_MYSQL),

ROW(STMT_RESULT_PUT_LATEST, "result_put_latest",
    RESULT_PUT(LATEST) ON_RESULT_PUT,
    SQLITE3 RESULT_PUT_SQLITE3(LATEST) ON_RESULT_PUT,
    MYSQL RESULT_PUT(LATEST) ON_RESULT_PUT_MYSQL),

ROW(STMT_RESULT_NOT_NOW, "result_not_now",
    RESULT_NOT_NOW("") ON_RESULT_NOT_NOW,
    SQLITE3 RESULT_NOT_NOW_SQLITE3("") ON_RESULT_NOT_NOW,
    MYSQL RESULT_NOT_NOW("") ON_RESULT_NOT_NOW_MYSQL),

ROW(STMT_RESULT_NOT_NOW_LATEST, "result_not_now_latest",
    RESULT_NOT_NOW(LATEST) ON_RESULT_NOT_NOW,
    SQLITE3 RESULT_NOT_NOW_SQLITE3(LATEST) ON_RESULT_NOT_NOW,
    MYSQL RESULT_NOT_NOW(LATEST) ON_RESULT_NOT_NOW_MYSQL),

ROW(STMT_RESULT_REPLACE, "result_replace", NULL,
    SQLITE3 RESULT_REPLACE("", "")),

ROW(STMT_RESULT_REPLACE_LATEST, "result_replace_latest", NULL,
    SQLITE3 RESULT_REPLACE("", LATEST)),

ROW(STMT_RESULT_DEFER_AGAIN, "result_defer_again", NULL,
    SQLITE3 RESULT_REPLACE(ONCE_MORE, "")),

ROW(STMT_RESULT_DEFER_AGAIN_LATEST, "result_defer_again_latest", NULL,
    SQLITE3 RESULT_REPLACE(ONCE_MORE, LATEST)),

/* A report and the next command in one round trip, where a WITH may hold an
 * INSERT. The SELECT sees the tables as they were before the report, so its
 * parameters say what that answers. */
ROW(STMT_RESULT_PUT_NEXT, "result_put_next",
    NULL,
    PGSQL PUT_AND_NEXT(RESULT_PUT("") ON_RESULT_PUT),
    LONG_COLUMNS 1 << 3),

ROW(STMT_RESULT_NOT_NOW_NEXT, "result_not_now_next",
    NULL,
    PGSQL PUT_AND_NEXT(RESULT_NOT_NOW("") ON_RESULT_NOT_NOW),
    LONG_COLUMNS 1 << 3),

ROW(STMT_RESULTS_PUT_NEXT, "results_put_next", NULL,
    PGSQL PUT_MANY_AND_NEXT,
    LONG_COLUMNS 1 << 4),

ROW(STMT_RESULTS_PUT_4, "results_put_4", NULL,
    MYSQL PUT_MANY(MARKS_4)),

ROW(STMT_RESULTS_PUT_8, "results_put_8", NULL,
    MYSQL PUT_MANY(MARKS_8)),

ROW(STMT_RESULTS_PUT_16, "results_put_16", NULL,
    MYSQL PUT_MANY(MARKS_16)),

ROW(STMT_RESULTS_PUT_32, "results_put_32", NULL,
    MYSQL PUT_MANY(MARKS_32)),

ROW(STMT_RESULTS_PUT_64, "results_put_64", NULL,
    MYSQL PUT_MANY(MARKS_64)),

ROW(STMT_RESULTS_NEXT_4, "results_next_4", NULL,
    MYSQL NEXT_MANY(MARKS_4),
    LONG_COLUMNS 1 << 4),

ROW(STMT_RESULTS_NEXT_8, "results_next_8", NULL,
    MYSQL NEXT_MANY(MARKS_8),
    LONG_COLUMNS 1 << 4),

ROW(STMT_RESULTS_NEXT_16, "results_next_16", NULL,
    MYSQL NEXT_MANY(MARKS_16),
    LONG_COLUMNS 1 << 4),

ROW(STMT_RESULTS_NEXT_32, "results_next_32", NULL,
    MYSQL NEXT_MANY(MARKS_32),
    LONG_COLUMNS 1 << 4),

ROW(STMT_RESULTS_NEXT_64, "results_next_64", NULL,
    MYSQL NEXT_MANY(MARKS_64),
    LONG_COLUMNS 1 << 4),

ROW(STMT_RESULT_REMOVE, "result_remove",
    "DELETE FROM command_results WHERE id = %s AND command_uuid = %s"),

ROW(STMT_ENROLLED_IDS, "enrolled_ids",
    "SELECT id FROM enrollments WHERE id IN (%IDS)"),

/* ---- Push ---- */

#define DUE \
    "SELECT id FROM nanomdm_pushes WHERE next_at <= TIME_OF(%s)" \
    " ORDER BY next_at LIMIT 100"

ROW(STMT_PUSH_INFO, "push_info",
    "SELECT e.id, e.topic, e.push_magic, e.token_hex, COALESCE(p.status, 0)"
    "  FROM enrollments e LEFT JOIN nanomdm_pushes p ON p.id = e.id"
    " WHERE e.id IN (%IDS)"),

/* On a database without the additive part of the schema. */
ROW(STMT_PUSH_INFO_ALONE, "push_info_alone",
    "SELECT id, topic, push_magic, token_hex, 0 FROM enrollments"
    " WHERE id IN (%IDS)"),

ROW(STMT_PUSH_REFUSED, "push_refused",
    "INSERT INTO nanomdm_pushes (id, status, reason, pushed_at)"
    " SELECT e.id, INTEGER_OF(%s), %s, CURRENT_TIMESTAMP"
    "   FROM enrollments e WHERE e.id = %s AND e.token_hex = %s"
    " ON CONFLICT (id) DO UPDATE"
    "   SET status = excluded.status, reason = excluded.reason,"
    "       pushed_at = excluded.pushed_at, next_at = NULL",
    MYSQL
    "INSERT INTO nanomdm_pushes (id, status, reason, pushed_at)"
    " SELECT e.id, INTEGER_OF(%s), %s, CURRENT_TIMESTAMP"
    "   FROM enrollments e WHERE e.id = %s AND e.token_hex = %s"
    " ON DUPLICATE KEY UPDATE"
    "   status = VALUES(status), reason = VALUES(reason),"
    "   pushed_at = VALUES(pushed_at), next_at = NULL"),

ROW(STMT_PUSH_EXPECT, "push_expect",
    "INSERT INTO nanomdm_pushes (id, next_at, pushed_at)"
    " SELECT e.id, TIME_OF(%s), CURRENT_TIMESTAMP"
    "   FROM enrollments e WHERE e.id IN (%IDS)"
    " ON CONFLICT (id) DO UPDATE"
    "   SET status = 0, reason = NULL, tries = 0,"
    "       next_at = excluded.next_at, pushed_at = excluded.pushed_at",
    MYSQL
    "INSERT INTO nanomdm_pushes (id, next_at, pushed_at)"
    " SELECT e.id, TIME_OF(%s), CURRENT_TIMESTAMP"
    "   FROM enrollments e WHERE e.id IN (%IDS)"
    " ON DUPLICATE KEY UPDATE"
    "   status = 0, reason = NULL, tries = 0,"
    "   next_at = VALUES(next_at), pushed_at = VALUES(pushed_at)"),

/* SQLite has the whole database locked by then. */
ROW(STMT_PUSH_DUE, "push_due",
    DUE " FOR UPDATE SKIP LOCKED",
    SQLITE3 DUE),

ROW(STMT_PUSH_STATE, "push_state",
    "SELECT e.id, p.tries,"
    "       CASE WHEN EXISTS (SELECT 1 FROM " QUEUE_WAITING
    "                          WHERE q.id = e.id AND q.active = TRUE"
    "                            AND q.answered = FALSE" UNEXPIRED ")"
    "            THEN 1 ELSE 0 END,"
    "       CASE WHEN e.last_seen_at > p.pushed_at THEN 1 ELSE 0 END"
    "  FROM enrollments e JOIN nanomdm_pushes p ON p.id = e.id"
    " WHERE e.id IN (%IDS)"),

ROW(STMT_PUSH_AGAIN, "push_again",
    "UPDATE nanomdm_pushes"
    "   SET tries = INTEGER_OF(%s), next_at = TIME_OF(%s),"
    "       pushed_at = CURRENT_TIMESTAMP"
    " WHERE id = %s"),

ROW(STMT_PUSH_LATER, "push_later",
    "UPDATE nanomdm_pushes"
    "   SET tries = INTEGER_OF(%s), next_at = TIME_OF(%s)"
    " WHERE id = %s"),

ROW(STMT_PUSH_POSTPONE, "push_postpone",
    "UPDATE nanomdm_pushes"
    "   SET tries = CASE WHEN tries > 0 THEN tries - 1 ELSE 0 END,"
    "       next_at = TIME_OF(%s)"
    " WHERE next_at IS NOT NULL AND id IN (%IDS)"),

ROW(STMT_PUSH_RECALL, "push_recall",
    "UPDATE nanomdm_pushes SET next_at = TIME_OF(%s)"
    " WHERE next_at > TIME_OF(%s)"),

ROW(STMT_PUSH_FORGET, "push_forget",
    "DELETE FROM nanomdm_pushes WHERE id IN (%IDS)"),

ROW(STMT_PUSH_FORGET_ONE, "push_forget_one",
    "DELETE FROM nanomdm_pushes WHERE id = %s"),

ROW(STMT_PUSH_TAKEN, "push_taken",
    "UPDATE enrollments SET pushed_at = CURRENT_TIMESTAMP"
    " WHERE id IN (%IDS)"),

/* Read when a push certificate is uploaded, which is once a year: it may look
 * through all enrollments. */
ROW(STMT_TOPIC_IN_USE, "topic_in_use",
    "SELECT o.topic FROM enrollments o"
    " WHERE o.enabled = TRUE"
    "   AND NOT EXISTS (SELECT 1 FROM push_certs p WHERE p.topic = %s)"
    "   AND NOT EXISTS (SELECT 1 FROM enrollments e"
    "                    WHERE e.enabled = TRUE AND e.topic = %s)"
    " LIMIT 1"),

ROW(STMT_PUSH_CERT_PUT, "push_cert_put",
    "INSERT INTO push_certs (topic, cert_pem, key_pem, stale_token)"
    " VALUES (%s, %s, %s, 0)"
    " ON CONFLICT (topic) DO UPDATE"
    "   SET cert_pem = excluded.cert_pem, key_pem = excluded.key_pem,"
    "       stale_token = push_certs.stale_token + 1",
    MYSQL
    "INSERT INTO push_certs (topic, cert_pem, key_pem, stale_token)"
    " VALUES (%s, %s, %s, 0)"
    " ON DUPLICATE KEY UPDATE"
    "   cert_pem = VALUES(cert_pem), key_pem = VALUES(key_pem),"
    "   stale_token = push_certs.stale_token + 1"),

ROW(STMT_PUSH_CERT_GET, "push_cert_get",
    "SELECT cert_pem, key_pem, topic FROM push_certs WHERE topic = %s",
    LONG_COLUMNS 1 << 0 | 1 << 1),

ROW(STMT_PUSH_CERT_TOPICS, "push_cert_topics",
    "SELECT topic FROM push_certs ORDER BY topic LIMIT 2"),

/* ---- What operators see: enrollments ---- */

#define KEYS "SELECT e.id, e.type, e.enabled"

#define KEYS_OF_TYPE \
    KEYS " FROM enrollments e WHERE e.type = %s AND e.id > %s" \
    " ORDER BY e.id" PAGE

#define ENROLLMENT_ROWS(hex_of_token) \
    "SELECT e.id, e.type, e.enabled, DIGITS(e.token_update_tally)," \
    "       SECONDS(e.last_seen_at), e.device_id, e.user_id, e.topic," \
    "       d.serial_number," \
    "       CASE WHEN %s = '1' THEN d.identity_cert END," \
    "       CASE WHEN LENGTH(d.unlock_token) <= INTEGER_OF(%s)" \
    "            THEN " hex_of_token " END," \
    "       SECONDS(d.token_update_at), u.user_short_name," \
    "       u.user_long_name, SECONDS(u.token_update_at)" \
    "  FROM enrollments e" \
    "  LEFT JOIN devices d ON d.id = e.device_id" \
    "  LEFT JOIN users u ON u.id = e.user_id AND u.device_id = e.device_id" \
    " WHERE e.id IN (%IDS)"

ROW(STMT_ENROLLMENTS_WALK, "enrollments_walk",
    KEYS " FROM enrollments e WHERE e.id > %s ORDER BY e.id" PAGE),

/* MySQL and MariaDB rather walk through the primary key, whose order is the
 * one that is asked for. */
ROW(STMT_ENROLLMENTS_DISABLED, "enrollments_disabled",
    KEYS " FROM enrollments e /*! FORCE INDEX (idx_enrollment_disabled) */"
    " WHERE e.enabled = FALSE AND e.id > %s ORDER BY e.id" PAGE),

/* Looked up for each device: PostgreSQL, until it has analyzed the tables,
 * answers NOT EXISTS by reading all enrollments. */
#define HAS_NO_ENROLLMENT(device) \
    "(SELECT e.device_id FROM enrollments e" \
    "  WHERE e.device_id = " device " LIMIT 1) IS NULL"

/* Devices that sent Authenticate and no TokenUpdate yet. */
#define BEGUN_IN(devices, condition) \
    "  FROM " devices " WHERE " condition " " HAS_NO_ENROLLMENT("d.id")
#define BEGUN_FROM(condition) BEGUN_IN("devices d", condition)
#define BEGUN_PAGE(devices, condition) \
    "SELECT d.id, '', FALSE" \
    BEGUN_IN(devices, condition " d.id > %s AND") " ORDER BY d.id" PAGE
#define BEGUN_KEYS(condition) BEGUN_PAGE("devices d", condition)
#define DEVICES_BEGUN "devices d /*! FORCE INDEX (idx_device_begun) */"

ROW(STMT_ENROLLMENTS_BEGUN, "enrollments_begun",
    BEGUN_PAGE(DEVICES_BEGUN, "d.token_update_at IS NULL AND")),

ROW(STMT_ENROLLMENTS_BEGUN_SCAN, "enrollments_begun_scan", BEGUN_KEYS("")),

ROW(STMT_ENROLLMENTS_BEGUN_IDS, "enrollments_begun_ids",
    BEGUN_KEYS("d.id IN (%IDS) AND")),

ROW(STMT_ENROLLMENTS_BEGUN_SERIALS, "enrollments_begun_serials",
    BEGUN_KEYS("d.serial_number IN (%IDS) AND")),

ROW(STMT_ENROLLMENTS_BEGUN_ROWS, "enrollments_begun_rows",
    "SELECT d.id, d.serial_number, SECONDS(d.authenticate_at)"
    BEGUN_FROM("d.id IN (%IDS) AND")),

/* The thousandth from here, for an offset. */
ROW(STMT_ENROLLMENTS_SKIP, "enrollments_skip",
    "SELECT e.id FROM enrollments e WHERE e.id > %s ORDER BY e.id"
    " LIMIT 1 OFFSET 999"),

ROW(STMT_ENROLLMENTS_IDS, "enrollments_ids",
    KEYS " FROM enrollments e WHERE e.id IN (%IDS) AND e.id > %s"
    " ORDER BY e.id" PAGE),

/* CROSS, because it keeps SQLite from walking through the enrollments. */
ROW(STMT_ENROLLMENTS_SERIALS, "enrollments_serials",
    KEYS " FROM devices d CROSS JOIN enrollments e"
    " WHERE d.serial_number IN (%IDS) AND e.device_id = d.id AND e.id > %s"
    " ORDER BY e.id" PAGE),

ROW(STMT_ENROLLMENTS_NAME, "enrollments_name",
    KEYS " FROM users u CROSS JOIN enrollments e"
    " WHERE u.user_short_name = %s AND e.id = u.id AND u.id > %s"
    " ORDER BY u.id" PAGE),

ROW(STMT_ENROLLMENTS_TYPE, "enrollments_type",
    KEYS_OF_TYPE,
    PGSQL KEYS BEYOND("100") " e ORDER BY e.id"),

ROW(STMT_ENROLLMENTS_TYPE_SCAN, "enrollments_type_scan", KEYS_OF_TYPE),

ROW(STMT_ENROLLMENTS_ROWS, "enrollments_rows",
    ENROLLMENT_ROWS("HEX(d.unlock_token)"),
    PGSQL ENROLLMENT_ROWS("ENCODE(d.unlock_token, 'hex')")),

ROW(STMT_CERTS_OF_DEVICE, "certs_of_device",
    "SELECT a.sha256, SECONDS(a.created_at) FROM cert_auth_associations a"
    " WHERE a.id = %s ORDER BY a.created_at DESC, a.sha256" PAGE),

ROW(STMT_LAST_REPORT, "last_report",
    "SELECT r.command_uuid, r.status, SECONDS(r.updated_at)"
    "  FROM command_results r WHERE r.id = %s"
    " ORDER BY r.updated_at DESC, r.command_uuid DESC LIMIT 1"),

ROW(STMT_LAST_PUSH, "last_push",
    "SELECT DIGITS(p.status), p.reason, DIGITS(p.tries), SECONDS(p.next_at),"
    "       SECONDS(p.pushed_at)"
    "  FROM nanomdm_pushes p WHERE p.id = %s"),

ROW(STMT_LAST_PUSH_TAKEN, "last_push_taken",
    "SELECT SECONDS(e.pushed_at) FROM enrollments e WHERE e.id = %s"),

ROW(STMT_AUTHENTICATED, "authenticated",
    "SELECT SECONDS(d.authenticate_at), SECONDS(d.token_update_at)"
    "  FROM devices d WHERE d.id = %s"),

/* Of one enrollment, by the primary key; without a final report. */
ROW(STMT_CANCELLED_PAGE, "cancelled_page",
    "SELECT q.command_uuid, c.request_type, SECONDS(q.updated_at)"
    "  FROM enrollment_queue q"
    "  LEFT JOIN commands c ON c.command_uuid = q.command_uuid"
    " WHERE q.id = %s AND q.active = FALSE"
    "   AND NOT EXISTS (SELECT 1 FROM command_results r"
    "                    WHERE r.id = q.id"
    "                      AND r.command_uuid = q.command_uuid"
    "                      AND r.status <> 'NotNow')"
    " ORDER BY q.updated_at DESC, q.command_uuid" PAGE),

/* ---- What operators see and cancel: queues and results ---- */

#define WITH_RESULT \
    "  LEFT JOIN command_results r" \
    "    ON r.id = q.id AND r.command_uuid = q.command_uuid"

/* One list of what waits, counted to its bound. */
#define PENDING(queue, pending) \
    "SELECT COUNT(bounded.id), COUNT(bounded.status)," \
    "       SECONDS(MIN(bounded.not_now_at))" \
    "  FROM (SELECT q.id, r.status, r.not_now_at" \
    "          FROM " queue WITH_RESULT \
    "         WHERE q.id = %s AND q.active = TRUE" pending \
    "         LIMIT 1000) bounded"

/* In the order of delivery, from the entry on that the cursor names by
 * priority, time and, for commands of one time, `tie`. */
#define QUEUE_PAGE(queue, pending, expires_at, tie, tie_mark) \
    "SELECT q.command_uuid, c.request_type, DIGITS(q.priority)," \
    "       TEXT_OF_TIME(q.created_at), " tie "," \
    "       SECONDS(q.created_at), " expires_at ", r.status," \
    "       DIGITS(r.not_now_tally), SECONDS(r.not_now_at)" \
    "  FROM " queue \
    "  LEFT JOIN commands c ON c.command_uuid = q.command_uuid" \
    WITH_RESULT \
    " WHERE q.id = %s AND q.active = TRUE" pending \
    "   AND q.priority <= INTEGER_OF(%s)" \
    "   AND (q.priority < INTEGER_OF(%s)" \
    "        OR q.created_at > TIME_OF_TEXT(%s)" \
    "        OR (q.created_at = TIME_OF_TEXT(%s) AND " tie " > " tie_mark "))"\
    " ORDER BY q.priority DESC, q.created_at, " tie PAGE

#define NOT_FINAL " AND COALESCE(r.status, 'NotNow') = 'NotNow'"

#define RESULTS \
    "SELECT r.command_uuid, c.request_type, r.status," \
    "       TEXT_OF_TIME(r.updated_at), SECONDS(r.updated_at)," \
    "       DIGITS(r.not_now_tally), SECONDS(r.not_now_at)" \
    "  FROM command_results r" \
    "  LEFT JOIN commands c ON c.command_uuid = r.command_uuid"

#define COMMAND_PAGE(expires_at, is_expired) \
    "SELECT q.id, q.active, DIGITS(q.priority), SECONDS(q.created_at)," \
    "       " expires_at ", " is_expired \
    "  FROM enrollment_queue q" \
    " WHERE q.command_uuid = %s AND q.id > %s" \
    " ORDER BY q.id" PAGE

#define NOT_ANSWERED(queue) \
    "   AND NOT EXISTS (SELECT 1 FROM command_results r" \
    "                    WHERE r.id = " queue ".id" \
    "                      AND r.command_uuid = " queue ".command_uuid" \
    "                      AND r.status <> 'NotNow')"

ROW(STMT_PENDING, "pending",
    PENDING(QUEUE_WAITING, UNANSWERED UNEXPIRED)),

ROW(STMT_PENDING_SCAN, "pending_scan",
    PENDING(QUEUE_ALL, NOT_FINAL)),

ROW(STMT_QUEUE_PAGE, "queue_page",
    QUEUE_PAGE(QUEUE_WAITING, UNANSWERED UNEXPIRED,
               "SECONDS(q.expires_at)",
               "q.command_uuid", "%s"),
    SQLITE3
    QUEUE_PAGE(QUEUE_WAITING, UNANSWERED UNEXPIRED,
               "SECONDS(q.expires_at)",
               "q.rowid", "INTEGER_OF(%s)")),

ROW(STMT_QUEUE_PAGE_SCAN, "queue_page_scan",
    QUEUE_PAGE(QUEUE_ALL, NOT_FINAL, "NULL", "q.command_uuid", "%s"),
    SQLITE3
    QUEUE_PAGE(QUEUE_ALL, NOT_FINAL, "NULL", "q.rowid", "INTEGER_OF(%s)")),

ROW(STMT_RESULT_PAGE, "result_page",
    RESULTS
    " WHERE r.id = %s AND r.updated_at <= TIME_OF_TEXT(%s)"
    "   AND (r.updated_at < TIME_OF_TEXT(%s) OR r.command_uuid < %s)"
    " ORDER BY r.updated_at DESC, r.command_uuid DESC" PAGE),

ROW(STMT_RESULT_OF, "result_of",
    RESULTS " WHERE r.id = %s AND r.command_uuid = %s"),

ROW(STMT_RESULT_TEXT, "result_text",
    "SELECT result FROM command_results WHERE id = %s AND command_uuid = %s",
    LONG_COLUMNS 1),

ROW(STMT_COMMAND_GET, "command_get",
    "SELECT request_type, SECONDS(created_at), command FROM commands"
    " WHERE command_uuid = %s",
    LONG_COLUMNS 1 << 2),

ROW(STMT_COMMAND_PAGE, "command_page",
    COMMAND_PAGE("SECONDS(q.expires_at)",
                 "CASE WHEN q.expires_at <= CURRENT_TIMESTAMP THEN 1 END")),

ROW(STMT_COMMAND_PAGE_SCAN, "command_page_scan",
    COMMAND_PAGE("NULL", "NULL")),

/* Not joined to the page: PostgreSQL would read the results of all enrollments
 * before it. */
ROW(STMT_COMMAND_RESULTS, "command_results_of",
    "SELECT r.id, r.status, SECONDS(r.updated_at), DIGITS(r.not_now_tally),"
    "       SECONDS(r.not_now_at)"
    "  FROM command_results r"
    " WHERE r.command_uuid = %s AND r.id IN (%IDS)"),

ROW(STMT_CANCEL_ALL, "cancel_all",
    "UPDATE enrollment_queue SET active = FALSE"
    " WHERE id = %s AND active = TRUE AND answered = FALSE"
    NOT_ANSWERED("enrollment_queue")),

ROW(STMT_CANCEL_ALL_SCAN, "cancel_all_scan",
    "UPDATE enrollment_queue SET active = FALSE"
    " WHERE id = %s AND active = TRUE"
    NOT_ANSWERED("enrollment_queue")),

ROW(STMT_CANCEL_ONE, "cancel_one",
    "UPDATE enrollment_queue SET active = FALSE"
    " WHERE id = %s AND command_uuid = %s AND active = TRUE"
    NOT_ANSWERED("enrollment_queue")),

/* A command that a whole fleet has queued is cancelled in batches, so that
 * others get their turn with the table. */
ROW(STMT_CANCEL_BATCH, "cancel_batch",
    "SELECT MAX(bounded.id)"
    "  FROM (SELECT q.id FROM enrollment_queue q"
    "         WHERE q.command_uuid = %s AND q.id > %s"
    "         ORDER BY q.id LIMIT 1000) bounded"),

ROW(STMT_CANCEL_RANGE, "cancel_range",
    "UPDATE enrollment_queue SET active = FALSE"
    " WHERE command_uuid = %s AND id > %s AND id <= %s AND active = TRUE"
    NOT_ANSWERED("enrollment_queue")),

/* ---- The outbox of webhooks ---- */

/* How long a lease of events holds and how long they are tried, in seconds:
 * NMDM_OUTBOX_LEASE and NMDM_OUTBOX_AGE. */
#define LEASE "20"
#define AGE "86400"

/* It is not leased. A lease for longer than there are is of a clock that was
 * ahead and has been set back. */
#define UNLEASED \
    " (leased_until <= EPOCH_SECONDS" \
    "  OR leased_until > EPOCH_SECONDS + 3600)"

#define EVENT_LIST(state) \
    "SELECT seq, event_id, topic, device_id, target, tries, next_at," \
    "       last_error, created_at" \
    "  FROM nanomdm_events" \
    " WHERE is_dead = " state " AND seq > %lld ORDER BY seq LIMIT 100"

#define EVENT_REPLAY(which) \
    "UPDATE nanomdm_events" \
    "   SET is_dead = FALSE, tries = 0, next_at = 0," \
    "       dies_at = EPOCH_SECONDS + " AGE \
    " WHERE is_dead = TRUE AND " which

/* An event waits as long as the one of its device before it. The range of
 * is_dead, and its place in the order, leave planners the index that knows
 * devices: by seq alone they may read backwards through what others sent. */
#define EVENT_PUT(column, mark) \
    "INSERT INTO nanomdm_events (device_id, target, event_id, topic, body," \
    "                            traceparent, next_at, dies_at," \
    "                            created_at" column ")" \
    " SELECT %s, %s, %s, %s, %s, NULLIF(%s, '')," \
    "        COALESCE((SELECT w.next_at FROM nanomdm_events w" \
    "                   WHERE w.device_id = %s AND w.target = %s" \
    "                     AND w.is_dead < TRUE" \
    "                   ORDER BY w.is_dead DESC, w.seq DESC LIMIT 1), 0)," \
    "        EPOCH_SECONDS + " AGE ", EPOCH_SECONDS" mark

ROW(STMT_EVENT_PUT, "event_put", EVENT_PUT("", "")),

/* From schema version 7 on, as all that ends in _LONG: the payload of a long
 * event is in parts. */
#define EVENT_PUT_LONG EVENT_PUT(", payload_size", ", INTEGER_OF(%s)")

ROW(STMT_EVENT_PUT_LONG, "event_put_long", EVENT_PUT_LONG,
    PGSQL EVENT_PUT_LONG " RETURNING seq"),

/* The number of what this connection has put. PostgreSQL has returned it: there
 * the question would take a right of its own. */
ROW(STMT_EVENT_LAST_PUT, "event_last_put", NULL,
    SQLITE3 "SELECT seq FROM nanomdm_events WHERE seq = last_insert_rowid()",
    MYSQL "SELECT seq FROM nanomdm_events WHERE seq = LAST_INSERT_ID()"),

ROW(STMT_EVENT_PART_PUT, "event_part_put",
    "INSERT INTO nanomdm_event_parts (seq, part, content)"
    " VALUES (%lld, %lld, %s)"),

ROW(STMT_EVENT_PART, "event_part",
    "SELECT content FROM nanomdm_event_parts"
    " WHERE seq = %lld AND part = %lld",
    LONG_COLUMNS 1 << 0),

/* The first of each device, if it is due and not leased. In the order of an
 * index, so that a long backlog is not sorted. */
#define EVENT_LOOK(payload, condition) \
    "SELECT e.seq, LENGTH(e.body), " payload \
    "  FROM nanomdm_events e" \
    " WHERE e.is_dead = FALSE AND e.target = %s" condition \
    "   AND e.next_at <= EPOCH_SECONDS AND" UNLEASED \
    "   AND NOT EXISTS (SELECT 1 FROM nanomdm_events p" \
    "                    WHERE p.device_id = e.device_id" \
    "                      AND p.target = e.target AND p.is_dead = FALSE" \
    "                      AND p.seq < e.seq)" \
    " ORDER BY e.next_at, e.seq LIMIT 50"

ROW(STMT_EVENT_LOOK, "event_look", EVENT_LOOK("0", "")),

ROW(STMT_EVENT_LOOK_LONG, "event_look_long",
    EVENT_LOOK("e.payload_size",
               " AND e.payload_size <= INTEGER_OF(%s)")),

ROW(STMT_EVENT_LEASE, "event_lease",
    "UPDATE nanomdm_events"
    "   SET lease = %s, leased_until = EPOCH_SECONDS + " LEASE
    " WHERE seq IN (%SEQS) AND is_dead = FALSE AND" UNLEASED),

#define EVENT_READ(payload) \
    "SELECT seq, device_id, event_id, topic, traceparent, tries," \
    "       CASE WHEN dies_at <= EPOCH_SECONDS THEN 1 ELSE 0 END, body," \
    "       " payload \
    "  FROM nanomdm_events WHERE seq IN (%SEQS) AND lease = %s" \
    " ORDER BY seq"

ROW(STMT_EVENT_READ, "event_read", EVENT_READ("0"), LONG_COLUMNS 1 << 7),

ROW(STMT_EVENT_READ_LONG, "event_read_long", EVENT_READ("payload_size"),
    LONG_COLUMNS 1 << 7),

ROW(STMT_EVENT_RENEW, "event_renew",
    "UPDATE nanomdm_events SET leased_until = EPOCH_SECONDS + " LEASE
    " WHERE seq IN (%SEQS) AND lease = %s"),

ROW(STMT_EVENT_DONE, "event_done",
    "DELETE FROM nanomdm_events WHERE seq IN (%SEQS) AND lease = %s"),

ROW(STMT_EVENT_FAILED, "event_failed",
    "UPDATE nanomdm_events"
    "   SET tries = tries + 1, last_error = %s, leased_until = 0,"
    "       next_at = CASE WHEN EPOCH_SECONDS + %lld < dies_at"
    "                      THEN EPOCH_SECONDS + %lld ELSE dies_at END"
    " WHERE seq = %lld AND lease = %s"),

ROW(STMT_EVENT_DEAD, "event_dead",
    "UPDATE nanomdm_events"
    "   SET tries = tries + 1, last_error = %s, leased_until = 0,"
    "       is_dead = TRUE"
    " WHERE seq = %lld AND lease = %s"),

/* Those after one that failed. */
ROW(STMT_EVENT_PUT_OFF, "event_put_off",
    "UPDATE nanomdm_events SET next_at = EPOCH_SECONDS + %lld"
    " WHERE device_id = %s AND target = %s AND is_dead = FALSE"
    "   AND seq > %lld"),

ROW(STMT_EVENT_DUE_NOW, "event_due_now",
    "UPDATE nanomdm_events SET next_at = 0"
    " WHERE is_dead = FALSE AND target = %s AND next_at > EPOCH_SECONDS"),

#define EVENT_BYTES(payload) \
    "COALESCE(SUM(BYTE_LENGTH(body)" payload "), 0)"

/* And those that are put off for longer than anything ever is. */
#define EVENT_BACKLOG(payload) \
    "SELECT COUNT(seq)," \
    "       COUNT(CASE WHEN next_at > EPOCH_SECONDS + 7200 THEN 1 END)," \
    "       " EVENT_BYTES(payload) \
    "  FROM nanomdm_events" \
    " WHERE is_dead = FALSE AND target = %s"

ROW(STMT_EVENT_BACKLOG, "event_backlog", EVENT_BACKLOG("")),

ROW(STMT_EVENT_BACKLOG_LONG, "event_backlog_long",
    EVENT_BACKLOG(" + payload_size")),

/* How many there are of a target and since when, looking at so many. */
#define EVENT_STATE(state) \
    "SELECT COUNT(bounded.seq), MIN(bounded.created_at)" \
    "  FROM (SELECT e.seq, e.created_at FROM nanomdm_events e" \
    "         WHERE e.is_dead = " state " AND e.target = %s" \
    "         LIMIT 1000) bounded"

ROW(STMT_EVENT_STATE_WAITING, "event_state_waiting", EVENT_STATE("FALSE")),

ROW(STMT_EVENT_STATE_DEAD, "event_state_dead", EVENT_STATE("TRUE")),

/* Dead ones too: they take the same room. */
#define EVENT_BYTES_OF(payload) \
    "SELECT " EVENT_BYTES(payload) " FROM nanomdm_events" \
    " WHERE device_id = %s AND target = %s"

ROW(STMT_EVENT_BYTES, "event_bytes", EVENT_BYTES_OF("")),

ROW(STMT_EVENT_BYTES_LONG, "event_bytes_long",
    EVENT_BYTES_OF(" + payload_size")),

ROW(STMT_EVENT_LIST_PENDING, "event_list_pending", EVENT_LIST("FALSE")),

ROW(STMT_EVENT_LIST_DEAD, "event_list_dead", EVENT_LIST("TRUE")),

ROW(STMT_EVENT_REPLAY, "event_replay", EVENT_REPLAY("seq IN (%SEQS)")),

ROW(STMT_EVENT_REPLAY_TARGET, "event_replay_target",
    EVENT_REPLAY("target = %s")),

ROW(STMT_EVENT_DROP, "event_drop",
    "DELETE FROM nanomdm_events WHERE seq = %lld"),

/* ---- Retention ---- */

/* Or put off for longer than any is, by a clock that was ahead. */
#define CHORE_IS_DUE \
    " (next_at <= EPOCH_SECONDS OR next_at > EPOCH_SECONDS + 86400)"

ROW(STMT_CHORE_DUE, "chore_due",
    "SELECT position, DIGITS(EPOCH_SECONDS) FROM nanomdm_chores"
    " WHERE name = %s AND" CHORE_IS_DUE),

/* The child that changes the row has it, for a minute or until it is done. */
ROW(STMT_CHORE_TAKE, "chore_take",
    "UPDATE nanomdm_chores SET next_at = EPOCH_SECONDS + 60"
    " WHERE name = %s AND" CHORE_IS_DUE " AND position = %s"),

ROW(STMT_CHORE_DONE, "chore_done",
    "UPDATE nanomdm_chores"
    "   SET next_at = EPOCH_SECONDS + %lld, position = %s"
    " WHERE name = %s"),

/* Not when a pass from the beginning became due meanwhile. */
ROW(STMT_RETENTION_DONE, "retention_done",
    "UPDATE nanomdm_chores"
    "   SET next_at = EPOCH_SECONDS + %lld, position = %s"
    " WHERE name = 'retention' AND next_at <> 0"),

ROW(STMT_RETENTION_DUE, "retention_due",
    "UPDATE nanomdm_chores SET next_at = 0, position = ''"
    " WHERE name = 'retention'"),

ROW(STMT_RETENTION_RULES_ADD, "retention_rules_add",
    "INSERT INTO nanomdm_chores (name, next_at)"
    " VALUES ('retention-rules', 0)"
    " ON CONFLICT (name) DO NOTHING",
    MYSQL
    "INSERT INTO nanomdm_chores (name, next_at)"
    " VALUES ('retention-rules', 0)"
    " ON DUPLICATE KEY UPDATE name = VALUES(name)"),

ROW(STMT_RETENTION_RULES_SET, "retention_rules_set",
    "UPDATE nanomdm_chores SET position = %s"
    " WHERE name = 'retention-rules' AND position <> %s"),

/* What is delivered no more and was never answered: cancelled or expired, and
 * since when. */
ROW(STMT_SPENT_PAGE, "spent_page",
    "SELECT q.command_uuid, c.request_type,"
    "       SECONDS(CASE WHEN q.active = TRUE THEN q.expires_at"
    "                    ELSE q.updated_at END)"
    "  FROM enrollment_queue q"
    "  JOIN commands c ON c.command_uuid = q.command_uuid"
    " WHERE q.id = %s AND q.command_uuid > %s AND q.answered = FALSE"
    "   AND (q.active = FALSE OR q.expires_at <= CURRENT_TIMESTAMP)"
    " ORDER BY q.command_uuid" PAGE),

/* Whatever was decided before: nothing that waits. */
ROW(STMT_FORGET_QUEUE, "forget_queue",
    "DELETE FROM enrollment_queue"
    " WHERE id = %s AND command_uuid IN (%IDS)"
    "   AND (answered = TRUE OR active = FALSE"
    "        OR expires_at <= CURRENT_TIMESTAMP)"),

ROW(STMT_FORGET_RESULTS, "forget_results",
    "DELETE FROM command_results"
    " WHERE id = %s AND command_uuid IN (%IDS)"
    "   AND NOT EXISTS (SELECT 1 FROM enrollment_queue q"
    "                    WHERE q.id = command_results.id"
    "                      AND q.command_uuid"
    "                          = command_results.command_uuid)"),

ROW(STMT_FORGET_COMMANDS, "forget_commands",
    "DELETE FROM commands"
    " WHERE command_uuid IN (%IDS)"
    "   AND NOT EXISTS (SELECT 1 FROM enrollment_queue q"
    "                    WHERE q.command_uuid = commands.command_uuid)"
    "   AND NOT EXISTS (SELECT 1 FROM command_results r"
    "                    WHERE r.command_uuid = commands.command_uuid)"),

ROW(STMT_EVENT_OLD, "event_old",
    "SELECT seq FROM nanomdm_events"
    " WHERE is_dead = TRUE AND created_at <= %lld" PAGE),

ROW(STMT_EVENT_FORGET, "event_forget",
    "DELETE FROM nanomdm_events WHERE is_dead = TRUE AND seq IN (%SEQS)"),

/* ---- Secrets that are to be sealed ---- */

/* Secrets that are to be sealed, of devices as yet by what they begin with.
 * NMDM_SEAL_HEAD is 39. A TokenUpdate is searched for the name of a key. HEX
 * of nothing is "" to SQLite. */
ROW(STMT_SEAL_DEVICES, "seal_devices",
    "SELECT id, SUBSTR(bootstrap_token_b64, 1, 39),"
    "       NULLIF(HEX(SUBSTR(unlock_token, 1, 39)), ''),"
    "       CASE WHEN token_update LIKE '%%UnlockToken%%' THEN '1' END"
    "  FROM devices WHERE id > %s ORDER BY id" PAGE,
    PGSQL
    "SELECT id, SUBSTR(bootstrap_token_b64, 1, 39),"
    "       ENCODE(SUBSTR(unlock_token, 1, 39), 'hex'),"
    "       CASE WHEN token_update LIKE '%%UnlockToken%%' THEN '1' END"
    "  FROM devices WHERE id > %s ORDER BY id" PAGE),

ROW(STMT_SEAL_CERTS, "seal_certs",
    "SELECT topic, SUBSTR(key_pem, 1, 39) FROM push_certs"
    " WHERE topic > %s ORDER BY topic" PAGE),

ROW(STMT_SEAL_DEVICE, "seal_device",
    "SELECT bootstrap_token_b64, NULLIF(HEX(unlock_token), ''),"
    "       token_update"
    "  FROM devices WHERE id = %s",
    PGSQL
    "SELECT bootstrap_token_b64, ENCODE(unlock_token, 'hex'), token_update"
    "  FROM devices WHERE id = %s",
    LONG_COLUMNS 1 << 0 | 1 << 1 | 1 << 2),

/* Each unless it has become another meanwhile. */
ROW(STMT_SEAL_BOOTSTRAP_TOKEN, "seal_bootstrap_token",
    "UPDATE devices SET bootstrap_token_b64 = %s"
    " WHERE id = %s AND bootstrap_token_b64 = %s"),

ROW(STMT_SEAL_UNLOCK_TOKEN, "seal_unlock_token",
    "UPDATE devices SET unlock_token = %pDb"
    " WHERE id = %s AND HEX(unlock_token) = %s",
    PGSQL
    "UPDATE devices SET unlock_token = %pDb"
    " WHERE id = %s AND ENCODE(unlock_token, 'hex') = %s"),

ROW(STMT_SEAL_TOKEN_UPDATE, "seal_token_update",
    "UPDATE devices SET token_update = %s"
    " WHERE id = %s AND token_update = %s"),

ROW(STMT_SEAL_PUSH_KEY, "seal_push_key",
    "UPDATE push_certs SET key_pem = %s WHERE topic = %s AND key_pem = %s"),

/* Unlike retention, sealing is due at once when position names another key,
 * and one child has it for as long as it takes. */
ROW(STMT_SEAL_CHORE_ADD, "seal_chore_add",
    "INSERT INTO nanomdm_chores (name, next_at) VALUES ('seal', 0)"
    " ON CONFLICT (name) DO NOTHING",
    MYSQL
    "INSERT INTO nanomdm_chores (name, next_at) VALUES ('seal', 0)"
    " ON DUPLICATE KEY UPDATE name = VALUES(name)"),

ROW(STMT_SEAL_CHORE_LOOK, "seal_chore_look",
    "SELECT position, CASE WHEN" CHORE_IS_DUE " THEN '1' END"
    "  FROM nanomdm_chores WHERE name = 'seal'"),

ROW(STMT_SEAL_CHORE_TAKE, "seal_chore_take",
    "UPDATE nanomdm_chores"
    "   SET next_at = EPOCH_SECONDS + 300, position = %s"
    " WHERE name = 'seal' AND position = %s"),

/* ---- Figures, each read to a bound ---- */

#define FIGURES \
    "SELECT COUNT(bounded.id)," \
    "       COUNT(CASE WHEN bounded.enabled = TRUE THEN 1 END)," \
    "       MAX(bounded.id)"
#define STATS_ENROLLED FIGURES \
    "  FROM (SELECT e.id, e.enabled FROM enrollments e" \
    "         WHERE e.type = %s AND e.id > %s" \
    "         ORDER BY e.id LIMIT 1000) bounded"

#define STATS_EVENTS(state) \
    "SELECT COUNT(bounded.seq)" \
    "  FROM (SELECT e.seq FROM nanomdm_events e" \
    "         WHERE e.is_dead = " state " LIMIT 1000) bounded"

/* Pushed to four times and more, which takes three quarters of an hour, and
 * not heard of since. Such a push is repeated a day later, others earlier, so
 * the last of the index are looked at. */
#define NEXT_PUSHES \
    "  FROM (SELECT p.id, p.tries, p.pushed_at FROM nanomdm_pushes p" \
    "         WHERE p.next_at IS NOT NULL" \
    "         ORDER BY p.next_at DESC LIMIT 1000) bounded" \
    "  JOIN enrollments e ON e.id = bounded.id"
#define IS_SILENT \
    "bounded.tries >= 4 AND e.last_seen_at <= bounded.pushed_at"

/* With a command that waits, is NotNow, and was so a day ago. */
#define NOT_NOW \
    "  FROM (SELECT r.id, r.command_uuid, r.not_now_at" \
    "          FROM command_results r" \
    "         WHERE r.status = 'NotNow' LIMIT 1000) bounded" \
    "  LEFT JOIN enrollment_queue q" \
    "    ON q.id = bounded.id AND q.command_uuid = bounded.command_uuid"
#define IS_PUT_OFF \
    "bounded.not_now_at <= TIME_OF(%s) AND q.active = TRUE" \
    " AND (q.expires_at IS NULL OR q.expires_at > CURRENT_TIMESTAMP)"

/* Those that were not pushed to with success stay without a next time. */
#define REFUSED_PUSHES \
    "  FROM (SELECT p.id, p.status, p.reason, p.pushed_at" \
    "          FROM nanomdm_pushes p" \
    "         WHERE p.next_at IS NULL LIMIT 1000) bounded"

/* A batch of the enrollments of a type: how many, how many of them enabled,
 * and where the next begins. */
ROW(STMT_STATS_ENROLLED, "stats_enrolled",
    STATS_ENROLLED,
    PGSQL FIGURES BEYOND("1000") " bounded"),

ROW(STMT_STATS_ENROLLED_SCAN, "stats_enrolled_scan", STATS_ENROLLED),

/* How many wait, since when, and how many rows were looked at: where an index
 * holds no others, as many; else the first of all. */
ROW(STMT_STATS_PENDING, "stats_pending",
    "SELECT COUNT(bounded.id), SECONDS(MIN(bounded.created_at)),"
    "       COUNT(bounded.id)"
    "  FROM (SELECT q.id, q.created_at FROM enrollment_queue q"
    "         WHERE q.id > '' AND q.active = TRUE" UNANSWERED
    "         LIMIT 10000) bounded",
    MYSQL
    "SELECT COUNT(CASE WHEN bounded.active = TRUE"
    "                   AND bounded.answered = FALSE THEN 1 END),"
    "       SECONDS(MIN(CASE WHEN bounded.active = TRUE"
    "                         AND bounded.answered = FALSE"
    "                        THEN bounded.created_at END)),"
    "       COUNT(bounded.id)"
    "  FROM (SELECT q.id, q.active, q.answered, q.created_at"
    "          FROM enrollment_queue q FORCE INDEX (idx_queue_pending)"
    "         WHERE q.id > '' ORDER BY q.id LIMIT 10000) bounded"),

/* How many there are about, by what the database itself remembers; 0 or less
 * when it does not. An enrollment once made stays. */
ROW(STMT_STATS_ESTIMATE, "stats_estimate",
    "SELECT DIGITS(COALESCE(MAX(rowid), 0)) FROM enrollments",
    PGSQL
    "SELECT CAST(c.reltuples AS BIGINT) FROM pg_class c"
    " WHERE c.oid = CAST('enrollments' AS REGCLASS)",
    MYSQL
    "SELECT DIGITS(COALESCE(t.table_rows, 0))"
    "  FROM information_schema.tables t"
    " WHERE t.table_schema = DATABASE() AND t.table_name = 'enrollments'"),

/* A batch of devices: how many, how many of them sent Authenticate and no
 * TokenUpdate yet, and where the next begins. */
#define STATS_BEGUN(devices, condition) \
    "SELECT COUNT(bounded.id)," \
    "       COUNT(CASE WHEN " HAS_NO_ENROLLMENT("bounded.id") \
    "             THEN 1 END)," \
    "       MAX(bounded.id)" \
    "  FROM (SELECT d.id FROM " devices " WHERE " condition " d.id > %s" \
    "         ORDER BY d.id LIMIT 1000) bounded"

ROW(STMT_STATS_BEGUN, "stats_begun",
    STATS_BEGUN(DEVICES_BEGUN, "d.token_update_at IS NULL AND")),

ROW(STMT_STATS_BEGUN_SCAN, "stats_begun_scan",
    STATS_BEGUN("devices d", "")),

ROW(STMT_STATS_SILENT, "stats_silent",
    "SELECT COUNT(CASE WHEN " IS_SILENT " THEN 1 END), COUNT(bounded.id)"
    NEXT_PUSHES),

ROW(STMT_STATS_SILENT_IDS, "stats_silent_ids",
    "SELECT e.id, SECONDS(e.last_seen_at)" NEXT_PUSHES
    " WHERE " IS_SILENT
    " ORDER BY e.last_seen_at, e.id LIMIT 10"),

ROW(STMT_STATS_PUT_OFF, "stats_put_off",
    "SELECT COUNT(DISTINCT CASE WHEN " IS_PUT_OFF " THEN bounded.id END),"
    "       COUNT(bounded.id)" NOT_NOW),

ROW(STMT_STATS_PUT_OFF_IDS, "stats_put_off_ids",
    "SELECT bounded.id, SECONDS(MIN(bounded.not_now_at))" NOT_NOW
    " WHERE " IS_PUT_OFF
    " GROUP BY bounded.id ORDER BY MIN(bounded.not_now_at), bounded.id"
    " LIMIT 10"),

ROW(STMT_STATS_REFUSED, "stats_refused",
    "SELECT COUNT(CASE WHEN bounded.status >= 400 THEN 1 END),"
    "       COUNT(bounded.id)" REFUSED_PUSHES),

ROW(STMT_STATS_REFUSALS, "stats_refusals",
    "SELECT bounded.id, DIGITS(bounded.status), bounded.reason,"
    "       SECONDS(bounded.pushed_at)" REFUSED_PUSHES
    " WHERE bounded.status >= 400"
    " ORDER BY bounded.pushed_at DESC, bounded.id LIMIT 20"),

ROW(STMT_STATS_EVENTS_PENDING, "stats_events_pending",
    STATS_EVENTS("FALSE")),

ROW(STMT_STATS_EVENTS_DEAD, "stats_events_dead", STATS_EVENTS("TRUE")),

ROW(STMT_STATS_CERTS, "stats_certs",
    "SELECT topic, cert_pem FROM push_certs WHERE topic > ''"
    " ORDER BY topic" PAGE,
    LONG_COLUMNS 1 << 1),

/* Of certificates in use, in the order of their ends: how many end before each
 * of three times, how many are in use, how many rows were looked at. */
ROW(STMT_STATS_IDENTITIES, "stats_identities",
    "SELECT COUNT(CASE WHEN bounded.not_after <= %lld"
    "                   AND bounded.renew_state IS NOT NULL THEN 1 END),"
    "       COUNT(CASE WHEN bounded.not_after <= %lld"
    "                   AND bounded.renew_state IS NOT NULL THEN 1 END),"
    "       COUNT(CASE WHEN bounded.not_after <= %lld"
    "                   AND bounded.renew_state IS NOT NULL THEN 1 END),"
    "       COUNT(bounded.renew_state), COUNT(bounded.not_after)"
    "  FROM (SELECT not_after, renew_state FROM nanomdm_scep_certs"
    "         WHERE not_after > %lld ORDER BY not_after LIMIT 10000) bounded"),

ROW(STMT_STATS_ISSUER_NEXT, "stats_issuer_next",
    "SELECT MIN(issuer_sha256) FROM nanomdm_scep_certs"
    " WHERE issuer_sha256 > %s"),

/* Serial numbers are random: the first ten thousand are like the others. */
ROW(STMT_STATS_ISSUER, "stats_issuer",
    "SELECT COUNT(CASE WHEN bounded.not_after > %lld"
    "                   AND bounded.revoked_at IS NULL THEN 1 END),"
    "       COUNT(bounded.not_after)"
    "  FROM (SELECT not_after, revoked_at FROM nanomdm_scep_certs"
    "         WHERE issuer_sha256 = %s ORDER BY serial LIMIT 10000) bounded"),

/* Open, used and expired ones, those that last longest first. */
ROW(STMT_STATS_CHALLENGES, "stats_challenges",
    "SELECT COUNT(CASE WHEN bounded.used_at IS NULL"
    "                   AND bounded.expires_at > %lld THEN 1 END),"
    "       COUNT(bounded.used_at),"
    "       COUNT(CASE WHEN bounded.used_at IS NULL"
    "                   AND bounded.expires_at <= %lld THEN 1 END),"
    "       COUNT(bounded.expires_at)"
    "  FROM (SELECT used_at, expires_at FROM nanomdm_scep_challenges"
    "         WHERE expires_at > 0"
    "         ORDER BY expires_at DESC LIMIT 10000) bounded"),

/* Of certificates of one state whose devices were asked to renew them, those
 * first that were asked longest ago. What has an error and no try cannot be
 * asked. */
#define ASKED_RENEWALS \
    "  FROM (SELECT enrollment_id, renew_tries, renew_error, not_after" \
    "          FROM nanomdm_scep_certs" \
    "         WHERE renew_state = %s AND renew_asked_at > 0" \
    "         ORDER BY renew_asked_at, not_after LIMIT 1000) bounded"
#define IS_STUCK \
    "(bounded.renew_tries >= 3" \
    " OR (bounded.renew_tries = 0 AND bounded.renew_error IS NOT NULL))"

ROW(STMT_STATS_RENEWALS, "stats_renewals",
    "SELECT COUNT(CASE WHEN bounded.renew_tries > 0 THEN 1 END),"
    "       COUNT(CASE WHEN " IS_STUCK " THEN 1 END),"
    "       COUNT(bounded.not_after)" ASKED_RENEWALS),

ROW(STMT_STATS_STUCK, "stats_stuck",
    "SELECT bounded.enrollment_id, DIGITS(bounded.renew_tries),"
    "       bounded.renew_error, DIGITS(bounded.not_after)" ASKED_RENEWALS
    " WHERE " IS_STUCK
    " ORDER BY bounded.not_after, bounded.enrollment_id LIMIT 10"),

ROW(STMT_STATS_FOREIGN, "stats_foreign",
    "SELECT COUNT(bounded.not_after)"
    "  FROM (SELECT not_after FROM nanomdm_scep_certs"
    "         WHERE renew_state = %s AND renew_asked_at IS NULL"
    "           AND not_after <= %lld LIMIT 1000) bounded"),

/* ---- SCEP: challenges and issued certificates ---- */

/* As nmdm_issued_row_t has them. */
#define ISSUED_COLUMNS \
    "sha256, serial, issuer_sha256, subject, not_after, purpose, udid," \
    " serial_number, enrollment_id, user_name, revoked_at, pem, profile"

ROW(STMT_CHALLENGE_PUT, "challenge_put",
    "INSERT INTO nanomdm_scep_challenges"
    "       (hash, purpose, udid, serial_number, enrollment_id, user_name,"
    "        created_at, expires_at)"
    " VALUES (%s, %s, NULLIF(%s, ''), NULLIF(%s, ''), NULLIF(%s, ''),"
    "         NULLIF(%s, ''), %lld, %lld)"),

ROW(STMT_CHALLENGE_GET, "challenge_get",
    "SELECT c.purpose, c.udid, c.serial_number, c.enrollment_id, c.user_name,"
    "       c.expires_at, c.used_at, c.key_sha256, c.cert_sha256, t.data"
    "  FROM nanomdm_scep_challenges c"
    "  LEFT JOIN nanomdm_scep_tokens t"
    "    ON t.hash = c.hash AND t.kind = 'profile'"
    " WHERE c.hash = %s",
    LONG_COLUMNS 1 << 9),

/* Of many at once, one finds it unused. */
ROW(STMT_CHALLENGE_USE, "challenge_use",
    "UPDATE nanomdm_scep_challenges"
    "   SET used_at = %lld, key_sha256 = %s, cert_sha256 = %s"
    " WHERE hash = %s AND used_at IS NULL AND expires_at > %lld"),

ROW(STMT_CHALLENGE_EXTEND, "challenge_extend",
    "UPDATE nanomdm_scep_challenges SET expires_at = %lld"
    " WHERE hash = %s AND used_at IS NULL"),

ROW(STMT_CHALLENGE_WITHDRAW, "challenge_withdraw",
    "DELETE FROM nanomdm_scep_challenges WHERE hash = %s AND used_at IS NULL"),

ROW(STMT_CHALLENGES_OPEN, "challenges_open",
    "SELECT hash FROM nanomdm_scep_challenges"
    " WHERE hash IN (%IDS) AND used_at IS NULL AND expires_at > %lld"),

/* A page in the order of the index. */
ROW(STMT_CHALLENGE_EXPIRED, "challenge_expired",
    "SELECT hash FROM nanomdm_scep_challenges WHERE expires_at < %lld"
    " ORDER BY expires_at" PAGE),

ROW(STMT_CHALLENGE_FORGET, "challenge_forget",
    "DELETE FROM nanomdm_scep_challenges WHERE hash IN (%IDS)"),

ROW(STMT_TOKEN_PUT, "token_put",
    "INSERT INTO nanomdm_scep_tokens"
    "       (hash, kind, data, user_name, created_at, expires_at)"
    " VALUES (%s, %s, %s, NULLIF(%s, ''), %lld, %lld)"),

/* Nothing changes, and of many at once each waits for the one before. */
ROW(STMT_TOKEN_LOCK, "token_lock",
    "UPDATE nanomdm_scep_tokens SET kind = kind"
    " WHERE hash = %s AND kind = %s"),

/* The same of one that may not be there yet. */
ROW(STMT_TOKEN_LOCK_NEW, "token_lock_new",
    "INSERT INTO nanomdm_scep_tokens (hash, kind, created_at, expires_at)"
    " VALUES (%s, %s, %lld, %lld)"
    " ON CONFLICT (hash) DO UPDATE SET kind = excluded.kind",
    MYSQL
    "INSERT INTO nanomdm_scep_tokens (hash, kind, created_at, expires_at)"
    " VALUES (%s, %s, %lld, %lld)"
    " ON DUPLICATE KEY UPDATE kind = VALUES(kind)"),

ROW(STMT_TOKEN_GET, "token_get",
    "SELECT data, user_name, expires_at, used_at FROM nanomdm_scep_tokens"
    " WHERE hash = %s AND kind = %s",
    LONG_COLUMNS 1 << 0),

ROW(STMT_TOKEN_SET, "token_set",
    "UPDATE nanomdm_scep_tokens"
    "   SET data = %s, expires_at = %lld, used_at = NULLIF(%lld, 0)"
    " WHERE hash = %s AND kind = %s"),

ROW(STMT_TOKEN_EXPIRED, "token_expired",
    "SELECT hash FROM nanomdm_scep_tokens WHERE expires_at < %lld"
    " ORDER BY expires_at" PAGE),

ROW(STMT_TOKEN_FORGET, "token_forget",
    "DELETE FROM nanomdm_scep_tokens WHERE hash IN (%IDS)"),

ROW(STMT_ISSUED_PUT, "issued_put",
    "INSERT INTO nanomdm_scep_certs"
    "       (sha256, serial, issuer_sha256, subject, pem, not_after, purpose,"
    "        udid, serial_number, enrollment_id, user_name, transaction_id,"
    "        signer_sha256, created_at, profile)"
    " VALUES (%s, %s, %s, %s, %s, %lld, %s, NULLIF(%s, ''), NULLIF(%s, ''),"
    "         NULLIF(%s, ''), NULLIF(%s, ''), %s, %s, %lld, NULLIF(%s, ''))"),

ROW(STMT_ISSUED_GET, "issued_get",
    "SELECT " ISSUED_COLUMNS " FROM nanomdm_scep_certs WHERE sha256 = %s",
    LONG_COLUMNS 1 << 3 | 1 << 11 | 1 << 12),

ROW(STMT_ISSUED_OF_TRANSACTION, "issued_of_transaction",
    "SELECT " ISSUED_COLUMNS " FROM nanomdm_scep_certs"
    " WHERE transaction_id = %s AND signer_sha256 = %s AND created_at > %lld"
    "   AND revoked_at IS NULL"
    " ORDER BY created_at DESC, sha256 LIMIT 1",
    LONG_COLUMNS 1 << 3 | 1 << 11 | 1 << 12),

/* Locks the row, so that a revocation waits for the association or is seen. */
ROW(STMT_ISSUED_BIND, "issued_bind",
    "UPDATE nanomdm_scep_certs SET enrollment_id = %s"
    " WHERE sha256 = %s AND revoked_at IS NULL"),

ROW(STMT_ISSUED_REVOKE, "issued_revoke",
    "UPDATE nanomdm_scep_certs SET revoked_at = %lld, renew_state = NULL"
    " WHERE sha256 = %s AND revoked_at IS NULL"),

ROW(STMT_ISSUED_DISSOCIATE, "issued_dissociate",
    "DELETE FROM cert_auth_associations WHERE sha256 = %s"),

/* By the index on not_after; the last marks are the place of the cursor. */
ROW(STMT_ISSUED_PAGE, "issued_page",
    "SELECT " ISSUED_COLUMNS " FROM nanomdm_scep_certs"
    " WHERE (not_after > %lld OR (not_after = %lld AND sha256 > %s))"
    "   AND not_after < %lld"
    "   AND (%s = '' OR enrollment_id = %s)"
    "   AND (%s = '' OR issuer_sha256 = %s)"
    " ORDER BY not_after, sha256" PAGE,
    LONG_COLUMNS 1 << 3 | 1 << 11 | 1 << 12),

ROW(STMT_ISSUED_OLD, "issued_old",
    "SELECT sha256 FROM nanomdm_scep_certs WHERE not_after < %lld"
    " ORDER BY not_after" PAGE),

ROW(STMT_ISSUED_FORGET, "issued_forget",
    "DELETE FROM nanomdm_scep_certs WHERE sha256 IN (%IDS)"),

/* ---- Renewals of identities ---- */

#define RENEWAL_COLUMNS \
    "sha256, enrollment_id, renew_state, profile, udid, serial_number," \
    " user_name, not_after, renew_asked_at, renew_tries, renew_uuid," \
    " renew_hashes, renew_error"

/* Of certificates in use, of one state, a page in the order of the index
 * idx_scep_cert_renewal: those never asked for that end soon, and those asked
 * for long ago. Seven times is NMDM_RENEW_DAILY_TRIES. */
#define RENEWALS_UNASKED \
    "SELECT " RENEWAL_COLUMNS \
    "  FROM (SELECT " RENEWAL_COLUMNS " FROM nanomdm_scep_certs" \
    "  WHERE renew_state = %s AND renew_asked_at IS NULL" \
    "    AND not_after <= %lld" \
    "  ORDER BY not_after LIMIT 100) bounded"
#define RENEWALS_ASKED \
    "SELECT " RENEWAL_COLUMNS \
    "  FROM (SELECT " RENEWAL_COLUMNS " FROM nanomdm_scep_certs" \
    "  WHERE renew_state = %s AND renew_asked_at <= %lld" \
    "    AND (renew_tries < 7 OR renew_asked_at <= %lld)" \
    "  ORDER BY renew_asked_at, not_after LIMIT 100) bounded"

ROW(STMT_RENEWALS_DUE, "renewals_due",
    RENEWALS_UNASKED " UNION ALL " RENEWALS_ASKED
    " UNION ALL " RENEWALS_UNASKED " UNION ALL " RENEWALS_ASKED
    " ORDER BY not_after, sha256 LIMIT 100",
    LONG_COLUMNS 1 << 3),

/* All of them: it is read while a server starts. */
ROW(STMT_RENEWAL_PROFILES, "renewal_profiles",
    "SELECT profile, DIGITS(COUNT(sha256)) FROM nanomdm_scep_certs"
    " WHERE renew_state = %s AND profile IS NOT NULL"
    " GROUP BY profile ORDER BY COUNT(sha256) DESC, profile LIMIT 10",
    LONG_COLUMNS 1 << 0),

ROW(STMT_RENEWAL_OF, "renewal_of",
    "SELECT " RENEWAL_COLUMNS " FROM nanomdm_scep_certs"
    " WHERE enrollment_id = %s AND renew_state IS NOT NULL"
    " ORDER BY created_at DESC LIMIT 1",
    LONG_COLUMNS 1 << 3),

/* An enrollment that is enabled, and what became of a command. */
ROW(STMT_RENEWAL_STANDING, "renewal_standing",
    "SELECT e.topic,"
    "       CASE WHEN q.active = TRUE AND (r.status IS NULL"
    "                                      OR r.status = 'NotNow')"
    "            THEN '1' END,"
    "       r.status"
    "  FROM enrollments e"
    "  LEFT JOIN enrollment_queue q"
    "    ON q.id = e.id AND q.command_uuid = %s"
    "  LEFT JOIN command_results r"
    "    ON r.id = q.id AND r.command_uuid = q.command_uuid"
    " WHERE e.id = %s AND e.enabled = TRUE"),

/* Of many at once, one finds it as it was read. */
ROW(STMT_RENEWAL_ASK, "renewal_ask",
    "UPDATE nanomdm_scep_certs"
    "   SET renew_asked_at = %lld, renew_tries = renew_tries + INTEGER_OF(%s),"
    "       renew_uuid = COALESCE(NULLIF(%s, ''), renew_uuid),"
    "       renew_error = COALESCE(NULLIF(%s, ''), renew_error)"
    " WHERE sha256 = %s AND renew_state IS NOT NULL"
    "   AND (renew_asked_at = %lld"
    "        OR (renew_asked_at IS NULL AND %s = '-1'))"
    "   AND renew_tries = %lld"),

ROW(STMT_RENEWAL_LEAVE, "renewal_leave",
    "UPDATE nanomdm_scep_certs SET renew_state = NULL"
    " WHERE enrollment_id = %s AND renew_state IS NOT NULL"
    "   AND sha256 <> %s"),

ROW(STMT_RENEWAL_FAILED, "renewal_failed",
    "UPDATE nanomdm_scep_certs SET renew_error = %s"
    " WHERE enrollment_id = %s AND renew_uuid = %s"
    "   AND renew_state IS NOT NULL"),

ROW(STMT_RENEWAL_SENT, "renewal_sent",
    "UPDATE nanomdm_scep_certs SET renew_hashes = %s WHERE sha256 = %s"),

ROW(STMT_RENEWAL_ORDER_PAGE, "renewal_order_page",
    "SELECT sha256, serial FROM nanomdm_scep_certs"
    " WHERE issuer_sha256 = %s AND serial > %s AND renew_state IS NOT NULL"
    " ORDER BY serial" PAGE),

ROW(STMT_RENEWAL_ORDER_MANY, "renewal_order_many",
    "UPDATE nanomdm_scep_certs SET renew_asked_at = 0, renew_tries = 0"
    " WHERE sha256 IN (%IDS) AND renew_state IS NOT NULL"),

ROW(STMT_RENEWAL_USED, "renewal_used",
    "SELECT sha256, purpose, renew_state, profile, created_at"
    "  FROM nanomdm_scep_certs WHERE sha256 IN (%s, %s)",
    LONG_COLUMNS 1 << 3),

ROW(STMT_RENEWAL_NEWER, "renewal_newer",
    "SELECT sha256 FROM nanomdm_scep_certs"
    " WHERE enrollment_id = %s AND renew_state IS NOT NULL"
    "   AND created_at > %lld LIMIT 1"),

ROW(STMT_RENEWALS_LATELY, "renewals_lately",
    "SELECT DIGITS(COUNT(sha256)) FROM nanomdm_scep_certs"
    " WHERE enrollment_id = %s AND purpose = %s AND created_at > %lld"),

ROW(STMT_RENEWAL_USE, "renewal_use",
    "UPDATE nanomdm_scep_certs"
    "   SET renew_state = %s,"
    "       renew_asked_at = CASE WHEN %s = '' THEN NULL ELSE %lld END,"
    "       enrollment_id = %s,"
    "       renew_tries = 0, renew_uuid = NULL, renew_hashes = NULL,"
    "       renew_error = NULL"
    " WHERE sha256 = %s AND revoked_at IS NULL"),

/* ---- Declarative management ---- */

/* Ids, or rows, that a parameter lists as JSON. */
#define SQLITE_IDS "json_each(%s) j"
#define PGSQL_IDS "json_array_elements_text(CAST(%s AS JSON)) j (value)"
#define MYSQL_IDS \
    "JSON_TABLE(%s, '$[*]' COLUMNS (value VARCHAR(255) PATH '$')) j"

#define DD_DECLARATION \
    "SELECT type, manifest, payload, server_token, touch" \
    "  FROM nanomdm_dd_declarations WHERE identifier = %s"

/* So many names in a page; a caller that lists more asks again. */
#define DD_PAGE " LIMIT 1000"

ROW(STMT_DD_GET, "dd_get", DD_DECLARATION, LONG_COLUMNS 1 << 2),

ROW(STMT_DD_LOCK, "dd_lock",
    DD_DECLARATION " FOR UPDATE",
    SQLITE3 DD_DECLARATION,
    LONG_COLUMNS 1 << 2),

ROW(STMT_DD_ADD, "dd_add",
    "INSERT INTO nanomdm_dd_declarations"
    "       (identifier, type, manifest, payload, server_token, created_at,"
    "        updated_at)"
    " VALUES (%s, %s, %s, %s, %s, EPOCH_SECONDS, EPOCH_SECONDS)"),

ROW(STMT_DD_CHANGE, "dd_change",
    "UPDATE nanomdm_dd_declarations"
    "   SET type = %s, manifest = %s, payload = %s, server_token = %s,"
    "       updated_at = EPOCH_SECONDS"
    " WHERE identifier = %s"),

ROW(STMT_DD_TOUCH, "dd_touch",
    "UPDATE nanomdm_dd_declarations"
    "   SET touch = %s, server_token = %s, updated_at = EPOCH_SECONDS"
    " WHERE identifier = %s"),

ROW(STMT_DD_DELETE, "dd_delete",
    "DELETE FROM nanomdm_dd_declarations WHERE identifier = %s"),

ROW(STMT_DD_LIST, "dd_list",
    "SELECT identifier FROM nanomdm_dd_declarations WHERE identifier > %s"
    " ORDER BY identifier" DD_PAGE),

/* The types of some Identifiers. */
ROW(STMT_DD_FIND, "dd_find",
    "SELECT identifier, type FROM nanomdm_dd_declarations"
    " WHERE identifier IN (%IDS)"),

/* Who of a set, and which of a type, may refer to an Identifier: its text as
 * JSON is somewhere in the payload. */
#define DD_NAMING(contains) \
    "SELECT d.identifier FROM nanomdm_dd_set_declarations m" \
    "  JOIN nanomdm_dd_declarations d ON d.identifier = m.identifier" \
    " WHERE m.set_name = %s AND " contains "(d.payload, %s) > 0" \
    " ORDER BY d.identifier" DD_PAGE
#define DD_TYPE_NAMING(contains) \
    "SELECT d.identifier FROM nanomdm_dd_declarations d" \
    " WHERE d.type = %s AND " contains "(d.payload, %s) > 0" \
    " ORDER BY d.identifier" DD_PAGE

ROW(STMT_DD_SET_NAMING, "dd_set_naming",
    DD_NAMING("strpos"),
    SQLITE3 DD_NAMING("instr"),
    MYSQL DD_NAMING("INSTR")),

ROW(STMT_DD_TYPE_NAMING, "dd_type_naming",
    DD_TYPE_NAMING("strpos"),
    SQLITE3 DD_TYPE_NAMING("instr"),
    MYSQL DD_TYPE_NAMING("INSTR")),

ROW(STMT_DD_SETS, "dd_sets",
    "SELECT set_name FROM nanomdm_dd_sets"
    " WHERE set_name > %s AND token <> '' ORDER BY set_name" DD_PAGE),

/* Makes the set where it is not there, and locks it. */
ROW(STMT_DD_SET_LOCK, "dd_set_lock",
    "INSERT INTO nanomdm_dd_sets (set_name) VALUES (%s)"
    " ON CONFLICT (set_name) DO UPDATE SET set_name = excluded.set_name",
    MYSQL
    "INSERT INTO nanomdm_dd_sets (set_name) VALUES (%s)"
    " ON DUPLICATE KEY UPDATE set_name = VALUES(set_name)"),

ROW(STMT_DD_SET_TOKEN, "dd_set_token",
    "UPDATE nanomdm_dd_sets SET token = %s WHERE set_name = %s"),

ROW(STMT_DD_SET_HAS, "dd_set_has",
    "SELECT identifier FROM nanomdm_dd_set_declarations"
    " WHERE set_name = %s AND identifier = %s"),

ROW(STMT_DD_SET_ADD, "dd_set_add",
    "INSERT INTO nanomdm_dd_set_declarations (set_name, identifier)"
    " VALUES (%s, %s)"),

ROW(STMT_DD_SET_REMOVE, "dd_set_remove",
    "DELETE FROM nanomdm_dd_set_declarations"
    " WHERE set_name = %s AND identifier = %s"),

/* All of a set, for its token. */
ROW(STMT_DD_SET_MEMBERS, "dd_set_members",
    "SELECT d.identifier, d.server_token"
    "  FROM nanomdm_dd_set_declarations m"
    "  JOIN nanomdm_dd_declarations d ON d.identifier = m.identifier"
    " WHERE m.set_name = %s ORDER BY d.identifier"),

ROW(STMT_DD_SET_LIST, "dd_set_list",
    "SELECT identifier FROM nanomdm_dd_set_declarations"
    " WHERE set_name = %s AND identifier > %s ORDER BY identifier" DD_PAGE),

ROW(STMT_DD_SETS_OF, "dd_sets_of",
    "SELECT set_name FROM nanomdm_dd_set_declarations"
    " WHERE identifier = %s AND set_name > %s ORDER BY set_name" DD_PAGE),

ROW(STMT_DD_ENROLLMENT_SETS, "dd_enrollment_sets",
    "SELECT set_name FROM nanomdm_dd_enrollment_sets"
    " WHERE id = %s AND set_name > %s ORDER BY set_name" DD_PAGE),

ROW(STMT_DD_ENROLLMENT_ADD, "dd_enrollment_add",
    "INSERT INTO nanomdm_dd_enrollment_sets (id, set_name) VALUES (%s, %s)"
    " ON CONFLICT (id, set_name) DO NOTHING",
    MYSQL
    "INSERT IGNORE INTO nanomdm_dd_enrollment_sets (id, set_name)"
    " VALUES (%s, %s)"),

ROW(STMT_DD_ENROLLMENT_REMOVE, "dd_enrollment_remove",
    "DELETE FROM nanomdm_dd_enrollment_sets WHERE id = %s AND set_name = %s"),

ROW(STMT_DD_SET_ENROLLMENTS, "dd_set_enrollments",
    "SELECT id FROM nanomdm_dd_enrollment_sets"
    " WHERE set_name = %s AND id > %s ORDER BY id" DD_PAGE),

/* Of some ids those without, and with, a set. */
#define DD_LACKING(ids, have) \
    "SELECT j.value FROM " ids \
    " WHERE " have " (SELECT 1 FROM nanomdm_dd_enrollment_sets e" \
    "                  WHERE e.id = j.value AND e.set_name = %s)"

ROW(STMT_DD_SET_LACKING, "dd_set_lacking",
    DD_LACKING(PGSQL_IDS, "NOT EXISTS"),
    SQLITE3 DD_LACKING(SQLITE_IDS, "NOT EXISTS"),
    MYSQL DD_LACKING(MYSQL_IDS, "NOT EXISTS")),

ROW(STMT_DD_SET_HAVING, "dd_set_having",
    DD_LACKING(PGSQL_IDS, "EXISTS"),
    SQLITE3 DD_LACKING(SQLITE_IDS, "EXISTS"),
    MYSQL DD_LACKING(MYSQL_IDS, "EXISTS")),

ROW(STMT_DD_BULK_ADD, "dd_bulk_add",
    "INSERT INTO nanomdm_dd_enrollment_sets (set_name, id)"
    " SELECT %s, j.value FROM " PGSQL_IDS
    " ON CONFLICT (id, set_name) DO NOTHING",
    SQLITE3
    "INSERT INTO nanomdm_dd_enrollment_sets (set_name, id)"
    " SELECT %s, j.value FROM " SQLITE_IDS " WHERE TRUE"
    " ON CONFLICT (id, set_name) DO NOTHING",
    MYSQL
    "INSERT IGNORE INTO nanomdm_dd_enrollment_sets (set_name, id)"
    " SELECT %s, j.value FROM " MYSQL_IDS),

ROW(STMT_DD_BULK_REMOVE, "dd_bulk_remove",
    "DELETE FROM nanomdm_dd_enrollment_sets"
    " WHERE set_name = %s AND id IN (%IDS)"),

/* A set without declarations contributes nothing. */
ROW(STMT_DD_TOKENS, "dd_tokens",
    "SELECT s.token FROM nanomdm_dd_enrollment_sets e"
    "  JOIN nanomdm_dd_sets s ON s.set_name = e.set_name"
    " WHERE e.id = %s AND s.token <> '' ORDER BY e.set_name"),

/* One statement, so that the token made of it is that of its items. */
ROW(STMT_DD_ITEMS, "dd_items",
    "SELECT e.set_name, d.identifier, d.manifest, d.server_token, d.type"
    "  FROM nanomdm_dd_enrollment_sets e"
    "  JOIN nanomdm_dd_set_declarations m ON m.set_name = e.set_name"
    "  JOIN nanomdm_dd_declarations d ON d.identifier = m.identifier"
    " WHERE e.id = %s ORDER BY e.set_name, d.identifier"),

ROW(STMT_DD_FETCH, "dd_fetch",
    "SELECT d.type, d.payload, d.server_token"
    "  FROM nanomdm_dd_declarations d"
    " WHERE d.identifier = %s AND d.manifest = %s"
    "   AND EXISTS (SELECT 1 FROM nanomdm_dd_set_declarations m"
    "                 JOIN nanomdm_dd_enrollment_sets e"
    "                   ON e.id = %s AND e.set_name = m.set_name"
    "                WHERE m.identifier = d.identifier)",
    LONG_COLUMNS 1 << 1),

ROW(STMT_DD_GIVEN, "dd_given",
    "SELECT items_token, data_token, delivered_uuid, DIGITS(repair_at),"
    "       DIGITS(repairs), DIGITS(EPOCH_SECONDS), DIGITS(engine_at),"
    "       DIGITS(items_at), DIGITS(status_at)"
    "  FROM nanomdm_dd_enrollments WHERE id = %s"),

#define DD_SERVED \
    "INSERT INTO nanomdm_dd_enrollments (id, items_token, items_at," \
    "                                    engine_at)" \
    " VALUES (%s, %s, EPOCH_SECONDS, EPOCH_SECONDS)"

ROW(STMT_DD_SERVED, "dd_served",
    DD_SERVED
    " ON CONFLICT (id) DO UPDATE"
    "   SET items_token = excluded.items_token,"
    "       items_at = excluded.items_at, repair_at = 0, repairs = 0,"
    "       engine_at = COALESCE(nanomdm_dd_enrollments.engine_at,"
    "                            excluded.engine_at)",
    MYSQL
    DD_SERVED
    " ON DUPLICATE KEY UPDATE"
    "   items_token = VALUES(items_token), items_at = VALUES(items_at),"
    "   repair_at = 0, repairs = 0,"
    "   engine_at = COALESCE(engine_at, VALUES(engine_at))"),

ROW(STMT_DD_DELIVERED, "dd_delivered",
    "INSERT INTO nanomdm_dd_enrollments (id, delivered_uuid) VALUES (%s, %s)"
    " ON CONFLICT (id) DO UPDATE"
    "   SET delivered_uuid = excluded.delivered_uuid",
    MYSQL
    "INSERT INTO nanomdm_dd_enrollments (id, delivered_uuid) VALUES (%s, %s)"
    " ON DUPLICATE KEY UPDATE delivered_uuid = VALUES(delivered_uuid)"),

ROW(STMT_DD_DATA, "dd_data",
    "UPDATE nanomdm_dd_enrollments SET data_token = %s WHERE id = %s"),

ROW(STMT_DD_PUT_OFF, "dd_put_off",
    "UPDATE nanomdm_dd_enrollments SET delivered_uuid = NULL"
    " WHERE id = %s AND delivered_uuid = %s"),

ROW(STMT_DD_ENROLLED, "dd_enrolled",
    "SELECT e.id, CASE WHEN e.enabled = TRUE THEN '1' ELSE '0' END"
    "  FROM enrollments e WHERE e.id = %s"),

/* The child that changes the row may repair. */
ROW(STMT_DD_REPAIR, "dd_repair",
    "UPDATE nanomdm_dd_enrollments"
    "   SET repair_at = EPOCH_SECONDS, repairs = repairs + 1"
    " WHERE id = %s AND repairs = INTEGER_OF(%s)"),

ROW(STMT_DD_FOLLOWS, "dd_follows",
    "UPDATE nanomdm_dd_enrollments SET repair_at = 0, repairs = 0"
    " WHERE id = %s AND repairs > 0"),

ROW(STMT_DD_IDS_OF_DEVICE, "dd_ids_of_device",
    "SELECT e.id FROM enrollments e WHERE e.device_id = %s"),

ROW(STMT_DD_FORGET_GIVEN, "dd_forget_given",
    "DELETE FROM nanomdm_dd_enrollments WHERE id = %s"),

ROW(STMT_DD_FORGET_STATES, "dd_forget_states",
    "DELETE FROM nanomdm_dd_states WHERE id = %s"),

ROW(STMT_DD_FORGET_VALUES, "dd_forget_values",
    "DELETE FROM nanomdm_dd_values WHERE id = %s"),

ROW(STMT_DD_FORGET_ERRORS, "dd_forget_errors",
    "DELETE FROM nanomdm_dd_errors WHERE id = %s"),

ROW(STMT_DD_FORGET_REPORTS, "dd_forget_reports",
    "DELETE FROM nanomdm_dd_reports WHERE id = %s"),

ROW(STMT_DD_FORGET_SETS, "dd_forget_sets",
    "DELETE FROM nanomdm_dd_enrollment_sets WHERE id = %s"),

/* Locks the row as well: reports of one enrollment are taken one after the
 * other. */
#define DD_REPORTED \
    "INSERT INTO nanomdm_dd_enrollments (id, status_at, engine_at)" \
    " VALUES (%s, EPOCH_SECONDS, EPOCH_SECONDS)"

ROW(STMT_DD_REPORTED, "dd_reported",
    DD_REPORTED
    " ON CONFLICT (id) DO UPDATE"
    "   SET status_at = excluded.status_at,"
    "       engine_at = COALESCE(nanomdm_dd_enrollments.engine_at,"
    "                            excluded.engine_at)",
    MYSQL
    DD_REPORTED
    " ON DUPLICATE KEY UPDATE"
    "   status_at = VALUES(status_at),"
    "   engine_at = COALESCE(engine_at, VALUES(engine_at))"),

ROW(STMT_DD_STATES, "dd_states",
    "SELECT identifier, manifest,"
    "       CASE WHEN active = TRUE THEN '1' ELSE '0' END, valid,"
    "       server_token, reasons, status_id, DIGITS(reported_at)"
    "  FROM nanomdm_dd_states WHERE id = %s ORDER BY identifier",
    LONG_COLUMNS 1 << 5),

#define DD_STATE_COLUMNS \
    "INSERT INTO nanomdm_dd_states" \
    "       (id, status_id, reported_at, identifier, manifest, active," \
    "        valid, server_token, reasons)" \
    " SELECT %s, %s, EPOCH_SECONDS,"

#define ON_DD_STATE \
    " ON CONFLICT (id, identifier) DO UPDATE" \
    "   SET manifest = excluded.manifest, active = excluded.active," \
    "       valid = excluded.valid, server_token = excluded.server_token," \
    "       reasons = excluded.reasons, status_id = excluded.status_id," \
    "       reported_at = excluded.reported_at"

ROW(STMT_DD_STATE_PUT, "dd_state_put",
    DD_STATE_COLUMNS " j.i, j.m, j.a = '1', j.v, j.t, j.r"
    "  FROM json_to_recordset(CAST(%s AS JSON))"
    "       AS j (i TEXT, m TEXT, a TEXT, v TEXT, t TEXT, r TEXT)"
    ON_DD_STATE,
    SQLITE3
    DD_STATE_COLUMNS
    " json_extract(j.value, '$.i'), json_extract(j.value, '$.m'),"
    " json_extract(j.value, '$.a') = '1', json_extract(j.value, '$.v'),"
    " json_extract(j.value, '$.t'), json_extract(j.value, '$.r')"
    "  FROM json_each(%s) j WHERE TRUE"
    ON_DD_STATE,
    MYSQL
    DD_STATE_COLUMNS " j.i, j.m, j.a = '1', j.v, j.t, j.r"
    "  FROM JSON_TABLE(%s, '$[*]' COLUMNS ("
    "       i VARCHAR(255) PATH '$.i', m VARCHAR(15) PATH '$.m',"
    "       a VARCHAR(1) PATH '$.a', v VARCHAR(15) PATH '$.v',"
    "       t VARCHAR(255) PATH '$.t', r LONGTEXT PATH '$.r')) j"
    " ON DUPLICATE KEY UPDATE"
    "   manifest = VALUES(manifest), active = VALUES(active),"
    "   valid = VALUES(valid), server_token = VALUES(server_token),"
    "   reasons = VALUES(reasons), status_id = VALUES(status_id),"
    "   reported_at = VALUES(reported_at)"),

ROW(STMT_DD_STATE_DROP, "dd_state_drop",
    "DELETE FROM nanomdm_dd_states WHERE id = %s AND identifier IN (%IDS)"),

/* Without order: the rows are as the primary key has them. A long value has a
 * column of its own, since those are slow to read, and most values are short;
 * the other column is then of no use. */
#define DD_VALUES(value, long_value) \
    "SELECT row_key, path, object, " value ", " long_value ", kind," \
    "       status_id, DIGITS(reported_at)" \
    "  FROM nanomdm_dd_values WHERE id = %s"

ROW(STMT_DD_VALUES, "dd_values",
    DD_VALUES("value", "NULL"),
    MYSQL
    DD_VALUES("LEFT(value, 255)",
              "CASE WHEN CHAR_LENGTH(value) > 255 THEN value END"),
    LONG_COLUMNS 1 << 4),

ROW(STMT_DD_VALUES_OLDEST, "dd_values_oldest",
    "SELECT DIGITS(MIN(reported_at)) FROM nanomdm_dd_values WHERE id = %s"),

#define DD_VALUES_INTO \
    "INSERT INTO nanomdm_dd_values" \
    "       (id, status_id, reported_at, row_key, path, object, value, kind)"

/* The lists have one length; as a table in FROM the rows would be written down
 * once more. */
#define DD_VALUES_OF_ARRAYS \
    DD_VALUES_INTO \
    " SELECT %s, %s, %lld, unnest(CAST(%s AS TEXT[]))," \
    "        unnest(CAST(%s AS TEXT[])), unnest(CAST(%s AS TEXT[]))," \
    "        unnest(CAST(%s AS TEXT[])), unnest(CAST(%s AS TEXT[]))"

#define DD_VALUES_1 "(%s, %s, %lld, %s, %s, %s, %s, %s)"
#define DD_VALUES_5 \
    DD_VALUES_1 ", " DD_VALUES_1 ", " DD_VALUES_1 ", " DD_VALUES_1 ", " \
    DD_VALUES_1
#define DD_VALUES_20 \
    DD_VALUES_5 ", " DD_VALUES_5 ", " DD_VALUES_5 ", " DD_VALUES_5
#define DD_VALUES_100 \
    DD_VALUES_20 ", " DD_VALUES_20 ", " DD_VALUES_20 ", " DD_VALUES_20 ", " \
    DD_VALUES_20

#define ON_DD_VALUE \
    " ON CONFLICT (id, row_key) DO UPDATE" \
    "   SET value = excluded.value, kind = excluded.kind," \
    "       status_id = excluded.status_id," \
    "       reported_at = excluded.reported_at"

#define ON_DD_VALUE_MYSQL \
    " ON DUPLICATE KEY UPDATE" \
    "   value = VALUES(value), kind = VALUES(kind)," \
    "   status_id = VALUES(status_id), reported_at = VALUES(reported_at)"

/* Where a parameter may be a list. Values that are known to be new are
 * inserted a quarter faster without ON CONFLICT. */
ROW(STMT_DD_VALUES_ADD, "dd_values_add", NULL,
    PGSQL DD_VALUES_OF_ARRAYS),

ROW(STMT_DD_VALUES_PUT, "dd_values_put", NULL,
    PGSQL DD_VALUES_OF_ARRAYS ON_DD_VALUE),

ROW(STMT_DD_VALUES_ADD_100, "dd_values_add_most", NULL,
    SQLITE3 DD_VALUES_INTO " VALUES " DD_VALUES_100,
    MYSQL DD_VALUES_INTO " VALUES " DD_VALUES_100),

ROW(STMT_DD_VALUES_PUT_100, "dd_values_put_most", NULL,
    SQLITE3 DD_VALUES_INTO " VALUES " DD_VALUES_100 ON_DD_VALUE,
    MYSQL DD_VALUES_INTO " VALUES " DD_VALUES_100 ON_DD_VALUE_MYSQL),

ROW(STMT_DD_VALUES_PUT_20, "dd_values_put_some", NULL,
    SQLITE3 DD_VALUES_INTO " VALUES " DD_VALUES_20 ON_DD_VALUE,
    MYSQL DD_VALUES_INTO " VALUES " DD_VALUES_20 ON_DD_VALUE_MYSQL),

ROW(STMT_DD_VALUES_PUT_1, "dd_values_put_one", NULL,
    SQLITE3 DD_VALUES_INTO " VALUES " DD_VALUES_1 ON_DD_VALUE,
    MYSQL DD_VALUES_INTO " VALUES " DD_VALUES_1 ON_DD_VALUE_MYSQL),

ROW(STMT_DD_VALUE_DROP, "dd_value_drop",
    "DELETE FROM nanomdm_dd_values"
    " WHERE id = %s AND row_key IN (SELECT j.value FROM " PGSQL_IDS ")",
    SQLITE3
    "DELETE FROM nanomdm_dd_values"
    " WHERE id = %s AND row_key IN (SELECT j.value FROM " SQLITE_IDS ")",
    MYSQL
    "DELETE v FROM nanomdm_dd_values v"
    " WHERE v.id = %s"
    "   AND v.row_key IN (SELECT j.value FROM " MYSQL_IDS ")"),

/* The newest, newest first; as many as are kept. */
ROW(STMT_DD_ERRORS, "dd_errors",
    "SELECT DIGITS(seq), path, error, status_id, DIGITS(created_at)"
    "  FROM nanomdm_dd_errors WHERE id = %s"
    " ORDER BY created_at DESC, seq DESC LIMIT 10000",
    LONG_COLUMNS 1 << 2),

ROW(STMT_DD_ERROR_PUT, "dd_error_put",
    "INSERT INTO nanomdm_dd_errors (id, status_id, path, error, created_at)"
    " VALUES (%s, %s, %s, %s, EPOCH_SECONDS)"),

ROW(STMT_DD_ERROR_AGAIN, "dd_error_again",
    "UPDATE nanomdm_dd_errors SET created_at = EPOCH_SECONDS, status_id = %s"
    " WHERE seq = %lld"),

ROW(STMT_DD_ERROR_TRIM, "dd_error_trim",
    "DELETE FROM nanomdm_dd_errors WHERE seq IN (%SEQS)"),

ROW(STMT_DD_REPORT_PUT, "dd_report_put",
    "INSERT INTO nanomdm_dd_reports (id, status_id, raw, created_at)"
    " VALUES (%s, %s, %s, EPOCH_SECONDS)"),

ROW(STMT_DD_REPORT_TRIM, "dd_report_trim",
    "DELETE FROM nanomdm_dd_reports WHERE id = %s AND seq <= %lld"),

/* index 0 is the newest. */
ROW(STMT_DD_REPORT_NTH, "dd_report_nth",
    "SELECT DIGITS(seq), raw, status_id, DIGITS(created_at)"
    "  FROM nanomdm_dd_reports WHERE id = %s"
    " ORDER BY seq DESC LIMIT 1 OFFSET %lld",
    LONG_COLUMNS 1 << 1),

ROW(STMT_DD_REPORT_NTH_OF, "dd_report_nth_of",
    "SELECT DIGITS(r.seq), r.raw, r.status_id, DIGITS(r.created_at),"
    "       DIGITS((SELECT COUNT(n.seq) FROM nanomdm_dd_reports n"
    "                WHERE n.id = r.id AND n.seq > r.seq))"
    "  FROM nanomdm_dd_reports r WHERE r.id = %s AND r.status_id = %s"
    " ORDER BY r.seq DESC LIMIT 1 OFFSET 0",
    LONG_COLUMNS 1 << 1),

/* The state of one declaration at the enrollments of one set; those that have
 * it by an earlier set as well are left to that. */
ROW(STMT_DD_SUMMARY_PAGE, "dd_summary_page",
    "SELECT e.id, CASE WHEN s.active = TRUE THEN '1' ELSE '0' END, s.valid,"
    "       CASE WHEN s.server_token <> d.server_token THEN '1' ELSE '0' END,"
    "       d.manifest"
    "  FROM nanomdm_dd_enrollment_sets e"
    "  JOIN nanomdm_dd_declarations d ON d.identifier = %s"
    "  LEFT JOIN nanomdm_dd_states s"
    "    ON s.id = e.id AND s.identifier = d.identifier"
    " WHERE e.set_name = %s AND e.id > %s"
    "   AND NOT EXISTS (SELECT 1 FROM nanomdm_dd_enrollment_sets o"
    "                     JOIN nanomdm_dd_set_declarations m"
    "                       ON m.set_name = o.set_name AND m.identifier = %s"
    "                    WHERE o.id = e.id AND o.set_name < e.set_name)"
    " ORDER BY e.id" DD_PAGE),

/* ---- Who is to be notified of changes ---- */

/* The first enrollments of a set, and how many of them are enabled. */
ROW(STMT_DD_CHANGE_CONCERNS, "dd_change_concerns",
    "SELECT DIGITS(COUNT(bounded.id)), DIGITS(COUNT(e.id))"
    "  FROM (SELECT m.id FROM nanomdm_dd_enrollment_sets m"
    "         WHERE m.set_name = %s ORDER BY m.id LIMIT 1000) bounded"
    "  LEFT JOIN enrollments e ON e.id = bounded.id AND e.enabled = TRUE"),

#define DD_CHANGE_PUT \
    "INSERT INTO nanomdm_dd_changes (set_name, id, position, changed_at," \
    "                                first_at)"

#define ON_DD_CHANGE \
    " ON CONFLICT (set_name, id) DO UPDATE" \
    "   SET revision = nanomdm_dd_changes.revision + 1," \
    "       changed_at = excluded.changed_at"

#define ON_DD_CHANGE_MYSQL \
    " ON DUPLICATE KEY UPDATE" \
    "   revision = nanomdm_dd_changes.revision + 1," \
    "   changed_at = VALUES(changed_at)"

ROW(STMT_DD_CHANGE_PUT, "dd_change_put",
    DD_CHANGE_PUT " VALUES (%s, %s, %s, EPOCH_SECONDS, EPOCH_SECONDS)"
    ON_DD_CHANGE,
    MYSQL
    DD_CHANGE_PUT " VALUES (%s, %s, %s, EPOCH_SECONDS, EPOCH_SECONDS)"
    ON_DD_CHANGE_MYSQL),

ROW(STMT_DD_CHANGES_PUT, "dd_changes_put",
    DD_CHANGE_PUT " SELECT '', j.value, '', EPOCH_SECONDS, EPOCH_SECONDS"
    "  FROM " PGSQL_IDS ON_DD_CHANGE,
    SQLITE3
    DD_CHANGE_PUT " SELECT '', j.value, '', EPOCH_SECONDS, EPOCH_SECONDS"
    "  FROM " SQLITE_IDS " WHERE TRUE" ON_DD_CHANGE,
    MYSQL
    DD_CHANGE_PUT " SELECT '', j.value, '', EPOCH_SECONDS, EPOCH_SECONDS"
    "  FROM " MYSQL_IDS ON_DD_CHANGE_MYSQL),

ROW(STMT_DD_CHANGE_DROP, "dd_change_drop",
    "DELETE FROM nanomdm_dd_changes WHERE set_name = '' AND id = %s"),

/* A run that has begun goes on; a change waits for those that follow it, but
 * not longer than the second number of seconds. */
#define DD_DUE \
    " AND (run_revision > 0 OR changed_at <= EPOCH_SECONDS - %lld" \
    "      OR first_at <= EPOCH_SECONDS - %lld" \
    "      OR changed_at > EPOCH_SECONDS + 60)"

ROW(STMT_DD_CHANGE_DUE, "dd_change_due",
    "SELECT DIGITS(seq), set_name, position, DIGITS(run_revision)"
    "  FROM nanomdm_dd_changes WHERE set_name > ''" DD_DUE
    " ORDER BY set_name LIMIT 1"),

ROW(STMT_DD_CHANGE_DUE_IDS, "dd_change_due_ids",
    "SELECT id, position, DIGITS(revision)"
    "  FROM nanomdm_dd_changes WHERE set_name = ''" DD_DUE
    " ORDER BY id" DD_PAGE),

ROW(STMT_DD_CHANGE_BEGIN, "dd_change_begin",
    "UPDATE nanomdm_dd_changes SET run_revision = revision, position = ''"
    " WHERE seq = %lld AND run_revision = 0"),

ROW(STMT_DD_CHANGE_POSITION, "dd_change_position",
    "UPDATE nanomdm_dd_changes SET position = %s WHERE seq = %lld"),

ROW(STMT_DD_CHANGE_END, "dd_change_end",
    "DELETE FROM nanomdm_dd_changes"
    " WHERE seq = %lld AND revision = run_revision"),

ROW(STMT_DD_CHANGE_AGAIN, "dd_change_again",
    "UPDATE nanomdm_dd_changes"
    "   SET run_revision = 0, position = '', first_at = EPOCH_SECONDS"
    " WHERE seq = %lld"),

/* Unless there was another change since. */
ROW(STMT_DD_CHANGE_SEEN, "dd_change_seen",
    "DELETE FROM nanomdm_dd_changes"
    " WHERE set_name = '' AND id = %s AND revision = INTEGER_OF(%s)"),

/* Locks the chore, for the child that has it. */
ROW(STMT_DD_LEASE, "dd_lease",
    "UPDATE nanomdm_chores SET next_at = EPOCH_SECONDS + %lld"
    " WHERE name = 'declarations' AND position = %s"),

/* A command that the device has got, and has not answered, may have been
 * looked at before the change; one with Data of its own says nothing of it. */
#define DD_WAITS(whose, lacks) \
    "(SELECT 1 FROM " QUEUE_WAITING \
    "   JOIN commands w ON w.command_uuid = q.command_uuid" \
    "   LEFT JOIN nanomdm_dd_enrollments g ON g.id = q.id" \
    "  WHERE q.id = " whose " AND q.active = TRUE" UNANSWERED UNEXPIRED \
    "    AND w.request_type = 'DeclarativeManagement'" \
    "    AND " lacks \
    "    AND (g.delivered_uuid IS NULL" \
    "         OR g.delivered_uuid <> q.command_uuid))"

#define DD_LACKS_DATA "POSITION('<key>Data</key>' IN w.command) = 0"
#define DD_LACKS_DATA_SQLITE "INSTR(w.command, '<key>Data</key>') = 0"

/* PostgreSQL would make one join of both, by what it knew of the queue when
 * that was last analyzed: it then reads all that waits, for each enrollment.
 * OFFSET 0 has it look at the enrollment's own. */
#define DD_WAITS_PGSQL(whose) \
    "(SELECT 1 FROM enrollment_queue q" \
    "   LEFT JOIN nanomdm_dd_enrollments g ON g.id = q.id" \
    "  WHERE q.id = " whose " AND q.active = TRUE" UNANSWERED UNEXPIRED \
    "    AND EXISTS (SELECT 1 FROM commands w" \
    "                 WHERE w.command_uuid = q.command_uuid" \
    "                   AND w.request_type = 'DeclarativeManagement'" \
    "                   AND " DD_LACKS_DATA " OFFSET 0)" \
    "    AND (g.delivered_uuid IS NULL" \
    "         OR g.delivered_uuid <> q.command_uuid) OFFSET 0)"

#define DD_QUEUE(whose, waits, more) \
    "INSERT INTO enrollment_queue (id, command_uuid)" \
    " SELECT e.id, c.command_uuid" \
    "  FROM " whose \
    "  JOIN commands c ON c.command_uuid = %s" \
    " WHERE e.enabled = TRUE" more \
    "   AND NOT EXISTS " waits

#define DD_OF_SET \
    "nanomdm_dd_enrollment_sets m JOIN enrollments e ON e.id = m.id"
#define DD_OF_IDS(ids) ids " JOIN enrollments e ON e.id = j.value"

#define DD_QUEUE_SET(waits) \
    DD_QUEUE(DD_OF_SET, waits, \
             " AND m.set_name = %s AND m.id > %s AND m.id <= %s")

ROW(STMT_DD_QUEUE_SET, "dd_queue_set",
    DD_QUEUE_SET(DD_WAITS("e.id", DD_LACKS_DATA)),
    SQLITE3 DD_QUEUE_SET(DD_WAITS("e.id", DD_LACKS_DATA_SQLITE)),
    PGSQL DD_QUEUE_SET(DD_WAITS_PGSQL("e.id"))),

ROW(STMT_DD_QUEUE_IDS, "dd_queue_ids", NULL,
    SQLITE3 DD_QUEUE(DD_OF_IDS(SQLITE_IDS),
                     DD_WAITS("e.id", DD_LACKS_DATA_SQLITE), ""),
    PGSQL DD_QUEUE(DD_OF_IDS(PGSQL_IDS), DD_WAITS_PGSQL("e.id"), ""),
    MYSQL DD_QUEUE(DD_OF_IDS(MYSQL_IDS), DD_WAITS("e.id", DD_LACKS_DATA),
                   "")),

ROW(STMT_DD_QUEUED, "dd_queued",
    "SELECT id FROM enrollment_queue WHERE command_uuid = %s ORDER BY id"),

ROW(STMT_DD_WAITING, "dd_waiting",
    "SELECT q.command_uuid, r.status,"
    "       CASE WHEN g.delivered_uuid = q.command_uuid THEN '1' ELSE '0'"
    "       END, SECONDS(q.created_at)"
    "  FROM " QUEUE_WAITING
    "  JOIN commands w ON w.command_uuid = q.command_uuid"
    "  LEFT JOIN command_results r"
    "    ON r.id = q.id AND r.command_uuid = q.command_uuid"
    "  LEFT JOIN nanomdm_dd_enrollments g ON g.id = q.id"
    " WHERE q.id = %s AND q.active = TRUE" UNANSWERED UNEXPIRED
    "   AND w.request_type = 'DeclarativeManagement'"
    " ORDER BY q.priority DESC, q.created_at LIMIT 1"),

/* Each counted to a bound. */
#define DD_FIRST(column, from) \
    "(SELECT " column " AS one FROM " from " LIMIT 10000) bounded"
#define DD_COUNT(column, from) \
    "DIGITS((SELECT COUNT(bounded.one) FROM " DD_FIRST(column, from) "))"

ROW(STMT_DD_STATS, "dd_stats",
    "SELECT "
    DD_COUNT("identifier", "nanomdm_dd_declarations WHERE identifier > ''")
    ", " DD_COUNT("set_name",
                  "nanomdm_dd_sets WHERE set_name > '' AND token <> ''")
    ", " DD_COUNT("engine_at", "nanomdm_dd_enrollments WHERE id > ''")
    ", " DD_COUNT("seq", "nanomdm_dd_changes WHERE set_name >= ''")
    ", DIGITS((SELECT EPOCH_SECONDS - MIN(bounded.one) FROM "
    DD_FIRST("first_at", "nanomdm_dd_changes WHERE set_name >= ''") ")),"
    " DIGITS((SELECT COUNT(DISTINCT bounded.id)"
    "           FROM (SELECT id, valid FROM nanomdm_dd_states"
    "                  WHERE id > '' LIMIT 10000) bounded"
    "          WHERE bounded.valid = 'invalid')),"
    " DIGITS((SELECT COUNT(bounded.id)"
    "           FROM (SELECT id FROM nanomdm_dd_enrollments"
    "                  WHERE id > '' AND engine_at IS NOT NULL"
    "                  LIMIT 10000) bounded"
    "          WHERE EXISTS"
    "          (SELECT 1 FROM " QUEUE_WAITING
    "             JOIN commands w ON w.command_uuid = q.command_uuid"
    "            WHERE q.id = bounded.id AND q.active = TRUE" UNANSWERED
    "              AND w.request_type = 'DeclarativeManagement')))"),

/* ---- The schema ---- */

/* Fails while a table is missing, or a column of a later NanoMDM. */
ROW(STMT_SCHEMA_PROBE, "schema_probe",
    "SELECT d.bootstrap_token_b64, d.bootstrap_token_at,"
    "       u.user_authenticate, u.user_authenticate_at,"
    "       u.user_authenticate_digest, u.user_authenticate_digest_at,"
    "       e.token_update_tally, e.last_seen_at, c.request_type,"
    "       r.not_now_at, r.not_now_tally, q.priority, p.stale_token,"
    "       a.sha256"
    "  FROM devices d, users u, enrollments e, commands c,"
    "       command_results r, enrollment_queue q, push_certs p,"
    "       cert_auth_associations a"
    " WHERE 1 = 0"),
};

const char *nmdm_statement_name(nmdm_stmt_e stmt)
{
    return STATEMENTS[stmt].name;
}

int nmdm_statement_is_long(nmdm_stmt_e stmt, int column)
{
    return STATEMENTS[stmt].long_columns >> column & 1;
}

int nmdm_statement_is_for(nmdm_stmt_e stmt, nmdm_dialect_e dialect)
{
    return STATEMENTS[stmt].sql || STATEMENTS[stmt].other[dialect];
}

const char *nmdm_statement_label(apr_pool_t *p, int number, nmdm_stmt_e stmt,
                                 const char *sql)
{
    nmdm_bytes_t text = { .data = sql, .len = strlen(sql) };

    return apr_psprintf(p, "nmdm%d_%.16s_%.32s", number,
                        nmdm_digest_sha256(p, text),
                        STATEMENTS[stmt].name);
}

const char *nmdm_statement_text(apr_pool_t *p, nmdm_stmt_e stmt,
                                nmdm_dialect_e dialect, const char *prefix)
{
    const statement_t *row = &STATEMENTS[stmt];
    const char *sql = row->other[dialect] ? row->other[dialect] : row->sql;

    return nmdm_dialect_text(p, sql, nmdm_dialects[dialect], prefix);
}
