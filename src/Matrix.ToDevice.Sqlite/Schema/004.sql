-- Up to which sequence number a device has acknowledged messages that are still to be deleted: nobody is shown those again.
CREATE TABLE to_device_acknowledged (
    device INTEGER PRIMARY KEY,
    up_to  INTEGER NOT NULL
);

-- The latest transaction records, in the order of arrival. The writer has them in memory, and moves thousands of them at a time to
-- to_device_transaction: their keys are random, and one by one each would change a page of its own there.
CREATE TABLE to_device_recent_transaction (
    id        INTEGER PRIMARY KEY,
    device    INTEGER NOT NULL,
    key       BLOB NOT NULL,
    last_used INTEGER NOT NULL
);
