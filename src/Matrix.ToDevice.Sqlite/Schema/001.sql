-- A device that has sent or was sent something. Its ID is never used again, so rows of an earlier life of the device,
-- which still wait for their deletion, belong to nobody.
CREATE TABLE to_device_device (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id       TEXT NOT NULL,
    device_id     TEXT NOT NULL,
    -- The highest sequence number that was deleted: an inbox that is emptied goes on counting.
    last_sequence INTEGER NOT NULL DEFAULT 0,
    UNIQUE (user_id, device_id)
);

-- Written in the order of arrival, found by device: several times faster than keeping whole contents in the order of devices.
CREATE TABLE to_device_message (
    id         INTEGER PRIMARY KEY,
    device     INTEGER NOT NULL,
    sequence   INTEGER NOT NULL,
    send_id    INTEGER NOT NULL,
    sender     TEXT NOT NULL,
    event_type TEXT NOT NULL,
    content    BLOB NOT NULL
);
CREATE UNIQUE INDEX to_device_message_by_device ON to_device_message (device, sequence);

-- device: the sending device's ID, or 0 for a requester without one. key: the fingerprint of the transaction key.
-- last_used: Unix time in milliseconds.
CREATE TABLE to_device_transaction (
    device    INTEGER NOT NULL,
    key       BLOB NOT NULL,
    last_used INTEGER NOT NULL,
    PRIMARY KEY (device, key)
) WITHOUT ROWID;
CREATE INDEX to_device_transaction_by_age ON to_device_transaction (last_used);

CREATE TABLE to_device_edu (
    position    INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    message_id  TEXT NOT NULL,
    content     BLOB NOT NULL
);
CREATE INDEX to_device_edu_by_destination ON to_device_edu (destination, position);

-- Removed devices whose messages and transactions are still to be deleted, a few at a time.
CREATE TABLE to_device_removed (
    device INTEGER PRIMARY KEY
);
