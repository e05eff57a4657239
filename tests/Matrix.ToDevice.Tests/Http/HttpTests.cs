using System.Text;

namespace Matrix.ToDevice.Tests;

/// <summary>Tests in which Alice's device A1 sends to Bob's device B1. Each has a homeserver of its own.</summary>
public abstract class HttpTests
{
    private protected const string Endpoint = "/_matrix/client/v3/sendToDevice/";

    private protected TestHomeserver Server { get; private set; } = null!;
    private protected TestClient Alice { get; private set; } = null!;
    private protected TestClient Bob { get; private set; } = null!;

    [SetUp]
    public async Task StartAsync()
    {
        Server = await TestHomeserver.StartAsync(Configure);
        Alice = Server.Login("@alice:hs1", "A1");
        Bob = Server.Login("@bob:hs1", "B1");
    }

    [TearDown]
    public async Task StopAsync() => await Server.DisposeAsync();

    private protected virtual void Configure(ISendToDeviceBuilder builder)
    {
    }

    /// <summary>A body with one message for Bob's device.</summary>
    private protected static string ToBob(string content = "{}") =>
        $$$"""{"messages":{"@bob:hs1":{"B1":{{{content}}} } } }""";

    /// <summary>Sends a body from Alice, with a path that stands in the request line exactly as given.</summary>
    private protected async Task<TestResponse> PutRawAsync(string path, string? body = null)
    {
        using var connection = await RawConnection.OpenAsync(Server.Address);
        await connection.WriteAsync(Encoding.UTF8.GetBytes(RawConnection.Put(path, Alice.Token, body ?? ToBob())));
        return (await connection.ReadResponseAsync())!;
    }

    /// <summary>Sends bytes from Alice as the body of a new transaction.</summary>
    private protected Task<TestResponse> PutBytesAsync(byte[] body) =>
        Alice.SendAsync(HttpMethod.Put, $"{Endpoint}m.test/{Guid.NewGuid():N}", new ByteArrayContent(body));

    /// <summary>The contents that wait for Bob's device.</summary>
    private protected async Task<IEnumerable<string>> BobsMailAsync() => (await Bob.SyncAsync()).Contents;

    /// <summary>How many messages wait for Bob's device.</summary>
    private protected async Task<int> CountBobsMailAsync() => (await Bob.SyncAsync()).Events.Count;
}
