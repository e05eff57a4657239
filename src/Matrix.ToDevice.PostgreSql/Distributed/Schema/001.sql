-- The tables of the layout for many machines (docs/decisions/030). Run it with search_path set to the schema that is to hold them.
--
-- bucket: the column by which they are distributed, a number that follows from the owner of a row: from the user ID, or from the
-- destination. Whatever belongs to one owner is in one bucket, all tables have a bucket's rows on one machine, and no statement names two
-- buckets.

CREATE TABLE to_device_distribution (
    version integer PRIMARY KEY
);
INSERT INTO to_device_distribution (version) VALUES (1);

CREATE TABLE to_device_device (
    bucket        integer NOT NULL,
    user_id       text COLLATE "C" NOT NULL,
    device_id     text COLLATE "C" NOT NULL,
    -- The number of the newest message that ever was in its inbox, and up to where it was deleted when that was noted last.
    last_sequence bigint NOT NULL,
    acknowledged  bigint NOT NULL,
    -- The number of its last removal, 0 when there was none or it is forgotten.
    removal       bigint NOT NULL,
    removed_at    timestamptz,
    -- The number of the last send that it made.
    last_send     bigint NOT NULL,
    PRIMARY KEY (bucket, user_id, device_id)
) WITH (fillfactor = 60);
CREATE INDEX to_device_device_by_removal ON to_device_device (bucket, removal) WHERE removal > 0;

-- The number of the last removal in a bucket. Removals become visible in the order of their numbers.
CREATE TABLE to_device_removals (
    bucket integer PRIMARY KEY,
    last   bigint NOT NULL
);

CREATE TABLE to_device_message (
    bucket       integer NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    device_id    text COLLATE "C" NOT NULL,
    sequence     bigint NOT NULL,
    send_id      bigint NOT NULL,
    sender       text NOT NULL,
    event_type   text NOT NULL,
    content      bytea NOT NULL,
    committed_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, user_id, device_id, sequence)
) WITH (toast_tuple_target = 8160);
ALTER TABLE to_device_message ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE to_device_transaction (
    bucket    integer NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    key       uuid NOT NULL,
    commit_id bigint NOT NULL,
    last_used timestamptz NOT NULL,
    PRIMARY KEY (bucket, user_id, device_id, key)
);
CREATE INDEX to_device_transaction_by_age ON to_device_transaction (bucket, last_used) WHERE device_id <> E'\x01=';
CREATE INDEX to_device_transaction_of_edus_by_age ON to_device_transaction (bucket, last_used) WHERE device_id = E'\x01=';

-- What a send that was accepted has still to put into another bucket, the target: written together with the record, in the sender's bucket,
-- deleted when it is there. Of one device and one target, the one with the smallest number goes first.
CREATE TABLE to_device_intent (
    bucket      integer NOT NULL,
    user_id     text COLLATE "C" NOT NULL,
    device_id   text COLLATE "C" NOT NULL,
    target      integer NOT NULL,
    number      bigint NOT NULL,
    accepted_at timestamptz NOT NULL,
    payload     bytea NOT NULL,
    PRIMARY KEY (bucket, user_id, device_id, target, number)
) WITH (toast_tuple_target = 8160);
ALTER TABLE to_device_intent ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX to_device_intent_by_age ON to_device_intent (bucket, accepted_at);

-- Up to which number the sends of a device of another bucket, the source, have been put into this one. Written together with them: what is
-- at or below it was delivered, however often somebody tries. idle_since: when it was found that nothing waits at the source.
CREATE TABLE to_device_delivered (
    bucket     integer NOT NULL,
    source     integer NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    device_id  text COLLATE "C" NOT NULL,
    last       bigint NOT NULL,
    idle_since timestamptz,
    PRIMARY KEY (bucket, source, user_id, device_id)
) WITH (fillfactor = 60);

CREATE TABLE to_device_destination (
    bucket        integer NOT NULL,
    destination   text COLLATE "C" NOT NULL,
    last_position bigint NOT NULL,
    PRIMARY KEY (bucket, destination)
) WITH (fillfactor = 60);

CREATE TABLE to_device_edu (
    bucket       integer NOT NULL,
    destination  text COLLATE "C" NOT NULL,
    position     bigint NOT NULL,
    message_id   text NOT NULL,
    content      bytea NOT NULL,
    committed_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, destination, position)
) WITH (toast_tuple_target = 8160);
ALTER TABLE to_device_edu ALTER COLUMN content SET STORAGE EXTERNAL;

-- As in the layout for one machine.
CREATE TABLE to_device_lease (
    bucket        integer NOT NULL,
    destination   text COLLATE "C" NOT NULL,
    is_waiting    boolean NOT NULL,
    holder        text,
    taken_until   timestamptz NOT NULL,
    sending_up_to bigint NOT NULL,
    failures      integer NOT NULL,
    removed_up_to bigint NOT NULL,
    due_at        timestamptz NOT NULL,
    PRIMARY KEY (bucket, destination)
) WITH (fillfactor = 60);
CREATE INDEX to_device_lease_by_time ON to_device_lease (bucket, due_at) WHERE is_waiting AND failures = 0;
CREATE INDEX to_device_lease_of_failing_by_time ON to_device_lease (bucket, due_at) WHERE is_waiting AND failures > 0;
CREATE INDEX to_device_lease_of_empty_by_time ON to_device_lease (bucket, due_at) WHERE NOT is_waiting;

CREATE TABLE to_device_upkeep (
    bucket   integer NOT NULL,
    task     text COLLATE "C" NOT NULL,
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, task)
);
