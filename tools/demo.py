#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The main job, before your eyes: a private httpd on loopback enrolls a
simulated device, from no CA at all to a profile of its own, and manages it over
mutual TLS, with SQLite; stand-ins take the part of APNs and of a webhook
receiver.

demo.py         each step in a line, then everything is stopped
demo.py --stay  the same, and the server stays until Ctrl-C
"""

import argparse
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

os.umask(0o022)         # httpd's children are another user
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests/http/harness"))

import apns as stand_ins                                # noqa: E402
import ca                                               # noqa: E402
import databases                                        # noqa: E402
import declarations                                     # noqa: E402
import device as devices                                # noqa: E402
import receiver as receivers                            # noqa: E402
import enrolling                                        # noqa: E402
import scep                                             # noqa: E402
import server as servers                                # noqa: E402

API_KEY = "demo-api-key"


class Failed(Exception):
    """A step that did not do what it says."""


def step(text, holds=True, detail=""):
    """One line for each step; the first that fails ends the demo."""
    print(f"{'ok  ' if holds else 'FAIL'} {text}", flush=True)
    if not holds:
        raise Failed(f"{text}: {detail}")


def expect(text, answer, status=200, body=None):
    holds = answer.status == status and body in (None, answer.body)
    step(f"{text} -> {answer.status}", holds,
         f"{answer.status} {answer.body[:300]!r}")


CONFIGURATION = """\
NanoMDMPushURL {apns.url}
NanoMDMPushCACertificateFile {apns.ca_pem}
NanoMDMWebhookURL {receiver.url}
NanoMDMDeclarativeManagement builtin
NanoMDMDeclarativeManagementNotify all window=1
"""

GUARDED = """\
NanoMDMIssuerCertificateFile {folder}/issuer.pem
NanoMDMIssuerKeyFile {folder}/issuer.key
<Location "/scep">
    SetHandler nanomdm-scep
</Location>
<Location "/enroll">
    SetHandler nanomdm-enroll
    NanoMDMEnrollOrganization "Demo Ltd"
</Location>
<Location "/profiles/">
    Require nanomdm-enrolled
</Location>
<Location "/status">
    SetHandler nanomdm-status
