-- How sends are accepted, and put where they belong. What belongs to buckets of one machine comes together: every function is given one of
-- them first, is run whole where that one is, and commits there. Every statement names one bucket, and no place of an array: Citus makes text
-- of the whole array for each statement, and has crashed on some. On the way of a send, none has another one in it: Citus would plan it each time.

-- The numbers of the last removals in these buckets, and behind them those of these devices. Those of the buckets are read first: a removal
-- that comes in between is found at its device, or has a higher number.
CREATE OR REPLACE FUNCTION to_device_look(
    in_bucket integer, buckets integer[], of_buckets integer[], of_user_ids text[], of_device_ids text[]
) RETURNS bigint[]
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    at_bucket integer;
    at_user_id text;
    at_device_id text;
    numbers bigint[] := ARRAY[]::bigint[];
    number bigint;
BEGIN
    FOREACH at_bucket IN ARRAY buckets LOOP
        SELECT r.last INTO number FROM to_device_removals r WHERE r.bucket = at_bucket;
        numbers := numbers || coalesce(number, 0);
    END LOOP;
    FOR place IN 1..cardinality(of_user_ids) LOOP
        at_bucket := of_buckets[place];
        at_user_id := of_user_ids[place];
        at_device_id := of_device_ids[place];
        SELECT d.removal INTO number FROM to_device_device d
        WHERE d.bucket = at_bucket AND d.user_id = at_user_id AND d.device_id = at_device_id;
        numbers := numbers || coalesce(number, 0);
    END LOOP;
    RETURN numbers;
END
$$;

-- Puts messages into inboxes. A device that was removed after the removal that the send knows of gets none: returns how many messages that
-- were.
-- buckets, user_ids, device_ids: devices, each once, in the order in which all lock them. to_device, counts, known, moments: for each of
-- them, and each send that has something for it, its place there, how many messages that is, what the send knows of, and when it was
-- accepted. The messages come in that order.
CREATE OR REPLACE FUNCTION to_device_put(
    in_bucket integer, buckets integer[], user_ids text[], device_ids text[],
    to_device integer[], counts integer[], known bigint[], moments timestamptz[],
    message_kinds integer[], kind_send_ids bigint[], kind_senders text[], kind_event_types text[], contents bytea[]
) RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    at_bucket integer;
    at_user_id text;
    at_device_id text;
    count integer;
    known_removal bigint;
    moment timestamptz;
    number bigint;
    place integer := 0;
    send_id bigint;
    sender text;
    event_type text;
    content bytea;
    dropped bigint := 0;
BEGIN
    FOR part IN 1..cardinality(to_device) LOOP
        at_bucket := buckets[to_device[part]];
        at_user_id := user_ids[to_device[part]];
        at_device_id := device_ids[to_device[part]];
        count := counts[part];
        known_removal := known[part];
        UPDATE to_device_device d SET last_sequence = d.last_sequence + count
        WHERE d.bucket = at_bucket AND d.user_id = at_user_id AND d.device_id = at_device_id AND d.removal <= known_removal
        RETURNING d.last_sequence INTO number;
        IF NOT FOUND THEN
            INSERT INTO to_device_device AS d (bucket, user_id, device_id, last_sequence, acknowledged, removal, last_send)
            VALUES (at_bucket, at_user_id, at_device_id, count, 0, 0, 0)
            ON CONFLICT (bucket, user_id, device_id) DO UPDATE SET last_sequence = d.last_sequence + excluded.last_sequence
            WHERE d.removal <= known_removal
            RETURNING d.last_sequence INTO number;
        END IF;
        IF number IS NULL THEN
            dropped := dropped + count;
            place := place + count;
            CONTINUE;
        END IF;

        moment := moments[part];
        number := number - count;
        FOR n IN 1..count LOOP
            place := place + 1;
            number := number + 1;
            send_id := kind_send_ids[message_kinds[place]];
            sender := kind_senders[message_kinds[place]];
            event_type := kind_event_types[message_kinds[place]];
            content := contents[place];
            INSERT INTO to_device_message (bucket, user_id, device_id, sequence, send_id, sender, event_type, content, committed_at)
            VALUES (at_bucket, at_user_id, at_device_id, number, send_id, sender, event_type, content, moment);
        END LOOP;
    END LOOP;
    RETURN dropped;
END
$$;

