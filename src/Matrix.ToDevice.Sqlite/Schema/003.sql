-- Those that have failed are looked for apart: however many there are, the others do not wait for them.
DROP INDEX to_device_lease_by_time;
CREATE INDEX to_device_lease_by_time ON to_device_lease (taken_until) WHERE failures = 0;
CREATE INDEX to_device_lease_of_failing_by_time ON to_device_lease (taken_until) WHERE failures > 0;