</Location>
"""


def make_issuer():
    """What tools/nmdm-ca.sh makes."""
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(__file__).with_name("nmdm-ca.sh")
        subprocess.run(["sh", script, folder, "Demo Device CA"], check=True,
                       stdout=subprocess.DEVNULL)
        made = ca.from_files(pathlib.Path(folder, "issuer.pem"),
                             pathlib.Path(folder, "issuer.key"))
    step("nmdm-ca.sh makes a CA for devices: " + made.cert.subject
         .rfc4514_string())
    return made


def serve(database, authority, apns, receiver):
    httpd = servers.Httpd(
        database, authority, api_key=API_KEY, extra_vhost=GUARDED,
        extra_server=CONFIGURATION.format(apns=apns, receiver=receiver),
        files={"issuer.pem": authority.pem, "issuer.key": authority.key_pem})
    (httpd.folder / "issuer.key").chmod(0o600)
    status, said = httpd.configtest()
    step("apachectl configtest: Syntax OK", status == 0, said)
    folder = httpd.folder / "htdocs/profiles"
    folder.mkdir()
    (folder / "wifi.txt").write_text("only for enrolled devices\n")
    httpd.start()
    step(f"httpd with mod_ssl, mod_dbd and mod_nanomdm answers at"
         f" https://127.0.0.1:{httpd.tls_port}")
    return httpd


def check_version(operator):
    expect("GET /version", operator.version())


def fetch_profile(httpd, operator, topic):
    """Of a link; what is in it."""
    client = devices.Client(httpd)
    expect("a stranger asks for an enrollment profile",
           client.raw("GET", "/enroll"), status=403)
    answer = operator.call("POST", "/v1/enroll-links",
                           b'{"serial": "C0DEMO00001"}')
    expect("the operator makes a link for serial number C0DEMO00001", answer)
    path = answer.json["url"].partition(f":{httpd.tls_port}")[2]
    answer = client.raw("GET", path)
    expect(f"the Mac opens it: GET {path[:14]}...", answer)
    profile = enrolling.Profile(answer.body)
    content = profile.scep["PayloadContent"]
    step(f"the profile has Topic {profile.mdm['Topic']}",
         profile.mdm["Topic"] == topic)
    step(f"     ServerURL {profile.mdm['ServerURL']}, SCEP {content['URL']}",
         not profile.problems(), profile.problems())
    step(f"     and a challenge of its own: {profile.challenge[:8]}...")
    client.close()
    return profile


def get_identity(httpd, issuer, profile):
    """By SCEP, with the challenge of a profile."""
    client = scep.ScepClient(httpd, issuer)
    answer = client.get("GetCACaps")
    expect("the Mac makes a key and asks for GetCACaps: "
           + " ".join(answer.body.decode().split()), answer)
    answer = client.get("GetCACert")
    expect("GetCACert gives the CA", answer, body=issuer.der)
    der, signer = client.request(
        profile.challenge, subject=tuple(profile.subject.items()))
    ber = devices.indefinite(der, 3)
    reply = scep.Reply(client.post(ber), signer, issuer.pem)
    step(f"PKCSReq in BER, as iOS sends it: a certificate for"
         f" {reply.cert.subject.rfc4514_string()}", reply.cert is not None)
    again = scep.Reply(client.post(ber), signer, issuer.pem)
    step("the same request again, as after a lost reply: the same certificate",
         again.cert == reply.cert)
    other = client.enrol(profile.challenge, signer=client.signer("rsa3072"))
    step(f"another key with the same challenge: {other.failure}",
         other.failure == "badRequest")
    client.close()
    return ca.Identity(reply.cert, signer.key)


def enroll(httpd, operator, issuer, topic):
    profile = fetch_profile(httpd, operator, topic)
    identity = get_identity(httpd, issuer, profile)
    mac = devices.Device(httpd, identity, topic=topic)
    expect("another Mac comes with that certificate: Authenticate is refused",
           mac.authenticate(), status=500)
    mac.serial = "C0DEMO00001"
    expect(f"the Mac, UDID {mac.udid}, sends Authenticate over mutual TLS",
           mac.authenticate())
    expect("the Mac sends TokenUpdate: it is enrolled", mac.token_update())
    expect("the Mac polls (Idle): nothing waits", mac.idle(), body=b"")
    return mac


def upload_push_certificate(operator):
    identity = ca.push_certificate()
    answer = operator.pushcert_put(identity, force=False)
    expect("the operator uploads an APNs push certificate", answer)
    step(f"its topic is {answer.json['topic']}, valid until"
         f" {answer.json['not_after']}")
    return answer.json["topic"]


def push(operator, mac, apns):
    answer = operator.push(mac.id)
    expect("the operator pushes", answer)
    woken = [request for request in apns.requests
             if request.token == mac.token.hex()]
    step("APNs (a stand-in) got it over HTTP/2, with the push certificate:"
         f" {answer.json['status'][mac.id]['push_result']}",
         len(woken) == 1 and mac.push_magic.encode() in woken[0].body,
         f"{woken!r}")


def command(operator, mac):
    uuid, plist = devices.command("DeviceInformation",
                                  Queries=["OSVersion", "DeviceName"])
    expect(f"the operator queues DeviceInformation {uuid}",
           operator.enqueue(mac.id, plist))
    expect("the Mac polls and gets exactly these bytes", mac.idle(),
           body=plist)
    expect("the Mac reports Acknowledged with its answer",
           mac.acknowledge(uuid, QueryResponses={
               "OSVersion": "15.1", "DeviceName": "Demo Mac"}), body=b"")
    return uuid


def show_result(database, mac, uuid):
    rows = database.query(
        "SELECT status, result FROM command_results"
        " WHERE id = %s AND command_uuid = %s", mac.id, uuid)
    step("the result is stored", len(rows) == 1 and "Demo Mac" in rows[0][1],
         f"{rows!r}")
    print(f"     {rows[0][0]}:", *rows[0][1].splitlines()[3:],
          sep="\n     ")


def show_events(receiver):
    events = [json.loads(request.body) for request in receiver.wait_for(8)]
    topics = [event["topic"] for event in events]
    step(f"the webhook was told, in order: {', '.join(topics)}",
         topics[:4] == ["mdm.SCEP", "mdm.SCEP", "mdm.Authenticate",
                        "mdm.TokenUpdate"]
         and set(topics[4:]) == {"mdm.Connect"}, f"{topics}")


def renew(httpd, operator, issuer, mac):
    """Returns the Mac with its new identity."""
    answer = operator.call("POST", f"/v1/renew/{mac.id}")
    expect("the operator has the identity renewed, as NanoMDMRenewIdentity"
           " would in time", answer)
    uuid, plist = devices.command("SecurityInfo")
    operator.enqueue(mac.id, plist)
    asked = mac.idle().plist
    step("the Mac polls: InstallProfile, with a new challenge",
         asked["Command"]["RequestType"] == "InstallProfile", asked)
    profile = enrolling.Profile(asked["Command"]["Payload"])
    _, identity = enrolling.identity_for(httpd, issuer, profile)
    step("the Mac makes a key and gets a new certificate",
         identity and identity.cert != mac.identity.cert)
    new = devices.Device(httpd, identity, udid=mac.udid, topic=mac.topic)
    new.serial = mac.serial
    new.token, new.push_magic = mac.token, mac.push_magic
    expect("the Mac sends Authenticate with it", new.authenticate())
    expect("the Mac sends TokenUpdate: it is renewed", new.token_update())
    expect("the Mac reports Acknowledged, and has what was queued before",
           new.acknowledge(asked["CommandUUID"]), body=plist)
    expect("the Mac answers it", new.acknowledge(uuid), body=b"")
    return new


def refuse_a_stranger(httpd, mac):
    stranger = devices.Device(httpd, ca.root("Other CA").issue("stranger"),
                              udid=mac.udid)
    expect("a stranger's certificate is refused, never with 401 or 403",
           stranger.idle(), status=400)
    expect("a guarded file is for the enrolled Mac",
           mac.raw("GET", "/profiles/wifi.txt"))
    expect("and not for the stranger",
           stranger.raw("GET", "/profiles/wifi.txt"), status=400)


def show_status(httpd, operator):
    expect("the status page says how things are", operator.call(
        "GET", "/status"))
    step(f"it is at https://127.0.0.1:{httpd.tls_port}/status, without a"
         " password from this host")


def states_of(operator, mac):
    return [(one["identifier"], one["active"], one["current"])
            for one in operator.get(f"declaration-status/{mac.id}").get(
                mac.id, [])]


def take_declarations(mac, seconds=20):
    """The Mac polls until it has obeyed a DeclarativeManagement command."""
    ends = time.monotonic() + seconds
    while not mac.poll() and time.monotonic() < ends:
        time.sleep(0.2)


def declare(httpd, mac):
    """A declaration: assigned, active on the device, changed, removed."""
    operator = declarations.Declarations(httpd, key=API_KEY)
    mac = declarations.DeclarativeDevice(httpd, mac.identity, udid=mac.udid)
    hello = declarations.test_declaration("com.example.hello")
    step("the operator uploads a declaration and an activation of it",
         operator.put(hello) == 204 and operator.put(declarations.activation(
             "com.example.activation", "com.example.hello")) == 204)
    step("puts both into a set, and gives the Mac the set",
         operator.add("everybody", "com.example.hello",
                      "com.example.activation") == [204, 204]
         and operator.assign(mac.id, "everybody") == 204)
    take_declarations(mac)
    step("the Mac gets a DeclarativeManagement command and fetches both;"
         " declaration-status has them active",
         states_of(operator, mac) == [("com.example.activation", True, True),
                                      ("com.example.hello", True, True)],
         states_of(operator, mac))
    verdict = operator.why(mac.id, "com.example.hello")["verdict"]
    step(f"declaration-why says: {verdict}", verdict == "active")
    operator.put({**hello, "Payload": {"Echo": "changed"}})
    step("the declaration is changed: what the Mac has is no longer current",
         ("com.example.hello", True, False) in states_of(operator, mac))
    mac.fetched.clear()
    take_declarations(mac)
    step("the Mac is notified and fetches that one alone",
         mac.fetched == ["com.example.hello"]
         and ("com.example.hello", True, True) in states_of(operator, mac),
         f"{mac.fetched} {states_of(operator, mac)}")
    operator.remove("everybody", "com.example.hello")
    take_declarations(mac)
    step("the declaration leaves the set, and the Mac",
         list(mac.declarations) == ["com.example.activation"],
         f"{list(mac.declarations)}")
    mac.close()
    operator.close()


def leave(mac):
    expect("the Mac sends CheckOut", mac.checkout())


ANSWERS = {"OSVersion": "15.1", "DeviceName": "Demo Mac",
           "SerialNumber": "DEMO0001", "ModelName": "MacBook Air"}


def carry_out(mac, command):
    """Reports on one command as a Mac does; returns the next one's bytes."""
    request = command["Command"]
    keys = {}
    if request["RequestType"] == "DeviceInformation":
        keys["QueryResponses"] = {
            name: ANSWERS[name] for name in request.get("Queries", ANSWERS)
            if name in ANSWERS}
    print(f"the Mac carries out {request['RequestType']}"
          f" {command['CommandUUID']}", flush=True)
    return mac.acknowledge(command["CommandUUID"], **keys)


