using System.Globalization;
using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class CommitCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.OneCommit, A_send_appears_in_all_inboxes_at_one_moment, excludes: StoreClaims.DeliversOneByOne),
        new(Promises.OneCommit, A_message_is_never_visible_without_its_record),
        new(Promises.OneCommit, A_message_and_its_EDU_appear_at_one_moment, StoreClaims.Outbox, StoreClaims.DeliversOneByOne),
        new(Promises.OneCommit, Messages_of_several_appends_are_committed_together),
        new(Promises.OneCommit, A_duplicate_delivers_to_nobody),
        new(Promises.OneCommit, A_refused_send_delivers_to_nobody),
        new(Promises.OneCommit, A_send_that_is_not_committed_leaves_no_EDU, StoreClaims.Outbox),
        new(Promises.OneCommit, A_send_to_250_devices_arrives_whole),
        new(Promises.OneCommit, A_send_to_one_user_with_1000_devices_arrives_whole),
    ];

    private static async Task A_send_appears_in_all_inboxes_at_one_moment(CaseRun run)
    {
        var store = await run.OpenAsync();
        await WatchSendsAsync(writer: store, reader: store);
    }

    /// <summary>
    /// Every send goes to all, so of two inboxes that are read one after the other, the second holds at least as many
    /// messages. Two readers go in opposite directions, because a store commits in whatever order it likes.
    /// </summary>
    internal static async Task WatchSendsAsync(Session writer, Session reader)
    {
        const int Sends = 30;
        DeviceAddress[] devices = [.. Enumerable.Range(1, 4).Select(n => new DeviceAddress("@bob:hs1", $"B{n}"))];
        var done = false;
        await CaseRun.ParallelAsync(WriteAsync, () => WatchAsync(devices), () => WatchAsync([.. devices.Reverse()]));

        async Task WriteAsync()
        {
            try
            {
                for (var n = 0; n < Sends; n++) await writer.DeliverAsync($"t{n}", $"{n}", devices);
            }
            finally
            {
                Volatile.Write(ref done, true);
            }
        }

        async Task WatchAsync(DeviceAddress[] order)
        {
            while (!Volatile.Read(ref done))
            {
                var before = 0;
                foreach (var device in order)
                {
                    var count = (await reader.ReadAsync(device)).Count;
                    Check.That(
                        count >= before,
                        $"A reader saw {before} sends in one inbox and then only {count} in another, and all of them went to both: it saw a part of "
                        + "a send. All inboxes of a send have to become visible in one step.");
                    before = count;
                }

                await Task.Yield();
            }
        }
    }

    private static async Task A_message_is_never_visible_without_its_record(CaseRun run)
    {
        const int Sends = 30;
        var store = await run.OpenAsync();
        var done = false;
        await CaseRun.ParallelAsync(WriteAsync, WatchAsync);
        Check.Equal((await store.ReadAsync(Bob)).Count, Sends, "The inbox has to hold each send once.");

        async Task WriteAsync()
        {
            try
            {
                for (var n = 0; n < Sends; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
            }
            finally
            {
                Volatile.Write(ref done, true);
            }
        }

        async Task WatchAsync()
        {
            for (var seen = 0; seen < Sends && !Volatile.Read(ref done); await Task.Yield())
            {
                var messages = await store.ReadAsync(Bob);
                for (; seen < messages.Count; seen++)
                {
                    Check.Equal(
                        await store.SendAsync($"t{messages[seen].Content}", "again", Bob), CommitResult.AlreadyCommitted,
                        "The record of a send has to be there as soon as one of its messages is: write both in one step.");
                }
            }
        }
    }

    private static async Task A_message_and_its_EDU_appear_at_one_moment(CaseRun run)
    {
        const int Sends = 30;
        var store = await run.OpenAsync();
        var done = false;
        await CaseRun.ParallelAsync(WriteAsync, () => WatchAsync(CountMessagesAsync, CountEdusAsync), () => WatchAsync(CountEdusAsync, CountMessagesAsync));

        async Task WriteAsync()
        {
            try
            {
                for (var n = 0; n < Sends; n++)
                {
                    Check.Equal(
                        await store.SendAsync(Key($"t{n}"), [Message(Bob, "{}")], null, [Edu("hs2", $"m{n}")]), CommitResult.Committed,
                        "A new transaction has to be committed.");
                }
            }
            finally
            {
                Volatile.Write(ref done, true);
            }
        }

        async Task WatchAsync(Func<Task<int>> countFirst, Func<Task<int>> countSecond)
        {
            while (!Volatile.Read(ref done))
            {
                var first = await countFirst();
                var second = await countSecond();
                Check.That(
                    second >= first,
                    $"A reader found {first} sends and then only {second}, once in an inbox and once in the outbox: messages and EDUs of a send have "
                    + "to become visible in one step.");
                await Task.Yield();
            }
        }

        async Task<int> CountMessagesAsync() => (await store.ReadAsync(Bob)).Count;

        async Task<int> CountEdusAsync() => (await store.EdusAsync("hs2")).Count;
    }

    private static async Task Messages_of_several_appends_are_committed_together(CaseRun run)
    {
        var store = await run.OpenAsync();
        var transaction = await store.BeginAsync("t1");
        await store.AppendAsync(transaction, Message(Bob, "1"));
        await store.AppendAsync(transaction, Message(BobsOther, "2"), Message(Carol, "3"));
        await store.CommitAsync(transaction, CommitResult.Committed, "Nothing speaks against this commit.");
        (DeviceAddress, string)[] expected = [(Bob, "1"), (BobsOther, "2"), (Carol, "3")];
        foreach (var (device, content) in expected)
            Check.Same(await store.ContentsAsync(device), [content], "A commit delivers what every AppendAsync of its transaction has added.");
    }

    private static async Task A_duplicate_delivers_to_nobody(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Bob);
        Check.Equal(
            await store.SendAsync("t1", "2", Bob, Carol), CommitResult.AlreadyCommitted, "The key makes a duplicate, whatever it carries.");
        Check.Same(await store.ContentsAsync(Bob), ["1"], "A duplicate delivers nothing.");
        Check.Empty(await store.ContentsAsync(Carol), "A duplicate delivers nothing to a recipient whom the first request did not name either.");
    }

    private static async Task A_refused_send_delivers_to_nobody(CaseRun run)
    {
        var store = await run.OpenAsync();
        var transaction = await store.PrepareAsync("t1", "1", Carol, Bob, BobsOther);
        await store.RemoveDeviceAsync(Bob);
        await store.CommitAsync(transaction, CommitResult.DeviceRemoved, "A recipient was removed while the transaction was open.");
        Check.Empty(await store.ContentsAsync(Carol), "A send that ended as DeviceRemoved delivers to nobody: its caller sends all of it again.");
        Check.Empty(await store.ContentsAsync(BobsOther), "A send that ended as DeviceRemoved delivers to nobody: its caller sends all of it again.");
        Check.Equal(
            await store.SendAsync("t1", "2", Carol), CommitResult.Committed,
            "A send that ended as DeviceRemoved leaves no record: its caller sends it again, with the same key.");
        Check.Same(await store.ContentsAsync(Carol), ["2"], "The second attempt is what counts.");
    }

    private static async Task A_send_that_is_not_committed_leaves_no_EDU(CaseRun run)
    {
        var store = await run.OpenAsync();
        var abandoned = await store.BeginAsync("t1");
        await store.AppendAsync(abandoned, Edu("hs2", "abandoned"));
        Check.Empty(await store.MessageIdsAsync("hs2"), "An EDU may not be seen before its transaction commits.");
        await store.DisposeAsync(abandoned);
        Check.Empty(await store.MessageIdsAsync("hs2"), "A transaction that was disposed without a commit leaves no EDU.");

        await store.DeliverEdusAsync("t1", Edu("hs2", "sent"));
        await store.SendAsync(Key("t1"), [], null, [Edu("hs2", "duplicate"), Edu("hs3", "duplicate")]);
        Check.Same(await store.MessageIdsAsync("hs2"), ["sent"], "A duplicate leaves no EDU.");

        var refused = await store.BeginAsync("t2");
        await store.AppendAsync(refused, Message(Bob, "{}"));
        await store.AppendAsync(refused, Edu("hs3", "refused"));
        await store.RemoveDeviceAsync(Bob);
        await store.CommitAsync(refused, CommitResult.DeviceRemoved, "A recipient was removed while the transaction was open.");
        Check.Same(await store.DestinationsAsync(), ["hs2"], "A send that ended as DeviceRemoved leaves no EDU.");
    }

    private static async Task A_send_to_250_devices_arrives_whole(CaseRun run) =>
        await SendToManyAsync(run, [.. Enumerable.Range(1, 250).Select(n => new DeviceAddress($"@user{n}:hs1", "D1"))], 2000);

    private static async Task A_send_to_one_user_with_1000_devices_arrives_whole(CaseRun run) =>
        await SendToManyAsync(run, [.. Enumerable.Range(1, 1000).Select(n => new DeviceAddress("@bob:hs1", $"D{n}"))], 300);

    private static async Task SendToManyAsync(CaseRun run, DeviceAddress[] devices, int contentLength)
    {
        var store = await run.OpenAsync();
        var sendId = NewSendId();
        Check.Equal(
            await store.SendAsync(Key("t1"), [.. devices.Select((device, n) => Message(device, Content(n), sendId))]), CommitResult.Committed,
            $"A send to {devices.Length} devices is one commit like any other.");
        for (var n = 0; n < devices.Length; n++)
        {
            var messages = await store.ReadAsync(devices[n]);
            Check.Same(
                [.. messages.Select(message => message.Content)], [Content(n)],
                $"Device {n + 1} of {devices.Length} has to get the message that was sent to it, and no other.");
        }

        string Content(int n) => n.ToString(CultureInfo.InvariantCulture).PadRight(contentLength, '.');
    }
}
