-- Run it with search_path set to the schema that is to hold the tables.

INSERT INTO to_device_schema (version) VALUES (2);

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

-- Removes the EDUs of a destination up to a position. If none is left, nothing waits any more; whether one is left is known
-- when the commits that are under way have ended. The counter is written, and not only locked, for isolation levels that
-- tell a commit about changes alone.
CREATE FUNCTION to_device_remove_edus(to_destination text, up_to bigint) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    DELETE FROM to_device_edu e WHERE e.destination = to_destination AND e.position <= up_to;
    IF EXISTS (SELECT FROM to_device_edu e WHERE e.destination = to_destination) THEN
        RETURN;
    END IF;

    UPDATE to_device_destination d SET last_position = d.last_position WHERE d.destination = to_destination;
    UPDATE to_device_lease l SET is_waiting = false
    WHERE l.destination = to_destination AND l.is_waiting
        AND NOT EXISTS (SELECT FROM to_device_edu e WHERE e.destination = to_destination);
END
$$;

-- Keeps a destination for longer, and notes what is being sent to it; false when it has another holder or none. The note is
-- on the disk, whatever the default of this database: a sender that starts again repeats what it may have sent.
CREATE FUNCTION to_device_renew(to_destination text, by_holder text, duration interval, up_to bigint) RETURNS boolean
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;

    UPDATE to_device_lease l SET taken_until = clock_timestamp() + duration, sending_up_to = up_to
    WHERE l.destination = to_destination AND l.holder = by_holder;
    RETURN FOUND;
END
$$;

-- As before; EDUs with the time of their commit, and their destinations free to be taken.
CREATE OR REPLACE FUNCTION to_device_commit(
    known_removals bigint, used_at timestamptz,
    lock_user_ids text[], lock_device_ids text[], lock_counts bigint[],
    sender_user_ids text[], sender_device_ids text[], sender_keys uuid[], sender_commit_ids bigint[],
    message_device integer[], message_later integer[], message_user_ids text[], message_device_ids text[],
    message_send_ids bigint[], message_senders text[], message_event_types text[], message_contents bytea[],
    destinations text[], destination_counts bigint[],
    edu_destination integer[], edu_later integer[], edu_destinations text[], edu_message_ids text[], edu_contents bytea[]
) RETURNS boolean
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    lasts bigint[];
    recorded bigint;
BEGIN
    -- What was answered 200 is on the disk, whatever the default of this database.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;

    -- Locks until the end of the transaction. Everybody does it in the same order, and first: no deadlock.
    WITH locked AS (
        INSERT INTO to_device_device AS device (user_id, device_id, last_sequence)
        SELECT unnest(lock_user_ids), unnest(lock_device_ids), unnest(lock_counts)
        ON CONFLICT (user_id, device_id) DO UPDATE SET last_sequence = device.last_sequence + excluded.last_sequence
        RETURNING device.last_sequence AS last)
    SELECT array_agg(locked.last) INTO lasts FROM locked;

    -- A statement of its own, behind the locks: it sees every removal that had one of these locks before.
    IF (SELECT removals.last FROM to_device_removals removals) > known_removals THEN
        RAISE SQLSTATE 'TD001';
    END IF;

    INSERT INTO to_device_transaction (user_id, device_id, key, commit_id, last_used)
    SELECT unnest(sender_user_ids), unnest(sender_device_ids), unnest(sender_keys), unnest(sender_commit_ids), used_at
    ON CONFLICT (user_id, device_id, key) DO NOTHING;
    GET DIAGNOSTICS recorded = ROW_COUNT;
    IF recorded < cardinality(sender_keys) THEN
        RAISE SQLSTATE 'TD001';
    END IF;

    INSERT INTO to_device_message (user_id, device_id, sequence, send_id, sender, event_type, content)
    SELECT m.user_id, m.device_id, lasts[m.device] - m.later, m.send_id, m.sender, m.event_type, m.content
    FROM (SELECT unnest(message_device) AS device, unnest(message_later) AS later,
                 unnest(message_user_ids) AS user_id, unnest(message_device_ids) AS device_id,
                 unnest(message_send_ids) AS send_id, unnest(message_senders) AS sender,
                 unnest(message_event_types) AS event_type, unnest(message_contents) AS content) m;

    IF cardinality(destinations) > 0 THEN
        WITH locked AS (
            INSERT INTO to_device_destination AS d (destination, last_position)
            SELECT unnest(destinations), unnest(destination_counts)
            ON CONFLICT (destination) DO UPDATE SET last_position = d.last_position + excluded.last_position
            RETURNING d.last_position AS last)
        SELECT array_agg(locked.last) INTO lasts FROM locked;

        INSERT INTO to_device_edu (destination, position, message_id, content, committed_at)
        SELECT e.destination, lasts[e.place] - e.later, e.message_id, e.content, used_at
        FROM (SELECT unnest(edu_destination) AS place, unnest(edu_later) AS later, unnest(edu_destinations) AS destination,
                     unnest(edu_message_ids) AS message_id, unnest(edu_contents) AS content) e;

        -- Only where nothing was waiting: a commit holds no row that a sender looks for. The locks on the counters keep out
        -- whoever else would change is_waiting.
        INSERT INTO to_device_lease AS l (destination, is_waiting, taken_until)
        SELECT d.destination, true, clock_timestamp() FROM unnest(destinations) AS d (destination)
        WHERE NOT EXISTS (SELECT FROM to_device_lease w WHERE w.destination = d.destination AND w.is_waiting)
        ON CONFLICT (destination) DO UPDATE SET is_waiting = true, taken_until = greatest(l.taken_until, excluded.taken_until);
    END IF;

    RETURN true;
EXCEPTION WHEN SQLSTATE 'TD001' THEN
    -- Everything above is undone.
    RETURN false;
END
$$;