-- Accepts sends, each in the bucket of its sender: its record, what of it belongs into that bucket, and an intent for each other one. All
-- of them, or none.
--
-- lock_wait: for so many milliseconds at most it waits for a device that somebody has; then it fails.
-- buckets, user_ids, device_ids: the sending devices and the recipients in their buckets, each once, in the order in which all lock them;
-- sends: how many of these sends each has made.
-- senders, keys, commit_ids, known, used_at: the sends, each key once; senders: the place of their devices.
-- to_send, to_device, counts, to_known: as in to_device_put; to_send: the place of the send.
-- intent_sends, targets, done, payloads: the intents, send by send. done: up to which number this host knows the sends of this device to that
-- target to be delivered; their intents are perhaps still there.
-- Returns the time in microseconds. Behind it for each send how it ended, 0: accepted; 1: it was before, by this very attempt; 2: by another
-- one; 3: one of the devices was removed after the removal that the send knows of. Then for each send a number: its own, or that of the
-- removal. When one was not accepted, none is written, and those that would be have 0: they may be tried once more without the others.
-- Otherwise there is for each intent behind that whether an older one waits.
CREATE OR REPLACE FUNCTION to_device_accept(
    in_bucket integer, lock_wait integer, buckets integer[], user_ids text[], device_ids text[], sends integer[],
    senders integer[], keys uuid[], commit_ids bigint[], known bigint[], used_at timestamptz[],
    to_send integer[], to_device integer[], counts integer[], to_known bigint[],
    message_kinds integer[], kind_send_ids bigint[], kind_senders text[], kind_event_types text[], contents bytea[],
    intent_sends integer[], targets integer[], done bigint[], payloads bytea[],
    destination_buckets integer[], destinations text[], destination_counts bigint[],
    edu_destination integer[], edu_later integer[], edu_message_ids text[], edu_contents bytea[], edu_used_at timestamptz[]
) RETURNS bigint[]
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    microseconds bigint := (extract(epoch FROM moment) * 1000000)::bigint;
    at_bucket integer;
    at_user_id text;
    at_device_id text;
    count integer;
    before bigint;
    removal bigint;
    number bigint;
    removals bigint[] := ARRAY[]::bigint[];
    lasts bigint[] := ARRAY[]::bigint[];
    outcomes bigint[] := array_fill(0::bigint, ARRAY[cardinality(keys)]);
    numbers bigint[] := outcomes;
    at_key uuid;
    used timestamptz;
    commit_id bigint;
    intent_send integer := 0;
    at_target integer;
    delivered bigint;
    payload bytea;
    any_waits boolean;
    waits boolean;
    waiting bigint[] := ARRAY[]::bigint[];
