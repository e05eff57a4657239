-- Run it with search_path set to the schema that is to hold the tables.

INSERT INTO to_device_schema (version) VALUES (2);

-- Hosts of version 1 would commit EDUs that nobody takes: they have no lease.
DROP FUNCTION IF EXISTS to_device_commit;

-- When the send of an EDU was committed. What was there before counts from now on.
ALTER TABLE to_device_edu ADD COLUMN committed_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE to_device_edu ALTER COLUMN committed_at DROP DEFAULT;

-- Who sends to a destination. Apart from its counter, which commits lock until their end: whoever looks for something to
-- send waits for no commit, and passes over no destination because there are many.
-- holder: who has taken it. taken_until: when it can be taken, by the clock of the database.
-- sending_up_to: the position of the last EDU of the transaction that was tried last. failures: how many in a row.
-- is_waiting: whether there are EDUs. Changed only by those who have locked the destination's counter.
CREATE TABLE to_device_lease (
    destination   text COLLATE "C" PRIMARY KEY,
    is_waiting    boolean NOT NULL,
    holder        text,
    taken_until   timestamptz NOT NULL,
    sending_up_to bigint NOT NULL DEFAULT 0,
    failures      integer NOT NULL DEFAULT 0
) WITH (fillfactor = 60);
CREATE INDEX to_device_lease_by_time ON to_device_lease (taken_until) WHERE is_waiting;
INSERT INTO to_device_lease (destination, is_waiting, taken_until)
SELECT d.destination, EXISTS (SELECT FROM to_device_edu e WHERE e.destination = d.destination), now() FROM to_device_destination d;

-- Records of EDUs from other servers have a device ID that no device has, and a retention of their own: every record is in
-- one of these.
DROP INDEX to_device_transaction_by_age;
CREATE INDEX to_device_transaction_by_age ON to_device_transaction (last_used) WHERE device_id <> E'\x01=';
CREATE INDEX to_device_transaction_of_edus_by_age ON to_device_transaction (last_used) WHERE device_id = E'\x01=';
