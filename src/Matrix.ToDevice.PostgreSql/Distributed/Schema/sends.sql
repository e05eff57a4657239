-- How sends are accepted, and put where they belong. Every function works in one bucket, its first parameter: it is run whole where that
-- bucket is, and commits there.

-- The number of the last removal in a bucket, and behind it those of these devices. That of the bucket is read first: a removal that
-- comes in between is found at its device, or has a higher number.
CREATE OR REPLACE FUNCTION to_device_look(in_bucket integer, of_user_ids text[], of_device_ids text[]) RETURNS bigint[]
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    numbers bigint[];
    number bigint;
BEGIN
    SELECT r.last INTO number FROM to_device_removals r WHERE r.bucket = in_bucket;
    numbers := ARRAY[coalesce(number, 0)];
    FOR place IN 1..cardinality(of_user_ids) LOOP
        SELECT d.removal INTO number FROM to_device_device d
        WHERE d.bucket = in_bucket AND d.user_id = of_user_ids[place] AND d.device_id = of_device_ids[place];
        numbers := numbers || coalesce(number, 0);
    END LOOP;
    RETURN numbers;
END
$$;

-- Puts messages into the inboxes of a bucket: those of the first device, then those of the second. A device that was removed after the
-- removal that the send knows of gets none: returns how many messages that were. Devices come in the order in which all lock them, and once
-- for each send that has something for them.
CREATE OR REPLACE FUNCTION to_device_put(
    in_bucket integer, of_user_ids text[], of_device_ids text[], counts integer[], known bigint[], moments timestamptz[],
    message_kinds integer[], kind_send_ids bigint[], kind_senders text[], kind_event_types text[], contents bytea[]
) RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    number bigint;
    place integer := 0;
    kind integer;
    dropped bigint := 0;
BEGIN
    FOR device IN 1..cardinality(counts) LOOP
        CONTINUE WHEN counts[device] = 0;
        UPDATE to_device_device d SET last_sequence = d.last_sequence + counts[device]
        WHERE d.bucket = in_bucket AND d.user_id = of_user_ids[device] AND d.device_id = of_device_ids[device] AND d.removal <= known[device]
        RETURNING d.last_sequence INTO number;
        IF NOT FOUND THEN
            INSERT INTO to_device_device AS d (bucket, user_id, device_id, last_sequence, acknowledged, removal, last_send)
            VALUES (in_bucket, of_user_ids[device], of_device_ids[device], counts[device], 0, 0, 0)
            ON CONFLICT (bucket, user_id, device_id) DO UPDATE SET last_sequence = d.last_sequence + excluded.last_sequence
            WHERE d.removal <= known[device]
            RETURNING d.last_sequence INTO number;
        END IF;
        IF number IS NULL THEN
            dropped := dropped + counts[device];
            place := place + counts[device];
            CONTINUE;
        END IF;

        number := number - counts[device];
        FOR n IN 1..counts[device] LOOP
            place := place + 1;
            kind := message_kinds[place];
            INSERT INTO to_device_message (bucket, user_id, device_id, sequence, send_id, sender, event_type, content, committed_at)
            VALUES (
                in_bucket, of_user_ids[device], of_device_ids[device], number + n, kind_send_ids[kind], kind_senders[kind],
                kind_event_types[kind], contents[place], moments[device]);
        END LOOP;
    END LOOP;
    RETURN dropped;
END
$$;

-- Accepts a send, in the bucket of its sender: its record, what of it belongs into this bucket, and an intent for each other one. All of
-- that, or nothing.
--
-- locks: the sending device, and the recipients in this bucket, sorted, with the number of messages that each gets. targets: the other
-- buckets. done: up to which number this host knows the sends of this device to that target to be delivered; their intents are perhaps
-- still there.
-- Returns how it ended, 0: accepted; 1: it was before, by this very attempt; 2: by another one; 3: one of the devices was removed after the
-- removal that the send knows of. Behind it a number: of the send, or of the removal. Then the time in microseconds, and for each target
-- whether an older intent waits.
CREATE OR REPLACE FUNCTION to_device_accept(
    in_bucket integer, of_user_id text, of_device_id text, of_key uuid, of_commit_id bigint, known bigint, used_at timestamptz,
    lock_user_ids text[], lock_device_ids text[], lock_counts integer[],
    message_kinds integer[], kind_send_ids bigint[], kind_senders text[], kind_event_types text[], contents bytea[],
    targets integer[], done bigint[], payloads bytea[],
    destinations text[], destination_counts bigint[], edu_destination integer[], edu_later integer[], edu_message_ids text[], edu_contents bytea[]
) RETURNS bigint[]
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    microseconds bigint := (extract(epoch FROM moment) * 1000000)::bigint;
    number bigint;
    found_commit_id bigint;
    result bigint[];
    waits boolean;
