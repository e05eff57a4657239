-- What operators ask of a bucket, and what is done now and then. Every function works in one bucket, its first parameter: it is run whole
-- where that bucket is, and commits there.

-- The size of each of these inboxes, in their order: messages, then bytes. Lengths cost a look at each row: they are left out where there
-- are messages enough without.
CREATE OR REPLACE FUNCTION to_device_measure(
    in_bucket integer, of_user_ids text[], of_device_ids text[], most_messages bigint, most_bytes bigint
) RETURNS bigint[]
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    at_user_id text;
    at_device_id text;
    messages bigint;
    bytes bigint;
    first bigint;
    length bigint;
    result bigint[] := ARRAY[]::bigint[];
BEGIN
    FOR place IN 1..cardinality(of_user_ids) LOOP
        at_user_id := of_user_ids[place];
        at_device_id := of_device_ids[place];
        SELECT d.last_sequence - m.sequence + 1, m.sequence INTO messages, first
        FROM to_device_device d CROSS JOIN LATERAL (
            SELECT m.sequence FROM to_device_message m
            WHERE m.bucket = in_bucket AND m.user_id = d.user_id AND m.device_id = d.device_id
                AND m.sequence > least(d.acknowledged, d.last_sequence)
            ORDER BY m.sequence LIMIT 1) m
        WHERE d.bucket = in_bucket AND d.user_id = at_user_id AND d.device_id = at_device_id;
        messages := coalesce(messages, 0);
        bytes := 0;
        IF messages > 0 AND messages < most_messages AND most_bytes > 0 THEN
            FOR length IN
                SELECT octet_length(m.content) FROM to_device_message m
                WHERE m.bucket = in_bucket AND m.user_id = at_user_id AND m.device_id = at_device_id AND m.sequence >= first
                ORDER BY m.sequence
            LOOP
                bytes := bytes + length;
                EXIT WHEN bytes >= most_bytes;
            END LOOP;
        END IF;
        result := result || ARRAY[messages, bytes];
    END LOOP;
    RETURN result;
END
$$;

-- Deletes the oldest messages of these inboxes, those that were committed before a moment, and so many at most: returns how many. The
-- devices come in the order in which commits lock them, and each is locked before its messages, as commits and removals do. One whose row
-- somebody has for long, because it is just removed with a long inbox, is waited for with empty hands: sends to the others do not wait
-- with it. It is left for the next call when something has been deleted before.
CREATE OR REPLACE FUNCTION to_device_expire(
    in_bucket integer, of_user_ids text[], of_device_ids text[], before timestamptz, most bigint
) RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    at_user_id text;
    at_device_id text;
    behind bigint;
    portion bigint;
    expired_up_to bigint;
    deleted bigint;
    expired bigint := 0;
BEGIN
    FOR place IN 1..cardinality(of_user_ids) LOOP
        at_user_id := of_user_ids[place];
        at_device_id := of_device_ids[place];
        EXIT WHEN expired >= most;
        PERFORM 1 FROM to_device_device d CROSS JOIN LATERAL (
            SELECT m.committed_at FROM to_device_message m
            WHERE m.bucket = in_bucket AND m.user_id = d.user_id AND m.device_id = d.device_id
                AND m.sequence > least(d.acknowledged, d.last_sequence)
            ORDER BY m.sequence LIMIT 1) oldest
        WHERE d.bucket = in_bucket AND d.user_id = at_user_id AND d.device_id = at_device_id AND oldest.committed_at < before;
        CONTINUE WHEN NOT FOUND;
        IF expired = 0 THEN
            SELECT least(d.acknowledged, d.last_sequence) INTO behind FROM to_device_device d
            WHERE d.bucket = in_bucket AND d.user_id = at_user_id AND d.device_id = at_device_id FOR NO KEY UPDATE;
        ELSE
            SELECT least(d.acknowledged, d.last_sequence) INTO behind FROM to_device_device d
            WHERE d.bucket = in_bucket AND d.user_id = at_user_id AND d.device_id = at_device_id FOR NO KEY UPDATE SKIP LOCKED;
        END IF;
        CONTINUE WHEN NOT FOUND;

        portion := most - expired;
        SELECT coalesce(min(m.sequence) FILTER (WHERE m.committed_at >= before) - 1, max(m.sequence)) INTO expired_up_to
        FROM (SELECT m.sequence, m.committed_at FROM to_device_message m
              WHERE m.bucket = in_bucket AND m.user_id = at_user_id AND m.device_id = at_device_id AND m.sequence > behind
              ORDER BY m.sequence LIMIT portion) m;
        DELETE FROM to_device_message m
        WHERE m.bucket = in_bucket AND m.user_id = at_user_id AND m.device_id = at_device_id
            AND m.sequence > behind AND m.sequence <= expired_up_to;
        GET DIAGNOSTICS deleted = ROW_COUNT;
        IF deleted > 0 THEN
            UPDATE to_device_device d SET acknowledged = expired_up_to
            WHERE d.bucket = in_bucket AND d.user_id = at_user_id AND d.device_id = at_device_id;
            expired := expired + deleted;
        END IF;
    END LOOP;
    RETURN expired;
END
$$;

-- Takes a task that is due: true for one of those who ask. Also when it was taken at a time that is still to come: a failover has set the
-- clock back.
CREATE OR REPLACE FUNCTION to_device_take_task(in_bucket integer, of_task text, every interval) RETURNS boolean
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    due timestamptz := moment - every;
    too_far timestamptz := moment + every;
BEGIN
    INSERT INTO to_device_upkeep AS u (bucket, task, taken_at) VALUES (in_bucket, of_task, moment)
    ON CONFLICT (bucket, task) DO UPDATE SET taken_at = excluded.taken_at WHERE u.taken_at <= due OR u.taken_at > too_far;
    RETURN FOUND;
END
$$;
