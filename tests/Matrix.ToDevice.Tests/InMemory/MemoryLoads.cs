namespace Matrix.ToDevice.Tests;

/// <summary>A way to fill an in-memory store.</summary>
/// <param name="Name">What it is made of.</param>
/// <param name="Fills">Whether the store is full at the end, so that what it reckons can be compared with what it takes; otherwise, little is left.</param>
/// <param name="RunAsync">Runs it, and returns how many sends the store took.</param>
internal sealed record MemoryLoadKind(string Name, bool Fills, Func<MemoryLoad, Task<int>> RunAsync)
{
    public override string ToString() => Name;
}

/// <summary>Loads that are made to take much memory. Without a bound, each would take several times what the tests give.</summary>
internal static class MemoryLoads
{
    public static IReadOnlyList<MemoryLoadKind> All { get; } =
    [
        new("event types of 8 KB", true, load => load.SendAsync(60_000, n => new(EventType: Text(n, 8_000)))),
        new("contents of one size after the other, each acknowledged", false, ContentsOfAllSizesAsync),
        new("contents of 64 KB in sends that are open", true, load => load.OpenAsync(15_000, 64_000)),
        new("devices that send and are removed", false, SendersThatAreRemovedAsync),
        new("devices that have acknowledged all", true, RecipientsThatAcknowledgeAsync),
        new("devices with one short message each", true, load => load.SendAsync(1_000_000, n => new(Recipient: Device(n)))),
        new("a device with many short messages", true, load => load.SendAsync(200_000, _ => new(Messages: 100))),
        new("the same, acknowledged", false, ShortMessagesAsync),
        new("records of sends to nobody", true, load => load.SendAsync(2_000_000, _ => new(Messages: 0))),
        new("records of users with IDs of 255 characters", true, load => load.SendAsync(500_000, n => new(new(Text(n, 255), "D"), Messages: 0))),
        new("contents of 600 KB", true, load => load.SendAsync(1_000, _ => new(Bytes: 600_000))),
        new("EDUs, each to another server", true, load => load.SendAsync(300_000, n => new(Messages: 0, Destination: $"hs{n}.example.org"))),
        new("EDUs to one server, removed", false, EdusAsync),
        new("contents of 64 KB, and as many in sends that are refused", true, RefusedAsync),
    ];

    private static async Task<int> ContentsOfAllSizesAsync(MemoryLoad load)
    {
        var taken = 0;
        for (var size = 128; size <= 1 << 19; size *= 2)
        {
            foreach (var bytes in (int[])[size, size + (size / 2)])
            {
                taken += await load.SendAsync((int)(load.Capacity / bytes) + 1, _ => new(Bytes: bytes));
                await load.AcknowledgeAsync(MemoryLoad.Bob);
                await load.PurgeAsync();
            }
        }

        return taken;
    }

    private static Task<int> SendersThatAreRemovedAsync(MemoryLoad load) => load.SendAsync(
        600_000, n => new(Sender: Device(n), Messages: 0), async send => await load.Inbox.RemoveDeviceAsync(send.Sender!.Value, default));

    private static Task<int> RecipientsThatAcknowledgeAsync(MemoryLoad load) => load.SendAsync(
        500_000, n => new(Recipient: Device(n)), async send => await load.AcknowledgeAsync(send.Recipient!.Value));

    private static async Task<int> ShortMessagesAsync(MemoryLoad load)
    {
        var taken = await load.SendAsync(200_000, _ => new(Messages: 100));
        await load.AcknowledgeAsync(MemoryLoad.Bob);
        return taken;
    }

    private static async Task<int> EdusAsync(MemoryLoad load)
    {
        var taken = await load.SendAsync(200_000, _ => new(Messages: 0, Destination: "hs2"));
        await load.Outbox.RemoveAllAsync("hs2");
        return taken;
    }

    private static async Task<int> RefusedAsync(MemoryLoad load)
    {
        var taken = await load.SendAsync(2_000, _ => new(Bytes: 64_000));
        for (var n = 0; n < 2_000; n++)
        {
            await using var transaction = await load.BeginAsync(new());
            await load.TryAppendAsync(transaction, new(Bytes: 64_000));
        }

        return taken;
    }

    private static DeviceAddress Device(int n) => new($"@user{n}:example.org", "ABCDEFGHIJ");

    private static string Text(int n, int length) => $"@{n}".PadRight(length, 'x');
}
