using System.Text;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// A token names a message by its number in the inbox and by the ID of its send. Numbers come again, in a later life of the
/// device and after a restored backup: then it is the ID alone that keeps a message from being deleted unread (D11).
/// </summary>
public class SendIdTests : HttpTests
{
    private static readonly DeviceAddress s_bobsPhone = new("@bob:hs1", "B1");

    private int _sends;

    /// <summary>Each life of the device has one message, which has the number that the token of the first life names.</summary>
    [Test]
    public async Task D6_D11_a_token_of_one_life_of_a_device_deletes_nothing_in_any_later_one()
    {
        await SendAsync();
        string old;
        using (var first = await Server.ToDevice.NextAsync(s_bobsPhone, null, TimeSpan.Zero, default)) old = first.NextBatch;

        for (var life = 2; life <= 200; life++)
        {
            await Server.ToDevice.RemoveDeviceAsync(s_bobsPhone, default);
            await SendAsync();
            using var batch = await Server.ToDevice.NextAsync(s_bobsPhone, old, TimeSpan.Zero, default);
            Assert.That(batch.Events, Has.Count.EqualTo(1), $"life {life}");
        }
    }

    [Test]
    public async Task D11_every_send_has_an_ID_of_its_own_of_which_nobody_can_foresee_a_bit([Values(1, 8)] int atOnce)
    {
        const int Sends = 2000;
        await Task.WhenAll(Enumerable.Range(0, atOnce).Select(_ => Task.Run(async () =>
        {
            for (var n = 0; n < Sends / atOnce; n++) await SendAsync();
        })));

        using var batch = await Server.ToDevice.NextAsync(s_bobsPhone, null, Sends, TimeSpan.Zero, default);
        var ids = batch.Events.Select(message => message.Position.SendId).ToList();
        Assert.That(ids, Has.Count.EqualTo(Sends).And.Unique);
        // Of 2000 tosses of a coin, fewer than 800 or more than 1200 are heads once in 10^18 times.
        for (var bit = 0; bit < 64; bit++)
            Assert.That(ids.Count(id => (id >> bit & 1) == 1), Is.InRange(800, 1200), $"bit {bit}");
    }

    [Test]
    public async Task R23_D11_the_messages_of_one_send_have_one_ID()
    {
        var carol = new DeviceAddress("@carol:hs1", "C1");
        Server.Login(carol.UserId, carol.DeviceId);

        await Alice.PutAsync("m.test", "t1", """{"messages":{"@bob:hs1":{"B1":{}},"@carol:hs1":{"*":{}}}}""");

        using var bobs = await Server.ToDevice.NextAsync(s_bobsPhone, null, TimeSpan.Zero, default);
        using var carols = await Server.ToDevice.NextAsync(carol, null, TimeSpan.Zero, default);
        Assert.That(bobs.Events.Single().Position, Is.EqualTo(carols.Events.Single().Position));
    }

    // Without HTTP: many, and all on the thread that asks for them.
    private async Task SendAsync() => Assert.That(
        await Server.Services.GetRequiredService<FederationReceiver>().ReceiveAsync(
            "hs2",
            Encoding.UTF8.GetBytes($$$"""
                {"sender":"@dave:hs2","type":"m.test","message_id":"{{{Interlocked.Increment(ref _sends)}}}","messages":{"@bob:hs1":{"B1":{} } } }
                """),
            default),
        Is.EqualTo(ReceivedEdu.Delivered));
}