BEGIN
    -- What was answered 200 is on the disk, whatever the default of this database.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;

    PERFORM set_config('lock_timeout', lock_wait::text, true);

    FOR place IN 1..cardinality(user_ids) LOOP
        at_bucket := buckets[place];
        at_user_id := user_ids[place];
        at_device_id := device_ids[place];
        count := sends[place];
        -- Numbers follow the clock: a device whose row was forgotten goes on counting.
        before := CASE WHEN count > 0 THEN microseconds - 1 ELSE 0 END;
        UPDATE to_device_device d SET last_send = greatest(d.last_send, before) + count
        WHERE d.bucket = at_bucket AND d.user_id = at_user_id AND d.device_id = at_device_id
        RETURNING d.removal, d.last_send INTO removal, number;
        IF NOT FOUND THEN
            INSERT INTO to_device_device AS d (bucket, user_id, device_id, last_sequence, acknowledged, removal, last_send)
            VALUES (at_bucket, at_user_id, at_device_id, 0, 0, 0, before + count)
            ON CONFLICT (bucket, user_id, device_id) DO UPDATE SET last_send = greatest(d.last_send, before) + count
            RETURNING d.removal, d.last_send INTO removal, number;
        END IF;
        removals := removals || removal;
        lasts := lasts || number - count;
    END LOOP;

    FOR place IN 1..cardinality(keys) LOOP
        IF removals[senders[place]] > known[place] THEN
            outcomes[place] := 3;
            numbers[place] := removals[senders[place]];
        END IF;
    END LOOP;
    FOR part IN 1..cardinality(to_device) LOOP
        IF removals[to_device[part]] > to_known[part] THEN
            outcomes[to_send[part]] := 3;
            numbers[to_send[part]] := greatest(numbers[to_send[part]], removals[to_device[part]]);
        END IF;
    END LOOP;
    FOR place IN 1..cardinality(keys) LOOP
        CONTINUE WHEN outcomes[place] <> 0;
        at_bucket := buckets[senders[place]];
        at_user_id := user_ids[senders[place]];
        at_device_id := device_ids[senders[place]];
        at_key := keys[place];
        SELECT t.commit_id INTO commit_id FROM to_device_transaction t
        WHERE t.bucket = at_bucket AND t.user_id = at_user_id AND t.device_id = at_device_id AND t.key = at_key FOR UPDATE;
        CONTINUE WHEN NOT FOUND;
        used := used_at[place];
        UPDATE to_device_transaction t SET last_used = greatest(t.last_used, used)
        WHERE t.bucket = at_bucket AND t.user_id = at_user_id AND t.device_id = at_device_id AND t.key = at_key;
        outcomes[place] := CASE WHEN commit_id = commit_ids[place] THEN 1 ELSE 2 END;
    END LOOP;
    IF 0 < ANY (outcomes) THEN
        RETURN microseconds || outcomes || numbers;
    END IF;

    FOR place IN 1..cardinality(keys) LOOP
        at_bucket := buckets[senders[place]];
        at_user_id := user_ids[senders[place]];
        at_device_id := device_ids[senders[place]];
        at_key := keys[place];
        used := used_at[place];
        commit_id := commit_ids[place];
        INSERT INTO to_device_transaction (bucket, user_id, device_id, key, commit_id, last_used)
        VALUES (at_bucket, at_user_id, at_device_id, at_key, commit_id, used);
        lasts[senders[place]] := lasts[senders[place]] + 1;
        numbers[place] := lasts[senders[place]];
    END LOOP;

    FOR place IN 1..cardinality(targets) LOOP
        -- A device for which nothing waits, which is most of them, is asked once.
        IF intent_send <> intent_sends[place] THEN
            intent_send := intent_sends[place];
            at_bucket := buckets[senders[intent_send]];
            at_user_id := user_ids[senders[intent_send]];
            at_device_id := device_ids[senders[intent_send]];
            number := numbers[intent_send];
            PERFORM 1 FROM to_device_intent i
            WHERE i.bucket = at_bucket AND i.user_id = at_user_id AND i.device_id = at_device_id LIMIT 1;
            any_waits := FOUND;
        END IF;
        at_target := targets[place];
        waits := any_waits;
        IF any_waits THEN
            delivered := done[place];
            PERFORM 1 FROM to_device_intent i
            WHERE i.bucket = at_bucket AND i.user_id = at_user_id AND i.device_id = at_device_id AND i.target = at_target
                AND i.number > delivered
            LIMIT 1;
            waits := FOUND;
        END IF;
        waiting := waiting || waits::integer::bigint;
        payload := payloads[place];
        INSERT INTO to_device_intent (bucket, user_id, device_id, target, number, accepted_at, payload)
        VALUES (at_bucket, at_user_id, at_device_id, at_target, number, moment, payload);
    END LOOP;

    IF cardinality(contents) > 0 THEN
        PERFORM to_device_put(
            in_bucket, buckets, user_ids, device_ids, to_device, counts, to_known, array_fill(moment, ARRAY[cardinality(counts)]),
            message_kinds, kind_send_ids, kind_senders, kind_event_types, contents);
    END IF;
    IF cardinality(destinations) > 0 THEN
        PERFORM to_device_add_edus(
            in_bucket, destination_buckets, destinations, destination_counts, edu_destination, edu_later, edu_message_ids, edu_contents, edu_used_at);
    END IF;
    RETURN microseconds || outcomes || numbers || waiting;
END
$$;

