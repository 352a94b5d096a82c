# SPDX-License-Identifier: Apache-2.0
"""Commands: queue, delivery, reports."""

import concurrent.futures
import plistlib
import threading
from uuid import uuid4

import pytest

from device import REPORT, Operator, command
from tables import count, insert, is_active, is_enabled, result

MIB = 1 << 20
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'

# As a device writes it: tabs, no blanks, no newline at the end.
RECORDED = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" \
"http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
\t<key>CommandUUID</key>
\t<string>{uuid}</string>
\t<key>QueryResponses</key>
\t<dict>
\t\t<key>AvailableDeviceCapacity</key>
\t\t<real>38.714069366455078</real>
\t\t<key>DeviceName</key>
\t\t<string>Zoë’s iPad 📱 &lt;&amp;&gt;</string>
\t\t<key>IsSupervised</key>
\t\t<true/>
\t\t<key>OSVersion</key>
\t\t<string>18.1</string>
\t</dict>
\t<key>Status</key>
\t<string>Acknowledged</string>
\t<key>UDID</key>
\t<string>{udid}</string>
</dict>
</plist>"""


@pytest.fixture
def queue(operator):
    """Queue that many commands for a channel: (uuid, plist) of each."""
    def put(channel, number=1):
        commands = [command() for _ in range(number)]
        for _, plist in commands:
            assert operator.enqueue(channel.id, plist).status == 200
        return commands
    return put


@pytest.fixture(scope="module")
def deleting(module_httpd):
    """A server that deletes commands when they are answered."""
    return module_httpd(extra_vhost="NanoMDMDeleteCommands On",
                        threads=20)


def is_nothing(answer):
    """No command."""
    return answer.status == 200 and answer.body == b""


def rows(db, uuid):
    """How many rows of commands, queue and results a command has."""
    return tuple(count(db, table, "command_uuid = %s", uuid)
                 for table in ("commands", "enrollment_queue",
                               "command_results"))


def at_once(*calls):
    """Run all at the same time; what they returned."""
    start = threading.Barrier(len(calls))

    def run(call):
        start.wait()
        return call()
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


# -- The course of a queue --------------------------------------------

def test_cq01_commands_are_delivered_and_answered(device, queue, db):
    """CQ1: each in turn, then none."""
    mac = device().enroll()
    assert is_nothing(mac.idle())
    (cmd1, plist1), (cmd2, plist2) = queue(mac, 2)
    answer = mac.idle()
    assert (answer.status, answer.body) == (200, plist1)
    assert answer.headers["Content-Type"] in (
        "text/xml; charset=utf-8", "application/xml")
    assert mac.acknowledge(cmd1).body == plist2
    assert is_nothing(mac.acknowledge(cmd2))
    assert is_nothing(mac.idle())
    assert result(db, mac, cmd1)[0::2] == ("Acknowledged", None)
    assert rows(db, cmd1) == rows(db, cmd2) == (1, 1, 1)


def test_cq02_not_now_comes_again_with_idle(device, queue):
    """CQ2: skipped at once, delivered by the next Idle."""
    mac = device().enroll()
    ((cmd3, plist3),) = queue(mac)
    assert mac.idle().body == plist3
    assert is_nothing(mac.not_now(cmd3))
    assert mac.idle().body == plist3
    assert is_nothing(mac.acknowledge(cmd3))
    assert is_nothing(mac.idle())


def test_cq03_cleared_queue_delivers_nothing(device, queue, db):
    """CQ3: re-enrollment clears it."""
    mac = device().enroll()
    ((cmd4, _),) = queue(mac)
    mac.enroll()
    assert is_nothing(mac.idle())
    assert is_active(db, mac, cmd4) is False


def test_cq04_long_not_now_sequence(device, queue):
    """CQ4: the example of 3.4."""
    mac = device().enroll()
    (q1, p1), (q2, p2), (q3, p3), (q4, p4) = queue(mac, 4)
    assert mac.idle().body == p1
    assert mac.not_now(q1).body == p2
    assert mac.not_now(q2).body == p3
    assert mac.idle().body == p1
    assert mac.acknowledge(q3).body == p1
    assert mac.error(q1).body == p2
    assert mac.report("CommandFormatError", q2).body == p4
    assert is_nothing(mac.acknowledge(q4))


def test_cq05_delivery_marks_nothing(device, queue):
    """CQ5: each Idle gets the first command again."""
    mac = device().enroll()
    (_, first), _ = queue(mac, 2)
    assert [mac.idle().body for _ in range(3)] == [first] * 3


def test_cq06_command_bytes_are_kept(device, operator, db):
    """CQ6: whitespace, comments, order, entities, the end."""
    mac = device().enroll()
    uuid = str(uuid4())
    plist = f"""{DECLARATION.decode()}\r
