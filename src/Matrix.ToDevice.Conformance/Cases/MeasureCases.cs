using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class MeasureCases
{
    private static readonly InboxSize s_all = new(1_000_000, 1_000_000_000);

    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.WaitingMeasured, What_waits_is_counted_and_what_has_gone_is_not, StoreClaims.Upkeep),
        new(Promises.WaitingMeasured, EDUs_are_counted_apart_for_destinations_that_fail, StoreClaims.Upkeep | StoreClaims.Outbox),
        new(Promises.InboxesMeasured, Inboxes_are_measured_in_the_order_in_which_they_are_named, StoreClaims.Upkeep),
        new(Promises.InboxesMeasured, Counting_stops_at_a_bound_and_not_before, StoreClaims.Upkeep),
        new(Promises.CommittedKnown, A_key_is_known_from_its_commit_on, StoreClaims.Upkeep),
        new(Promises.CommittedKnown, To_ask_for_a_key_is_no_use_of_it, StoreClaims.Upkeep),
        new(Promises.CommittedKnown, A_key_that_was_committed_on_another_instance_is_known, StoreClaims.Upkeep | StoreClaims.SeveralInstances),
    ];

    private static async Task What_waits_is_counted_and_what_has_gone_is_not(CaseRun run)
    {
        var store = await run.OpenAsync();
        Check.Equal(await store.MeasureAsync(), new StoreStatistics(0, 0, 0, null, default, default), "The store is empty.");

        for (var n = 0; n < 3; n++) await store.DeliverAsync($"bob {n}", $"{n}", Bob);
        await ExpiryCases.PassTimeAsync(run, store);
        await store.DeliverAsync("all", "all", Bob, BobsOther, Carol);
        await ExpectAsync(6, 3, 4, "4 messages wait for one device and 1 for each of two others.");

        await store.AcknowledgeAsync(Bob, (await store.ReadAsync(Bob))[2].Position);
        await ExpectAsync(3, 3, 1, "3 messages were acknowledged: the oldest one that waits is a later one.");
        await store.RemoveDeviceAsync(Carol);
        await ExpectAsync(2, 2, 1, "A device was removed, and its messages with it.");
        await store.AcknowledgeAsync(Bob, (await store.ReadAsync(Bob))[0].Position);
        await ExpectAsync(1, 1, 1, "An inbox was emptied.");
        await store.DeliverAsync("more", "more", Bob);
        await ExpectAsync(2, 2, 1, "A message has come to the emptied inbox.");
        await store.ExpireAsync(await ExpiryCases.PassTimeAsync(run, store));
        await ExpectAsync(0, 0, 0, "All messages have expired.");

        async Task ExpectAsync(long messages, long inboxes, long largest, string reason)
        {
            var waiting = new List<ReadMessage>();
            foreach (var device in (DeviceAddress[])[Bob, BobsOther, Carol]) waiting.AddRange(await store.ReadAsync(device));
            Check.Equal(
                await store.MeasureAsync(), new StoreStatistics(messages, inboxes, largest, waiting.Min(message => message.CommittedAt), default, default), reason);
        }
    }

    private static async Task EDUs_are_counted_apart_for_destinations_that_fail(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverEdusAsync("t1", Edu("hs2", "m1"), Edu("hs3", "m1"));
        await store.DeliverEdusAsync("t2", Edu("hs2", "m2"));
        await ExpectAsync(["hs2", "hs3"], [], "Nothing has failed.");

        await store.TakeAsync("one");
        await store.ReleaseAsync("hs3", "one", 2, TimeSpan.Zero);
        await ExpectAsync(["hs2"], ["hs3"], "Two transactions to hs3 have failed; hs2 is taken.");
        await store.RemoveEdusAsync("hs2", await store.EdusAsync("hs2", 1));
        await ExpectAsync(["hs2"], ["hs3"], "An EDU to hs2 was received.");
        await store.RemoveEdusAsync("hs2", await store.EdusAsync("hs2"));
        await ExpectAsync([], ["hs3"], "Nothing waits for hs2 any more.");
        await store.TakeAsync("two");
        await store.ReleaseAsync("hs3", "two", 0, TimeSpan.Zero);
        await ExpectAsync(["hs3"], [], "A transaction to hs3 has succeeded.");

        async Task ExpectAsync(string[] working, string[] failing, string reason)
        {
            var found = await store.MeasureAsync();
            Check.Equal(found.Working, await WaitingAsync(working), $"{reason} (Working)");
            Check.Equal(found.Failing, await WaitingAsync(failing), $"{reason} (Failing)");
        }

        async Task<OutboxStatistics> WaitingAsync(string[] destinations)
        {
            var edus = new List<OutboxEntry>();
            foreach (var destination in destinations) edus.AddRange(await store.EdusAsync(destination));
            return new OutboxStatistics(destinations.Length, edus.Count, edus.Count == 0 ? null : edus.Min(edu => edu.CommittedAt));
        }
    }

    private static async Task Inboxes_are_measured_in_the_order_in_which_they_are_named(CaseRun run)
    {
        var store = await run.OpenAsync();
        Check.Equal((await store.MeasureAsync(s_all)).Count, 0, "No device was named.");
        await store.DeliverAsync("t1", "four", Bob);
        await store.DeliverAsync("t2", "six by üü", Bob, BobsOther);
        await store.DeliverAsync("t3", "", Bob);

        await ExpectAsync("Contents count by their bytes in UTF-8.", new(1, 11), new(0, 0), new(3, 15), new(0, 0), new(3, 15));
        await store.AcknowledgeAsync(Bob, (await store.ReadAsync(Bob))[0].Position);
        await ExpectAsync("What was acknowledged does not count.", new(1, 11), new(0, 0), new(2, 11), new(0, 0), new(2, 11));
        await store.RemoveDeviceAsync(BobsOther);
        await ExpectAsync("The messages of a removed device do not count.", new(0, 0), new(0, 0), new(2, 11), new(0, 0), new(2, 11));
        await store.AcknowledgeAsync(Bob, (await store.ReadAsync(Bob))[1].Position);
        await ExpectAsync("The inbox is empty.", new(0, 0), new(0, 0), new(0, 0), new(0, 0), new(0, 0));

        // One that was never heard of, one that has sent, and one that is named twice.
        async Task ExpectAsync(string reason, params InboxSize[] expected) => Check.Same(
            [.. (await store.MeasureAsync(s_all, BobsOther, Carol, Bob, Alice, Bob)).Select(size => $"{size}")], [.. expected.Select(size => $"{size}")], reason);
    }

    private static async Task Counting_stops_at_a_bound_and_not_before(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 0; n < 5; n++) await store.DeliverAsync($"t{n}", "ten bytes.", Bob);

        Check.Equal(await MeasureAsync(6, 51), new InboxSize(5, 50), "Neither bound is reached.");
        foreach (var bound in (long[])[1, 3, 5])
            Check.That((await MeasureAsync(bound, 1000)).Messages >= bound, $"5 messages wait: with a bound of {bound}, that it is reached has to be seen.");
        foreach (var bound in (long[])[1, 25, 50])
            Check.That((await MeasureAsync(1000, bound)).Bytes >= bound, $"50 bytes wait: with a bound of {bound}, that it is reached has to be seen.");
        Check.Equal(await MeasureAsync(6, 0), new InboxSize(5, 0), "Nobody wants to know the bytes: messages are counted, and bytes are not.");

        async Task<InboxSize> MeasureAsync(long messages, long bytes) => (await store.MeasureAsync(new InboxSize(messages, bytes), Bob))[0];
    }

    private static async Task A_key_is_known_from_its_commit_on(CaseRun run)
    {
        var store = await run.OpenAsync();
        TransactionKey[] keys = [Key("t1"), Key("t2") with { DeviceId = null }, TransactionKey.OfEdu("hs2", "m1")];
        foreach (var key in keys)
        {
            await ExpectAsync(key, false, "Nobody has used this key.");
            var transaction = await store.BeginAsync(key);
            await store.AppendAsync(transaction, Message(Bob, "1"));
            await ExpectAsync(key, false, "Its transaction is open.");
            await store.DisposeAsync(transaction);
            await ExpectAsync(key, false, "Its transaction was abandoned.");
            Check.Equal(await store.SendAsync(key, [Message(Bob, "2")]), CommitResult.Committed, "The key is new.");
            await ExpectAsync(key, true, "A send with this key was committed.");
            await ExpectAsync(key with { EventType = "m.other" }, false, "Another event type makes another key.");
        }

        await store.AcknowledgeAsync(Bob, (await store.ReadAsync(Bob))[^1].Position);
        await ExpectAsync(keys[0], true, "The record outlives the messages.");
        await store.RemoveDeviceAsync(Alice);
        await ExpectAsync(keys[0], false, "The records of a device go with it (D6).");
        await ExpectAsync(keys[1], true, "The record of a send without a device is not that of a device.");
        await store.PurgeAsync(run.Time.Advance(TimeSpan.FromDays(2)));
        await ExpectAsync(keys[1], false, "The record was forgotten.");
        await ExpectAsync(keys[2], true, "The record of an EDU stays for longer.");

        async Task ExpectAsync(TransactionKey key, bool expected, string reason) => Check.Equal(await store.IsCommittedAsync(key), expected, reason);
    }

    private static async Task To_ask_for_a_key_is_no_use_of_it(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Bob);
        var moment = run.Time.Advance(TimeSpan.FromHours(20));
        Check.That(await store.IsCommittedAsync(Key("t1")), "A send with this key was committed.");
        Check.Equal(await store.PurgeAsync(moment), 1, "The record was last used before that moment: to ask for it is no use.");
    }

    private static async Task A_key_that_was_committed_on_another_instance_is_known(CaseRun run)
    {
        var first = await run.OpenAsync();
        var second = await run.OpenSecondAsync(first);
        Check.That(!await second.IsCommittedAsync(Key("t1")), "Nobody has used this key.");
        await first.DeliverAsync("t1", "1", Bob);
        Check.That(await second.IsCommittedAsync(Key("t1")), "A send with this key was committed on the other instance.");
    }
}