def poll(mac):
    """One conversation, as after a push."""
    answer = mac.idle()
    while answer.status == 200 and answer.body:
        answer = carry_out(mac, answer.plist)
    mac.close()


def stay(httpd, mac):
    base = f"https://localhost:{httpd.tls_port}"
    curl = f"curl -sS --cacert {httpd.folder}/server-ca.pem"
    key = f"-u nanomdm:{API_KEY}"
    tool = f"{servers.ROOT}/tools/nanomdmctl"
    print(f"\nServerURL   {base}/mdm\nAPI         {base}/v1"
          f"\nstatus      {base}/status"
          f"\nfiles, log  {httpd.folder}\nthe Mac     {mac.id}"
          "\n\nIn another terminal: the version, a command, which the Mac"
          " carries out within\na second, its results, what is known of the"
          " Mac, and the status.\n"
          f"\n{curl} '{base}/version'"
          f"\n{tool} command DeviceInformation OSVersion DeviceName |"
          f" {curl} {key} -T - '{base}/v1/enqueue/{mac.id}'"
          f"\n{curl} {key} '{base}/v1/results/{mac.id}'"
          f"\n{curl} {key} '{base}/v1/enrollments/{mac.id}'"
          f"\n{curl} '{base}/status?json'"
          "\n\nCtrl-C stops it.", flush=True)
    try:
        while True:
            try:
                poll(mac)
            except (OSError, http.client.HTTPException) as failure:
                print(f"the Mac cannot poll: {failure}", flush=True)
                mac.close()
            time.sleep(1)
    except KeyboardInterrupt:
        print("\nstopping")


