-- Run it with search_path set to the schema that is to hold the tables.

-- acknowledged: up to where the inbox was deleted when that was noted last. Nothing is at or below it.
ALTER TABLE to_device_device ADD COLUMN acknowledged bigint NOT NULL DEFAULT 0;

-- removed_up_to: up to where EDUs were removed. Nothing is at or below it.
ALTER TABLE to_device_lease ADD COLUMN removed_up_to bigint NOT NULL DEFAULT 0;

-- Those that have failed are looked for apart: however many there are, the others do not wait for them.
DROP INDEX to_device_lease_by_time;
CREATE INDEX to_device_lease_by_time ON to_device_lease (taken_until) WHERE is_waiting AND failures = 0;
CREATE INDEX to_device_lease_of_failing_by_time ON to_device_lease (taken_until) WHERE is_waiting AND failures > 0;
CREATE INDEX to_device_lease_of_empty_by_time ON to_device_lease (taken_until) WHERE NOT is_waiting;

-- Nothing is kept of a destination for which nothing waits.
DELETE FROM to_device_lease WHERE NOT is_waiting AND holder IS NULL;
DELETE FROM to_device_destination d WHERE NOT EXISTS (SELECT FROM to_device_lease l WHERE l.destination = d.destination);
