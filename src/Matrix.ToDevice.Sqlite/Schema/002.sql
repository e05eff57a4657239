-- When the send of an EDU was committed: Unix time in milliseconds. What was there before counts from now on.
ALTER TABLE to_device_edu ADD COLUMN committed_at INTEGER NOT NULL DEFAULT 0;
UPDATE to_device_edu SET committed_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER);

-- A destination that has EDUs waiting, is taken by a sender, or has failed. holder: who has taken it. taken_until: when it can
-- be taken, in Unix time in milliseconds. sending_up_to: the position of the last EDU of the transaction that was tried last.
CREATE TABLE to_device_lease (
    destination   TEXT PRIMARY KEY,
    holder        TEXT,
    taken_until   INTEGER NOT NULL,
    sending_up_to INTEGER NOT NULL DEFAULT 0,
    failures      INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX to_device_lease_by_time ON to_device_lease (taken_until);
INSERT INTO to_device_lease (destination, taken_until) SELECT DISTINCT destination, 0 FROM to_device_edu;

-- Records of EDUs from other servers have the device -1, and a retention of their own: every record is in one of these.
DROP INDEX to_device_transaction_by_age;
CREATE INDEX to_device_transaction_by_age ON to_device_transaction (last_used) WHERE device >= 0;
CREATE INDEX to_device_transaction_of_edus_by_age ON to_device_transaction (last_used) WHERE device < 0;
