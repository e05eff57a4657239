using System.Text;

namespace Matrix.ToDevice.Tests;

/// <summary>Something of everything that a store can hold, and what has to be found again.</summary>
internal static class Filled
{
    public static readonly DeviceAddress Alice = new("@alice:here", "A"), Bob = new("@bob:here", "B1"), BobToo = new("@bob:here", "B2"), Gone = new("@gone:here", "G");

    /// <summary>Names that a terminal, a tool or PostgreSQL could misunderstand.</summary>
    public static readonly DeviceAddress Odd = new("@odd:here", "[red]\u001b[31m\u0001\u202e");

    public const string OddType = "m.[bold]\u001b]0;x\u0007\0\u0001";
    public const string Failing = "failing.example", Healthy = "healthy.example";

    public static TransactionKey OfDevice { get; } = Key("ofdevice");

    public static TransactionKey OfNobody { get; } = new("@bridge:here", null, TransactionKey.SendToDevice, "m.test", "ofnobody");

    public static TransactionKey OfServer { get; } = TransactionKey.OfEdu("other.example", "edu1");

    public static TransactionKey Key(string id) => new(Alice.UserId, Alice.DeviceId, TransactionKey.SendToDevice, "m.test", id);

    public static async Task FillAsync(OpenStore store)
    {
        for (var n = 1; n <= 5; n++) Assert.That(await store.SendAsync(Key($"bob{n}"), [Message(Bob, n)]), Is.EqualTo(CommitResult.Committed));
        await store.SendAsync(Key("both"), [Message(BobToo, 6), Message(Odd, 7, OddType)]);
        await store.SendAsync(Key("too"), [Message(BobToo, 8)]);
        await store.SendAsync(Key("gone"), [Message(Gone, 9)]);
        await store.Inbox.RemoveDeviceAsync(Gone, default);
        await store.Inbox.AcknowledgeAsync(Bob, await store.PositionAsync(Bob, 1), default);
        await store.Inbox.AcknowledgeAsync(BobToo, await store.PositionAsync(BobToo, 1), default);
        foreach (var key in new[] { OfDevice, OfNobody, OfServer }) await store.SendAsync(key, []);

        // In turn, so that positions that count through both do not look like those of one.
        for (var n = 1; n <= 3; n++) await store.SendAsync(Key($"edu{n}"), [], Edu(Failing, n), Edu(Healthy, n));
        var taken = await store.Outbox.AcquireAsync("host", TimeSpan.FromMinutes(5), 10, 10, TimeSpan.FromDays(1), default);
        Assert.That(taken.Select(lease => lease.Destination), Is.EquivalentTo(new[] { Failing, Healthy }));
        // A transaction of two was tried, and failed.
        var waiting = await store.Outbox.ReadAsync(Failing, 0, 10, default);
        await store.Outbox.RenewAsync(Failing, "host", TimeSpan.FromMinutes(5), waiting[1].Position, default);
        await store.Outbox.ReleaseAsync(Failing, "host", 3, TimeSpan.FromHours(1), default);
        await store.Outbox.RemoveAsync(Healthy, [.. (await store.Outbox.ReadAsync(Healthy, 0, 1, default))], default);
        await store.Outbox.ReleaseAsync(Healthy, "host", 0, TimeSpan.Zero, default);
    }

    /// <summary>All that a client or another server could see of it.</summary>
    public static async Task<string> DescribeAsync(OpenStore store)
    {
        var text = new StringBuilder();
        foreach (var device in new[] { Alice, Bob, BobToo, Odd, Gone })
            foreach (var line in await store.ReadAsync(device)) text.AppendLine($"{device.UserId} {device.DeviceId}: {line}");
        foreach (var destination in await store.Outbox.ListDestinationsAsync(null, 100, default))
        {
            foreach (var edu in await store.Outbox.ReadAsync(destination, 0, 100, default))
                text.AppendLine($"{destination}: {edu.MessageId} {Encoding.UTF8.GetString(edu.Content.Span)} {edu.CommittedAt.ToUnixTimeMilliseconds()}");
        }

        return text.ToString();
    }

    public static ToDeviceMessage Message(DeviceAddress to, long n, string type = "m.test") =>
        new(to, "@alice:here", type, Encoding.UTF8.GetBytes($$"""{"n":{{n}},"é":"\u0000"}"""), 1000 + n);

    private static OutboundEdu Edu(string destination, int n) => new(destination, $"{destination}-{n}", Encoding.UTF8.GetBytes($$"""{"n":{{n}}}"""));
}