<!-- a comment: Zoë’s 💻 % %s %d ' " \\ -->
<plist  version='1.0'>\t<dict><key>Command</key><dict>
   <key>RequestType</key><string><![CDATA[ProfileList]]></string>
   <key>Text</key><string>&lt;&#65;&amp;</string></dict>
<key>CommandUUID</key>
     <string>{uuid}</string></dict></plist>

""".encode()
    answer = operator.enqueue(mac.id, plist)
    assert answer.json == {"no_push": True, "command_uuid": uuid,
                           "request_type": "ProfileList"}
    assert mac.idle().body == plist
    assert db.query("SELECT request_type, command FROM commands"
                    " WHERE command_uuid = %s", uuid) == [
                        ("ProfileList", plist.decode())]


def test_cq07_idle_ignores_a_command_uuid(device, queue, db):
    """CQ7: nothing is answered."""
    mac = device().enroll()
    ((uuid, plist),) = queue(mac)
    assert mac.report("Idle", uuid).body == plist
    assert result(db, mac, uuid) is None


@pytest.mark.parametrize("status", [
    "Error", "CommandFormatError", "Whatever", "acknowledged", "notnow",
    "NotNow ", "idle", "💥" * 7])
def test_cq08_any_other_status_finishes(device, queue, db, status):
    """CQ8: stored as it came; the next command follows."""
    mac = device().enroll()
    (uuid, _), (_, following) = queue(mac, 2)
    assert mac.report(status, uuid).body == following
    assert result(db, mac, uuid)[0::2] == (status, None)
    assert mac.idle().body == following


def test_cq08_status_too_long_for_its_column(device, queue, db):
    """CQ8: more than 31 characters do not wedge the device."""
    mac = device().enroll()
    (uuid, _), (_, following) = queue(mac, 2)
    status = "S" + "x" * 40
    assert mac.report(status, uuid).body == following
    assert mac.idle().body == following
    stored = result(db, mac, uuid)
    assert status.startswith(stored.status) and stored.status
    assert status in stored.result


@pytest.mark.parametrize("status", [None, ""], ids=["missing", "empty"])
def test_cq09_report_without_status_is_400(device, queue, db, status):
    """CQ9: and nothing is stored."""
    mac = device().enroll()
    ((uuid, plist),) = queue(mac)
    answer = mac.report(status, uuid)
    assert (answer.status, answer.body) == (400, b"Bad Request\n")
    assert result(db, mac, uuid) is None
    assert mac.idle().body == plist


@pytest.mark.parametrize("uuid", [
    "no-such-command", "", "x" * 300, "' OR '1'='1", "%s", "💥"],
    ids=["short", "empty", "long", "quotes", "percent", "emoji"])
@pytest.mark.parametrize("status", ["Acknowledged", "NotNow"])
def test_cq10_cq12_unknown_uuid_is_no_error(device, queue, db, uuid,
                                            status):
    """CQ10, CQ12: 200 with the next command; the queue is intact."""
    mac = device().enroll()
    first, second = queue(mac, 2)
    answer = mac.report(status, uuid)
    assert (answer.status, answer.body) == (200, first[1])
    assert mac.acknowledge(first[0]).body == second[1]
    assert count(db, "command_results", "id = %s", mac.id) == 1


def test_cq06_a_long_command_is_delivered_whole(device, operator):
    """CQ6: longer than a driver's buffer for text."""
    mac = device().enroll()
    uuid, plist = command("InstallProfile", Payload=b"x" * 2_000_000)
    assert operator.enqueue(mac.id, plist).status == 200
    assert mac.idle().body == plist
    assert mac.acknowledge(uuid).body == b""


