using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>Tests in which Alice sends numbered messages to users of other servers.</summary>
public abstract class SenderTests : HttpTests
{
    private int _sends;

    private protected TestTransport Peers => TestTransport.Of(Server);

    private protected IFederationOutbox Outbox => Server.Services.GetRequiredService<IFederationOutbox>();

    private protected override void Configure(ISendToDeviceBuilder builder) => TestTransport.Add(builder);

    /// <summary>Sends <c>{"n":…}</c>, each as an EDU of its own.</summary>
    private protected async Task SendAsync(int from, int to, string userId = "@carol:hs2")
    {
        for (var n = from; n <= to; n++)
            (await Alice.SendAsync($"{++_sends}", userId, "C1", $$"""{"n":{{n}}}""")).ShouldBeAccepted();
    }

    /// <summary>Sends numbered messages so that the sender finds all of them together, behind one that has been received.</summary>
    private protected async Task SendTogetherAsync(int from, int to)
    {
        await SendAsync(0, 0);
        var first = await Peers.NextAsync();
        await SendAsync(from, to);
        first.Received();
    }

    /// <summary>How many EDUs wait for a destination.</summary>
    private protected async Task<int> CountAsync(string destination = "hs2") => (await Outbox.ReadAsync(destination, 1000)).Count;

    /// <summary>Waits until nothing waits for a destination any more.</summary>
    private protected async Task DrainedAsync(string destination = "hs2")
    {
        while (await CountAsync(destination) > 0) await TimeLimit.OneMoreTurnAsync();
    }
}
