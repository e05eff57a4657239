using static Matrix.ToDevice.RestoreCases;
using static Matrix.ToDevice.Session;
using static Matrix.ToDevice.TextCases;

namespace Matrix.ToDevice;

internal static class OutboxCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.FirstInFirstOut, EDUs_stand_in_the_order_of_their_commits, StoreClaims.Outbox),
        new(Promises.FirstInFirstOut, No_EDU_appears_before_one_that_was_read, StoreClaims.Outbox),
        new(Promises.FirstInFirstOut, EDUs_tell_when_they_were_committed, StoreClaims.Outbox),
        new(Promises.FirstInFirstOut, Reading_EDUs_removes_nothing, StoreClaims.Outbox),
        new(Promises.FirstInFirstOut, Reading_EDUs_begins_behind_a_position, StoreClaims.Outbox),
        new(Promises.OnlyReceived, Removing_EDUs_leaves_later_ones_and_other_destinations, StoreClaims.Outbox),
        new(Promises.OnlyReceived, Removing_EDUs_leaves_others_that_stand_at_their_positions, StoreClaims.Outbox),
        new(Promises.OnlyReceived, Removing_EDUs_that_are_not_there_hides_none_that_come_later, StoreClaims.Outbox),
        new(Promises.OnlyReceived, A_late_answer_for_what_a_restored_backup_has_lost_removes_nothing_new, StoreClaims.Outbox | StoreClaims.Restorable),
        new(Promises.DestinationsListed, Destinations_with_EDUs_are_listed_in_ordinal_order, StoreClaims.Outbox),
        new(Promises.DestinationsListed, Destinations_with_long_and_similar_names_are_told_apart, StoreClaims.Outbox),
    ];

    private static async Task EDUs_stand_in_the_order_of_their_commits(CaseRun run)
    {
        var store = await run.OpenAsync();
        await SendSlowlyAsync(store, store, store);
    }

    internal static async Task SendSlowlyAsync(Session slowOn, Session fastOn, Session readOn)
    {
        var slow = await slowOn.BeginAsync("slow");
        await slowOn.AppendAsync(slow, Edu("hs2", "slow 1"), Edu("hs3", "slow"), Edu("hs2", "slow 2"));
        await fastOn.DeliverEdusAsync("fast", Edu("hs2", "fast"));
        await slowOn.CommitAsync(slow, CommitResult.Committed, "Nothing speaks against this commit.");
        await fastOn.DeliverEdusAsync("last", Edu("hs2", "last"));
        var edus = await readOn.EdusAsync("hs2");
        Check.Same(
            [.. edus.Select(edu => edu.MessageId)], ["fast", "slow 1", "slow 2", "last"],
            "The EDUs of a destination stand in the order in which their sends committed, those of one send in the order in which they were appended.");
        Check.That(
            edus.Zip(edus.Skip(1)).All(pair => pair.First.Position < pair.Second.Position), "A later EDU has a higher position than those before it.");
    }

    private static async Task No_EDU_appears_before_one_that_was_read(CaseRun run)
    {
        const int Writers = 4, Sends = 50;
        var store = await run.OpenAsync();
        var writing = Writers;
        await CaseRun.ParallelAsync([ReadAsync, .. Enumerable.Range(0, Writers).Select<int, Func<Task>>(writer => () => WriteAsync(writer))]);

        async Task WriteAsync(int writer)
        {
            try
            {
                for (var n = 0; n < Sends; n++) await store.DeliverEdusAsync($"{writer}.{n}", Edu("hs2", $"{writer}.{n}"));
            }
            finally
            {
                Interlocked.Decrement(ref writing);
            }
        }

        async Task ReadAsync()
        {
            List<string> before = [];
            for (var complete = false; !complete; await Task.Yield())
            {
                complete = Volatile.Read(ref writing) == 0;
                var now = await store.MessageIdsAsync("hs2");
                Check.Same(
                    [.. now.Take(before.Count)], before,
                    "What was read stays at the head of its destination: an EDU that appears before it would be sent out of order, or removed unsent.");
                before = now;
            }

            Check.Equal(before.Count, Writers * Sends, "Every EDU has to be there once.");
        }
    }

    private static async Task EDUs_tell_when_they_were_committed(CaseRun run)
    {
        var store = await run.OpenAsync();
        var slow = await store.BeginAsync("t1");
        await store.AppendAsync(slow, Edu("hs2", "m1"));
        List<DateTimeOffset> moments = [run.Time.Advance(TimeSpan.FromHours(1)), run.Time.GetUtcNow() + TimeSpan.FromMinutes(1)];
        await store.CommitAsync(slow, CommitResult.Committed, "Nothing speaks against this commit.");
        run.Time.Advance(TimeSpan.FromMinutes(1));
        await store.DeliverEdusAsync("t2", Edu("hs2", "m2"));
        run.Time.Advance(TimeSpan.FromDays(1));
        Check.Same(
            [.. (await store.EdusAsync("hs2")).Select(edu => $"{edu.CommittedAt.UtcDateTime:O}")], [.. moments.Select(moment => $"{moment.UtcDateTime:O}")],
            "An EDU's age counts from its commit, by the clock that OpenAsync was given: what is too old to be sent goes by it.");
    }

    private static async Task Reading_EDUs_removes_nothing(CaseRun run)
    {
        var store = await run.OpenAsync();
        Check.Empty(await store.MessageIdsAsync("hs2"), "A destination that never got an EDU has none waiting.");
        await store.DeliverEdusAsync("t1", Edu("hs2", "m1"), Edu("hs2", "m2"), Edu("hs2", "m3"));
        for (var read = 0; read < 2; read++)
            Check.Same(await store.MessageIdsAsync("hs2", 2), ["m1", "m2"], "A read gives the oldest EDUs, no more than asked for, as often as it is made.");
        Check.Same(await store.MessageIdsAsync("hs2", int.MaxValue), ["m1", "m2", "m3"], "Only RemoveAsync removes EDUs.");
    }

    private static async Task Reading_EDUs_begins_behind_a_position(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 1; n <= 5; n++) await store.DeliverEdusAsync($"t{n}", Edu("hs2", $"m{n}"), Edu("hs3", $"m{n}"));
        var all = await store.EdusAsync("hs2");
        for (var first = 0; first <= all.Count; first++)
        {
            Check.Same(
                await BehindAsync(first == 0 ? 0 : all[first - 1].Position), [.. all.Skip(first).Take(2).Select(edu => edu.MessageId)],
                "A read behind a position gives the oldest EDUs behind it, and not the one that stands there.");
        }

        await store.RemoveEdusAsync("hs2", [.. all.Take(3)]);
        Check.Same(await BehindAsync(all[1].Position), ["m4", "m5"], "It begins at the same place when what stood there was removed.");
        Check.Empty(await BehindAsync(long.MaxValue), "Nothing is behind the last possible position.");

        async Task<List<string>> BehindAsync(long after) => [.. (await store.EdusAsync("hs2", 2, after)).Select(edu => edu.MessageId)];
    }

    private static async Task Removing_EDUs_leaves_later_ones_and_other_destinations(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 1; n <= 3; n++) await store.DeliverEdusAsync($"t{n}", Edu("hs3", $"m{n}"), Edu("hs2", $"m{n}"));
        var sent = await store.EdusAsync("hs2", 2);
        await store.RemoveEdusAsync("hs2", sent);
        Check.Same(await store.MessageIdsAsync("hs2"), ["m3"], "The EDUs up to the position are removed, and none behind it.");
        Check.Same(await store.MessageIdsAsync("hs3"), ["m1", "m2", "m3"], "Other destinations have not received anything: theirs stay.");
        await store.RemoveEdusAsync("hs2", sent);
        await store.RemoveEdusAsync("hs4", sent);
        Check.Same(await store.MessageIdsAsync("hs2"), ["m3"], "Removing what was removed before changes nothing.");
    }

    private static async Task Removing_EDUs_leaves_others_that_stand_at_their_positions(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 1; n <= 5; n++) await store.DeliverEdusAsync($"t{n}", Edu("hs2", $"m{n}"));
        var all = await store.EdusAsync("hs2");
        await store.RemoveEdusAsync("hs2", all[2], all[4] with { MessageId = "lost" });
        Check.Same(
            await store.MessageIdsAsync("hs2"), ["m1", "m2", "m4", "m5"],
            "Only those that are named are removed: not what stands before them, and not what stands at the position of one with another message_id. Positions "
            + "come again when a database has lost its last commits, and the answer for an EDU that was lost may come then.");
        await store.RemoveEdusAsync("hs2", all[0] with { MessageId = "m2" }, all[1] with { MessageId = "m1" });
        Check.Same(await store.MessageIdsAsync("hs2"), ["m1", "m2", "m4", "m5"], "An EDU is named by its position and its message_id together.");

        await store.RemoveEdusAsync("hs2", all);
        Check.Empty(await store.MessageIdsAsync("hs2"), "All that are there are removed, whether or not others in the list are there still.");
        await store.DeliverEdusAsync("t6", Edu("hs2", "m6"));
        await store.RemoveEdusAsync("hs2", all);
        Check.Same(
            await store.MessageIdsAsync("hs2"), ["m6"], "A removal that was repeated late removes nothing that came after it, wherever a store begins to count then.");
    }

    private static async Task Removing_EDUs_that_are_not_there_hides_none_that_come_later(CaseRun run)
    {
        const int Lost = 5;
        var store = await run.OpenAsync();
        await store.DeliverEdusAsync("t1", Edu("hs2", "m1"));
        var first = await store.EdusAsync("hs2");
        // As it is when a failover has lost five EDUs that had been sent, and their positions are still to be given out.
        List<OutboxEntry> lost = [.. Enumerable.Range(1, Lost).Select(n => first[0] with { Position = first[0].Position + n, MessageId = $"lost {n}" })];
        await store.RemoveEdusAsync("hs2", lost);
        List<string> expected = ["m1"];
        await ComesAsync("before and after");
        await store.RemoveEdusAsync("hs2", [.. first, .. lost]);
        expected.RemoveAt(0);
        await ComesAsync("with one that was there");
        var waiting = await store.EdusAsync("hs2");
        await store.RemoveEdusAsync("hs2", waiting);
        await store.RemoveEdusAsync("hs2", lost);
        expected.Clear();
        await ComesAsync("where nothing was waiting");

        async Task ComesAsync(string when)
        {
            for (var n = 0; n < Lost + 1; n++)
            {
                var messageId = $"m{n} {when}";
                await store.DeliverEdusAsync(messageId, Edu("hs2", messageId));
                expected.Add(messageId);
            }

            Check.Same(
                await store.MessageIdsAsync("hs2"), expected,
                $"EDUs that are not there were removed, {when}: that may hide none that comes to stand at such a position. What is noted of removals must not go beyond what was removed.");
            Check.Same(await store.DestinationsAsync(), ["hs2"], "Something waits: the destination is listed.");
            Check.Same(await store.TakeAsync("one", TimeSpan.Zero), ["hs2"], "Something waits: the destination can be taken.");
        }
    }

    private static async Task Destinations_with_EDUs_are_listed_in_ordinal_order(CaseRun run)
    {
        string[] ordered = ["10.0.0.1", "B.example", "[::1]:8448", "a-b.example", "a.example", "a.example:8448", "aa.example", "b.example"];
        var store = await run.OpenAsync();
        Check.Empty(await store.DestinationsAsync(), "No EDU waits for anybody.");
        foreach (var destination in ordered.Reverse()) await store.DeliverEdusAsync($"t {destination}", Edu(destination, "m1"), Edu(destination, "m2"));
        Check.Same(
            await store.DestinationsAsync(), ordered, "Each destination is listed once, in ordinal order: not in that of a language, as some databases sort.");

        List<string> paged = [];
        for (string? after = null; paged.Count <= ordered.Length; after = paged[^1])
        {
            var page = await store.DestinationsAsync(after, 3);
            Check.That(page.Count <= 3, $"A list of at most 3 destinations holds {page.Count}.");
            if (page.Count == 0) break;
            paged.AddRange(page);
        }

        Check.Same(paged, ordered, "Lists of 3, each behind the last one, give every destination once.");
        foreach (var destination in ordered.Skip(1)) await store.RemoveEdusAsync(destination, await store.EdusAsync(destination));
        await store.RemoveEdusAsync(ordered[0], await store.EdusAsync(ordered[0], 1));
        Check.Same(await store.DestinationsAsync(), [ordered[0]], "A destination for which nothing waits any more is not listed.");
    }
}