def show(httpd, database, authority, apns, receiver):
    """The steps; returns the Mac, still enrolled."""
    operator = devices.Operator(httpd, key=API_KEY)
    check_version(operator)
    topic = upload_push_certificate(operator)
    mac = enroll(httpd, operator, authority, topic)
    push(operator, mac, apns)
    uuid = command(operator, mac)
    show_result(database, mac, uuid)
    expect("the Mac polls again: nothing waits", mac.idle(), body=b"")
    show_events(receiver)
    mac = renew(httpd, operator, authority, mac)
    refuse_a_stranger(httpd, mac)
    declare(httpd, mac)
    show_status(httpd, operator)
    return mac


SIGNALS = signal.SIGINT, signal.SIGTERM


def end(_number, _frame):
    """Once: a second one would interrupt the tidying up."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stay", action="store_true",
                           help="leave the server running until Ctrl-C")
    stays = arguments.parse_args().stay
    for each in SIGNALS:        # SIGINT is ignored in a script's background
        signal.signal(each, end)
    sqlite = databases.Sqlite()
    receiver = receivers.Receiver()
    httpd = None
    try:
        with stand_ins.Apns() as apns:
            sqlite.start()
            receiver.start()
            database = sqlite.fresh()
            authority = make_issuer()
            httpd = serve(database, authority, apns, receiver)
            (httpd.folder / "server-ca.pem").write_bytes(
                servers.server_authority().pem)
            mac = show(httpd, database, authority, apns, receiver)
            if stays:
                stay(httpd, mac)
            leave(mac)
    except Failed as failure:
        print(f"\n{failure}", file=sys.stderr)
        if httpd:
            print(httpd.error_log(), file=sys.stderr)
        return 1
    finally:
        if httpd:
            httpd.stop()
            httpd.remove()
        receiver.stop()
        sqlite.stop()
        sqlite.remove()
    step("stopped; nothing is left behind")
    return 0


if __name__ == "__main__":
    sys.exit(main())
