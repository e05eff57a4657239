using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class PageCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.NoGaps, A_page_holds_the_oldest_messages_and_tells_whether_there_are_more),
        new(Promises.NoGaps, Pages_of_any_size_give_every_message_once_and_in_order),
        new(Promises.NoGaps, An_inbox_that_never_got_a_message_is_empty),
        new(Promises.ReadingDeletesNothing, The_same_read_again_gives_the_same_messages),
    ];

    private static async Task A_page_holds_the_oldest_messages_and_tells_whether_there_are_more(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 1; n <= 4; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
        var all = await store.ReadAsync(Bob);

        await CheckAsync(InboxPosition.Start, 1, ["1"], true);
        await CheckAsync(InboxPosition.Start, 3, ["1", "2", "3"], true);
        await CheckAsync(InboxPosition.Start, 4, ["1", "2", "3", "4"], false);
        await CheckAsync(InboxPosition.Start, 5, ["1", "2", "3", "4"], false);
        await CheckAsync(InboxPosition.Start, int.MaxValue, ["1", "2", "3", "4"], false);
        await CheckAsync(all[0].Position, 2, ["2", "3"], true);
        await CheckAsync(all[0].Position, 3, ["2", "3", "4"], false);
        await CheckAsync(all[3].Position, 1, [], false);
        await CheckAsync(new InboxPosition(long.MaxValue, 0), 1, [], false);

        async Task CheckAsync(InboxPosition after, int limit, string[] expected, bool hasMore)
        {
            var (messages, more) = await store.PageAsync(Bob, after, limit);
            Check.Same(
                [.. messages.Select(message => message.Content)], expected,
                $"Of 4 messages, at most {limit} behind number {after.Sequence}, the oldest ones:");
            Check.Equal(more, hasMore, $"HasMore tells whether there are messages behind the page (at most {limit} of 4, behind number {after.Sequence}).");
        }
    }

    private static async Task Pages_of_any_size_give_every_message_once_and_in_order(CaseRun run)
    {
        const int Count = 250;
        var store = await run.OpenAsync();
        await CaseRun.ParallelAsync(Enumerable.Range(0, Count).Select<int, Func<Task>>(n => async () => await store.DeliverAsync($"t{n}", $"{n}", Bob)));
        foreach (var limit in (int[])[1, 7, 100, 125, 249, 250, 251])
        {
            var seen = new List<ReadMessage>();
            for (var more = true; more;)
            {
                (var page, more) = await store.PageAsync(Bob, seen.Count == 0 ? InboxPosition.Start : seen[^1].Position, limit);
                Check.That(page.Count > 0 || !more, "A page without messages that says that there are more leaves its reader at a loss.");
                Check.That(page.Count <= limit, $"A page of at most {limit} messages holds {page.Count}.");
                seen.AddRange(page);
            }

            Check.Same(
                [.. seen.Select(message => $"{message.Position.Sequence}")], [.. Enumerable.Range(1, Count).Select(n => $"{n}")],
                $"Pages of at most {limit} messages, each behind the last one, until HasMore is false, give every message once.");
            Check.Equal(seen.Select(message => message.Content).Distinct().Count(), Count, "Every message is there once.");
        }
    }

    private static async Task An_inbox_that_never_got_a_message_is_empty(CaseRun run)
    {
        var store = await run.OpenAsync();
        Check.Empty(await store.ContentsAsync(Bob), "The inbox of a device that the store has never heard of is empty.");
        Check.Equal(await store.AcknowledgeAsync(Bob, new InboxPosition(1, 1)), 0, "There is nothing to delete in it.");
        await store.RemoveDeviceAsync(Bob);
        await store.DeliverAsync("t1", "1", Carol);
        Check.Empty(await store.ContentsAsync(Bob), "It stays empty when others get messages.");
    }

    private static async Task The_same_read_again_gives_the_same_messages(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 1; n <= 3; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
        var first = await store.PageAsync(Bob, InboxPosition.Start, 2);
        var second = await store.PageAsync(Bob, InboxPosition.Start, 2);
        await store.PageAsync(Bob, second.Messages[0].Position, 2);
        await store.DeliverAsync("t4", "4", Bob);
        var third = await store.ReadAsync(Bob);
        Check.Same(
            [.. second.Messages.Select(Show)], [.. first.Messages.Select(Show)],
            "Reading deletes nothing: a response may have been lost, and its client asks again.");
        Check.Same([.. third.Select(message => message.Content)], ["1", "2", "3", "4"], "Only an acknowledgement deletes messages.");
        Check.Same([.. third.Take(2).Select(Show)], [.. first.Messages.Select(Show)], "A message keeps its position.");

        static string Show(ReadMessage message) => $"{message.Position.Sequence} {message.Position.SendId} {message.Content}";
    }
}
