-- Run it behind the numbered files, with search_path set to the schema that holds the tables. Each function stands here as it is
-- now: one that takes other parameters than before is another one, and hosts of an earlier version go on with theirs.

-- Whoever has run this file has run all of them.
INSERT INTO to_device_schema (version) VALUES (5);

-- Commits a batch of sends, or does nothing and returns false: when one of them is recorded already, or a device was
-- removed after the removal that a send which names it knows of. The caller then finds out which, and comes again with the
-- others.
--
-- lock_*: every sending device and every recipient, once, sorted, with the number of messages that it gets and the smallest
-- number of a removal that a send which names it knows of. Whatever else names a device, or what messages have in common, has
-- its place there, from 1: text that repeats for each message costs more than the message's own row.
-- message_later: how many messages of this batch come behind it in the same inbox. Contents lie one behind the other in one
-- value, which is taken over once; an array of them would be copied three times. The same for EDUs and their destinations.
CREATE OR REPLACE FUNCTION to_device_commit(
    used_at timestamptz,
    lock_user_ids text[], lock_device_ids text[], lock_counts bigint[], lock_known bigint[],
    sender_devices integer[], sender_keys uuid[], sender_commit_ids bigint[],
    kind_send_ids bigint[], kind_senders text[], kind_event_types text[],
    message_kinds integer[], message_devices integer[], message_later integer[],
    message_starts integer[], message_lengths integer[], message_contents bytea,
    destinations text[], destination_counts bigint[],
    edu_destination integer[], edu_later integer[], edu_message_ids text[], edu_contents bytea[]
) RETURNS boolean
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET jit = off
SET plan_cache_mode = force_generic_plan
-- The rows of devices are found by the index, one after the other in the order of lock_*, whatever a plan that does not know how
-- few they are would prefer.
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    lasts bigint[];
    was_removed boolean;
    violated text;
    first_position bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
