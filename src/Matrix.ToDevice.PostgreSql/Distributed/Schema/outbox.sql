-- What waits for other servers, and who sends it. Every function works in one bucket, its first parameter: it is run whole where that
-- bucket is, and commits there.

-- Puts EDUs behind those of their destinations, as part of what else is committed with them.
-- destinations: each once, sorted, with its bucket and the number of EDUs that it gets. edu_destination: its place there, from 1. edu_later:
-- how many of these EDUs come behind it for the same destination.
CREATE OR REPLACE FUNCTION to_device_add_edus(
    in_bucket integer, buckets integer[], destinations text[], counts bigint[],
    edu_destination integer[], edu_later integer[], edu_message_ids text[], edu_contents bytea[], used_at timestamptz[]
) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    first_position bigint := (extract(epoch FROM moment) * 1000000)::bigint;
    at_bucket integer;
    to_destination text;
    number bigint;
    count bigint;
    waits boolean;
    message_id text;
    content bytea;
    used timestamptz;
    lasts bigint[] := ARRAY[]::bigint[];
BEGIN
    FOR place IN 1..cardinality(destinations) LOOP
        at_bucket := buckets[place];
        to_destination := destinations[place];
        count := counts[place];
        -- A destination that was forgotten goes on counting, because its numbers follow the clock.
        INSERT INTO to_device_destination AS d (bucket, destination, last_position)
        VALUES (at_bucket, to_destination, first_position + count)
        ON CONFLICT (bucket, destination) DO UPDATE SET last_position = d.last_position + count
        RETURNING d.last_position INTO number;
        lasts := lasts || number;

        -- Only where nothing was waiting: a commit holds no row that a sender looks for. The locks on the counters keep out whoever else
        -- would change is_waiting. A counter that is new has no lease, whatever an older snapshot shows.
        waits := false;
        IF number <> first_position + count THEN
            SELECT l.is_waiting INTO waits FROM to_device_lease l WHERE l.bucket = at_bucket AND l.destination = to_destination;
        END IF;
        IF waits IS NOT TRUE THEN
            INSERT INTO to_device_lease AS l (
                bucket, destination, is_waiting, holder, taken_until, sending_up_to, failures, removed_up_to, due_at)
            VALUES (at_bucket, to_destination, true, NULL, moment, 0, 0, 0, moment)
            ON CONFLICT (bucket, destination) DO UPDATE SET
                is_waiting = true, taken_until = greatest(l.taken_until, excluded.taken_until), due_at = greatest(l.due_at, excluded.due_at);
        END IF;
    END LOOP;

    FOR place IN 1..cardinality(edu_destination) LOOP
        at_bucket := buckets[edu_destination[place]];
        to_destination := destinations[edu_destination[place]];
        number := lasts[edu_destination[place]] - edu_later[place];
        message_id := edu_message_ids[place];
        content := edu_contents[place];
        used := used_at[place];
        INSERT INTO to_device_edu (bucket, destination, position, message_id, content, committed_at)
        VALUES (at_bucket, to_destination, number, message_id, content, used);
    END LOOP;
END
$$;

-- Forgets a destination for which nothing waits, unless it is taken. Whether something waits is known when the commits that are
-- under way have ended. The counter is written, and not only locked, for isolation levels that tell a commit about changes
-- alone; whoever finds none would act on a destination that comes back just then.
CREATE OR REPLACE FUNCTION to_device_forget(in_bucket integer, to_destination text) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    last bigint;
    behind bigint;
BEGIN
    UPDATE to_device_destination d SET last_position = d.last_position WHERE d.bucket = in_bucket AND d.destination = to_destination
    RETURNING d.last_position INTO last;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT l.removed_up_to INTO behind FROM to_device_lease l WHERE l.bucket = in_bucket AND l.destination = to_destination;
    behind := coalesce(behind, 0);
    PERFORM 1 FROM to_device_edu e WHERE e.bucket = in_bucket AND e.destination = to_destination AND e.position > behind LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;

    UPDATE to_device_lease l SET is_waiting = false, removed_up_to = last
    WHERE l.bucket = in_bucket AND l.destination = to_destination AND l.is_waiting;
    DELETE FROM to_device_lease l WHERE l.bucket = in_bucket AND l.destination = to_destination AND l.holder IS NULL;
    IF FOUND THEN
        DELETE FROM to_device_destination d WHERE d.bucket = in_bucket AND d.destination = to_destination;
    END IF;
END
$$;

-- Removes EDUs of a destination: those that are at these positions with these message IDs. What is left begins behind a mark. A
-- commit gives out positions behind all that are visible, so the mark never passes one that is still to come.
CREATE OR REPLACE FUNCTION to_device_remove_edus(
    in_bucket integer, to_destination text, edu_positions bigint[], edu_message_ids text[]
) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    behind bigint;
    next_position bigint;
