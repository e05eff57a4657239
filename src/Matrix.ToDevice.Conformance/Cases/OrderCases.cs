using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class OrderCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.CommitOrder, A_slow_send_takes_its_place_when_it_commits),
        new(Promises.CommitOrder, Every_inbox_counts_for_itself_from_1_and_without_gaps),
        new(Promises.CommitOrder, An_emptied_inbox_goes_on_counting),
        new(Promises.CommitOrder, Readers_skip_nothing_while_many_write),
    ];

    private static async Task A_slow_send_takes_its_place_when_it_commits(CaseRun run)
    {
        var store = await run.OpenAsync();
        await SendSlowlyAsync(slowOn: store, fastOn: store, readOn: store);
    }

    internal static async Task SendSlowlyAsync(Session slowOn, Session fastOn, Session readOn)
    {
        var slow = await slowOn.PrepareAsync("slow", "slow", Bob);
        await fastOn.DeliverAsync("fast", "fast", Bob);
        var seen = await readOn.ReadAsync(Bob);
        Check.Same([.. seen.Select(message => message.Content)], ["fast"], "What was committed is there, and what was not is not.");

        await slowOn.CommitAsync(slow, CommitResult.Committed, "Nothing speaks against this commit.");
        var (behind, _) = await readOn.PageAsync(Bob, seen[0].Position, 10);
        Check.Same(
            [.. behind.Select(message => message.Content)], ["slow"],
            "A send that began first and committed last stands behind the other: give positions at the commit, or a reader that has passed them skips it.");
        Check.Equal(
            (seen[0].Position.Sequence, behind[0].Position.Sequence), (1L, 2L), "Positions count in the order of the commits.");
    }

    private static async Task Every_inbox_counts_for_itself_from_1_and_without_gaps(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Carol, Bob);
        await store.DeliverAsync("t2", "2", Carol);
        await store.DisposeAsync(await store.PrepareAsync("abandoned", "abandoned", Bob));
        await store.SendAsync("t1", "duplicate", Bob);
        var refused = await store.PrepareAsync("refused", "refused", Bob, BobsOther);
        await store.RemoveDeviceAsync(BobsOther);
        await store.CommitAsync(refused, CommitResult.DeviceRemoved, "A recipient was removed while the transaction was open.");
        await store.DeliverAsync("t3", "3", Bob, Carol);
        Check.Same(
            await SequencesAsync(Bob), ["1", "2"],
            "Each device's messages are numbered 1, 2, 3, …: other devices and sends that were not committed take no numbers.");
        Check.Same(await SequencesAsync(Carol), ["1", "2", "3"], "Each device's messages are numbered 1, 2, 3, …");

        async Task<List<string>> SequencesAsync(DeviceAddress device) =>
            [.. (await store.ReadAsync(device)).Select(message => $"{message.Position.Sequence}")];
    }

    private static async Task An_emptied_inbox_goes_on_counting(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Bob);
        await store.DeliverAsync("t2", "2", Bob);
        await store.AcknowledgeAsync(Bob, (await store.ReadAsync(Bob))[^1].Position);
        await store.DeliverAsync("t3", "3", Bob);
        Check.Equal(
            (await store.ReadAsync(Bob))[0].Position.Sequence, 3,
            "The next number of an inbox does not depend on what is in it: keep it apart from the messages.");
    }

    private static async Task Readers_skip_nothing_while_many_write(CaseRun run)
    {
        var store = await run.OpenAsync();
        await ReadWhileManyWriteAsync([store], [store, store]);
    }

    /// <summary>Writers send to two devices; one inbox is paged through, the other is acknowledged page by page.</summary>
    internal static async Task ReadWhileManyWriteAsync(Session[] writers, Session[] readers)
    {
        const int Writers = 6, Sends = 15;
        var writing = Writers;
        await CaseRun.ParallelAsync(
        [
            .. Enumerable.Range(0, Writers).Select<int, Func<Task>>(writer => () => WriteAsync(writers[writer % writers.Length], writer)),
            () => FollowAsync(readers[0], Bob, acknowledges: false),
            () => FollowAsync(readers[1], Carol, acknowledges: true),
        ]);

        async Task WriteAsync(Session store, int writer)
        {
            try
            {
                for (var n = 0; n < Sends; n++) await store.DeliverAsync($"{writer}.{n}", $"{writer}.{n}", Bob, Carol);
            }
            finally
            {
                Interlocked.Decrement(ref writing);
            }
        }

        async Task FollowAsync(Session store, DeviceAddress device, bool acknowledges)
        {
            var seen = new List<ReadMessage>();
            var after = InboxPosition.Start;
            while (true)
            {
                // Asked before the page is read: a page that is empty after the last commit is the end.
                var complete = Volatile.Read(ref writing) == 0;
                var (page, _) = await store.PageAsync(device, acknowledges ? InboxPosition.Start : after, 7);
                if (page.Count == 0)
                {
                    if (complete) break;
                    await Task.Yield();
                    continue;
                }

                seen.AddRange(page);
                after = page[^1].Position;
                if (acknowledges)
                    Check.Equal(await store.AcknowledgeAsync(device, after), page.Count, "An acknowledgement deletes the page that was read, and no more.");
            }

            Check.Same(
                [.. seen.Select(message => $"{message.Position.Sequence}")], [.. Enumerable.Range(1, Writers * Sends).Select(n => $"{n}")],
                "A reader that goes on behind the last message that it saw has to see every number once: a number may not be seen before those below it.");
            for (var writer = 0; writer < Writers; writer++)
            {
                Check.Same(
                    [.. seen.Select(message => message.Content).Where(content => content.StartsWith($"{writer}.", StringComparison.Ordinal))],
                    [.. Enumerable.Range(0, Sends).Select(n => $"{writer}.{n}")],
                    "A sender whose sends are committed one after another has them delivered in that order, each once.");
            }
        }
    }
}
