using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class PageCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.NoGaps, A_page_holds_the_oldest_messages_and_tells_whether_there_are_more),
        new(Promises.NoGaps, Pages_of_any_size_give_every_message_once_and_in_order),
        new(Promises.NoGaps, An_inbox_that_never_got_a_message_is_empty),
        new(Promises.Bounded, A_page_ends_before_the_message_with_which_it_would_have_too_many_bytes),
        new(Promises.Bounded, A_message_with_too_many_bytes_comes_alone),
        new(Promises.Bounded, The_bound_that_is_reached_first_ends_a_page),
        new(Promises.Bounded, Pages_of_any_number_of_bytes_give_every_message_once_and_in_order),
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

    private static async Task A_page_ends_before_the_message_with_which_it_would_have_too_many_bytes(CaseRun run)
    {
        // Characters of one to four bytes, and most of them outside of the content.
        const string Sender = "@é漢:hs1", EventType = "m.é\0漢😀", Content = """{"é":"😀"}""";
        var store = await run.OpenAsync();
        for (var n = 1; n <= 3; n++)
        {
            Check.Equal(
                await store.SendAsync(Key($"t{n}"), [new ToDeviceMessage(Bob, Sender, EventType, Utf8(Content), NewSendId())]), CommitResult.Committed,
                "Nothing speaks against this commit.");
        }

        var each = Utf8(Sender).Length + Utf8(EventType).Length + Utf8(Content).Length;
        await CheckAsync(int.MaxValue, 3);
        await CheckAsync(3 * each, 3);
        await CheckAsync(3 * each - 1, 2);
        await CheckAsync(2 * each, 2);
        await CheckAsync(2 * each - 1, 1);
        await CheckAsync(each, 1);

        async Task CheckAsync(int maxBytes, int expected)
        {
            var (messages, more) = await store.PageAsync(Bob, InboxPosition.Start, 10, maxBytes);
            Check.Equal(
                messages.Count, expected,
                $"Content, event type and sender of each of 3 messages have {each} bytes of UTF-8 together, so this many fit into {maxBytes} bytes.");
            Check.Equal(more, expected < 3, $"HasMore tells whether there are messages behind the page (3 of {each} bytes, at most {maxBytes} bytes).");
        }
    }

    private static async Task A_message_with_too_many_bytes_comes_alone(CaseRun run)
    {
        var store = await run.OpenAsync();
        var large = new string('x', 100_000);
        string[] contents = ["1", large, "3", large];
        for (var n = 0; n < contents.Length; n++) await store.DeliverAsync($"t{n}", contents[n], Bob);
        foreach (var maxBytes in (int[])[1, 99_999])
        {
            var after = InboxPosition.Start;
            for (var n = 0; n < contents.Length; n++)
            {
                var (messages, more) = await store.PageAsync(Bob, after, 10, maxBytes);
                Check.Same(
                    [.. messages.Select(message => message.Content)], [contents[n]],
                    $"At most {maxBytes} bytes, and the next two messages have more: a page holds at least one, or its reader would never get on.");
                Check.Equal(more, n < contents.Length - 1, "HasMore tells whether there are messages behind one that came alone.");
                after = messages[^1].Position;
            }
        }
    }

    private static async Task The_bound_that_is_reached_first_ends_a_page(CaseRun run)
    {
        const int Count = 5;
        var store = await run.OpenAsync();
        for (var n = 1; n <= Count; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
        var each = Alice.UserId.Length + "m.test".Length + 1;
        foreach (var (limit, fitting) in ((int, int)[])[(2, 5), (5, 2), (2, 2), (2, 3), (3, 2), (4, 5), (5, 4), (5, 5), (10, 10)])
        {
            var (messages, more) = await store.PageAsync(Bob, InboxPosition.Start, limit, fitting * each);
            var expected = Math.Min(Math.Min(limit, fitting), Count);
            Check.Same(
                [.. messages.Select(message => message.Content)], [.. Enumerable.Range(1, expected).Select(n => $"{n}")],
                $"Of {Count} messages of {each} bytes, at most {limit} and at most {fitting * each} bytes:");
            Check.Equal(
                more, expected < Count,
                $"HasMore tells whether there are messages behind the page, whatever has ended it (at most {limit} of {Count}, and bytes for {fitting}).");
        }
    }

    private static async Task Pages_of_any_number_of_bytes_give_every_message_once_and_in_order(CaseRun run)
    {
        int[] lengths = [2, 300, 65_536, 9_000, 30_000];
        var contents = Enumerable.Range(0, 6 * lengths.Length).Select(n => $"{n}".PadRight(lengths[n % lengths.Length], 'x')).ToList();
        var store = await run.OpenAsync();
        for (var n = 0; n < contents.Count; n++) await store.DeliverAsync($"t{n}", contents[n], Bob);
        foreach (var maxBytes in (int[])[1, 1000, 10_000, 70_000, 250_000, 1 << 20])
        {
            var seen = new List<ReadMessage>();
            for (var more = true; more;)
            {
                (var page, more) = await store.PageAsync(Bob, seen.Count == 0 ? InboxPosition.Start : seen[^1].Position, 20, maxBytes);
                Check.That(page.Count > 0, "A page without messages, though there are some, leaves its reader at a loss.");
                var bytes = page.Sum(message => message.Bytes.Length + message.EventType.Length + message.Sender.Length);
                Check.That(page.Count == 1 || bytes <= maxBytes, $"A page of at most {maxBytes} bytes holds {page.Count} messages of {bytes} bytes.");
                seen.AddRange(page);
            }

            Check.Same(
                [.. seen.Select(message => message.Content)], contents,
                $"Pages of at most {maxBytes} bytes, each behind the last one, until HasMore is false, give every message once and in order.");
        }
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