BEGIN
    DELETE FROM to_device_edu e
    WHERE e.bucket = in_bucket AND e.destination = to_destination AND e.position = ANY (edu_positions)
        AND e.message_id = edu_message_ids[array_position(edu_positions, e.position)];
    IF NOT FOUND THEN
        RETURN;
    END IF;

    SELECT l.removed_up_to INTO behind FROM to_device_lease l WHERE l.bucket = in_bucket AND l.destination = to_destination;
    behind := coalesce(behind, 0);
    SELECT e.position INTO next_position FROM to_device_edu e
    WHERE e.bucket = in_bucket AND e.destination = to_destination AND e.position > behind ORDER BY e.position LIMIT 1;
    IF next_position IS NULL THEN
        PERFORM to_device_forget(in_bucket, to_destination);
    ELSE
        -- Not each time: versions of this row are walked over too, and a few EDUs that are gone cost little.
        UPDATE to_device_lease l SET removed_up_to = next_position - 1
        WHERE l.bucket = in_bucket AND l.destination = to_destination AND l.removed_up_to < next_position - 1000;
    END IF;
END
$$;

-- Forgets destinations for which nothing waits, and whose holders have not come back. A commit that is under way to one is not waited for.
CREATE OR REPLACE FUNCTION to_device_forget_emptied(in_bucket integer, emptied text[], longest_pause interval) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    started timestamptz := clock_timestamp();
    too_far timestamptz := started + longest_pause;
    to_destination text;
BEGIN
    FOREACH to_destination IN ARRAY emptied LOOP
        PERFORM 1 FROM to_device_destination d WHERE d.bucket = in_bucket AND d.destination = to_destination FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
            UPDATE to_device_lease l SET holder = NULL
            WHERE l.bucket = in_bucket AND l.destination = to_destination AND NOT l.is_waiting
                AND (l.taken_until <= started OR l.taken_until > too_far);
            PERFORM to_device_forget(in_bucket, to_destination);
        END IF;
    END LOOP;
END
$$;

-- Takes those of these destinations that are free, and have failed or have not, as it was found before. What another host is just taking,
-- renewing or releasing is passed over: nobody waits. One that is taken until a time that is too far away is free: the clock was set back.
-- Returns three numbers for each: whether it was taken, up to where the last one was sending, its failures.
CREATE OR REPLACE FUNCTION to_device_take(
    in_bucket integer, destinations text[], have_failed boolean[], by_holder text, duration interval, longest_pause interval
) RETURNS bigint[]
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    started timestamptz := clock_timestamp();
    ends timestamptz := started + duration;
    too_far timestamptz := started + longest_pause;
    to_destination text;
    has_failed boolean;
    up_to bigint;
    times_failed bigint;
    result bigint[] := ARRAY[]::bigint[];
BEGIN
    FOR place IN 1..cardinality(destinations) LOOP
        to_destination := destinations[place];
        has_failed := have_failed[place];
        SELECT l.sending_up_to, l.failures INTO up_to, times_failed FROM to_device_lease l
        WHERE l.bucket = in_bucket AND l.destination = to_destination AND l.is_waiting AND (l.failures > 0) = has_failed
            AND (l.taken_until <= started OR l.taken_until > too_far) AND EXISTS (
                SELECT FROM to_device_edu e
                WHERE e.bucket = in_bucket AND e.destination = to_destination AND e.position > l.removed_up_to)
        FOR UPDATE OF l SKIP LOCKED;
        IF FOUND THEN
            UPDATE to_device_lease l SET holder = by_holder, taken_until = ends, due_at = ends
            WHERE l.bucket = in_bucket AND l.destination = to_destination;
            result := result || ARRAY[1, up_to, times_failed];
        ELSE
            result := result || ARRAY[0, 0, 0]::bigint[];
        END IF;
    END LOOP;
    RETURN result;
END
$$;

-- Gives a destination back. Who would forget it locks its counter first, as commits do.
CREATE OR REPLACE FUNCTION to_device_release(
    in_bucket integer, to_destination text, by_holder text, has_failed integer, pause interval
) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    is_empty boolean;
    ends timestamptz;
BEGIN
    PERFORM 1 FROM to_device_lease l
    WHERE l.bucket = in_bucket AND l.destination = to_destination AND l.holder = by_holder AND NOT l.is_waiting;
    is_empty := FOUND;
    IF is_empty THEN
        UPDATE to_device_destination d SET last_position = d.last_position WHERE d.bucket = in_bucket AND d.destination = to_destination;
    END IF;

    ends := clock_timestamp() + pause;
    UPDATE to_device_lease l SET holder = NULL, failures = has_failed, taken_until = ends, due_at = ends
    WHERE l.bucket = in_bucket AND l.destination = to_destination AND l.holder = by_holder;
    IF FOUND AND is_empty THEN
        PERFORM to_device_forget(in_bucket, to_destination);
    END IF;
END
$$;

-- Keeps a destination for longer, and notes what is being sent to it; false when it has another holder or none. The note is
-- on the disk, whatever the default of this database: a sender that starts again repeats what it may have sent.
CREATE OR REPLACE FUNCTION to_device_renew(
    in_bucket integer, to_destination text, by_holder text, duration interval, up_to bigint
) RETURNS boolean
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    ends timestamptz;
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;

    ends := clock_timestamp() + duration;
    UPDATE to_device_lease l SET taken_until = ends, due_at = ends, sending_up_to = up_to
    WHERE l.bucket = in_bucket AND l.destination = to_destination AND l.holder = by_holder;
    RETURN FOUND;
END
$$;