@pytest.mark.parametrize("status", ["Acknowledged", "NotNow", "Error"])
def test_cq12_missing_uuid_is_no_error(device, queue, status):
    """CQ12: 200 with the next command."""
    mac = device().enroll()
    ((_, plist),) = queue(mac)
    answer = mac.report(status)
    assert (answer.status, answer.body) == (200, plist)
    assert mac.idle().body == plist


def test_cq10_uuids_are_compared_byte_for_byte(device, queue, db):
    """CQ10: other case or a trailing blank is another command."""
    mac = device().enroll()
    ((uuid, plist),) = queue(mac)
    for other in (uuid.lower(), uuid + " "):
        assert mac.acknowledge(other).body == plist
    assert count(db, "command_results", "id = %s", mac.id) == 0


def test_cq10_command_of_another_device(device, queue, db):
    """CQ10: known, but not queued here: stored, nothing disturbed."""
    mac, other = device().enroll(), device().enroll()
    ((mine, plist),) = queue(mac)
    ((uuid, others),) = queue(other)
    answer = mac.acknowledge(uuid)
    assert (answer.status, answer.body) == (200, plist)
    assert result(db, mac, uuid).status == "Acknowledged"
    assert result(db, other, uuid) is None
    assert other.idle().body == others


def test_cq11_repeated_report_overwrites(device, queue, db):
    """CQ11: status and result of the last; the queue is intact."""
    mac = device().enroll()
    (uuid, _), (_, following) = queue(mac, 2)
    assert mac.acknowledge(uuid, Number="one").body == following
    assert mac.error(uuid, Number="two").body == following
    status, stored, *_ = result(db, mac, uuid)
    assert status == "Error"
    assert plistlib.loads(stored.encode())["Number"] == "two"
    assert mac.idle().body == following


def test_cq13_not_now_is_counted(device, queue, db):
    """CQ13: tally 2, time of the first, both kept by the answer."""
    mac = device().enroll()
    ((uuid, _),) = queue(mac)
    mac.not_now(uuid)
    status, _, first_at, tally = result(db, mac, uuid)
    assert (status, first_at is None, tally) == ("NotNow", False, 1)
    db.execute("UPDATE command_results"
               " SET not_now_at = '2024-05-06 07:08:09'"
               " WHERE command_uuid = %s", uuid)
    first_at = result(db, mac, uuid).not_now_at
    mac.not_now(uuid)
    assert result(db, mac, uuid)[2:] == (first_at, 2)
    mac.acknowledge(uuid)
    status, _, at, tally = result(db, mac, uuid)
    assert (status, at, tally) == ("Acknowledged", first_at, 2)


def test_cq14_device_and_user_answer_for_themselves(device, operator,
                                                    db):
    """CQ14: one command in two queues."""
    mac = device().enroll()
    user = mac.user().enroll()
    uuid, plist = command()
    assert operator.enqueue([mac.id, user.id], plist).status == 200
    assert mac.idle().body == user.idle().body == plist
    assert is_nothing(mac.acknowledge(uuid))
    assert user.idle().body == plist
    assert is_nothing(user.error(uuid))
    assert result(db, mac, uuid).status == "Acknowledged"
    assert result(db, user, uuid).status == "Error"


def test_cq16_idle_before_token_update(device):
    """CQ16: 200, nothing to do."""
    mac = device()
    mac.authenticate()
    assert is_nothing(mac.idle())


