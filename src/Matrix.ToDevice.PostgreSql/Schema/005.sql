-- Run it with search_path set to the schema that is to hold the tables.

-- When the send of a message was committed, by the clock of the database, whatever version of host has made it. What was there before
-- counts from now on; no row is written for it.
ALTER TABLE to_device_message ADD COLUMN committed_at timestamptz NOT NULL DEFAULT now();

-- Tasks that are due now and then, for one of the hosts. taken_at: when one took it last.
CREATE TABLE to_device_upkeep (
    task     text COLLATE "C" PRIMARY KEY,
    taken_at timestamptz NOT NULL
);
