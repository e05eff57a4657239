-- When the send of a message was committed: Unix time in milliseconds. The 0 becomes the moment of the upgrade: what was there before
-- counts from then on, and no row is written for it.
ALTER TABLE to_device_message ADD COLUMN committed_at INTEGER NOT NULL DEFAULT /* now */ 0;

-- Tasks that are due now and then. taken_at: when somebody took one last, in Unix time in milliseconds.
CREATE TABLE to_device_upkeep (
    task     TEXT PRIMARY KEY,
    taken_at INTEGER NOT NULL
) WITHOUT ROWID;