BEGIN
    -- What was answered 200 is on the disk, whatever the default of this database.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;

    -- Requesters without a device, and other servers: a record of theirs that came from a store that does not know whose it is (the
    -- tool's copy of a SQLite file) stands under nobody's name. Batches that have no such sender look nothing up.
    IF lock_device_ids && ARRAY[E'\x01-', E'\x01='] THEN
        IF EXISTS (
            SELECT FROM (SELECT unnest(sender_devices) AS device, unnest(sender_keys) AS key) s
            WHERE lock_device_ids[s.device] IN (E'\x01-', E'\x01=') AND EXISTS (
                SELECT FROM to_device_transaction t WHERE t.user_id = '' AND t.device_id = lock_device_ids[s.device] AND t.key = s.key)) THEN
            RETURN false;
        END IF;
    END IF;

    -- A device that is new has no row yet. That is seldom: then everything is undone, so that nothing is locked, and begins again
    -- with making the rows.
    FOR attempt IN 1..2 LOOP
        BEGIN
            IF attempt = 2 THEN
                INSERT INTO to_device_device AS device (user_id, device_id, last_sequence)
                SELECT unnest(lock_user_ids), unnest(lock_device_ids), 0
                ON CONFLICT (user_id, device_id) DO UPDATE SET last_sequence = device.last_sequence;
            END IF;

            -- Locks until the end of the transaction. Everybody does it in the same order, and first: no deadlock. What comes back
            -- is as it is behind the locks: whoever had one of them before has left the number of a removal.
            WITH locked AS (
                UPDATE to_device_device AS device SET last_sequence = device.last_sequence + l.count,
                    -- A removal by a host of an earlier version, while the tables were brought up, leaves acknowledged as it was.
                    acknowledged = least(device.acknowledged, device.last_sequence)
                FROM (SELECT unnest(lock_user_ids) AS user_id, unnest(lock_device_ids) AS device_id, unnest(lock_counts) AS count,
                             unnest(lock_known) AS known, generate_subscripts(lock_counts, 1) AS place) l
                -- With a plain = the index could also be walked through from end to end, which is less for few devices, and is what
                -- a session goes on with when they have become many.
                WHERE device.user_id = ANY (ARRAY[l.user_id]) AND device.device_id = l.device_id
                RETURNING l.place, device.last_sequence AS last, device.removal > l.known AS was_removed)
            SELECT array_agg(locked.last ORDER BY locked.place), bool_or(locked.was_removed) INTO lasts, was_removed FROM locked;

            IF coalesce(cardinality(lasts), 0) < cardinality(lock_counts) THEN
                RAISE SQLSTATE 'TD002';
            END IF;
            IF was_removed THEN
                RAISE SQLSTATE 'TD001';
            END IF;

            -- Without ON CONFLICT, which would look each of them up first.
            INSERT INTO to_device_transaction (user_id, device_id, key, commit_id, last_used)
            SELECT lock_user_ids[s.device], lock_device_ids[s.device], s.key, s.commit_id, used_at
            FROM (SELECT unnest(sender_devices) AS device, unnest(sender_keys) AS key, unnest(sender_commit_ids) AS commit_id) s;

            INSERT INTO to_device_message (user_id, device_id, sequence, send_id, sender, event_type, content)
            SELECT lock_user_ids[m.device], lock_device_ids[m.device], lasts[m.device] - m.later,
                kind_send_ids[m.kind], kind_senders[m.kind], kind_event_types[m.kind], substring(message_contents, m.start, m.length)
            FROM (SELECT unnest(message_kinds) AS kind, unnest(message_devices) AS device, unnest(message_later) AS later,
                         unnest(message_starts) AS start, unnest(message_lengths) AS length) m;

            IF cardinality(destinations) > 0 THEN
                -- A destination that was forgotten goes on counting, because its numbers follow the clock.
                WITH locked AS (
                    INSERT INTO to_device_destination AS d (destination, last_position)
                    SELECT unnest(destinations), first_position + unnest(destination_counts)
                    ON CONFLICT (destination) DO UPDATE SET last_position = d.last_position + excluded.last_position - first_position
                    RETURNING d.last_position AS last)
                SELECT array_agg(locked.last) INTO lasts FROM locked;

                INSERT INTO to_device_edu (destination, position, message_id, content, committed_at)
                SELECT destinations[e.place], lasts[e.place] - e.later, e.message_id, e.content, used_at
                FROM (SELECT unnest(edu_destination) AS place, unnest(edu_later) AS later,
                             unnest(edu_message_ids) AS message_id, unnest(edu_contents) AS content) e;

                -- Only where nothing was waiting: a commit holds no row that a sender looks for. The locks on the counters keep out
                -- whoever else would change is_waiting. A counter that is new has no lease, whatever an older snapshot shows. A
                -- subquery of its own: a join would be planned without knowing how few they are, and read the whole table.
                INSERT INTO to_device_lease AS l (destination, is_waiting, taken_until, due_at)
                SELECT d.destination, true, moment.now, moment.now
                FROM (SELECT clock_timestamp() AS now) moment,
                    (SELECT unnest(destinations) AS destination, unnest(lasts) AS last, unnest(destination_counts) AS count) d
                WHERE d.last = first_position + d.count
                    OR (SELECT w.is_waiting FROM to_device_lease w WHERE w.destination = d.destination) IS NOT TRUE
                ON CONFLICT (destination) DO UPDATE SET
                    is_waiting = true, taken_until = greatest(l.taken_until, excluded.taken_until), due_at = greatest(l.due_at, excluded.due_at);
            END IF;

            RETURN true;
        EXCEPTION
            -- Everything above is undone.
            WHEN SQLSTATE 'TD001' THEN
                RETURN false;
            WHEN SQLSTATE 'TD002' THEN
                NULL;
            WHEN unique_violation THEN
                GET STACKED DIAGNOSTICS violated = TABLE_NAME;
                IF violated <> 'to_device_transaction' THEN
                    RAISE;
                END IF;
                RETURN false;
        END;
    END LOOP;

    RAISE 'A device was removed, and its row with it, while a send to it was committed.' USING ERRCODE = 'serialization_failure';
END
$$;

-- Deletes the oldest messages of an inbox, up to one, if that one is there, and so many at most: returns how many, n, or -1 - n when
-- there are more. (A row of two columns would cost more than the look-up.) However long an inbox is, whoever else needs its device's row waits for one portion only; the message
-- that is named goes with the last one, so that a call that broke off is made again.
-- It begins behind what was acknowledged before, not at the dead rows of it, which stay until a vacuum, and longer under an old
-- snapshot. Where that is, is noted now and then: each note is a new version of the device's row. Whoever notes it locks the row
-- before any message, as commits and removals do.
CREATE OR REPLACE FUNCTION to_device_acknowledge(
    of_user_id text, of_device_id text, up_to bigint, of_send_id bigint, most bigint
) RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
-- A session plans it once, perhaps when all inboxes are empty, and goes on with that when they are full.
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    behind bigint;
    portion_end bigint := up_to;
    deleted bigint;
BEGIN
    -- Most calls name what was acknowledged before: they end here.
    IF NOT EXISTS (
        SELECT FROM to_device_message m
        WHERE m.user_id = of_user_id AND m.device_id = of_device_id AND m.sequence = up_to AND m.send_id = of_send_id) THEN
        RETURN 0;
    END IF;

    behind := coalesce((SELECT d.acknowledged FROM to_device_device d WHERE d.user_id = of_user_id AND d.device_id = of_device_id), 0);
    IF up_to - behind >= 500 THEN
        PERFORM FROM to_device_device d WHERE d.user_id = of_user_id AND d.device_id = of_device_id FOR NO KEY UPDATE;
        SELECT least(up_to, m.sequence - 1 + most) INTO portion_end FROM to_device_message m
        WHERE m.user_id = of_user_id AND m.device_id = of_device_id AND m.sequence > behind ORDER BY m.sequence LIMIT 1;
        -- Somebody else has deleted them meanwhile.
        IF NOT FOUND THEN
            RETURN 0;
        END IF;
    END IF;

    DELETE FROM to_device_message m
    WHERE m.user_id = of_user_id AND m.device_id = of_device_id AND m.sequence > behind AND m.sequence <= portion_end
        AND EXISTS (
            SELECT FROM to_device_message last
            WHERE last.user_id = of_user_id AND last.device_id = of_device_id AND last.sequence = up_to AND last.send_id = of_send_id);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF up_to - behind >= 500 AND deleted > 0 THEN
        UPDATE to_device_device d SET acknowledged = portion_end WHERE d.user_id = of_user_id AND d.device_id = of_device_id;
    END IF;

    RETURN CASE WHEN portion_end < up_to THEN -1 - deleted ELSE deleted END;
END
$$;

-- Ends a device; returns the number of the removal. The number comes last, so that its row is locked only briefly; it
-- follows the clock, so that a database that lost its last transactions never gives one out again.
CREATE OR REPLACE FUNCTION to_device_remove(removed_user_id text, removed_device_id text, removal_time timestamptz) RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    number bigint;
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;

    INSERT INTO to_device_device AS device (user_id, device_id, last_sequence)
    VALUES (removed_user_id, removed_device_id, 0)
    ON CONFLICT (user_id, device_id) DO UPDATE SET last_sequence = 0, acknowledged = 0;

    DELETE FROM to_device_message m WHERE m.user_id = removed_user_id AND m.device_id = removed_device_id;
    -- In the order in which retries lock them.
    WITH records AS MATERIALIZED (
        SELECT t.key FROM to_device_transaction t
        WHERE t.user_id = removed_user_id AND t.device_id = removed_device_id ORDER BY t.key FOR UPDATE)
    DELETE FROM to_device_transaction t USING records
    WHERE t.user_id = removed_user_id AND t.device_id = removed_device_id AND t.key = records.key;

    UPDATE to_device_removals SET last = greatest(last + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
    RETURNING last INTO number;
    UPDATE to_device_device d SET removal = number, removed_at = removal_time
    WHERE d.user_id = removed_user_id AND d.device_id = removed_device_id;
    RETURN number;
END
$$;

-- Removes EDUs of a destination: those that are at these positions with these message IDs. What is left begins behind a mark. A
-- commit gives out positions behind all that are visible, so the mark never passes one that is still to come.
CREATE OR REPLACE FUNCTION to_device_remove_edus(to_destination text, edu_positions bigint[], edu_message_ids text[]) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    next_position bigint;
BEGIN
    DELETE FROM to_device_edu e
    WHERE e.destination = to_destination AND e.position = ANY (edu_positions)
        AND e.message_id = edu_message_ids[array_position(edu_positions, e.position)];
    IF NOT FOUND THEN
        RETURN;
    END IF;

    SELECT e.position INTO next_position FROM to_device_edu e
    WHERE e.destination = to_destination
        AND e.position > coalesce((SELECT l.removed_up_to FROM to_device_lease l WHERE l.destination = to_destination), 0)
    ORDER BY e.position LIMIT 1;
    IF next_position IS NULL THEN
        PERFORM to_device_forget(to_destination);
    ELSE
        -- Not each time: versions of this row are walked over too, and a few EDUs that are gone cost little.
        UPDATE to_device_lease l SET removed_up_to = next_position - 1
        WHERE l.destination = to_destination AND l.removed_up_to < next_position - 1000;
    END IF;
END
$$;

-- Forgets a destination for which nothing waits, unless it is taken. Whether something waits is known when the commits that are
-- under way have ended. The counter is written, and not only locked, for isolation levels that tell a commit about changes
-- alone; whoever finds none would act on a destination that comes back just then.
CREATE OR REPLACE FUNCTION to_device_forget(to_destination text) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    last bigint;
BEGIN
    UPDATE to_device_destination d SET last_position = d.last_position WHERE d.destination = to_destination
    RETURNING d.last_position INTO last;
    IF NOT FOUND OR EXISTS (
        SELECT FROM to_device_edu e WHERE e.destination = to_destination
            AND e.position > coalesce((SELECT l.removed_up_to FROM to_device_lease l WHERE l.destination = to_destination), 0)) THEN
        RETURN;
    END IF;

    UPDATE to_device_lease l SET is_waiting = false, removed_up_to = last WHERE l.destination = to_destination AND l.is_waiting;
    DELETE FROM to_device_lease l WHERE l.destination = to_destination AND l.holder IS NULL;
    IF FOUND THEN
        DELETE FROM to_device_destination d WHERE d.destination = to_destination;
    END IF;
END
$$;

-- Takes destinations that are free, those that have not failed first. What another host is just taking, renewing or releasing is
-- passed over: nobody waits. EDUs may have been deleted by hand. Every row is found by an index, in its order, whatever a plan that
-- does not know how few they are would prefer; and updated by an array of their keys, for the same reason.
CREATE OR REPLACE FUNCTION to_device_acquire(
    by_holder text, duration interval, most integer, most_failing integer, longest_pause interval
) RETURNS TABLE (destination text, sending_up_to bigint, failures integer)
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
AS $$
#variable_conflict use_column
DECLARE
    started timestamptz := clock_timestamp();
    ends timestamptz;
    emptied text;
    free text[];
    free_failing text[];
BEGIN
    -- Their holders have kept them, and have not come back.
    UPDATE to_device_lease l SET due_at = l.taken_until, is_kept = false WHERE l.destination = ANY (ARRAY (
        SELECT w.destination FROM to_device_lease w WHERE w.is_kept AND w.taken_until <= started FOR UPDATE SKIP LOCKED));

    -- The same, and nothing waits. A commit that is under way to one is not waited for.
    FOR emptied IN
        SELECT l.destination FROM to_device_lease l
        WHERE NOT l.is_waiting AND l.due_at <= started AND l.taken_until <= started AND NOT l.is_kept LIMIT 100
    LOOP
        PERFORM FROM to_device_destination d WHERE d.destination = emptied FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
            UPDATE to_device_lease l SET holder = NULL
            WHERE l.destination = emptied AND NOT l.is_waiting AND l.taken_until <= started;
            PERFORM to_device_forget(emptied);
        END IF;
    END LOOP;

    -- The clock was set back. Asked for anew: somebody may have taken one since this call began.
    UPDATE to_device_lease l SET taken_until = started, due_at = started, is_kept = false WHERE l.destination = ANY (
        ARRAY (
            SELECT w.destination FROM to_device_lease w
            WHERE w.is_waiting AND w.failures = 0 AND w.due_at > started + longest_pause
                AND w.taken_until > (SELECT clock_timestamp() + longest_pause) FOR UPDATE SKIP LOCKED)
        || ARRAY (
            SELECT w.destination FROM to_device_lease w
            WHERE w.is_waiting AND w.failures > 0 AND w.due_at > started + longest_pause
                AND w.taken_until > (SELECT clock_timestamp() + longest_pause) FOR UPDATE SKIP LOCKED)
        || ARRAY (
            SELECT w.destination FROM to_device_lease w
            WHERE w.is_kept AND w.taken_until > (SELECT clock_timestamp() + longest_pause) FOR UPDATE SKIP LOCKED));

    free := ARRAY (
        SELECT l.destination FROM to_device_lease l
        WHERE l.is_waiting AND l.failures = 0 AND l.due_at <= started AND l.taken_until <= started AND EXISTS (
            SELECT FROM to_device_edu e WHERE e.destination = l.destination AND e.position > l.removed_up_to)
        ORDER BY l.due_at LIMIT most FOR UPDATE OF l SKIP LOCKED);
    free_failing := ARRAY (
        SELECT l.destination FROM to_device_lease l
        WHERE l.is_waiting AND l.failures > 0 AND l.due_at <= started AND l.taken_until <= started AND EXISTS (
            SELECT FROM to_device_edu e WHERE e.destination = l.destination AND e.position > l.removed_up_to)
        ORDER BY l.due_at LIMIT least(most_failing, most - cardinality(free)) FOR UPDATE OF l SKIP LOCKED);
    free := free || free_failing;
    ends := clock_timestamp() + duration;

    RETURN QUERY
    WITH taken AS (
        UPDATE to_device_lease l SET holder = by_holder, taken_until = ends, due_at = ends, is_kept = false
        WHERE l.destination = ANY (free) RETURNING l.destination, l.sending_up_to, l.failures)
    SELECT taken.destination, taken.sending_up_to, taken.failures FROM taken ORDER BY array_position(free, taken.destination);
END
$$;

-- Takes those of these destinations that are free and have not failed.
CREATE OR REPLACE FUNCTION to_device_acquire_these(destinations text[], by_holder text, duration interval)
RETURNS TABLE (destination text, sending_up_to bigint, failures integer)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    started timestamptz := clock_timestamp();
    ends timestamptz := started + duration;
BEGIN
    RETURN QUERY
    UPDATE to_device_lease l SET holder = by_holder, taken_until = ends, due_at = ends, is_kept = false
    WHERE l.destination = ANY (ARRAY (
        SELECT w.destination FROM to_device_lease w
        WHERE w.destination = ANY (destinations) AND w.is_waiting AND w.failures = 0 AND w.taken_until <= started AND EXISTS (
            SELECT FROM to_device_edu e WHERE e.destination = w.destination AND e.position > w.removed_up_to)
        FOR UPDATE OF w SKIP LOCKED))
    RETURNING l.destination, l.sending_up_to, l.failures;
END
$$;

-- Gives a destination back. Who would forget it locks its counter first, as commits do.
CREATE OR REPLACE FUNCTION to_device_release(to_destination text, by_holder text, has_failed integer, pause interval) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    is_empty boolean := EXISTS (
        SELECT FROM to_device_lease l WHERE l.destination = to_destination AND l.holder = by_holder AND NOT l.is_waiting);
    ends timestamptz;
BEGIN
    IF is_empty THEN
        UPDATE to_device_destination d SET last_position = d.last_position WHERE d.destination = to_destination;
    END IF;

    ends := clock_timestamp() + pause;
    UPDATE to_device_lease l SET holder = NULL, failures = has_failed, taken_until = ends, due_at = ends, is_kept = false
    WHERE l.destination = to_destination AND l.holder = by_holder;
    IF FOUND AND is_empty THEN
        PERFORM to_device_forget(to_destination);
    END IF;
END
$$;

-- Keeps a destination for longer, and notes what is being sent to it; false when it has another holder or none. The note is
-- on the disk, whatever the default of this database: a sender that starts again repeats what it may have sent.
CREATE OR REPLACE FUNCTION to_device_renew(to_destination text, by_holder text, duration interval, up_to bigint) RETURNS boolean
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;

    UPDATE to_device_lease l SET taken_until = clock_timestamp() + duration, is_kept = true, sending_up_to = up_to
    WHERE l.destination = to_destination AND l.holder = by_holder;
    RETURN FOUND;
END
$$;

-- Counts what waits in a portion of the inboxes, in the order of their devices, and says where it ends. Numbers in an inbox have no gaps:
-- the oldest message and the device's counter tell how many there are.
CREATE OR REPLACE FUNCTION to_device_measure_inboxes(after_user_id text, after_device_id text, portion bigint)
RETURNS TABLE (last_user_id text, last_device_id text, inboxes bigint, messages bigint, largest bigint, oldest timestamptz)
LANGUAGE sql STABLE
SET search_path FROM CURRENT
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
    WITH part AS MATERIALIZED (
        SELECT d.user_id, d.device_id, d.last_sequence, least(d.acknowledged, d.last_sequence) AS behind FROM to_device_device d
        WHERE (d.user_id, d.device_id) > (after_user_id, after_device_id) ORDER BY d.user_id, d.device_id LIMIT portion),
    waiting AS MATERIALIZED (
        SELECT s.last_sequence - m.sequence + 1 AS messages, m.committed_at
        FROM part s CROSS JOIN LATERAL (
            SELECT m.sequence, m.committed_at FROM to_device_message m
            WHERE m.user_id = s.user_id AND m.device_id = s.device_id AND m.sequence > s.behind AND s.last_sequence > s.behind
            ORDER BY m.sequence LIMIT 1) m)
    SELECT last.user_id, last.device_id, found.*
    FROM (SELECT s.user_id, s.device_id FROM part s ORDER BY s.user_id DESC, s.device_id DESC LIMIT 1) last,
        (SELECT count(*), coalesce(sum(w.messages), 0)::bigint, coalesce(max(w.messages), 0), min(w.committed_at) FROM waiting w) found
$$;

-- Counts what waits for other servers, apart for those that fail. The numbers of a destination have no gaps either, but where an EDU
-- was removed from among others: that one counts until those before it have gone.
CREATE OR REPLACE FUNCTION to_device_measure_outbox()
RETURNS TABLE (has_failed boolean, destinations bigint, edus bigint, oldest timestamptz)
LANGUAGE sql STABLE
SET search_path FROM CURRENT
SET jit = off
AS $$
    SELECT l.failures > 0, count(*), sum(d.last_position - e.position + 1)::bigint, min(e.committed_at)
    FROM to_device_lease l JOIN to_device_destination d ON d.destination = l.destination CROSS JOIN LATERAL (
        SELECT e.position, e.committed_at FROM to_device_edu e
        WHERE e.destination = l.destination AND e.position > l.removed_up_to ORDER BY e.position LIMIT 1) e
    WHERE l.is_waiting GROUP BY 1
$$;

-- The size of each of these inboxes, in their order. Lengths cost a look at each row: they are left out where there are messages
-- enough without.
CREATE OR REPLACE FUNCTION to_device_measure(of_user_ids text[], of_device_ids text[], most_messages bigint, most_bytes bigint)
RETURNS TABLE (messages bigint, bytes bigint)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    first bigint;
    length bigint;
BEGIN
    FOR place IN 1..cardinality(of_user_ids) LOOP
        SELECT d.last_sequence - m.sequence + 1, m.sequence INTO messages, first
        FROM to_device_device d CROSS JOIN LATERAL (
            SELECT m.sequence FROM to_device_message m
            WHERE m.user_id = d.user_id AND m.device_id = d.device_id AND m.sequence > least(d.acknowledged, d.last_sequence)
            ORDER BY m.sequence LIMIT 1) m
        WHERE d.user_id = of_user_ids[place] AND d.device_id = of_device_ids[place];
        messages := coalesce(messages, 0);
        bytes := 0;
        IF messages > 0 AND messages < most_messages THEN
            FOR length IN
                SELECT octet_length(m.content) FROM to_device_message m
                WHERE m.user_id = of_user_ids[place] AND m.device_id = of_device_ids[place] AND m.sequence >= first ORDER BY m.sequence
            LOOP
                bytes := bytes + length;
                EXIT WHEN bytes >= most_bytes;
            END LOOP;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Those devices of a portion whose oldest message was committed before a moment, and the last one of the portion.
CREATE OR REPLACE FUNCTION to_device_due(after_user_id text, after_device_id text, portion bigint, before timestamptz)
RETURNS TABLE (user_id text, device_id text, is_due boolean)
LANGUAGE sql STABLE
SET search_path FROM CURRENT
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
    WITH part AS MATERIALIZED (
        SELECT d.user_id, d.device_id, d.last_sequence, least(d.acknowledged, d.last_sequence) AS behind,
            row_number() OVER (ORDER BY d.user_id, d.device_id) AS place FROM to_device_device d
        WHERE (d.user_id, d.device_id) > (after_user_id, after_device_id) ORDER BY d.user_id, d.device_id LIMIT portion)
    SELECT s.user_id, s.device_id, m.sequence IS NOT NULL
    FROM part s LEFT JOIN LATERAL (
        SELECT m.sequence, m.committed_at FROM to_device_message m
        WHERE m.user_id = s.user_id AND m.device_id = s.device_id AND m.sequence > s.behind AND s.last_sequence > s.behind
        ORDER BY m.sequence LIMIT 1) m ON m.committed_at < before
    WHERE m.sequence IS NOT NULL OR s.place = (SELECT max(l.place) FROM part l)
    ORDER BY s.place
$$;

-- Deletes the oldest messages of these inboxes, those that were committed before a moment, and so many at most: returns how many. The
-- devices come in the order in which commits lock them, and each is locked before its messages, as commits and removals do. One whose row
-- somebody has for long, because it is just removed with a long inbox, is waited for with empty hands: sends to the others do not wait
-- with it. It is left for the next call when something has been deleted before.
CREATE OR REPLACE FUNCTION to_device_expire(of_user_ids text[], of_device_ids text[], before timestamptz, most bigint) RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    behind bigint;
    expired_up_to bigint;
    deleted bigint;
    expired bigint := 0;
BEGIN
    FOR place IN 1..cardinality(of_user_ids) LOOP
        EXIT WHEN expired >= most;
        CONTINUE WHEN NOT EXISTS (
            SELECT FROM to_device_device d CROSS JOIN LATERAL (
                SELECT m.committed_at FROM to_device_message m
                WHERE m.user_id = d.user_id AND m.device_id = d.device_id AND m.sequence > least(d.acknowledged, d.last_sequence)
                ORDER BY m.sequence LIMIT 1) oldest
            WHERE d.user_id = of_user_ids[place] AND d.device_id = of_device_ids[place] AND oldest.committed_at < before);
        IF expired = 0 THEN
            SELECT least(d.acknowledged, d.last_sequence) INTO behind FROM to_device_device d
            WHERE d.user_id = of_user_ids[place] AND d.device_id = of_device_ids[place] FOR NO KEY UPDATE;
        ELSE
            SELECT least(d.acknowledged, d.last_sequence) INTO behind FROM to_device_device d
            WHERE d.user_id = of_user_ids[place] AND d.device_id = of_device_ids[place] FOR NO KEY UPDATE SKIP LOCKED;
        END IF;
        CONTINUE WHEN NOT FOUND;

        SELECT coalesce(min(m.sequence) FILTER (WHERE m.committed_at >= before) - 1, max(m.sequence)) INTO expired_up_to
        FROM (SELECT m.sequence, m.committed_at FROM to_device_message m
              WHERE m.user_id = of_user_ids[place] AND m.device_id = of_device_ids[place] AND m.sequence > behind
              ORDER BY m.sequence LIMIT most - expired) m;
        DELETE FROM to_device_message m
        WHERE m.user_id = of_user_ids[place] AND m.device_id = of_device_ids[place] AND m.sequence > behind AND m.sequence <= expired_up_to;
        GET DIAGNOSTICS deleted = ROW_COUNT;
        IF deleted > 0 THEN
            UPDATE to_device_device d SET acknowledged = expired_up_to WHERE d.user_id = of_user_ids[place] AND d.device_id = of_device_ids[place];
            expired := expired + deleted;
        END IF;
    END LOOP;
    RETURN expired;
END
$$;
