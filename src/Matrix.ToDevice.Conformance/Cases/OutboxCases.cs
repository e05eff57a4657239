using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class OutboxCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.FirstInFirstOut, EDUs_stand_in_the_order_of_their_commits, StoreClaims.Outbox),
        new(Promises.FirstInFirstOut, No_EDU_appears_before_one_that_was_read, StoreClaims.Outbox),
        new(Promises.FirstInFirstOut, EDUs_tell_when_they_were_committed, StoreClaims.Outbox),
        new(Promises.FirstInFirstOut, Reading_EDUs_removes_nothing, StoreClaims.Outbox),
        new(Promises.OnlyReceived, Removing_EDUs_leaves_later_ones_and_other_destinations, StoreClaims.Outbox),
        new(Promises.DestinationsListed, Destinations_with_EDUs_are_listed_in_ordinal_order, StoreClaims.Outbox),
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

        await store.RemoveEdusAsync("hs2", await store.EdusAsync("hs2", 1));
        await store.DeliverEdusAsync("t4", Edu("hs2", "m4"));
        await store.RemoveEdusAsync("hs2", sent);
        Check.Same(
            await store.MessageIdsAsync("hs2"), ["m4"],
            "Positions go on when a destination has been emptied: a removal that was repeated late may not remove an EDU that came after it.");
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
