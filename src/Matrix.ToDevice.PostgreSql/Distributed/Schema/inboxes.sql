-- What a device has, and what nobody asks for any more. Every function works in one bucket, its first parameter: it is run whole where that
-- bucket is, and commits there.

-- Deletes the oldest messages of an inbox, up to one, if that one is there, and so many at most: returns how many, n, or -1 - n when
-- there are more. It goes about it as in the layout for one machine.
CREATE OR REPLACE FUNCTION to_device_acknowledge(
    in_bucket integer, of_user_id text, of_device_id text, up_to bigint, of_send_id bigint, most bigint
) RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
-- A session plans it once, perhaps when all inboxes are empty, and goes on with that when they are full.
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    behind bigint;
    oldest bigint;
    portion_end bigint := up_to;
    deleted bigint;
BEGIN
    -- Most calls name what was acknowledged before: they end here.
    PERFORM 1 FROM to_device_message m
    WHERE m.bucket = in_bucket AND m.user_id = of_user_id AND m.device_id = of_device_id AND m.sequence = up_to AND m.send_id = of_send_id;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;

    SELECT d.acknowledged INTO behind FROM to_device_device d
    WHERE d.bucket = in_bucket AND d.user_id = of_user_id AND d.device_id = of_device_id;
    behind := coalesce(behind, 0);
    IF up_to - behind >= 500 THEN
        PERFORM 1 FROM to_device_device d
        WHERE d.bucket = in_bucket AND d.user_id = of_user_id AND d.device_id = of_device_id FOR NO KEY UPDATE;
        SELECT m.sequence INTO oldest FROM to_device_message m
        WHERE m.bucket = in_bucket AND m.user_id = of_user_id AND m.device_id = of_device_id AND m.sequence > behind
        ORDER BY m.sequence LIMIT 1;
        -- Somebody else has deleted them meanwhile.
        IF NOT FOUND THEN
            RETURN 0;
        END IF;
        portion_end := least(up_to, oldest - 1 + most);
    END IF;

    DELETE FROM to_device_message m
    WHERE m.bucket = in_bucket AND m.user_id = of_user_id AND m.device_id = of_device_id AND m.sequence > behind AND m.sequence <= portion_end
        AND EXISTS (
            SELECT FROM to_device_message last
            WHERE last.bucket = in_bucket AND last.user_id = of_user_id AND last.device_id = of_device_id AND last.sequence = up_to
                AND last.send_id = of_send_id);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF up_to - behind >= 500 AND deleted > 0 THEN
        UPDATE to_device_device d SET acknowledged = portion_end
        WHERE d.bucket = in_bucket AND d.user_id = of_user_id AND d.device_id = of_device_id;
    END IF;

    RETURN CASE WHEN portion_end < up_to THEN -1 - deleted ELSE deleted END;
END
$$;

-- Ends a device; returns the number of the removal, in this bucket. The number comes last, so that its row is locked only briefly; it
-- follows the clock, so that a database that lost its last transactions never gives one out again. What the device has sent before is
-- still delivered: its intents stay, and the count of its sends.
CREATE OR REPLACE FUNCTION to_device_remove(
    in_bucket integer, removed_user_id text, removed_device_id text, removal_time timestamptz
) RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    microseconds bigint;
    number bigint;
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;

    INSERT INTO to_device_device AS d (bucket, user_id, device_id, last_sequence, acknowledged, removal, last_send)
    VALUES (in_bucket, removed_user_id, removed_device_id, 0, 0, 0, 0)
    ON CONFLICT (bucket, user_id, device_id) DO UPDATE SET last_sequence = 0, acknowledged = 0;

    DELETE FROM to_device_message m
    WHERE m.bucket = in_bucket AND m.user_id = removed_user_id AND m.device_id = removed_device_id;
    -- Whoever else waits for a record has the device's row before; those who purge pass over what is locked.
    DELETE FROM to_device_transaction t
    WHERE t.bucket = in_bucket AND t.user_id = removed_user_id AND t.device_id = removed_device_id;

    microseconds := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    INSERT INTO to_device_removals AS r (bucket, last) VALUES (in_bucket, microseconds)
    ON CONFLICT (bucket) DO UPDATE SET last = greatest(r.last + 1, excluded.last)
    RETURNING r.last INTO number;
    UPDATE to_device_device d SET removal = number, removed_at = removal_time
    WHERE d.bucket = in_bucket AND d.user_id = removed_user_id AND d.device_id = removed_device_id;
    RETURN number;
