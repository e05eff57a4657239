namespace LocalHomeserver.Tests;

/// <summary>Tests against one running homeserver, once for each store; each test brings its own users.</summary>
[TestFixture("memory")]
[TestFixture("sqlite")]
[TestFixture("postgresql", Category = "Slow")]
internal abstract class HomeserverTests(string store)
{
    protected string Store => store;

    protected Homeserver Server { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task StartServer() => Server = await Homeserver.StartAsync(store);

    [OneTimeTearDown]
    public async Task StopServer() => await Server.DisposeAsync();

    protected Task<Reply> Call(string method, string path, object? body = null) =>
        Server.SendAsync(method, "/_matrix/client/v3" + path, body);
}
