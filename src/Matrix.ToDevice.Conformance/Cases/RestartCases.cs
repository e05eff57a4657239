using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class RestartCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.Restart, Messages_and_records_are_there_after_a_restart, StoreClaims.Durable),
        new(Promises.Restart, EDUs_are_there_after_a_restart, StoreClaims.Durable | StoreClaims.Outbox),
        new(Promises.Restart, What_was_being_sent_is_known_after_a_restart, StoreClaims.Durable | StoreClaims.Outbox),
        new(Promises.Restart, What_was_deleted_stays_deleted_after_a_restart, StoreClaims.Durable),
        new(Promises.Restart, An_emptied_inbox_goes_on_counting_after_a_restart, StoreClaims.Durable),
        new(Promises.Restart, A_send_that_was_open_at_a_restart_leaves_nothing, StoreClaims.Durable),
        new(Promises.Restart, Records_keep_their_age_over_a_restart, StoreClaims.Durable),
    ];

    private static async Task Messages_and_records_are_there_after_a_restart(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Bob, Carol);
        await store.DeliverAsync("t2", "2", Bob);
        var before = await store.ReadAsync(Bob);
        store = await run.RestartAsync(store);
        var after = await store.ReadAsync(Bob);
        Check.Same([.. after.Select(message => message.Content)], ["1", "2"], "What was committed is there after a restart.");
        Check.Same(await store.ContentsAsync(Carol), ["1"], "What was committed is there after a restart.");
        Check.Same(
            [.. after.Select(message => $"{message.Position} {message.Sender} {message.EventType}")],
            [.. before.Select(message => $"{message.Position} {message.Sender} {message.EventType}")],
            "Messages keep their positions, senders and event types over a restart.");
        Check.Equal(
            await store.SendAsync("t1", "again", Bob), CommitResult.AlreadyCommitted, "Records are there after a restart: clients retry exactly then.");
        Check.Equal(await store.AcknowledgeAsync(Bob, before[0].Position), 1, "A position that was handed out before a restart acknowledges after it.");
        Check.Same(await store.ContentsAsync(Bob), ["2"], "It acknowledges what it was handed out with, and no more.");
    }

    private static async Task EDUs_are_there_after_a_restart(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverEdusAsync("t1", Edu("hs2", "m1"), Edu("hs2", "m2"), Edu("hs3", "m3"));
        var sent = await store.EdusAsync("hs2", 1);
        await store.RemoveEdusAsync("hs2", sent);
        store = await run.RestartAsync(store);
        Check.Same(await store.MessageIdsAsync("hs2"), ["m2"], "EDUs wait over a restart, and those that were removed stay away.");
        Check.Same(await store.DestinationsAsync(), ["hs2", "hs3"], "Destinations with EDUs are listed after a restart: sending resumes from this list.");

        await store.RemoveEdusAsync("hs2", await store.EdusAsync("hs2"));
        await store.RemoveEdusAsync("hs3", await store.EdusAsync("hs3"));
        store = await run.RestartAsync(store);
        await store.DeliverEdusAsync("t2", Edu("hs2", "m4"));
        await store.RemoveEdusAsync("hs2", sent);
        Check.Same(await store.MessageIdsAsync("hs2"), ["m4"], "A removal that is repeated after a restart removes nothing that came after it.");
    }

    private static async Task What_was_being_sent_is_known_after_a_restart(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverEdusAsync("t1", Edu("hs2", "m1"), Edu("hs2", "m2"));
        var sent = (await store.EdusAsync("hs2"))[0].Position;
        await store.TakeAsync("one");
        Check.That(await store.RenewAsync("hs2", "one", SenderCases.Hour, sent), "The holder has it.");
        await store.ReleaseAsync("hs2", "one", 2, TimeSpan.Zero);
        store = await run.RestartAsync(store);
        Check.Equal(
            await store.TakeOneAsync("two"), new OutboxLease("hs2", sent, 2),
            "What was being sent is known after a restart: the destination may have it, and is sent the same transaction again.");

        // A process that ends while it sends. Nobody has the destination any more, by its time or because the store knows.
        Check.That(await store.RenewAsync("hs2", "two", TimeSpan.Zero, sent), "The holder has it.");
        store = await run.RestartAsync(store);
        Check.Equal((await store.TakeOneAsync("three")).SendingUpTo, sent, "It is known, too, when the process has ended while it was sending.");
    }

    private static async Task What_was_deleted_stays_deleted_after_a_restart(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Bob, Carol);
        await store.DeliverAsync("t2", "2", Bob);
        await store.AcknowledgeAsync(Bob, (await store.ReadAsync(Bob))[0].Position);
        await store.RemoveDeviceAsync(Carol);
        await store.RemoveDeviceAsync(Alice);
        store = await run.RestartAsync(store);
        Check.Same(await store.ContentsAsync(Bob), ["2"], "A message that was acknowledged does not come back after a restart: its device has it.");
        Check.Empty(await store.ContentsAsync(Carol), "The inbox of a removed device does not come back after a restart.");
        // A store that keeps its removals too may not have learned of them yet: it refuses once, and knows them then.
        var result = await store.SendAsync("t1", "3", Carol);
        if (result == CommitResult.DeviceRemoved) result = await store.SendAsync("t1", "3", Carol);
        Check.Equal(
            result, CommitResult.Committed,
            "The records of a removed device do not come back, and a removal from before the restart refuses a send once at most: a refusal teaches it to KnownRemovals.");
        Check.Same(await store.ContentsAsync(Carol), ["3"], "A later device starts empty.");
    }

    private static async Task An_emptied_inbox_goes_on_counting_after_a_restart(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 1; n <= 3; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
        await store.AcknowledgeAsync(Bob, (await store.ReadAsync(Bob))[^1].Position);
        store = await run.RestartAsync(store);
        await store.DeliverAsync("t4", "4", Bob);
        Check.Equal(
            (await store.ReadAsync(Bob))[0].Position.Sequence, 4, "The last number of an inbox is kept apart from its messages, and survives with the rest.");
    }

    private static async Task A_send_that_was_open_at_a_restart_leaves_nothing(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.PrepareAsync("t1", "1", Bob);
        store = await run.RestartAsync(store);
        Check.Empty(await store.ContentsAsync(Bob), "A transaction that had not committed when the store was closed is gone.");
        await store.DeliverAsync("t1", "2", Bob);
        Check.Same(await store.ContentsAsync(Bob), ["2"], "Its retry is the first to commit.");
    }

    private static async Task Records_keep_their_age_over_a_restart(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("old", "1", Bob);
        await store.DeliverAsync("used", "1", Bob);
        var moment = run.Time.Advance(TimeSpan.FromHours(20));
        Check.Equal(await store.SendAsync("used", "2", Bob), CommitResult.AlreadyCommitted, "The record is there.");
        store = await run.RestartAsync(store);
        Check.Equal(await store.PurgeAsync(moment), 1, "One record was not used since: a restart is no use of a record, and loses none either.");
        Check.Equal(await store.SendAsync("used", "3", Bob), CommitResult.AlreadyCommitted, "The use before the restart counts.");
    }
}