BEGIN
    -- What was answered 200 is on the disk, whatever the default of this database.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;

    -- Whoever sends to a device that is just removed, with a very long inbox, is refused before a time-out says that nobody can be had here.
    PERFORM set_config('lock_timeout', '10s', true);

    FOR place IN 1..cardinality(lock_user_ids) LOOP
        SELECT d.removal INTO number FROM to_device_device d
        WHERE d.bucket = in_bucket AND d.user_id = lock_user_ids[place] AND d.device_id = lock_device_ids[place] FOR UPDATE;
        IF NOT FOUND THEN
            INSERT INTO to_device_device AS d (bucket, user_id, device_id, last_sequence, acknowledged, removal, last_send)
            VALUES (in_bucket, lock_user_ids[place], lock_device_ids[place], 0, 0, 0, 0)
            ON CONFLICT (bucket, user_id, device_id) DO UPDATE SET last_sequence = d.last_sequence
            RETURNING d.removal INTO number;
        END IF;
        IF number > known THEN
            RETURN ARRAY[3, number];
        END IF;
    END LOOP;

    SELECT t.commit_id INTO found_commit_id FROM to_device_transaction t
    WHERE t.bucket = in_bucket AND t.user_id = of_user_id AND t.device_id = of_device_id AND t.key = of_key FOR UPDATE;
    IF FOUND THEN
        UPDATE to_device_transaction t SET last_used = greatest(t.last_used, used_at)
        WHERE t.bucket = in_bucket AND t.user_id = of_user_id AND t.device_id = of_device_id AND t.key = of_key;
        RETURN ARRAY[CASE WHEN found_commit_id = of_commit_id THEN 1 ELSE 2 END, 0];
    END IF;

    INSERT INTO to_device_transaction (bucket, user_id, device_id, key, commit_id, last_used)
    VALUES (in_bucket, of_user_id, of_device_id, of_key, of_commit_id, used_at);

    -- It follows the clock: a device whose row was forgotten goes on counting.
    UPDATE to_device_device d SET last_send = greatest(d.last_send + 1, microseconds)
    WHERE d.bucket = in_bucket AND d.user_id = of_user_id AND d.device_id = of_device_id
    RETURNING d.last_send INTO number;
    result := ARRAY[0, number, microseconds];

    FOR place IN 1..cardinality(targets) LOOP
        SELECT EXISTS (
            SELECT FROM to_device_intent i
            WHERE i.bucket = in_bucket AND i.user_id = of_user_id AND i.device_id = of_device_id AND i.target = targets[place]
                AND i.number > done[place])
        INTO waits;
        result := result || CASE WHEN waits THEN 1 ELSE 0 END::bigint;
        INSERT INTO to_device_intent (bucket, user_id, device_id, target, number, accepted_at, payload)
        VALUES (in_bucket, of_user_id, of_device_id, targets[place], number, moment, payloads[place]);
    END LOOP;

    IF cardinality(contents) > 0 THEN
        PERFORM to_device_put(
            in_bucket, lock_user_ids, lock_device_ids, lock_counts, array_fill(known, ARRAY[cardinality(lock_counts)]),
            array_fill(moment, ARRAY[cardinality(lock_counts)]), message_kinds, kind_send_ids, kind_senders, kind_event_types, contents);
    END IF;
    IF cardinality(destinations) > 0 THEN
        PERFORM to_device_add_edus(
            in_bucket, destinations, destination_counts, edu_destination, edu_later, edu_message_ids, edu_contents,
            array_fill(used_at, ARRAY[cardinality(edu_destination)]));
    END IF;
    RETURN result;
END
$$;

