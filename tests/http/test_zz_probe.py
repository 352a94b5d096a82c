from test_webhook import *
@one_database
def test_probe(hooked, receiver, mac):
    mac.enroll()
    mark = hooked.mark()
    for extra in ({}, {"Data": b"x"}, {"Data": bytes(range(256)) * 3}):
        body = plistlib.dumps({"UDID": mac.udid, "Status": "Idle", **extra}, fmt=plistlib.FMT_BINARY)
        print(mac.send(body, REPORT))
        print(mac.send(plistlib.dumps({**mac.message("SetBootstrapToken"), "BootstrapToken": b"x"}, fmt=plistlib.FMT_BINARY), CHECKIN))
    print("\n".join(l for l in hooked.log_since(mark).splitlines() if "debug" not in l))
    assert 0
