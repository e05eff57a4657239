using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class LaterDeviceCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.LaterDevice, The_messages_of_a_removed_device_go),
        new(Promises.LaterDevice, The_records_of_a_removed_device_go),
        new(Promises.LaterDevice, No_position_of_an_earlier_device_deletes_anything),
        new(Promises.LaterDevice, Removing_a_device_leaves_all_others_alone),
    ];

    private static async Task The_messages_of_a_removed_device_go(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 1; n <= 3; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
        await store.RemoveDeviceAsync(Bob);
        Check.Empty(await store.ContentsAsync(Bob), "The inbox of a removed device is empty when RemoveDeviceAsync has returned.");
        await store.DeliverAsync("t4", "4", Bob);
        Check.Same(await store.ContentsAsync(Bob), ["4"], "A later device of the same ID gets what is sent to it, and nothing of what was before.");
    }

    private static async Task The_records_of_a_removed_device_go(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Bob);
        await store.RemoveDeviceAsync(Alice);
        Check.Equal(
            await store.SendAsync("t1", "2", Bob), CommitResult.Committed,
            "A later device with the ID of the sender may use the transaction IDs of the removed one: its records go with it.");
        Check.Same(await store.ContentsAsync(Bob), ["1", "2"], "What the removed device has sent stays, and the later one's send is delivered.");
    }

    private static async Task No_position_of_an_earlier_device_deletes_anything(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 1; n <= 2; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
        var earlier = await store.ReadAsync(Bob);
        await store.RemoveDeviceAsync(Bob);
        for (var n = 3; n <= 5; n++) await store.DeliverAsync($"t{n}", $"{n}", Bob);
        foreach (var message in earlier)
            Check.Equal(await store.AcknowledgeAsync(Bob, message.Position), 0, "This position is of an earlier device with the same ID: it deletes nothing.");
        var later = await store.ReadAsync(Bob);
        Check.Same([.. later.Select(message => message.Content)], ["3", "4", "5"], "The later device has its messages.");
        Check.Equal(await store.AcknowledgeAsync(Bob, later[^1].Position), 3, "And it acknowledges them with positions of its own.");
    }

    private static async Task Removing_a_device_leaves_all_others_alone(CaseRun run)
    {
        var store = await run.OpenAsync();
        DeviceAddress[] others = [BobsOther, Carol, new(Carol.UserId, Bob.DeviceId), new(Bob.UserId, "b1"), new(Bob.UserId, "")];
        await store.DeliverAsync("t1", "1", [Bob, .. others]);
        foreach (var other in others)
            Check.Equal(await store.SendAsync(Key("from", other), [Message(Alice, "2")]), CommitResult.Committed, "Each device has transactions of its own.");
        Check.Equal(await store.SendAsync(Key("from") with { UserId = Bob.UserId, DeviceId = null }, []), CommitResult.Committed, "And so has a user without a device.");

        await store.RemoveDeviceAsync(Bob);
        foreach (var other in others)
        {
            Check.Same(await store.ContentsAsync(other), ["1"], $"{Bob} was removed: {other} keeps its messages.");
            Check.Equal(await store.SendAsync(Key("from", other), [Message(Alice, "3")]), CommitResult.AlreadyCommitted, $"{Bob} was removed: {other} keeps its records.");
        }

        Check.Equal(
            await store.SendAsync(Key("from") with { UserId = Bob.UserId, DeviceId = null }, []), CommitResult.AlreadyCommitted,
            "Records of the user that are of no device stay too.");
    }
}
