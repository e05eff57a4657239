-- Run it with search_path set to the schema that is to hold the tables.

-- acknowledged: up to where the inbox was deleted when that was noted last. Nothing is at or below it.
ALTER TABLE to_device_device ADD COLUMN acknowledged bigint NOT NULL DEFAULT 0;

-- removed_up_to: up to where EDUs were removed. Nothing is at or below it.
ALTER TABLE to_device_lease ADD COLUMN removed_up_to bigint NOT NULL DEFAULT 0;

-- due_at: what it is found by. That is taken_until, but for those whose holder has kept them for longer (is_kept): that is written
-- for each transaction that is sent, and a change of what no index is over needs none of them.
-- Those that have failed are looked for apart: however many there are, the others do not wait for them.
ALTER TABLE to_device_lease
    ADD COLUMN due_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN is_kept boolean NOT NULL DEFAULT false;
UPDATE to_device_lease SET due_at = taken_until;
DROP INDEX to_device_lease_by_time;
CREATE INDEX to_device_lease_by_time ON to_device_lease (due_at) WHERE is_waiting AND failures = 0;
CREATE INDEX to_device_lease_of_failing_by_time ON to_device_lease (due_at) WHERE is_waiting AND failures > 0;
CREATE INDEX to_device_lease_of_empty_by_time ON to_device_lease (due_at) WHERE NOT is_waiting;
CREATE INDEX to_device_lease_of_kept ON to_device_lease (destination) WHERE is_kept;

-- Nothing is kept of a destination for which nothing waits.
DELETE FROM to_device_lease WHERE NOT is_waiting AND holder IS NULL;
DELETE FROM to_device_destination d WHERE NOT EXISTS (SELECT FROM to_device_lease l WHERE l.destination = d.destination);
