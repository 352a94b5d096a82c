# SPDX-License-Identifier: Apache-2.0
"""What configtest says to a configuration that was likely meant otherwise."""

import pytest

pytestmark = pytest.mark.one_database

MDM = '<Location "{path}">\n    SetHandler {handler}\n</Location>\n'
PGSQL = ("DBDriver pgsql\nDBDParams \"{params}\"\nDBDPersist On\n"
         "DBDMin 10\nDBDKeep 10\nDBDMax 10\n")


def configtest(httpd, **options):
    status, said = httpd(start=False, **options).configtest()
    return status == 0, said


@pytest.mark.parametrize("handler", [
    "nanomd", "nanomdm_api", "NanoMDM", "nanomdm-checkins", "nanomdm-versio",
    "nanodmd-api", "nanomdm-xyz"])
def test_a_misspelt_handler(httpd, handler):
    good, said = configtest(httpd, extra_vhost=MDM.format(
        path="/x", handler=handler))
    assert not good
    assert "NMDM0019" in said and f'"{handler}" is no handler' in said
    assert "write: SetHandler nanomdm" in said and "httpd.conf:" in said


@pytest.mark.parametrize("handler", ["server-status", "cgi-script",
                                     "proxy:http://nanomdm/", "none"])
def test_handlers_of_others(httpd, handler):
    good, said = configtest(httpd, extra_vhost=MDM.format(
        path="/x", handler=handler))
    assert good and "NMDM0019" not in said, said


@pytest.mark.parametrize("handler", ["nanomdm", "nanomdm-checkin",
                                     "nanomdm-command"])
def test_a_slash_at_the_end_of_a_device_location(httpd, handler):
    good, said = configtest(httpd, extra_vhost=MDM.format(
        path="/mdm2/", handler=handler))
    assert not good
    assert "NMDM0029" in said and 'write: <Location "/mdm2">' in said


@pytest.mark.parametrize("word", ["require", "optional"])
def test_verification_without_a_ca(httpd, word):
    _, said = configtest(httpd, extra_vhost=f"SSLVerifyClient {word}")
    assert "NMDM0030" in said
    assert "write: SSLVerifyClient optional_no_ca" in said


def test_dbdkeep_above_dbdmax(httpd):
    good, said = configtest(httpd, extra_server="DBDKeep 30\nDBDMax 20\n")
    assert not good
    assert "NMDM0023" in said and "write: DBDKeep 20" in said


def test_a_url_of_nanomdms_as_dbdparams(httpd):
    good, said = configtest(httpd, replace={"database": PGSQL.format(
        params="postgres://nano:s3cret@db.example:5433/mdm?sslmode=disable")})
    assert not good and "NMDM0024" in said
    assert ("host=db.example port=5433 dbname=mdm user=nano password=..."
            " connect_timeout=2") in said
    assert "s3cret" not in said


def test_a_dsn_of_nanomdms_as_dbdparams(httpd):
    good, said = configtest(httpd, replace={"database": PGSQL.replace(
        "pgsql", "mysql").format(params="nano:s3cret@tcp(127.0.0.1:3306)/m")})
    assert not good and "NMDM0028" in said and "s3cret" not in said


def test_a_dm_url_without_a_slash(httpd):
    good, said = configtest(httpd, extra_vhost="NanoMDMDeclarativeManagement"
                            "URL http://localhost/dm?a=b")
    assert good and "NMDM0025" in said
    assert "write: NanoMDMDeclarativeManagementURL http://localhost/dm/?a=b" \
        in said


@pytest.mark.parametrize("handler", ["nanomdm-api", "nanomdm-migration"])
def test_an_api_without_require(httpd, handler):
    good, said = configtest(httpd, extra_vhost=MDM.format(
        path="/unprotected", handler=handler))
    assert good and "NMDM0026" in said and "Require valid-user" in said
    good, said = configtest(httpd)
    assert good and "NMDM0026" not in said


def test_a_folder_that_is_not_there(httpd):
    good, said = configtest(httpd, replace={
        "database": "DBDriver sqlite3\nDBDParams /no/such/folder/n.db\n"
                    "DBDMin 10\nDBDKeep 10\nDBDMax 10\n"})
    assert good and "NMDM0027" in said and "install -d" in said