def test_cq17_hundred_commands_keep_their_order(device, queue):
    """CQ17: first in, first out, however fast they came."""
    mac = device().enroll()
    commands = queue(mac, 100)
    answer = mac.idle()
    for uuid, plist in commands:
        assert answer.body == plist
        answer = mac.acknowledge(uuid)
    assert is_nothing(answer)


def test_cq18_priority_goes_first(device, queue, db):
    """CQ18: the column is for operators to raise."""
    mac = device().enroll()
    commands = queue(mac, 4)
    for uuid, priority in ((commands[2][0], 5), (commands[3][0], 7),
                           (commands[0][0], -1)):
        db.execute("UPDATE enrollment_queue SET priority = %s"
                   " WHERE command_uuid = %s", priority, uuid)
    delivered = []
    answer = mac.idle()
    for _ in commands:
        delivered.append(answer.body)
        answer = mac.acknowledge(answer.plist["CommandUUID"])
    assert delivered == [commands[n][1] for n in (3, 2, 1, 0)]


def test_cq20_recorded_result_is_stored_verbatim(device, queue, db):
    """CQ20: DeviceInformation, as a device sent it."""
    mac = device().enroll()
    ((uuid, _),) = queue(mac)
    body = RECORDED.format(uuid=uuid, udid=mac.udid)
    assert is_nothing(mac.send(body.encode(), REPORT))
    assert result(db, mac, uuid)[:2] == ("Acknowledged", body)


@pytest.mark.parametrize("chain", [
    "a string", 7, {}, ["a string"], [{"ErrorCode": "a string"}],
    [{"ErrorDomain": [{}]}], b"data"], ids=repr)
def test_cq21_odd_error_chain_is_accepted(device, queue, db, chain):
    """CQ21: it is not read, so nothing depends on it."""
    mac = device().enroll()
    ((uuid, _),) = queue(mac)
    assert is_nothing(mac.error(uuid, ErrorChain=chain))
    stored = plistlib.loads(result(db, mac, uuid).result.encode())
    assert stored["ErrorChain"] == chain


def test_cq22_late_report_disturbs_no_new_queue(device, queue, db):
    """CQ22: about a command cleared by re-enrollment."""
    mac = device().enroll()
    ((old, _),) = queue(mac)
    mac.enroll()
    ((new, plist),) = queue(mac)
    assert mac.not_now(old).body == plist
    assert mac.acknowledge(old).body == plist
    assert result(db, mac, old).status == "Acknowledged"
    assert is_nothing(mac.acknowledge(new))


def test_queue_of_a_disabled_enrollment(device, queue):
    """3.7: checked out, and yet commanded."""
    mac = device().enroll()
    mac.checkout()
    ((_, plist),) = queue(mac)
    assert mac.idle().body == plist


# -- What a report may look like --------------------------------------

@pytest.mark.parametrize("disguise", [
    lambda body: body[body.index(b"<plist"):],
    lambda body: body[body.index(b"<dict"):body.index(b"</plist")],
    lambda body: b"\n\t" + body[body.index(b"<!DOCTYPE"):],
], ids=["plist", "dict", "doctype"])
def test_report_without_declaration_is_stored_with_one(
        device, queue, db, disguise):
    """3.5: the column demands it, the device need not send it."""
    mac = device().enroll()
    ((uuid, _),) = queue(mac)
    body = plistlib.dumps({**mac.ids(), "CommandUUID": uuid,
                           "Status": "Acknowledged", "Name": "Zoë 💻"})
    assert is_nothing(mac.send(disguise(body), REPORT))
    stored = result(db, mac, uuid).result
    assert stored.startswith("<?xml ")
    assert plistlib.loads(stored.encode())["Name"] == "Zoë 💻"


@pytest.mark.parametrize("tail", [b"\0", b"\n\n", b"garbage"],
                         ids=["nul", "newline", "garbage"])
