using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>Messages expire by the clock of their store.</summary>
public class MessageExpiryTests
{
    private static readonly DeviceAddress s_bobs = new("@bob:hs1", "B1");

    [TestCase(false)]
    [TestCase(true)]
    public async Task A_message_that_has_waited_for_too_long_is_neither_handed_out_nor_kept(bool inBackground)
    {
        await using var server = await TestHomeserver.StartAsync(builder => builder.Services.Configure<SendToDeviceOptions>(options =>
        {
            options.MessageExpiry = TimeSpan.FromTicks(1);
            if (inBackground) options.PurgeInterval = TimeSpan.FromMilliseconds(10);
        }));
        var (alice, bob) = (server.Login("@alice:hs1", "A1"), server.Login("@bob:hs1", "B1"));
        for (var n = 0; n < 3; n++) await alice.SendAsync($"t{n}", "@bob:hs1", "B1");

        var inbox = server.Services.GetRequiredService<IDeviceInbox>();
        for (var isEmpty = false; !isEmpty;)
        {
            await TimeLimit.OneMoreTurnAsync();
            if (!inBackground) Assert.That((await bob.SyncAsync()).Events, Is.Empty);
            using var page = await inbox.ReadAsync(s_bobs, InboxPosition.Start, 100, int.MaxValue, default);
            isEmpty = page.Messages.Count == 0;
        }
    }

    [Test]
    public async Task A_message_that_has_not_is_handed_out()
    {
        await using var server = await TestHomeserver.StartAsync(builder => builder.Services.Configure<SendToDeviceOptions>(options =>
            (options.MessageExpiry, options.PurgeInterval) = (TimeSpan.FromHours(1), TimeSpan.FromMilliseconds(10))));
        await server.Login("@alice:hs1", "A1").SendAsync("t", "@bob:hs1", "B1");
        var bob = server.Login("@bob:hs1", "B1");
        await server.Login("@alice:hs1", "A1").SendAsync("u", "@bob:hs1", "B1");
        for (var turn = 0; turn < 20; turn++) await TimeLimit.OneMoreTurnAsync();

        Assert.That((await bob.SyncAsync()).Events, Has.Count.EqualTo(1));
    }
}
