-- Test data: a PostgreSQL database as NanoMDM makes and fills it, without
-- anything of mod_nanomdm's.

SET client_encoding = 'UTF8';

CREATE TABLE devices (
    id                  VARCHAR(255) NOT NULL PRIMARY KEY,
    identity_cert       TEXT         NULL,
    serial_number       VARCHAR(127) NULL,
    unlock_token        BYTEA        NULL,
    unlock_token_at     TIMESTAMP    NULL,
    authenticate        TEXT         NOT NULL,
    authenticate_at     TIMESTAMP    NOT NULL,
    token_update        TEXT         NULL,
    token_update_at     TIMESTAMP    NULL,
    bootstrap_token_b64 TEXT         NULL,
    bootstrap_token_at  TIMESTAMP    NULL,
    created_at          TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CHECK (SUBSTRING(identity_cert FROM 1 FOR 27) = '-----BEGIN CERTIFICATE-----'),
    CHECK (serial_number <> ''),
    CHECK (LENGTH(unlock_token) > 0),
    CHECK (authenticate <> ''),
    CHECK (bootstrap_token_b64 <> '')
);

CREATE TABLE users (
    id                          VARCHAR(255) NOT NULL,
    device_id                   VARCHAR(255) NOT NULL,
    user_short_name             VARCHAR(255) NULL,
    user_long_name              VARCHAR(255) NULL,
    token_update                TEXT         NULL,
    token_update_at             TIMESTAMP    NULL,
    user_authenticate           TEXT         NULL,
    user_authenticate_at        TIMESTAMP    NULL,
    user_authenticate_digest    TEXT         NULL,
    user_authenticate_digest_at TIMESTAMP    NULL,
    created_at                  TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id, device_id),
    UNIQUE (id),
    FOREIGN KEY (device_id) REFERENCES devices (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    CHECK (user_short_name <> ''),
    CHECK (user_long_name <> '')
);

