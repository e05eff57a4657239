using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class ExpiryCases
{
    private static readonly DeviceAddress s_clock = new("@clock:hs1", "Clock");

    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.OldExpire, A_message_tells_when_its_send_was_committed, StoreClaims.Upkeep),
        new(Promises.OldExpire, Messages_of_before_a_moment_expire_in_all_inboxes, StoreClaims.Upkeep),
        new(Promises.OldExpire, An_expiry_deletes_no_more_than_it_is_told, StoreClaims.Upkeep),
        new(Promises.OldExpire, What_has_not_expired_keeps_its_place_and_inboxes_go_on_counting, StoreClaims.Upkeep),
        new(Promises.OldExpire, A_position_that_has_expired_acknowledges_nothing, StoreClaims.Upkeep),
        new(Promises.OldExpire, Expiries_beside_sends_and_acknowledgements_hold_up_nobody, StoreClaims.Upkeep),
        new(Promises.OldExpire, The_age_of_a_message_outlives_a_restart, StoreClaims.Upkeep | StoreClaims.Durable),
        new(Promises.OldExpire, Instances_that_expire_at_once_count_each_message_once, StoreClaims.Upkeep | StoreClaims.SeveralInstances),
    ];

    /// <summary>
    /// Lets time pass, by the clock of the store: some have one of their own, which no case moves. It is looked at through a message to
    /// a device that has no others.
    /// </summary>
    /// <returns>A moment behind everything that was committed before, and not behind what is committed from now on.</returns>
    public static async Task<DateTimeOffset> PassTimeAsync(CaseRun run, Session store)
    {
        var started = await TickAsync();
        while (true)
        {
            run.Time.Advance(TimeSpan.FromHours(1));
            if (await TickAsync() is var now && now > started) return now;
        }

        async Task<DateTimeOffset> TickAsync()
        {
            await store.DeliverAsync($"tick {NewSendId()}", "tick", s_clock);
            var tick = (await store.ReadAsync(s_clock))[^1];
            await store.AcknowledgeAsync(s_clock, tick.Position);
            return TimeOf(tick);
        }
    }

    private static async Task A_message_tells_when_its_send_was_committed(CaseRun run)
    {
        var store = await run.OpenAsync();
        var open = await store.PrepareAsync("late", "late", Bob, Carol);
        await store.DeliverAsync("t1", "early", Bob);
        var moment = await PassTimeAsync(run, store);
        await store.CommitAsync(open, CommitResult.Committed, "Nothing speaks against this commit.");

        var (bob, carol) = (await store.ReadAsync(Bob), await store.ReadAsync(Carol));
        Check.That(TimeOf(bob[0]) < moment, "It was committed before that moment.");
        Check.That(TimeOf(bob[1]) >= moment, "It was committed at that moment or later: when it was appended does not matter.");
        Check.Equal(TimeOf(carol[0]), TimeOf(bob[1]), "The messages of one send were committed at one moment.");
        await PassTimeAsync(run, store);
        Check.Equal((await store.ReadAsync(Bob))[1].CommittedAt, bob[1].CommittedAt, "Whenever it is read, it was committed at the same moment.");
    }

    private static async Task Messages_of_before_a_moment_expire_in_all_inboxes(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Bob, BobsOther);
        await store.DeliverAsync("t2", "2", Bob, Carol);
        await store.DeliverAsync("t3", "acknowledged", Alice);
        await store.AcknowledgeAsync(Alice, (await store.ReadAsync(Alice))[0].Position);
        var before = TimeOf((await store.ReadAsync(Bob))[0]);
        await PassTimeAsync(run, store);
        await store.DeliverAsync("t4", "3", Carol, Bob);
        var moment = TimeOf((await store.ReadAsync(Bob))[^1]);
        await store.DeliverAsync("t5", "4", Bob);

        Check.Equal(await store.ExpireAsync(before), 0, "Nothing is as old as that: what was committed at the moment itself is kept.");
        // The same moment, in another time zone.
        Check.Equal(await store.ExpireAsync(moment.ToOffset(TimeSpan.FromHours(5))), 4, "4 messages that wait were committed before that moment.");
        Check.Equal(await store.ExpireAsync(moment), 0, "There is nothing more to expire.");
        Check.Same(await store.ContentsAsync(Bob), ["3", "4"], "What was committed at the moment itself or later is kept.");
        Check.Same(await store.ContentsAsync(Carol), ["3"], "What was committed at the moment itself or later is kept.");
        Check.Empty(await store.ContentsAsync(BobsOther), "All that it held has expired.");
        Check.Equal(await store.SendAsync("t1", "again", Bob), CommitResult.AlreadyCommitted, "Expiry forgets no record.");
    }

    private static async Task An_expiry_deletes_no_more_than_it_is_told(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Bob, BobsOther, Carol);
        for (var n = 2; n < 5; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
        var moment = await PassTimeAsync(run, store);
        await store.DeliverAsync("young", "young", Bob, Carol);

        List<string> expired = [], waiting = [];
        for (var n = 0; n < 4; n++)
        {
            expired.Add($"{await store.ExpireAsync(moment, 2)}");
            var bobs = await store.ContentsAsync(Bob);
            Check.Same(bobs, ((string[])["1", "2", "3", "4", "young"])[^bobs.Count..], "Of each inbox, the oldest ones expire first.");
            waiting.Add($"{bobs.Count + (await store.ReadAsync(BobsOther)).Count + (await store.ReadAsync(Carol)).Count}");
        }

        Check.Same(expired, ["2", "2", "2", "0"], "6 messages are due, and each call deletes at most 2 and returns how many: fewer than it may means that no more are due.");
        Check.Same(waiting, ["6", "4", "2", "2"], "So many are left after each call.");
    }

    private static async Task What_has_not_expired_keeps_its_place_and_inboxes_go_on_counting(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 1; n <= 3; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob, Carol);
        var moment = await PassTimeAsync(run, store);
        await store.DeliverAsync("t4", "4", Bob);
        var young = (await store.ReadAsync(Bob))[^1].Position;
        await store.ExpireAsync(moment);

        Check.Equal((await store.ReadAsync(Bob)).Single().Position, young, "What is younger keeps its position.");
        await store.DeliverAsync("t5", "5", Bob, Carol);
        Check.Same(
            [.. (await store.ReadAsync(Bob)).Select(message => $"{message.Position.Sequence}")], ["4", "5"], "The inbox goes on counting (D12).");
        Check.Equal((await store.ReadAsync(Carol)).Single().Position.Sequence, 4, "An inbox of which all has expired goes on counting.");
        Check.Equal(await store.AcknowledgeAsync(Bob, young), 1, "One message waited up to there: what has expired is not acknowledged.");
    }

    private static async Task A_position_that_has_expired_acknowledges_nothing(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Bob, Carol);
        await store.DeliverAsync("t2", "2", Bob);
        var old = (await store.ReadAsync(Bob)).ConvertAll(message => message.Position);
        var moment = await PassTimeAsync(run, store);
        await store.DeliverAsync("t3", "3", Bob);
        await store.ExpireAsync(moment);
        await store.DeliverAsync("t4", "4", Bob, Carol);

        foreach (var position in old) Check.Equal(await store.AcknowledgeAsync(Bob, position), 0, "The message of this position has expired.");
        Check.Equal(await store.AcknowledgeAsync(Carol, old[0]), 0, "The message of this position has expired.");
        Check.Same(await store.ContentsAsync(Bob), ["3", "4"], "Nobody has seen these: a position that names what has gone deletes nothing (D11).");
        Check.Same(await store.ContentsAsync(Carol), ["4"], "Nobody has seen this.");
        Check.Same(
            [.. (await store.PageAsync(Bob, old[1], 100)).Messages.Select(message => message.Content)], ["3", "4"], "What is behind that position is found from there.");
    }

    private static async Task Expiries_beside_sends_and_acknowledgements_hold_up_nobody(CaseRun run)
    {
        var store = await run.OpenAsync();
        DeviceAddress[] devices = [Bob, BobsOther, Carol];
        for (var n = 0; n < 20; n++) await store.DeliverAsync($"old {n}", "old", devices);
        var moment = await PassTimeAsync(run, store);
        var expired = await store.ExpireAsync(moment, 3);
        run.Suspicion = " A call that waits for ever, or that a deadlock ends, may mean that an expiry locks rows in another order than sends do.";
        await CaseRun.ParallelAsync(
            async () =>
            {
                for (int last; (last = await store.ExpireAsync(moment, 3)) > 0;) Interlocked.Add(ref expired, last);
            },
            async () =>
            {
                for (var n = 0; n < 20; n++) await store.DeliverAsync($"a {n}", "young", devices);
            },
            async () =>
            {
                for (var n = 0; n < 20; n++) await store.DeliverAsync($"b {n}", "young", [.. devices.Reverse()]);
            },
            async () =>
            {
                for (var n = 0; n < 20; n++)
                {
                    if ((await store.PageAsync(Carol, InboxPosition.Start, 1)).Messages is not [{ Content: "old" } one]) continue;
                    var acknowledged = await store.AcknowledgeAsync(Carol, one.Position);
                    Interlocked.Add(ref expired, acknowledged);
                }
            });

        // One when all is over, however the others came to lie: it finds nothing, and sets back nothing.
        expired += await store.ExpireAsync(moment, 3);
        await store.DeliverAsync("last", "young", devices);
        Check.Equal(expired, 60, "60 messages were old: each has expired or was acknowledged, and was counted once.");
        foreach (var device in devices)
        {
            var sequences = (await store.ReadAsync(device)).Select(message => $"{message.Position.Sequence}");
            Check.Same([.. sequences], [.. Enumerable.Range(21, 41).Select(n => $"{n}")], $"41 younger messages wait for {device}.");
        }
    }

    private static async Task The_age_of_a_message_outlives_a_restart(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Bob);
        var committedAt = TimeOf((await store.ReadAsync(Bob))[0]);
        var moment = await PassTimeAsync(run, store);
        store = await run.RestartAsync(store);
        Check.Equal(TimeOf((await store.ReadAsync(Bob))[0]), committedAt, "It was committed before the restart.");
        Check.Equal(await store.ExpireAsync(moment), 1, "It was committed before that moment.");
        store = await run.RestartAsync(store);
        Check.Empty(await store.ContentsAsync(Bob), "It has expired.");
        await store.DeliverAsync("t2", "2", Bob);
        Check.Equal((await store.ReadAsync(Bob))[0].Position.Sequence, 2, "The inbox goes on counting.");
    }

    private static async Task Instances_that_expire_at_once_count_each_message_once(CaseRun run)
    {
        var first = await run.OpenAsync();
        var second = await run.OpenSecondAsync(first);
        for (var n = 0; n < 30; n++) await first.DeliverAsync($"t{n}", $"{n}", Bob, Carol);
        var moment = await PassTimeAsync(run, first);
        var expired = 0;
        await CaseRun.ParallelAsync(new[] { first, second }.Select(store => (Func<Task>)(async () =>
        {
            for (int last; (last = await store.ExpireAsync(moment, 7)) > 0;) Interlocked.Add(ref expired, last);
        })));
        Check.Equal(expired, 60, "60 messages were due on both instances: together they have deleted each once.");
        foreach (var device in (DeviceAddress[])[Bob, Carol]) Check.Empty(await second.ContentsAsync(device), "All have expired.");
    }

    private static DateTimeOffset TimeOf(ReadMessage message) => message.CommittedAt
        ?? throw new BrokenPromise("InboxMessage.CommittedAt is null: a store that has an IStoreUpkeep tells when a message was committed.");
}
