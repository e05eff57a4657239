using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class PurgeCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.UnusedRecords, A_purge_forgets_records_that_were_not_used_since),
        new(Promises.UnusedRecords, A_purge_keeps_records_that_were_used_at_that_moment_or_later),
        new(Promises.UnusedRecords, A_purge_forgets_no_more_than_it_is_told),
        new(Promises.UnusedRecords, A_purge_leaves_the_records_of_the_other_endpoint),
        new(Promises.UnusedRecords, A_purge_deletes_no_message),
        new(Promises.UnusedRecords, A_purge_keeps_younger_removals),
    ];

    private static async Task A_purge_forgets_records_that_were_not_used_since(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Bob);
        var later = run.Time.Advance(TimeSpan.FromHours(25));
        // The same moment, in another time zone.
        Check.Equal(
            await store.PurgeAsync(later.ToOffset(TimeSpan.FromHours(5))), 1,
            "The record was last used before that moment, by the clock that OpenAsync was given: it is forgotten and counted.");
        Check.Equal(await store.SendAsync("t1", "2", Bob), CommitResult.Committed, "A key whose record was forgotten is new.");
        Check.Equal(await store.PurgeAsync(later), 0, "There is nothing more to forget.");
    }

    private static async Task A_purge_keeps_records_that_were_used_at_that_moment_or_later(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("retried", "1", Bob);
        await store.DeliverAsync("retried while open", "1", Bob);
        await store.DeliverAsync("unused", "1", Bob);
        var open = await store.PrepareAsync("late", "2", Bob);
        await store.DeliverAsync("late", "1", Bob);
        var moment = run.Time.Advance(TimeSpan.FromHours(20));
        foreach (var txnId in (string[])["retried", "retried while open"])
            Check.Equal(await store.SendAsync(txnId, "2", Bob), CommitResult.AlreadyCommitted, "The record is there.");
        await store.CommitAsync(open, CommitResult.AlreadyCommitted, "The key was committed while this transaction was open.");
        await store.DeliverAsync("new", "1", Bob);

        Check.Equal(await store.PurgeAsync(moment), 1, "Of these records, one was not used at that moment or later. Retries are uses, and the moment itself counts.");
        foreach (var txnId in (string[])["retried", "retried while open", "late", "new"])
        {
            Check.Equal(
                await store.SendAsync(txnId, "3", Bob), CommitResult.AlreadyCommitted,
                $"\"{txnId}\" was used at the moment of the purge: age is counted from the last use, whether BeginAsync or CommitAsync has found the record.");
        }

        Check.Equal(await store.SendAsync("unused", "3", Bob), CommitResult.Committed, "The one that was not used is forgotten.");
    }

    private static async Task A_purge_forgets_no_more_than_it_is_told(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 0; n < 5; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
        var later = run.Time.Advance(TimeSpan.FromHours(25));
        int[] forgotten = [await store.PurgeAsync(later, 2), await store.PurgeAsync(later, 2), await store.PurgeAsync(later, 2), await store.PurgeAsync(later, 2)];
        Check.Same(
            [.. forgotten.Select(count => $"{count}")], ["2", "2", "1", "0"],
            "5 records are due, and each call forgets at most 2 and returns how many: fewer than it may means that no more are due.");
    }

    private static async Task A_purge_leaves_the_records_of_the_other_endpoint(CaseRun run)
    {
        var store = await run.OpenAsync();
        var edu = TransactionKey.OfEdu("hs2", "m1");
        var withoutDevice = Key("t2") with { DeviceId = null };
        TransactionKey[] sends = [Key("t1"), withoutDevice];
        foreach (var key in sends) Check.Equal(await store.SendAsync(key, []), CommitResult.Committed, "The key is new.");
        Check.Equal(await store.SendAsync(edu, [Message(Bob, "1")]), CommitResult.Committed, "The key is new.");

        var later = run.Time.Advance(TimeSpan.FromHours(25));
        Check.Equal(
            await store.PurgeAsync(later), 2, "Two records are of sends, one of them without a device; the third is of an EDU, and stays for longer.");
        Check.Equal(await store.SendAsync(edu, [Message(Bob, "2")]), CommitResult.AlreadyCommitted, "The record of the EDU is there.");
        foreach (var key in sends) Check.Equal(await store.SendAsync(key, []), CommitResult.Committed, "The records of the sends are forgotten.");

        later = run.Time.Advance(TimeSpan.FromDays(8));
        Check.Equal(await store.PurgeAsync(later, 1000, TransactionKey.DirectToDevice), 1, "One record is of an EDU.");
        foreach (var key in sends) Check.Equal(await store.SendAsync(key, []), CommitResult.AlreadyCommitted, "The records of the sends are there.");
        Check.Equal(await store.SendAsync(edu, [Message(Bob, "3")]), CommitResult.Committed, "The record of the EDU is forgotten.");
        Check.Same(await store.ContentsAsync(Bob), ["1", "3"], "Each commit has delivered once.");
    }

    private static async Task A_purge_deletes_no_message(CaseRun run)
    {
        var store = await run.OpenAsync();
        IReadOnlyList<OutboundEdu>? edus = store.Instance.Outbox is null ? null : [Edu("hs2", "m1")];
        Check.Equal(await store.SendAsync(Key("t1"), [Message(Bob, "1")], null, edus), CommitResult.Committed, "Nothing speaks against this commit.");
        var later = run.Time.Advance(TimeSpan.FromDays(1000));
        foreach (var endpoint in (string[])[TransactionKey.SendToDevice, TransactionKey.DirectToDevice]) await store.PurgeAsync(later, 1000, endpoint);
        Check.Same(await store.ContentsAsync(Bob), ["1"], "A purge forgets records; messages wait for their device for as long as it takes.");
        if (edus is not null) Check.Same(await store.MessageIdsAsync("hs2"), ["m1"], "EDUs wait for their destination for as long as it takes.");
        await store.DeliverAsync("t2", "2", Bob);
        Check.Equal((await store.ReadAsync(Bob))[^1].Position.Sequence, 2, "A purge does not change how an inbox counts.");
    }

    private static async Task A_purge_keeps_younger_removals(CaseRun run)
    {
        var store = await run.OpenAsync();
        var open = await store.PrepareAsync("t1", "1", Bob);
        var before = run.Time.Advance(TimeSpan.FromHours(20));
        await store.RemoveDeviceAsync(Bob);
        await store.DeliverAsync("t2", "2", Bob);
        Check.Equal(await store.PurgeAsync(before), 0, "No record is as old as that.");
        await store.CommitAsync(
            open, CommitResult.DeviceRemoved, "The removal is not older than the moment of the purge: sends that it guards against may still be open.");
        Check.Same(await store.ContentsAsync(Bob), ["2"], "The later device has what was sent to it.");
    }
}