-- Puts what intents hold into this bucket, each once: however often it is tried, and by however many. Those who try have seen that no older
-- intent of these devices waits for this bucket, and have seen these not long ago. All of them are put there, or none.
-- sources: the sending devices, sorted, each once, with the smallest and the largest number of its intents that are put here.
-- lock_wait: for so many milliseconds at most it waits for a device that somebody has; then it fails.
-- seen_at: when the first of them was seen, by the clock where its send was accepted, in microseconds. moments: when the sends of the devices
-- in counts were accepted. used_at: for each EDU.
-- Returns how many messages were dropped because their devices were removed; -1: all were here before; -2: one was seen too long ago, and
-- perhaps nobody knows any more whether it was here. Fails when only some were here before.
CREATE OR REPLACE FUNCTION to_device_deliver(
    in_bucket integer, lock_wait integer, sources integer[], of_user_ids text[], of_device_ids text[], firsts bigint[], lasts bigint[],
    seen_at bigint, longest bigint,
    to_user_ids text[], to_device_ids text[], counts integer[], known bigint[], moments timestamptz[],
    message_kinds integer[], kind_send_ids bigint[], kind_senders text[], kind_event_types text[], contents bytea[],
    destinations text[], destination_counts bigint[], edu_destination integer[], edu_later integer[], edu_message_ids text[], edu_contents bytea[],
    used_at timestamptz[]
) RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    dropped bigint := 0;
    here integer := 0;
    source_bucket integer;
    source_user_id text;
    source_device_id text;
    smallest bigint;
    largest bigint;
    number bigint;
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;

    PERFORM set_config('lock_timeout', lock_wait::text, true);

    IF (extract(epoch FROM clock_timestamp()) * 1000000)::bigint > seen_at + longest THEN
        RETURN -2;
    END IF;

    FOR place IN 1..cardinality(sources) LOOP
        -- Citus has crashed on places of arrays in a statement with ON CONFLICT.
        source_bucket := sources[place];
        source_user_id := of_user_ids[place];
        source_device_id := of_device_ids[place];
        smallest := firsts[place];
        largest := lasts[place];
        UPDATE to_device_delivered d SET last = largest, idle_since = NULL
        WHERE d.bucket = in_bucket AND d.source = source_bucket AND d.user_id = source_user_id AND d.device_id = source_device_id
            AND d.last < smallest;
        IF NOT FOUND THEN
            INSERT INTO to_device_delivered AS d (bucket, source, user_id, device_id, last)
            VALUES (in_bucket, source_bucket, source_user_id, source_device_id, largest)
            ON CONFLICT (bucket, source, user_id, device_id) DO UPDATE SET last = excluded.last, idle_since = NULL WHERE d.last < smallest;
            IF NOT FOUND THEN
                SELECT d.last INTO number FROM to_device_delivered d
                WHERE d.bucket = in_bucket AND d.source = source_bucket AND d.user_id = source_user_id AND d.device_id = source_device_id;
                EXIT WHEN number < largest;
                here := here + 1;
            END IF;
        END IF;
    END LOOP;
    IF here = cardinality(sources) THEN
        RETURN -1;
    END IF;
    IF number IS NOT NULL THEN
        RAISE 'some of these intents were here before';
    END IF;

    IF cardinality(contents) > 0 THEN
        dropped := to_device_put(
            in_bucket, to_user_ids, to_device_ids, counts, known, moments, message_kinds, kind_send_ids, kind_senders, kind_event_types, contents);
    END IF;
    IF cardinality(destinations) > 0 THEN
        PERFORM to_device_add_edus(
            in_bucket, destinations, destination_counts, edu_destination, edu_later, edu_message_ids, edu_contents, used_at);
    END IF;
    RETURN dropped;
END
$$;

-- The intents of a device for a target are delivered, up to a number. When that is lost, they are tried once more, and found to be there.
CREATE OR REPLACE FUNCTION to_device_done(in_bucket integer, of_user_id text, of_device_id text, of_target integer, up_to bigint) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
SET synchronous_commit = off
AS $$
BEGIN
    DELETE FROM to_device_intent i
    WHERE i.bucket = in_bucket AND i.user_id = of_user_id AND i.device_id = of_device_id AND i.target = of_target AND i.number <= up_to;
END
$$;

-- Which of these devices have intents for a target.
CREATE OR REPLACE FUNCTION to_device_waiting(in_bucket integer, of_user_ids text[], of_device_ids text[], of_target integer) RETURNS boolean[]
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    waits boolean;
    result boolean[] := ARRAY[]::boolean[];
BEGIN
    FOR place IN 1..cardinality(of_user_ids) LOOP
        SELECT EXISTS (
            SELECT FROM to_device_intent i
            WHERE i.bucket = in_bucket AND i.user_id = of_user_ids[place] AND i.device_id = of_device_ids[place] AND i.target = of_target)
        INTO waits;
        result := result || waits;
    END LOOP;
    RETURN result;
END
$$;

-- Forgets marks of devices that have sent nothing for long, and for which nothing waits at their sources: the first time that is noted,
-- and when it is found again some time later, the mark goes. By then nobody has an intent in hand that was seen before.
CREATE OR REPLACE FUNCTION to_device_forget_marks(
    in_bucket integer, sources integer[], of_user_ids text[], of_device_ids text[], lasts bigint[], pause interval
) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    noted_before timestamptz := moment - pause;
BEGIN
    FOR place IN 1..cardinality(lasts) LOOP
        DELETE FROM to_device_delivered d
        WHERE d.bucket = in_bucket AND d.source = sources[place] AND d.user_id = of_user_ids[place] AND d.device_id = of_device_ids[place]
            AND d.last = lasts[place] AND d.idle_since < noted_before;
        IF NOT FOUND THEN
            UPDATE to_device_delivered d SET idle_since = moment
            WHERE d.bucket = in_bucket AND d.source = sources[place] AND d.user_id = of_user_ids[place] AND d.device_id = of_device_ids[place]
                AND d.last = lasts[place] AND d.idle_since IS NULL;
        END IF;
    END LOOP;
END
$$;
