/* SPDX-License-Identifier: Apache-2.0 */
/* check_sqlite.c -- whether httpd can keep a database file where DBDParams
 * says. SQLite makes further files beside it, so the folder counts, too.
 *
 * configtest is mostly run by root, who may everything: the rights of httpd's
 * User and its groups are read from the modes. What access lists add is not
 * seen, so this only warns. */

#include "config/check_sqlite.h"
#include "base/error.h"

#include <apr_strings.h>
#include <httpd.h>
#include <unixd.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_GROUPS 256

typedef struct {
    const char *user, *group;   /* as chown takes them */
    uid_t uid;
    gid_t groups[MAX_GROUPS];
    int ngroups;
} user_t;

static const char *group_name(apr_pool_t *p, gid_t gid)
{
    const struct group *entry = getgrgid(gid);

    return entry ? apr_pstrdup(p, entry->gr_name)
                 : apr_psprintf(p, "%lu", (unsigned long)gid);
}

/* The account that serves requests: User and Group, unless httpd was started
 * by an account that cannot switch to another. */
static void find_user(user_t *who, apr_pool_t *p)
{
    int is_root = !geteuid();
    gid_t gid = is_root ? ap_unixd_config.group_id : getegid();
    const struct passwd *entry;

    who->uid = is_root ? ap_unixd_config.user_id : geteuid();
    who->group = group_name(p, gid);
    who->ngroups = MAX_GROUPS;
    entry = getpwuid(who->uid);
    who->user = entry ? apr_pstrdup(p, entry->pw_name)
                      : apr_psprintf(p, "%lu", (unsigned long)who->uid);
    if (!entry || getgrouplist(who->user, gid, who->groups, &who->ngroups)
                      < 0) {
        who->groups[0] = gid;
        who->ngroups = 1;
    }
}

/* `rights` as in the last digit of a mode: 4 to read, 2 to write, 1 to go
 * through. */
static int may(const user_t *who, const struct stat *file, unsigned rights)
{
    int i;

    if (!who->uid) {
        return 1;
    }
    if (file->st_uid == who->uid) {
        return ((file->st_mode >> 6) & rights) == rights;
    }
    for (i = 0; i < who->ngroups; i++) {
        if (file->st_gid == who->groups[i]) {
            return ((file->st_mode >> 3) & rights) == rights;
        }
    }
    return (file->st_mode & rights) == rights;
}

static const char *missing_folder(apr_pool_t *p, const user_t *who,
                                  const char *path, const char *folder)
{
    return apr_psprintf(
        p, NMDMNO(0027) "DBDParams \"%s\": there is no folder %s; write:"
        " install -d -o %s -g %s -m 750 %s (with httpd's User and Group)",
        path, folder, who->user, who->group, folder);
}

/* Root, or another, may have made a folder on the way for itself alone. */
static const char *check_way(apr_pool_t *p, const user_t *who,
                             const char *path, const char *folder)
{
    struct stat info;
    const char *slash = folder;
    char *part;

    while ((slash = strchr(slash + 1, '/')) != NULL) {
        part = apr_pstrmemdup(p, folder, (apr_size_t)(slash - folder));
        if (!stat(part, &info) && !may(who, &info, 1)) {
            return apr_psprintf(
                p, NMDMNO(0040) "DBDParams \"%s\": httpd's user %s may not go"
                " through the folder %s; choose another folder, such as"
                " /var/lib/nanomdm, or write: chmod o+x %s", path, who->user,
                part, part);
        }
    }
    return NULL;
}

static const char *check_rights(apr_pool_t *p, const user_t *who,
                                const char *path, const char *folder)
{
    static const char *const BESIDE[] = { "", "-wal", "-shm" };
    struct stat info;
    apr_size_t i;

    if (stat(folder, &info)) {
        return missing_folder(p, who, path, folder);
    }
    if (!may(who, &info, 3)) {
        return apr_psprintf(
            p, NMDMNO(0041) "DBDParams \"%s\": httpd's user %s may not write to"
            " the folder %s, where SQLite makes files; choose a folder that is"
            " for it alone, such as /var/lib/nanomdm, and write: install -d -o"
            " %s -g %s -m 750 /var/lib/nanomdm", path, who->user, folder,
            who->user, who->group);
    }
    for (i = 0; i < sizeof(BESIDE) / sizeof(*BESIDE); i++) {
        const char *file = apr_pstrcat(p, path, BESIDE[i], NULL);

        if (!stat(file, &info) && !may(who, &info, 6)) {
            return apr_psprintf(
                p, NMDMNO(0042) "DBDParams \"%s\": httpd's user %s may not"
                " write to %s; write: chown %s:%s %s", path, who->user, file,
                who->user, who->group, file);
        }
    }
    return NULL;
}

const char *nanomdm_check_sqlite(apr_pool_t *p, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *folder, *flaw;
    user_t who;

    if (!strcmp(path, ":memory:") || *path != '/') {
        return apr_psprintf(
            p, NMDMNO(0043) "DBDParams \"%s\" is no absolute path, so that each"
            " process may have another database, or none; write: DBDParams"
            " /var/lib/nanomdm/nanomdm.db", path);
    }
    folder = slash > path ? apr_pstrmemdup(p, path,
                                           (apr_size_t)(slash - path)) : "/";
    find_user(&who, p);
    flaw = check_way(p, &who, path, folder);
    return flaw ? flaw : check_rights(p, &who, path, folder);
}
