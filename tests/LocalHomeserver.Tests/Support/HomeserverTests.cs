namespace LocalHomeserver.Tests;

/// <summary>Tests against one running homeserver; each test brings its own users.</summary>
internal abstract class HomeserverTests
{
    protected Homeserver Server { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task StartServer() => Server = await Homeserver.StartAsync();

    [OneTimeTearDown]
    public async Task StopServer() => await Server.DisposeAsync();

    protected Task<Reply> Call(string method, string path, object? body = null) =>
        Server.SendAsync(method, "/_matrix/client/v3" + path, body);
}