CREATE TABLE enrollments (
    id                 VARCHAR(255) NOT NULL PRIMARY KEY,
    device_id          VARCHAR(255) NOT NULL,
    user_id            VARCHAR(255) NULL,
    type               VARCHAR(31)  NOT NULL,
    topic              VARCHAR(255) NOT NULL,
    push_magic         VARCHAR(127) NOT NULL,
    token_hex          VARCHAR(255) NOT NULL,
    enabled            BOOLEAN      NOT NULL DEFAULT TRUE,
    token_update_tally INTEGER      NOT NULL DEFAULT 1,
    last_seen_at       TIMESTAMP    NOT NULL,
    created_at         TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at         TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (user_id),
    FOREIGN KEY (device_id) REFERENCES devices (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    FOREIGN KEY (user_id) REFERENCES users (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    CHECK (id <> ''),
    CHECK (topic <> ''),
    CHECK (push_magic <> ''),
    CHECK (token_hex <> '')
);

CREATE TABLE commands (
    command_uuid VARCHAR(127) NOT NULL PRIMARY KEY,
    request_type VARCHAR(63)  NOT NULL,
    command      TEXT         NOT NULL,
    created_at   TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at   TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CHECK (command_uuid <> ''),
    CHECK (request_type <> ''),
    CHECK (SUBSTRING(command FROM 1 FOR 5) = '<?xml')
);

CREATE TABLE command_results (
    id            VARCHAR(255) NOT NULL,
    command_uuid  VARCHAR(127) NOT NULL,
    status        VARCHAR(31)  NOT NULL,
    result        TEXT         NOT NULL,
    not_now_at    TIMESTAMP    NULL,
    not_now_tally INTEGER      NOT NULL DEFAULT 0,
    created_at    TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at    TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id, command_uuid),
    FOREIGN KEY (id) REFERENCES enrollments (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    FOREIGN KEY (command_uuid) REFERENCES commands (command_uuid)
        ON DELETE CASCADE ON UPDATE CASCADE,
    CHECK (status <> ''),
    CHECK (SUBSTRING(result FROM 1 FOR 5) = '<?xml')
);

CREATE TABLE enrollment_queue (
    id           VARCHAR(255) NOT NULL,
    command_uuid VARCHAR(127) NOT NULL,
    active       BOOLEAN      NOT NULL DEFAULT TRUE,
    priority     SMALLINT     NOT NULL DEFAULT 0,
    created_at   TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at   TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id, command_uuid),
    FOREIGN KEY (id) REFERENCES enrollments (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    FOREIGN KEY (command_uuid) REFERENCES commands (command_uuid)
        ON DELETE CASCADE ON UPDATE CASCADE
);

CREATE TABLE push_certs (
    topic       VARCHAR(255) NOT NULL PRIMARY KEY,
    cert_pem    TEXT         NOT NULL,
    key_pem     TEXT         NOT NULL,
    stale_token INTEGER      NOT NULL,
    created_at  TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at  TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CHECK (topic <> ''),
    CHECK (SUBSTRING(cert_pem FROM 1 FOR 27) = '-----BEGIN CERTIFICATE-----'),
    CHECK (SUBSTRING(key_pem FROM 1 FOR 5) = '-----')
);

CREATE TABLE cert_auth_associations (
    id         VARCHAR(255) NOT NULL,
    sha256     CHAR(64)     NOT NULL,
    created_at TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id, sha256)
);

CREATE VIEW view_queue AS
SELECT q.id, q.created_at, q.active, q.priority,
       c.command_uuid, c.request_type, c.command,
       r.updated_at AS result_updated_at, r.status, r.result
  FROM enrollment_queue AS q
  JOIN commands AS c
    ON c.command_uuid = q.command_uuid
  LEFT JOIN command_results AS r
    ON r.id = q.id AND r.command_uuid = q.command_uuid
 ORDER BY q.priority DESC, q.created_at;

CREATE FUNCTION set_updated_at()
RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = CURRENT_TIMESTAMP;
    RETURN NEW;
END;
$$;

CREATE TRIGGER set_updated_at
    BEFORE UPDATE ON devices
    FOR EACH ROW EXECUTE PROCEDURE set_updated_at();

CREATE TRIGGER set_updated_at
    BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE PROCEDURE set_updated_at();

CREATE TRIGGER set_updated_at
    BEFORE UPDATE ON enrollments
    FOR EACH ROW EXECUTE PROCEDURE set_updated_at();

CREATE TRIGGER set_updated_at
    BEFORE UPDATE ON commands
    FOR EACH ROW EXECUTE PROCEDURE set_updated_at();

CREATE TRIGGER set_updated_at
    BEFORE UPDATE ON command_results
    FOR EACH ROW EXECUTE PROCEDURE set_updated_at();

CREATE TRIGGER set_updated_at
    BEFORE UPDATE ON enrollment_queue
    FOR EACH ROW EXECUTE PROCEDURE set_updated_at();

CREATE TRIGGER set_updated_at
    BEFORE UPDATE ON push_certs
    FOR EACH ROW EXECUTE PROCEDURE set_updated_at();

CREATE TRIGGER set_updated_at
    BEFORE UPDATE ON cert_auth_associations
    FOR EACH ROW EXECUTE PROCEDURE set_updated_at();

-- A Mac with a user channel, and a phone.
INSERT INTO devices (
    id, identity_cert, serial_number, unlock_token, unlock_token_at,
    authenticate, authenticate_at, token_update, token_update_at,
    bootstrap_token_b64, bootstrap_token_at, created_at, updated_at
) VALUES
(
    '9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01',
    '-----BEGIN CERTIFICATE-----
MIIBtjCCAVygAwIBAgIUeX06jpXV/2EnUuB4xUMnfH7ewvYwCgYIKoZIzj0EAwIw
ITEfMB0GA1UEAwwWTmFub01ETSB0ZXN0IGRldmljZSBDQTAeFw0yNDAxMDEwMDAw
MDBaFw00ODEyMzEwMDAwMDBaMC8xLTArBgNVBAMMJDlDMUI1QTBFLTNGMjctNEQ1
Qy04RTFBLTZCN0QyQzRGOUEwMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNvU
FywAqod0aIlSALAVzolaZUjcUFBN8JH+lyl+2pQ9c3/oHvBq6lDYMWeJ3M5ngSJY
lmemMyERdEqlWqe1VEijZDBiMBMGA1UdJQQMMAoGCCsGAQUFBwMCMAsGA1UdDwQE
AwIHgDAdBgNVHQ4EFgQUizJJkjVEak5/xvhX+2fa3t0VDGswHwYDVR0jBBgwFoAU
+BIcDXbsKiVGoqgemkaoZXaizsYwCgYIKoZIzj0EAwIDSAAwRQIgGdKvU+/4cSeX
AQhGhqWNyenPGXaTXN9tiSnafltIG8UCIQCwwkMrTSDE7cO2ZPVjXnxAtOoWkKAT
o72rb0Y7fWKSDQ==
-----END CERTIFICATE-----
',
    'C02TEST00001',
    NULL,
    NULL,
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>MessageType</key>
	<string>Authenticate</string>
	<key>Model</key>
	<string>MacBookPro18,3</string>
	<key>SerialNumber</key>
	<string>C02TEST00001</string>
	<key>Topic</key>
	<string>com.apple.mgmt.External.7f1f6c1e-7c55-4d4c-9a3d-0f5f2f6b1c11</string>
	<key>UDID</key>
	<string>9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01</string>
</dict>
</plist>
',
    '2024-05-06 08:00:00',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>MessageType</key>
	<string>TokenUpdate</string>
	<key>PushMagic</key>
	<string>5E1C3B62-6A6C-4F2D-9B5E-0D9A1B2C3D4E</string>
	<key>Token</key>
	<data>JTA7RlFcZ3J9iJOeqbS/ytXg6/YBDBciLThDTllkb3o=</data>
	<key>Topic</key>
	<string>com.apple.mgmt.External.7f1f6c1e-7c55-4d4c-9a3d-0f5f2f6b1c11</string>
	<key>UDID</key>
	<string>9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01</string>
</dict>
</plist>
',
    '2024-05-06 08:00:05',
    'Ym9vdHN0cmFwLXRva2VuLW9mLXRoZS1tYWM=',
    '2024-05-06 08:10:00',
    '2024-05-06 07:00:00',
    '2024-05-06 08:10:00'
),
(
    '00008120-001C25D40C83001E',
    '-----BEGIN CERTIFICATE-----
MIIBqzCCAVGgAwIBAgIUcjo+Gf32JI8BtCCpmQi2rxN76p0wCgYIKoZIzj0EAwIw
ITEfMB0GA1UEAwwWTmFub01ETSB0ZXN0IGRldmljZSBDQTAeFw0yNDAxMDEwMDAw
MDBaFw00ODEyMzEwMDAwMDBaMCQxIjAgBgNVBAMMGTAwMDA4MTIwLTAwMUMyNUQ0
MEM4MzAwMUUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAR2NE1oY+ZacdtursJA
JTqoZUc5Nx+vHHuk+2tevxKRG1x3Zxe0a0iPYKRaBShbUBQ4M0ydQLJckPXM1L5+
LShyo2QwYjATBgNVHSUEDDAKBggrBgEFBQcDAjALBgNVHQ8EBAMCB4AwHQYDVR0O
BBYEFGiSAYmbxUdkIO01i4M63ieWguFxMB8GA1UdIwQYMBaAFPgSHA127ColRqKo
HppGqGV2os7GMAoGCCqGSM49BAMCA0gAMEUCIQC4+3MgXlF1kM01QJrCBC/FY/EK
MiKwyqczMyD/UAGmdgIgMxZ3YYLo08ahVbCBbcJuffvJTSfsbTqHk0GlQxTyKBw=
-----END CERTIFICATE-----
',
    'F2LTEST00002',
    '\x756e6c6f636b2d746f6b656e2d6f662d7468652d70686f6e652d31',
    '2024-05-06 09:00:03',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>MessageType</key>
	<string>Authenticate</string>
	<key>Model</key>
	<string>iPhone15,2</string>
	<key>SerialNumber</key>
	<string>F2LTEST00002</string>
	<key>Topic</key>
	<string>com.apple.mgmt.External.7f1f6c1e-7c55-4d4c-9a3d-0f5f2f6b1c11</string>
	<key>UDID</key>
	<string>00008120-001C25D40C83001E</string>
</dict>
</plist>
',
    '2024-05-06 09:00:00',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>MessageType</key>
	<string>TokenUpdate</string>
	<key>PushMagic</key>
	<string>A7C6D1E2-13F4-4B5A-8C9D-0E1F2A3B4C5D</string>
	<key>Token</key>
	<data>SlVga3aBjJeirbjDztnk7/oFEBsmMTxHUl1oc36JlJ8=</data>
	<key>Topic</key>
	<string>com.apple.mgmt.External.7f1f6c1e-7c55-4d4c-9a3d-0f5f2f6b1c11</string>
	<key>UDID</key>
	<string>00008120-001C25D40C83001E</string>
	<key>UnlockToken</key>
	<data>dW5sb2NrLXRva2VuLW9mLXRoZS1waG9uZS0x</data>
</dict>
</plist>
',
    '2024-05-06 09:00:03',
    NULL,
    NULL,
    '2024-05-06 09:00:00',
    '2024-05-06 09:00:03'
);

INSERT INTO users (
    id, device_id, user_short_name, user_long_name, token_update,
    token_update_at, created_at, updated_at
) VALUES
(
    '9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01:7D3E9F54-0B8A-4C61-A2F7-1E5D8C9B6A30',
    '9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01',
    'zoë',
    'Zoë O''Hara',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>MessageType</key>
	<string>TokenUpdate</string>
	<key>PushMagic</key>
	<string>C3D4E5F6-0718-4293-A4B5-C6D7E8F90A1B</string>
	<key>Token</key>
	<data>b3qFkJumsbzH0t3o8/4JFB8qNUBLVmFsd4KNmKOuucQ=</data>
	<key>Topic</key>
	<string>com.apple.mgmt.External.7f1f6c1e-7c55-4d4c-9a3d-0f5f2f6b1c11</string>
	<key>UDID</key>
	<string>9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01</string>
	<key>UserID</key>
	<string>7D3E9F54-0B8A-4C61-A2F7-1E5D8C9B6A30</string>
	<key>UserLongName</key>
	<string>Zoë O''Hara</string>
	<key>UserShortName</key>
	<string>zoë</string>
</dict>
</plist>
',
    '2024-05-06 08:02:00',
    '2024-05-06 08:02:00',
    '2024-05-06 08:02:00'
);

INSERT INTO enrollments (
    id, device_id, user_id, type, topic, push_magic, token_hex, enabled,
    token_update_tally, last_seen_at, created_at, updated_at
) VALUES
(
    '9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01',
    '9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01',
    NULL,
    'Device',
    'com.apple.mgmt.External.7f1f6c1e-7c55-4d4c-9a3d-0f5f2f6b1c11',
    '5E1C3B62-6A6C-4F2D-9B5E-0D9A1B2C3D4E',
    '25303b46515c67727d88939ea9b4bfcad5e0ebf6010c17222d38434e59646f7a',
    TRUE,
    1,
    '2024-05-06 10:30:00',
    '2024-05-06 07:00:05',
    '2024-05-06 10:30:00'
),
(
    '9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01:7D3E9F54-0B8A-4C61-A2F7-1E5D8C9B6A30',
    '9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01',
    '9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01:7D3E9F54-0B8A-4C61-A2F7-1E5D8C9B6A30',
    'User',
    'com.apple.mgmt.External.7f1f6c1e-7c55-4d4c-9a3d-0f5f2f6b1c11',
    'C3D4E5F6-0718-4293-A4B5-C6D7E8F90A1B',
    '6f7a85909ba6b1bcc7d2dde8f3fe09141f2a35404b56616c77828d98a3aeb9c4',
    TRUE,
    1,
    '2024-05-06 10:20:00',
    '2024-05-06 08:02:00',
    '2024-05-06 10:20:00'
),
(
    '00008120-001C25D40C83001E',
    '00008120-001C25D40C83001E',
    NULL,
    'Device',
    'com.apple.mgmt.External.7f1f6c1e-7c55-4d4c-9a3d-0f5f2f6b1c11',
    'A7C6D1E2-13F4-4B5A-8C9D-0E1F2A3B4C5D',
    '4a55606b76818c97a2adb8c3ced9e4effa05101b26313c47525d68737e89949f',
    TRUE,
    2,
    '2024-05-06 10:40:00',
    '2024-05-06 09:00:03',
    '2024-05-06 10:40:00'
);

-- 1 was cleared by re-enrollment; 2 is answered by the Mac, pending for the phone;
-- 3 was put off by the Mac; 4 is pending for the Mac, answered by its user; 5 was
-- put off by the phone and then failed; 6 is pending for the phone, 7 for the user.
INSERT INTO commands (
    command_uuid, request_type, command, created_at, updated_at
) VALUES
(
    'b1f4a9c0-5a11-4c0f-9d5e-000000000001',
    'SecurityInfo',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Command</key>
	<dict>
		<key>RequestType</key>
		<string>SecurityInfo</string>
	</dict>
	<key>CommandUUID</key>
	<string>b1f4a9c0-5a11-4c0f-9d5e-000000000001</string>
</dict>
</plist>
',
    '2024-05-06 07:30:00',
    '2024-05-06 07:30:00'
),
(
    'b1f4a9c0-5a11-4c0f-9d5e-000000000002',
    'DeviceInformation',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Command</key>
	<dict>
		<key>RequestType</key>
		<string>DeviceInformation</string>
		<key>Queries</key>
		<array>
			<string>DeviceName</string>
			<string>OSVersion</string>
		</array>
	</dict>
	<key>CommandUUID</key>
	<string>b1f4a9c0-5a11-4c0f-9d5e-000000000002</string>
</dict>
</plist>
',
    '2024-05-06 10:00:00',
    '2024-05-06 10:00:00'
),
(
    'b1f4a9c0-5a11-4c0f-9d5e-000000000003',
    'InstallProfile',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Command</key>
	<dict>
		<key>RequestType</key>
		<string>InstallProfile</string>
		<key>Payload</key>
		<data>PD94bWwgdmVyc2lvbj0iMS4wIiBlbmNvZGluZz0iVVRGLTgiPz48cGxpc3QgdmVyc2lvbj0iMS4wIj48ZGljdC8+PC9wbGlzdD4=</data>
	</dict>
	<key>CommandUUID</key>
	<string>b1f4a9c0-5a11-4c0f-9d5e-000000000003</string>
</dict>
</plist>
',
    '2024-05-06 10:00:00',
    '2024-05-06 10:00:00'
),
(
    'b1f4a9c0-5a11-4c0f-9d5e-000000000004',
    'ProfileList',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Command</key>
	<dict>
		<key>RequestType</key>
		<string>ProfileList</string>
	</dict>
	<key>CommandUUID</key>
	<string>b1f4a9c0-5a11-4c0f-9d5e-000000000004</string>
</dict>
</plist>
',
    '2024-05-06 10:05:00',
    '2024-05-06 10:05:00'
),
(
    'b1f4a9c0-5a11-4c0f-9d5e-000000000005',
    'InstalledApplicationList',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Command</key>
	<dict>
		<key>RequestType</key>
		<string>InstalledApplicationList</string>
	</dict>
	<key>CommandUUID</key>
	<string>b1f4a9c0-5a11-4c0f-9d5e-000000000005</string>
</dict>
</plist>
',
    '2024-05-06 10:06:00',
    '2024-05-06 10:06:00'
),
(
    'b1f4a9c0-5a11-4c0f-9d5e-000000000006',
    'RestartDevice',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Command</key>
	<dict>
		<key>RequestType</key>
		<string>RestartDevice</string>
	</dict>
	<key>CommandUUID</key>
	<string>b1f4a9c0-5a11-4c0f-9d5e-000000000006</string>
</dict>
</plist>
',
    '2024-05-06 10:07:00',
    '2024-05-06 10:07:00'
),
(
    'b1f4a9c0-5a11-4c0f-9d5e-000000000007',
    'CertificateList',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Command</key>
	<dict>
		<key>RequestType</key>
		<string>CertificateList</string>
	</dict>
	<key>CommandUUID</key>
	<string>b1f4a9c0-5a11-4c0f-9d5e-000000000007</string>
</dict>
</plist>
',
    '2024-05-06 10:08:00',
    '2024-05-06 10:08:00'
);

INSERT INTO enrollment_queue (
    id, command_uuid, active, created_at, updated_at
) VALUES
    ('9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01', 'b1f4a9c0-5a11-4c0f-9d5e-000000000001', FALSE, '2024-05-06 07:30:00', '2024-05-06 08:00:00'),
    ('9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01', 'b1f4a9c0-5a11-4c0f-9d5e-000000000002', TRUE, '2024-05-06 10:00:00', '2024-05-06 10:00:00'),
    ('00008120-001C25D40C83001E', 'b1f4a9c0-5a11-4c0f-9d5e-000000000002', TRUE, '2024-05-06 10:00:00', '2024-05-06 10:00:00'),
    ('9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01', 'b1f4a9c0-5a11-4c0f-9d5e-000000000003', TRUE, '2024-05-06 10:00:00', '2024-05-06 10:00:00'),
    ('9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01', 'b1f4a9c0-5a11-4c0f-9d5e-000000000004', TRUE, '2024-05-06 10:05:00', '2024-05-06 10:05:00'),
(
    '9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01:7D3E9F54-0B8A-4C61-A2F7-1E5D8C9B6A30',
    'b1f4a9c0-5a11-4c0f-9d5e-000000000004',
    TRUE,
    '2024-05-06 10:05:00',
    '2024-05-06 10:05:00'
),
    ('00008120-001C25D40C83001E', 'b1f4a9c0-5a11-4c0f-9d5e-000000000005', TRUE, '2024-05-06 10:06:00', '2024-05-06 10:06:00'),
    ('00008120-001C25D40C83001E', 'b1f4a9c0-5a11-4c0f-9d5e-000000000006', TRUE, '2024-05-06 10:07:00', '2024-05-06 10:07:00'),
(
    '9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01:7D3E9F54-0B8A-4C61-A2F7-1E5D8C9B6A30',
    'b1f4a9c0-5a11-4c0f-9d5e-000000000007',
    TRUE,
    '2024-05-06 10:08:00',
    '2024-05-06 10:08:00'
);

INSERT INTO command_results (
    id, command_uuid, status, result, not_now_at, not_now_tally, created_at,
    updated_at
) VALUES
(
    '9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01',
    'b1f4a9c0-5a11-4c0f-9d5e-000000000002',
    'Acknowledged',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>CommandUUID</key>
	<string>b1f4a9c0-5a11-4c0f-9d5e-000000000002</string>
	<key>Status</key>
	<string>Acknowledged</string>
	<key>UDID</key>
	<string>9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01</string>
	<key>QueryResponses</key>
	<dict><key>DeviceName</key><string>Zoë’s Mac 💻</string><key>OSVersion</key><string>15.4</string></dict>
</dict>
</plist>
',
    NULL,
    0,
    '2024-05-06 10:01:00',
    '2024-05-06 10:01:00'
),
(
    '9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01',
    'b1f4a9c0-5a11-4c0f-9d5e-000000000003',
    'NotNow',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>CommandUUID</key>
	<string>b1f4a9c0-5a11-4c0f-9d5e-000000000003</string>
	<key>Status</key>
	<string>NotNow</string>
	<key>UDID</key>
	<string>9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01</string>
</dict>
</plist>
',
    '2024-05-06 10:01:05',
    2,
    '2024-05-06 10:01:05',
    '2024-05-06 10:30:00'
),
(
    '9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01:7D3E9F54-0B8A-4C61-A2F7-1E5D8C9B6A30',
    'b1f4a9c0-5a11-4c0f-9d5e-000000000004',
    'Acknowledged',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>CommandUUID</key>
	<string>b1f4a9c0-5a11-4c0f-9d5e-000000000004</string>
	<key>ProfileList</key>
	<array/>
	<key>Status</key>
	<string>Acknowledged</string>
	<key>UDID</key>
	<string>9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01</string>
	<key>UserID</key>
	<string>7D3E9F54-0B8A-4C61-A2F7-1E5D8C9B6A30</string>
</dict>
</plist>
',
    NULL,
    0,
    '2024-05-06 10:20:00',
    '2024-05-06 10:20:00'
),
(
    '00008120-001C25D40C83001E',
    'b1f4a9c0-5a11-4c0f-9d5e-000000000005',
    'Error',
    '<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>CommandUUID</key>
	<string>b1f4a9c0-5a11-4c0f-9d5e-000000000005</string>
	<key>Status</key>
	<string>Error</string>
	<key>UDID</key>
	<string>00008120-001C25D40C83001E</string>
	<key>ErrorChain</key>
	<array><dict><key>ErrorCode</key><integer>12021</integer><key>ErrorDomain</key><string>MCMDMErrorDomain</string></dict></array>
</dict>
</plist>
',
    '2024-05-06 10:09:00',
    1,
    '2024-05-06 10:09:00',
    '2024-05-06 10:40:00'
);

INSERT INTO push_certs (
    topic, cert_pem, key_pem, stale_token, created_at, updated_at
) VALUES
(
    'com.apple.mgmt.External.7f1f6c1e-7c55-4d4c-9a3d-0f5f2f6b1c11',
    '-----BEGIN CERTIFICATE-----
MIICTjCCAfSgAwIBAgIUR20D8L+3BWcxDlVLfFOjDQYhIbcwCgYIKoZIzj0EAwIw
gY8xMjAwBgNVBAMMKUFQU1A6N2YxZjZjMWUtN2M1NS00ZDRjLTlhM2QtMGY1ZjJm
NmIxYzExMUwwSgYKCZImiZPyLGQBAQw8Y29tLmFwcGxlLm1nbXQuRXh0ZXJuYWwu
N2YxZjZjMWUtN2M1NS00ZDRjLTlhM2QtMGY1ZjJmNmIxYzExMQswCQYDVQQGEwJV
UzAeFw0yNDAxMDEwMDAwMDBaFw00ODEyMzEwMDAwMDBaMIGPMTIwMAYDVQQDDClB
UFNQOjdmMWY2YzFlLTdjNTUtNGQ0Yy05YTNkLTBmNWYyZjZiMWMxMTFMMEoGCgmS
JomT8ixkAQEMPGNvbS5hcHBsZS5tZ210LkV4dGVybmFsLjdmMWY2YzFlLTdjNTUt
NGQ0Yy05YTNkLTBmNWYyZjZiMWMxMTELMAkGA1UEBhMCVVMwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAAQ9t/VnThrGQzkDZZrZHOGNT3u6sydDA2kFrZduQv2IuPOH
A4eD2TeNRVJHUyO/pYc/9O11AkchBdHEm12G1Z8aoywwKjAJBgNVHRMEAjAAMB0G
A1UdDgQWBBTkAo73DdDGJyoFWkwArYgIspxgnTAKBggqhkjOPQQDAgNIADBFAiA8
7WOBROceRbRr7C2GwHpxF08qZ8DcqjDPuc4niwXfywIhAKkN+M5efrao2Pa39rck
tCx+HhsqHgqG8PGBXkF9u8rv
-----END CERTIFICATE-----
',
    '-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIFcYbMJjgT1V4kXeJSrBR8nnhY0t9THG1D9FhykPq84coAoGCCqGSM49
AwEHoUQDQgAEPbf1Z04axkM5A2Wa2RzhjU97urMnQwNpBa2XbkL9iLjzhwOHg9k3
jUVSR1Mjv6WHP/TtdQJHIQXRxJtdhtWfGg==
-----END EC PRIVATE KEY-----
',
    1,
    '2024-05-06 06:00:00',
    '2024-05-06 06:30:00'
);

-- The hashes are those of the certificates above; the first is the Mac's before
-- it enrolled again.
INSERT INTO cert_auth_associations (
    id, sha256, created_at, updated_at
) VALUES
    ('9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01', 'c499ac8078f0e54960ad24a69c0978e894b4a1d4542e984657d8cdb2d656459e', '2024-05-06 07:00:00', '2024-05-06 07:00:00'),
    ('9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01', '2f23adf3894b7d878a746702c7f3301501d6ae3f64915faf1c46ebc0c9472272', '2024-05-06 08:00:00', '2024-05-06 08:00:00'),
    ('00008120-001C25D40C83001E', '65770efcd9b0327579069e793086f4465266b0d0dd210170cd3c1d2d5b4b6432', '2024-05-06 09:00:00', '2024-05-06 09:00:00');
