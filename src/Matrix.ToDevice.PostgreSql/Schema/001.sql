-- Run it with search_path set to the schema that is to hold the tables.

CREATE TABLE to_device_schema (
    version integer PRIMARY KEY
);
INSERT INTO to_device_schema (version) VALUES (1);

-- A device that has sent or was sent something. Its row is what commits and removals lock, always in one order.
-- last_sequence: the number of the newest message that ever was in its inbox.
-- removal: the number of its last removal, 0 when there was none or it is forgotten.
CREATE TABLE to_device_device (
    user_id       text COLLATE "C" NOT NULL,
    device_id     text COLLATE "C" NOT NULL,
    last_sequence bigint NOT NULL,
    removal       bigint NOT NULL DEFAULT 0,
    removed_at    timestamptz,
    PRIMARY KEY (user_id, device_id)
) WITH (fillfactor = 60); -- Its rows are updated again and again: with room in their page, no index has to follow.
CREATE INDEX to_device_device_by_removal ON to_device_device (removal) WHERE removal > 0;

-- The number of the last removal of a device. Removals become visible in the order of their numbers.
CREATE TABLE to_device_removals (
    the_only_row boolean PRIMARY KEY DEFAULT true CHECK (the_only_row),
    last         bigint NOT NULL
);
INSERT INTO to_device_removals (last) VALUES (0);

CREATE TABLE to_device_message (
    user_id    text COLLATE "C" NOT NULL,
    device_id  text COLLATE "C" NOT NULL,
    sequence   bigint NOT NULL,
    send_id    bigint NOT NULL,
    sender     text NOT NULL,
    event_type text NOT NULL,
    content    bytea NOT NULL,
    PRIMARY KEY (user_id, device_id, sequence)
) WITH (toast_tuple_target = 8160);
-- Contents are ciphertext: compressing them costs time and saves nothing. Up to a page they stay in the row.
ALTER TABLE to_device_message ALTER COLUMN content SET STORAGE EXTERNAL;

-- key: the fingerprint of the transaction key. commit_id: which attempt it was, for one that never got its answer.
CREATE TABLE to_device_transaction (
    user_id   text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    key       uuid NOT NULL,
    commit_id bigint NOT NULL,
    last_used timestamptz NOT NULL,
    PRIMARY KEY (user_id, device_id, key)
);
CREATE INDEX to_device_transaction_by_age ON to_device_transaction (last_used);

CREATE TABLE to_device_destination (
    destination   text COLLATE "C" PRIMARY KEY,
    last_position bigint NOT NULL
) WITH (fillfactor = 60);

CREATE TABLE to_device_edu (
    destination text COLLATE "C" NOT NULL,
    position    bigint NOT NULL,
    message_id  text NOT NULL,
    content     bytea NOT NULL,
    PRIMARY KEY (destination, position)
) WITH (toast_tuple_target = 8160);
ALTER TABLE to_device_edu ALTER COLUMN content SET STORAGE EXTERNAL;