def test_what_follows_the_report_wedges_nothing(device, queue, db, tail):
    """1.6: accepted and ignored, on every database."""
    mac = device().enroll()
    ((uuid, _),) = queue(mac)
    body = RECORDED.format(uuid=uuid, udid=mac.udid).encode()
    assert is_nothing(mac.send(body + tail, REPORT))
    stored = result(db, mac, uuid)
    assert stored.status == "Acknowledged"
    assert stored.result.startswith(body.decode())


# -- Size and number --------------------------------------------------

def test_16_mib_go_in_and_out(device, operator, db):
    """Command and result, byte for byte, below NanoMDMMaxBody."""
    mac = device(timeout=60).enroll()
    uuid, plist = command("InstallProfile", Payload=b"\xA5" * 12 * MIB)
    assert len(plist) >= 16 * MIB
    assert operator.enqueue(mac.id, plist).status == 200
    assert mac.idle().body == plist
    body = plistlib.dumps({
        **mac.ids(), "CommandUUID": uuid, "Status": "Acknowledged",
        "List": "Ünïcode 💻 " * (6 * MIB // 5)})
    assert len(body) >= 16 * MIB
    assert is_nothing(mac.send(body, REPORT))
    assert result(db, mac, uuid).result.encode() == body


def test_enqueue_to_a_thousand_in_one_call(httpd, device, db):
    """One call, one command, a thousand queues."""
    server = httpd(extra_server="LimitRequestLine 65536")
    ids = [str(uuid4()) for _ in range(999)]
    insert(db, "devices", ("id", "authenticate"),
           [(id_, "<?xml") for id_ in ids])
    insert(db, "enrollments",
           ("id", "device_id", "type", "topic", "push_magic",
            "token_hex"),
           [(id_, id_, "Device", "t", "m", "00") for id_ in ids])
    mac = device(server).enroll()
    uuid, plist = command()
    operator = Operator(server)
    answer = operator.enqueue([*ids, mac.id], plist)
    operator.close()
    assert answer.status == 200, answer
    assert answer.json["command_uuid"] == uuid
    queued = db.query("SELECT id FROM enrollment_queue"
                      " WHERE command_uuid = %s AND active = TRUE", uuid)
    assert {id_ for id_, in queued} == {*ids, mac.id}
    assert mac.idle().body == plist


def test_enqueue_is_all_or_nothing(device, operator, db):
    """3.7: an unknown id, and no device is commanded."""
    mac = device().enroll()
    uuid, plist = command()
    answer = operator.enqueue([mac.id, str(uuid4())], plist)
    assert answer.status == 500
    assert answer.json["command_error"]
    assert rows(db, uuid) == (0, 0, 0)
    assert is_nothing(mac.idle())
    assert operator.enqueue(mac.id, plist).status == 200


def test_enqueue_refuses_a_duplicate_uuid(device, operator, db):
    """3.7: also for another enrollment; the first command stays."""
    mac, other = device().enroll(), device().enroll()
    uuid, plist = command()
    _, impostor = command("EraseDevice", uuid)
    assert operator.enqueue(mac.id, plist).status == 200
    for target in (mac, other):
        answer = operator.enqueue(target.id, impostor)
        assert answer.status == 500
        assert answer.json["command_error"]
    assert mac.idle().body == plist
    assert is_nothing(other.idle())
    assert rows(db, uuid) == (1, 1, 0)


def test_parallel_answers_keep_the_command(device, operator, db):
    """CQ19 without deletion: all twenty results are stored."""
    macs = [device().enroll() for _ in range(20)]
    uuid, plist = command()
    assert operator.enqueue([mac.id for mac in macs],
                            plist).status == 200
    for mac in macs:              # a busy server closes idle connections
        mac.close()
    answers = at_once(*[lambda mac=mac: mac.acknowledge(uuid)
                        for mac in macs])
    assert all(is_nothing(answer) for answer in answers), answers
    assert rows(db, uuid) == (1, 20, 20)


# -- NanoMDMDeleteCommands --------------------------------------------

def test_cq15_deletion(device, deleting, operator, db):
    """CQ15: queue row and results go with the answer, the command with
    its last reference."""
    first = device(deleting).enroll()
    second = device(deleting).enroll()
    uuid, plist = command()
    operator.enqueue([first.id, second.id], plist)
    assert is_nothing(first.not_now(uuid))
    assert rows(db, uuid) == (1, 2, 1)
    assert result(db, first, uuid).not_now_tally == 1
    assert first.idle().body == plist
    assert is_nothing(first.acknowledge(uuid))
    assert rows(db, uuid) == (1, 1, 0)
    assert second.idle().body == plist
    assert is_nothing(second.error(uuid))
    assert rows(db, uuid) == (0, 0, 0)


def test_cq15_deletion_spares_others_results(device, deleting, operator,
                                             db):
    """CQ15: a result stored by a server that keeps them keeps the
    command (3.6)."""
    keeper, mac = device().enroll(), device(deleting).enroll()
    uuid, plist = command()
    operator.enqueue([keeper.id, mac.id], plist)
    assert is_nothing(keeper.acknowledge(uuid))
    assert is_nothing(mac.acknowledge(uuid))
    assert rows(db, uuid) == (1, 1, 1)
    assert result(db, keeper, uuid).status == "Acknowledged"


def test_cq15_deletion_goes_on_with_the_queue(device, deleting, queue,
                                              db):
    """CQ15: the next command follows, order and NotNow as ever."""
    mac = device(deleting).enroll()
    (q1, p1), (q2, p2), (q3, p3) = queue(mac, 3)
    assert mac.idle().body == p1
    assert mac.not_now(q1).body == p2
    assert mac.acknowledge(q2).body == p1
    assert mac.acknowledge(q1).body == p3
    assert is_nothing(mac.acknowledge(q3))
    assert [rows(db, uuid) for uuid in (q1, q2, q3)] == [(0, 0, 0)] * 3


@pytest.mark.parametrize("uuid", [None, "no-such-command"])
def test_cq15_deletion_of_the_unknown(device, deleting, queue, uuid):
    """CQ15: unknown or missing UUIDs delete nothing."""
    mac = device(deleting).enroll()
    ((_, plist),) = queue(mac)
    answer = mac.acknowledge(uuid)
    assert (answer.status, answer.body) == (200, plist)


def test_cq15_repeated_answer_after_deletion(device, deleting, queue):
    """CQ15: 200, though nothing is left of the command."""
    mac = device(deleting).enroll()
    (uuid, _), (_, following) = queue(mac, 2)
    for _ in range(2):
        assert mac.acknowledge(uuid).body == following


def test_cq15_deletion_leaves_cleared_rows(device, deleting, queue, db):
    """CQ15: what re-enrollment made inactive is not cleaned up."""
    mac = device(deleting).enroll()
    ((uuid, _),) = queue(mac)
    mac.enroll()
    assert rows(db, uuid) == (1, 1, 0)
    assert is_enabled(db, mac) == (True, 1)


def test_cq19_parallel_deletion(device, deleting, operator, db):
    """CQ19: twenty devices at once, no deadlock, nothing left over."""
    macs = [device(deleting).enroll() for _ in range(20)]
    for _ in range(3):
        uuid, plist = command()
        assert operator.enqueue([mac.id for mac in macs],
                                plist).status == 200
        answers = at_once(*[lambda mac=mac: mac.acknowledge(uuid)
                            for mac in macs])
        assert all(is_nothing(answer) for answer in answers), answers
        assert rows(db, uuid) == (0, 0, 0)


def test_cq19_parallel_not_now_and_deletion(device, deleting, operator,
                                            db):
    """CQ19: half put it off, half answer."""
    macs = [device(deleting).enroll() for _ in range(20)]
    uuid, plist = command()
    operator.enqueue([mac.id for mac in macs], plist)
    answers = at_once(*[
        lambda mac=mac, status=status: mac.report(status, uuid)
        for mac, status in zip(macs, ["NotNow", "Acknowledged"] * 10)])
    assert all(is_nothing(answer) for answer in answers), answers
    assert rows(db, uuid) == (1, 10, 10)
