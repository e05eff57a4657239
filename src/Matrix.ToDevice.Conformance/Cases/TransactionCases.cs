using static Matrix.ToDevice.Session;
using static Matrix.ToDevice.TextCases;

namespace Matrix.ToDevice;

internal static class TransactionCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.OneWinner, A_committed_transaction_is_not_committed_again),
        new(Promises.OneWinner, Of_two_open_transactions_with_one_key_the_first_commit_wins),
        new(Promises.OneWinner, Of_many_duplicates_at_once_one_is_committed),
        new(Promises.OneWinner, Keys_that_differ_in_any_part_are_different),
        new(Promises.OneWinner, Long_and_unusual_transaction_ids_are_told_apart),
        new(Promises.OneWinner, Keys_with_long_and_unusual_texts_are_told_apart),
        new(Promises.OneWinner, A_send_without_a_device_is_remembered_too),
        new(Promises.OneWinner, EDUs_of_other_servers_are_told_apart_by_server_and_message_id),
        new(Promises.OneWinner, A_send_to_nobody_is_remembered_too),
        new(Promises.OneWinner, A_record_outlives_its_messages),
    ];

    private static async Task A_committed_transaction_is_not_committed_again(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", """{"n":1}""", Bob);
        for (var retry = 1; retry <= 2; retry++)
        {
            Check.Equal(
                await store.SendAsync("t1", """{"n":2}""", Bob), CommitResult.AlreadyCommitted,
                "A retry with the key of a committed transaction must not be committed: record the key with the messages.");
        }

        Check.Same(await store.ContentsAsync(Bob), ["""{"n":1}"""], "The inbox has to hold what the first request sent.");
    }

    private static async Task Of_two_open_transactions_with_one_key_the_first_commit_wins(CaseRun run)
    {
        var store = await run.OpenAsync();
        var first = await store.PrepareAsync("t1", "1", Bob);
        var second = await store.PrepareAsync("t1", "2", Bob);
        await store.CommitAsync(second, CommitResult.Committed, "The first of two to commit wins, whichever began first.");
        await store.CommitAsync(
            first, CommitResult.AlreadyCommitted, "The second to commit has to find the record of the first: look at the commit, not at BeginAsync alone.");
        Check.Same(await store.ContentsAsync(Bob), ["2"], "Only the messages of the one that won may be there.");
    }

    private static async Task Of_many_duplicates_at_once_one_is_committed(CaseRun run)
    {
        const int Rounds = 10, Duplicates = 8;
        var store = await run.OpenAsync();
        for (var round = 0; round < Rounds; round++)
        {
            var results = new CommitResult[Duplicates];
            await CaseRun.ParallelAsync(Enumerable.Range(0, Duplicates).Select<int, Func<Task>>(i => async () =>
                results[i] = await store.SendAsync($"t{round}", $"{round}", Bob)));
            Check.Equal(
                results.Count(result => result == CommitResult.Committed), 1,
                "Of duplicates that commit at the same time exactly one is Committed: looking for the record and writing it must be one step.");
            Check.Equal(
                results.Count(result => result == CommitResult.AlreadyCommitted), Duplicates - 1,
                "The other duplicates are AlreadyCommitted.");
        }

        Check.Same(
            await store.ContentsAsync(Bob), [.. Enumerable.Range(0, Rounds).Select(round => $"{round}")],
            "Each of the transactions has to be in the inbox once.");
    }

    private static async Task Keys_that_differ_in_any_part_are_different(CaseRun run)
    {
        var store = await run.OpenAsync();
        var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", "t1");
        TransactionKey[] keys =
        [
            key, key with { UserId = "@Alice:hs1" }, key with { UserId = "@alice:hs2" }, key with { DeviceId = "a1" }, key with { DeviceId = "A2" },
            key with { DeviceId = "" }, key with { DeviceId = null }, key with { Endpoint = "roomSend" }, key with { EventType = "m.Test" },
            key with { EventType = "m.tes", TransactionId = "tt1" }, key with { TransactionId = "T1" }, key with { TransactionId = "t2" },
        ];
        foreach (var one in keys)
        {
            Check.Equal(
                await store.SendAsync(one, [Message(Bob, "{}")]), CommitResult.Committed,
                $"{one} differs from all keys so far, by ordinal, case-sensitive comparison, and is a transaction of its own.");
        }

        foreach (var one in keys)
            Check.Equal(await store.SendAsync(one, [Message(Bob, "{}")]), CommitResult.AlreadyCommitted, $"{one} was committed before.");
    }

    private static async Task A_send_without_a_device_is_remembered_too(CaseRun run)
    {
        var store = await run.OpenAsync();
        var key = Key("t1") with { DeviceId = null };
        Check.Equal(await store.SendAsync(key, [Message(Bob, "1")]), CommitResult.Committed, "An appservice sends without a device.");
        Check.Equal(
            await store.SendAsync(key, [Message(Bob, "2")]), CommitResult.AlreadyCommitted,
            "A key whose DeviceId is null is recorded like any other (in SQL, NULL = NULL is not true).");
        Check.Same(await store.ContentsAsync(Bob), ["1"], "The retry may deliver nothing.");
    }

    private static async Task EDUs_of_other_servers_are_told_apart_by_server_and_message_id(CaseRun run)
    {
        var store = await run.OpenAsync();
        TransactionKey[] keys =
        [
            TransactionKey.OfEdu("hs2", "m1"), TransactionKey.OfEdu("hs3", "m1"), TransactionKey.OfEdu("hs2", "m2"), TransactionKey.OfEdu("hs2", "M1"),
            TransactionKey.OfEdu("hs2:8448", "m1"), TransactionKey.OfEdu("hs2", ""), TransactionKey.OfEdu("hs2", new string('m', 8000)),
            new("@m1:hs2", null, TransactionKey.SendToDevice, "", "m1"), new("hs2", null, TransactionKey.SendToDevice, "", "m1"),
        ];
        foreach (var key in keys)
        {
            Check.Equal(
                await store.SendAsync(key, [Message(Bob, "{}")]), CommitResult.Committed,
                $"{key} differs from all keys so far: each server numbers its EDUs by itself, and users their transactions.");
        }

        foreach (var key in keys) Check.Equal(await store.SendAsync(key, [Message(Bob, "{}")]), CommitResult.AlreadyCommitted, $"{key} was committed before.");
        Check.Equal((await store.ReadAsync(Bob)).Count, keys.Length, "Each key has delivered once.");
    }

    private static async Task A_send_to_nobody_is_remembered_too(CaseRun run)
    {
        var store = await run.OpenAsync();
        Check.Equal(await store.SendAsync(Key("t1"), []), CommitResult.Committed, "A send without a recipient is a transaction too.");
        Check.Equal(
            await store.SendAsync("t1", "2", Bob), CommitResult.AlreadyCommitted,
            "A send that had no recipient is recorded like any other: its retry may find some, and must not deliver then.");
        Check.Empty(await store.ContentsAsync(Bob), "The retry may deliver nothing.");
    }

    private static async Task A_record_outlives_its_messages(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Bob);
        await store.AcknowledgeAsync(Bob, (await store.ReadAsync(Bob))[0].Position);
        Check.Equal(
            await store.SendAsync("t1", "2", Bob), CommitResult.AlreadyCommitted,
            "The record stays when the messages have been acknowledged: a late retry would deliver them again.");
        Check.Empty(await store.ContentsAsync(Bob), "The retry may deliver nothing.");
    }
}