-- Puts what intents hold into their targets, each once: however often it is tried, and by however many. Those who try have seen that no older
-- intent of these devices waits for that bucket, and have seen these not long ago. All of them are put there, or none.
-- lock_wait: for so many milliseconds at most it waits for a device that somebody has; then it fails.
-- source_*: the sending devices with a target of theirs, sorted, each once, with the smallest and the largest number of the intents that are
-- put there.
-- seen_at: when the first of them was seen, by the clock where its send was accepted, in microseconds.
-- buckets to moments: as in to_device_put. used_at: for each EDU.
-- Returns how many messages were dropped because their devices were removed; -1: all were here before; -2: one was seen too long ago, and
-- perhaps nobody knows any more whether it was here. Fails when only some were here before.
CREATE OR REPLACE FUNCTION to_device_deliver(
    in_bucket integer, lock_wait integer, source_targets integer[], source_buckets integer[], source_user_ids text[], source_device_ids text[],
    firsts bigint[], lasts bigint[], seen_at bigint, longest bigint,
    buckets integer[], user_ids text[], device_ids text[], to_device integer[], counts integer[], known bigint[], moments timestamptz[],
    message_kinds integer[], kind_send_ids bigint[], kind_senders text[], kind_event_types text[], contents bytea[],
    destination_buckets integer[], destinations text[], destination_counts bigint[],
    edu_destination integer[], edu_later integer[], edu_message_ids text[], edu_contents bytea[], used_at timestamptz[]
) RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    dropped bigint := 0;
    here integer := 0;
    at_bucket integer;
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

    FOR place IN 1..cardinality(source_targets) LOOP
        at_bucket := source_targets[place];
        source_bucket := source_buckets[place];
        source_user_id := source_user_ids[place];
        source_device_id := source_device_ids[place];
        smallest := firsts[place];
        largest := lasts[place];
        UPDATE to_device_delivered d SET last = largest, idle_since = NULL
        WHERE d.bucket = at_bucket AND d.source = source_bucket AND d.user_id = source_user_id AND d.device_id = source_device_id
            AND d.last < smallest;
        IF NOT FOUND THEN
            INSERT INTO to_device_delivered AS d (bucket, source, user_id, device_id, last)
            VALUES (at_bucket, source_bucket, source_user_id, source_device_id, largest)
            ON CONFLICT (bucket, source, user_id, device_id) DO UPDATE SET last = excluded.last, idle_since = NULL WHERE d.last < smallest;
            IF NOT FOUND THEN
                SELECT d.last INTO number FROM to_device_delivered d
                WHERE d.bucket = at_bucket AND d.source = source_bucket AND d.user_id = source_user_id AND d.device_id = source_device_id;
                EXIT WHEN number < largest;
                here := here + 1;
            END IF;
        END IF;
    END LOOP;
    IF here = cardinality(source_targets) THEN
        RETURN -1;
    END IF;
    IF number IS NOT NULL THEN
        RAISE 'some of these intents were here before';
    END IF;

    IF cardinality(contents) > 0 THEN
        dropped := to_device_put(
            in_bucket, buckets, user_ids, device_ids, to_device, counts, known, moments,
            message_kinds, kind_send_ids, kind_senders, kind_event_types, contents);
    END IF;
    IF cardinality(destinations) > 0 THEN
        PERFORM to_device_add_edus(
            in_bucket, destination_buckets, destinations, destination_counts, edu_destination, edu_later, edu_message_ids, edu_contents, used_at);
    END IF;
    RETURN dropped;
END
$$;

-- The intents of each of these devices for a target are delivered, up to a number. When that is lost, they are tried once more, and found to
-- be there.
CREATE OR REPLACE FUNCTION to_device_done(
    in_bucket integer, of_buckets integer[], of_user_ids text[], of_device_ids text[], of_targets integer[], up_to bigint[]
) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
SET synchronous_commit = off
AS $$
DECLARE
    at_bucket integer;
    at_user_id text;
    at_device_id text;
    at_target integer;
    last bigint;
BEGIN
    FOR place IN 1..cardinality(up_to) LOOP
        at_bucket := of_buckets[place];
        at_user_id := of_user_ids[place];
        at_device_id := of_device_ids[place];
        at_target := of_targets[place];
        last := up_to[place];
        DELETE FROM to_device_intent i
        WHERE i.bucket = at_bucket AND i.user_id = at_user_id AND i.device_id = at_device_id AND i.target = at_target AND i.number <= last;
    END LOOP;
END
$$;

-- Which of these devices have intents for a target.
CREATE OR REPLACE FUNCTION to_device_waiting(in_bucket integer, of_user_ids text[], of_device_ids text[], of_target integer) RETURNS boolean[]
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    at_user_id text;
    at_device_id text;
    result boolean[] := ARRAY[]::boolean[];
BEGIN
    FOR place IN 1..cardinality(of_user_ids) LOOP
        at_user_id := of_user_ids[place];
        at_device_id := of_device_ids[place];
        PERFORM 1 FROM to_device_intent i
        WHERE i.bucket = in_bucket AND i.user_id = at_user_id AND i.device_id = at_device_id AND i.target = of_target LIMIT 1;
        result := result || FOUND;
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
    of_source integer;
    at_user_id text;
    at_device_id text;
    number bigint;
BEGIN
    FOR place IN 1..cardinality(lasts) LOOP
        of_source := sources[place];
        at_user_id := of_user_ids[place];
        at_device_id := of_device_ids[place];
        number := lasts[place];
        DELETE FROM to_device_delivered d
        WHERE d.bucket = in_bucket AND d.source = of_source AND d.user_id = at_user_id AND d.device_id = at_device_id
            AND d.last = number AND d.idle_since < noted_before;
        IF NOT FOUND THEN
            UPDATE to_device_delivered d SET idle_since = moment
            WHERE d.bucket = in_bucket AND d.source = of_source AND d.user_id = at_user_id AND d.device_id = at_device_id
                AND d.last = number AND d.idle_since IS NULL;
        END IF;
    END LOOP;
END
$$;