END
$$;

-- Forgets records that were not used for long, those of EDUs from other servers or all others: so many at most, returns how many. Hosts
-- that purge at the same time share the work. A record that is used at this moment is looked at again.
CREATE OR REPLACE FUNCTION to_device_purge(in_bucket integer, of_edus boolean, used_before timestamptz, most bigint) RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    due_user_ids text[];
    due_device_ids text[];
    due_keys uuid[];
    due bigint;
    at_user_id text;
    at_device_id text;
    at_key uuid;
BEGIN
    -- The condition on device_id stands there letter for letter as the indexes by age have it.
    IF of_edus THEN
        SELECT array_agg(f.user_id), array_agg(f.device_id), array_agg(f.key), count(*) INTO due_user_ids, due_device_ids, due_keys, due
        FROM (SELECT t.user_id, t.device_id, t.key FROM to_device_transaction t
              WHERE t.bucket = in_bucket AND t.device_id = E'\x01=' AND t.last_used < used_before
              ORDER BY t.last_used LIMIT most FOR UPDATE SKIP LOCKED) f;
    ELSE
        SELECT array_agg(f.user_id), array_agg(f.device_id), array_agg(f.key), count(*) INTO due_user_ids, due_device_ids, due_keys, due
        FROM (SELECT t.user_id, t.device_id, t.key FROM to_device_transaction t
              WHERE t.bucket = in_bucket AND t.device_id <> E'\x01=' AND t.last_used < used_before
              ORDER BY t.last_used LIMIT most FOR UPDATE SKIP LOCKED) f;
    END IF;

    FOR place IN 1..due LOOP
        at_user_id := due_user_ids[place];
        at_device_id := due_device_ids[place];
        at_key := due_keys[place];
        DELETE FROM to_device_transaction t
        WHERE t.bucket = in_bucket AND t.user_id = at_user_id AND t.device_id = at_device_id AND t.key = at_key;
    END LOOP;
    RETURN due;
END
$$;

-- Forgets removals that are old, so many at most: returns how many. The counters of a device that has come back stay, and the count of the
-- sends of one that has sent something: what is delivered of it is told by that.
CREATE OR REPLACE FUNCTION to_device_forget_removals(in_bucket integer, removed_before timestamptz, most bigint) RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    due_user_ids text[];
    due_device_ids text[];
    due bigint;
    at_user_id text;
    at_device_id text;
BEGIN
    SELECT array_agg(f.user_id), array_agg(f.device_id), count(*) INTO due_user_ids, due_device_ids, due
    FROM (SELECT d.user_id, d.device_id FROM to_device_device d
          WHERE d.bucket = in_bucket AND d.removal > 0 AND d.removed_at < removed_before
          LIMIT most FOR UPDATE SKIP LOCKED) f;

    FOR place IN 1..due LOOP
        at_user_id := due_user_ids[place];
        at_device_id := due_device_ids[place];
        DELETE FROM to_device_device d
        WHERE d.bucket = in_bucket AND d.user_id = at_user_id AND d.device_id = at_device_id
            AND d.last_sequence = 0 AND d.last_send = 0;
        IF NOT FOUND THEN
            UPDATE to_device_device d SET removal = 0, removed_at = NULL
            WHERE d.bucket = in_bucket AND d.user_id = at_user_id AND d.device_id = at_device_id;
        END IF;
    END LOOP;
    RETURN due;
END
$$;
