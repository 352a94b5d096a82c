#!/bin/sh
# Prints the SQL scripts of schema/ as C strings, for the module to load.
set -eu
cd "$(dirname "$0")/.."

embed() {
    printf 'static const char %s[] =\n' "$1"
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n"/' "$2"
    printf '    "";\n\n'
}

echo '/* Made from schema/ by build-aux/embed-schema.sh. */'
embed SCHEMA_SQLITE3 schema/sqlite3.sql
embed SCHEMA_PGSQL schema/pgsql.sql
embed SCHEMA_MYSQL schema/mysql.sql
embed UPGRADE_0000_MYSQL schema/upgrade/0000.mysql.sql
embed UPGRADE_0001_PGSQL schema/upgrade/0001.pgsql.sql
embed UPGRADE_0001_MYSQL schema/upgrade/0001.mysql.sql
embed UPGRADE_0002_SQLITE3 schema/upgrade/0002.sqlite3.sql
embed UPGRADE_0002_PGSQL schema/upgrade/0002.pgsql.sql
embed UPGRADE_0002_MYSQL schema/upgrade/0002.mysql.sql
embed UPGRADE_0003_SQLITE3 schema/upgrade/0003.sqlite3.sql
embed UPGRADE_0003_PGSQL schema/upgrade/0003.pgsql.sql
embed UPGRADE_0003_MYSQL schema/upgrade/0003.mysql.sql
embed UPGRADE_0004_SQLITE3 schema/upgrade/0004.sqlite3.sql
embed UPGRADE_0004_PGSQL schema/upgrade/0004.pgsql.sql
embed UPGRADE_0004_MYSQL schema/upgrade/0004.mysql.sql
embed UPGRADE_0005_SQLITE3 schema/upgrade/0005.sqlite3.sql
embed UPGRADE_0005_PGSQL schema/upgrade/0005.pgsql.sql
embed UPGRADE_0005_MYSQL schema/upgrade/0005.mysql.sql
embed UPGRADE_0006_SQLITE3 schema/upgrade/0006.sqlite3.sql
embed UPGRADE_0006_PGSQL schema/upgrade/0006.pgsql.sql
embed UPGRADE_0006_MYSQL schema/upgrade/0006.mysql.sql
embed UPGRADE_0007_SQLITE3 schema/upgrade/0007.sqlite3.sql
embed UPGRADE_0007_PGSQL schema/upgrade/0007.pgsql.sql
embed UPGRADE_0007_MYSQL schema/upgrade/0007.mysql.sql
