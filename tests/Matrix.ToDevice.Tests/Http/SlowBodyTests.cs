using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

public class SlowBodyTests : HttpTests
{
    private protected override void Configure(ISendToDeviceBuilder builder) =>
        builder.Services.Configure<KestrelServerOptions>(options =>
            options.Limits.MinRequestBodyDataRate = new MinDataRate(bytesPerSecond: 1e6, gracePeriod: TimeSpan.FromSeconds(1.1)));

    [Test]
    public async Task D3_a_body_that_comes_too_slowly_is_not_refused_for_good()
    {
        using var outcomes = SendOutcomes.Of(Server);
        using var connection = await RawConnection.OpenAsync(Server.Address);
        await connection.WriteAsync(RawConnection.Put($"{Endpoint}m.test/t1", Alice.Token, ToBob())[..^1]);

        // The server loses its patience; a 408 would make some clients drop the message.
        Assert.That(await connection.ReadResponseAsync(), Is.Null);

        Assert.That(await outcomes.NextAsync(), Is.EqualTo("client_gone"));
        Assert.That(await CountBobsMailAsync(), Is.Zero);
        (await Alice.PutAsync("m.test", "t1", ToBob())).ShouldBeAccepted();
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }
}
