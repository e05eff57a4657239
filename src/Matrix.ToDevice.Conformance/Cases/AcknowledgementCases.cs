using static Matrix.ToDevice.RestoreCases;
using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class AcknowledgementCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.HandedOut, An_acknowledgement_deletes_up_to_its_message_and_no_further),
        new(Promises.HandedOut, A_stale_position_deletes_nothing),
        new(Promises.HandedOut, A_position_that_lies_ahead_deletes_nothing),
        new(Promises.HandedOut, A_position_with_another_send_id_deletes_nothing),
        new(Promises.HandedOut, A_position_of_another_device_deletes_nothing),
        new(Promises.HandedOut, Send_ids_of_any_value_name_messages),
        new(Promises.HandedOut, A_position_that_a_restored_backup_has_lost_deletes_nothing_new, StoreClaims.Restorable),
    ];

    private static async Task An_acknowledgement_deletes_up_to_its_message_and_no_further(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 1; n <= 3; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob, BobsOther);
        var (page, _) = await store.PageAsync(Bob, InboxPosition.Start, 2);
        await store.DeliverAsync("t4", "4", Bob);
        Check.Equal(await store.AcknowledgeAsync(Bob, page[1].Position), 2, "AcknowledgeAsync returns how many messages it deleted.");
        Check.Same(await store.ContentsAsync(Bob), ["3", "4"], "The page ended with the second message: what is behind it was not handed out and stays.");
        Check.Same(await store.ContentsAsync(BobsOther), ["1", "2", "3"], "Other inboxes are not touched.");
    }

    private static async Task A_stale_position_deletes_nothing(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 1; n <= 5; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
        var all = await store.ReadAsync(Bob);
        await store.AcknowledgeAsync(Bob, all[1].Position);
        foreach (var stale in (InboxPosition[])[all[1].Position, all[0].Position, InboxPosition.Start])
            Check.Equal(await store.AcknowledgeAsync(Bob, stale), 0, $"Number {stale.Sequence} is no pending message any more (or never was one): nothing is deleted.");
        Check.Same(await store.ContentsAsync(Bob), ["3", "4", "5"], "A position that was acknowledged before deletes nothing more.");
    }

    private static async Task A_position_that_lies_ahead_deletes_nothing(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 1; n <= 2; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
        var last = (await store.ReadAsync(Bob))[^1].Position;
        foreach (var sequence in (long[])[3, 4, 1000, int.MaxValue, long.MaxValue, -1, long.MinValue])
        {
            Check.Equal(
                await store.AcknowledgeAsync(Bob, last with { Sequence = sequence }), 0,
                $"There is no message with the number {sequence}: a forged position, or one from before a restored backup, deletes nothing.");
        }

        await store.DeliverAsync("t3", "3", Bob);
        Check.Equal(
            await store.AcknowledgeAsync(Bob, last with { Sequence = 3 }), 0, "The inbox has reached the position's number by now, but with another message.");
        Check.Same(await store.ContentsAsync(Bob), ["1", "2", "3"], "Nothing was handed out with these positions, so nothing is deleted.");
    }

    private static async Task A_position_with_another_send_id_deletes_nothing(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 1; n <= 2; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
        var all = await store.ReadAsync(Bob);
        foreach (var sendId in (long[])[all[1].Position.SendId + 1, all[0].Position.SendId, 0, -all[1].Position.SendId])
        {
            Check.Equal(
                await store.AcknowledgeAsync(Bob, all[1].Position with { SendId = sendId }), 0,
                "The message with this number has another SendId: compare both, since numbers come again after a backup was restored.");
        }

        Check.Same(await store.ContentsAsync(Bob), ["1", "2"], "Nothing is deleted.");
        Check.Equal(await store.AcknowledgeAsync(Bob, all[1].Position), 2, "The position that was read still works.");
    }

    private static async Task A_position_of_another_device_deletes_nothing(CaseRun run)
    {
        var store = await run.OpenAsync();
        DeviceAddress[] others = [BobsOther, new(Carol.UserId, Bob.DeviceId)];
        await store.DeliverAsync("t0", "0", Bob);
        for (var n = 0; n < others.Length; n++) await store.DeliverAsync($"other{n}", "other", others[n]);
        foreach (var other in others)
        {
            var foreign = (await store.ReadAsync(other))[0].Position;
            Check.Equal(await store.AcknowledgeAsync(Bob, foreign), 0, $"This is a position in the inbox of {other}: it deletes nothing in that of {Bob}.");
            Check.Same(await store.ContentsAsync(other), ["other"], "The inbox of the other device is not touched either.");
        }

        Check.Same(await store.ContentsAsync(Bob), ["0"], "Nothing is deleted.");
    }

    private static async Task Send_ids_of_any_value_name_messages(CaseRun run)
    {
        long[] sendIds = [0, -1, 1, long.MinValue, long.MaxValue, uint.MaxValue, int.MinValue, (1L << 53) + 1];
        var store = await run.OpenAsync();
        for (var n = 0; n < sendIds.Length; n++)
            Check.Equal(await store.SendAsync(Key($"t{n}"), [Message(Bob, $"{n}", sendIds[n])]), CommitResult.Committed, "Any SendId is possible.");
        var all = await store.ReadAsync(Bob);
        Check.Same(
            [.. all.Select(message => $"{message.Position.SendId}")], [.. sendIds.Select(sendId => $"{sendId}")], "A SendId is any 64-bit number, and comes out as it went in.");
        foreach (var message in all)
            Check.Equal(await store.AcknowledgeAsync(Bob, message.Position), 1, $"A message with the SendId {message.Position.SendId} can be acknowledged like any other.");
    }
}
