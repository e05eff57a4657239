using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests.Readme;

public class ResyncExampleTests : ReceiverTests
{
    private protected override void Configure(ISendToDeviceBuilder builder)
    {
        builder.Services.AddSingleton<MyRemoteDevices>();
        builder.UseRemoteDeviceObserver<Resync>();
    }

    [Test]
    public async Task A_user_with_an_unknown_device_is_asked_for_once()
    {
        foreach (var (deviceId, n) in new[] { "KNOWN", "NEW", "OTHER" }.Select((deviceId, n) => (deviceId, n)))
            await ReceiveAsync(Edu($$$"""{"@bob:hs1":{"B1":{"requesting_device_id":"{{{deviceId}}}"} } }""", $"m{n}", type: "m.room_key_request"));

        var stale = ((Resync)Server.Services.GetRequiredService<IRemoteDeviceObserver>()).Stale;
        Assert.That(stale.TryRead(out var userId), Is.True);
        Assert.That(userId, Is.EqualTo("@carol:hs2"));
        Assert.That(stale.TryRead(out _), Is.False);
    }
}
