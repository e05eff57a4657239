using System.Threading.Channels;

namespace LocalHomeserver.Tests;

/// <summary><c>POST /_trial/restart</c>, against the server as its program runs it.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed class RestartEndpointTests : IAsyncDisposable
{
    private readonly Channel<string> _starts = Channel.CreateUnbounded<string>();
    private readonly CancellationTokenSource _over = new();
    private readonly HttpClient _http = new();
    private readonly string _data = Directory.CreateTempSubdirectory("local-homeserver-tests-").FullName;
    private Task _run = Task.CompletedTask;
    private string _url = "";

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _run;
        _over.Dispose();
        _http.Dispose();
        Directory.Delete(_data, recursive: true);
    }

    [TestCase("sqlite")]
    [TestCase("postgresql", Category = "Slow")]
    public async Task R50_a_restart_keeps_its_address_accounts_and_messages(string store)
    {
        await StartAsync(store);
        var token = await RegisterAsync();
        (await SendAsync("PUT", "/_matrix/client/v3/sendToDevice/m.test/1", token, """{"messages":{"@alice:localhost":{"PHONE":{"n":1}}}}""")).Ok();
        var before = (await SendAsync("GET", "/_trial/server")).Ok().GetProperty("started_ts").GetInt64();

        await RestartAsync(token);

        var events = (await SendAsync("GET", "/_matrix/client/v3/sync", token)).Ok().GetProperty("to_device").GetProperty("events");
        Assert.That(events.GetArrayLength(), Is.EqualTo(1));
        Assert.That((await SendAsync("GET", "/_trial/server")).Ok().GetProperty("started_ts").GetInt64(), Is.GreaterThan(before));
    }

    [Test]
    public async Task A_server_that_keeps_everything_in_memory_has_lost_it()
    {
        await StartAsync("memory");
        var token = await RegisterAsync();
        await RestartAsync(token);
        (await SendAsync("GET", "/_matrix/client/v3/sync", token)).IsError(401, "M_UNKNOWN_TOKEN");
    }

    [Test]
    public async Task A_restart_ends_a_long_poll_with_an_answer()
    {
        await StartAsync("sqlite");
        var token = await RegisterAsync();
        var since = (await SendAsync("GET", "/_matrix/client/v3/sync", token)).Ok().String("next_batch");
        var poll = SendAsync("GET", $"/_matrix/client/v3/sync?since={since}&timeout=60000", token);
        await RestartAsync(token);
        (await poll).Ok();
    }

    [Test]
    public async Task Only_a_user_of_the_server_restarts_it_and_no_page_of_another_site()
    {
        await StartAsync("memory");
        var token = await RegisterAsync();
        (await SendAsync("POST", "/_trial/restart")).IsError(401, "M_MISSING_TOKEN");
        (await SendAsync("POST", "/_trial/restart", token, origin: "https://elsewhere.example")).IsError(403, "M_FORBIDDEN");
        Assert.That(_starts.Reader.Count, Is.Zero);
        (await SendAsync("POST", "/_trial/restart", token, origin: _url)).Ok();
        await NextStartAsync();
    }

    private async Task StartAsync(string store)
    {
        string[] settings = store == "postgresql" ? [PostgreSql.Setting, PostgreSql.NewDatabase()] : ["--Data", _data];
        _run = Program.RunAsync(
            ["--urls", "http://127.0.0.1:0", "--PasswordIterations", "1", "--Store", store, .. settings],
            app => _starts.Writer.TryWrite(app.Urls.Single()),
            _over.Token);
        _url = await NextStartAsync();
    }

    private async Task RestartAsync(string token)
    {
        (await SendAsync("POST", "/_trial/restart", token)).Ok();
        Assert.That(await NextStartAsync(), Is.EqualTo(_url));
    }

    // If it ends instead, the test shall end with what it ended with.
    private async Task<string> NextStartAsync()
    {
        var start = _starts.Reader.ReadAsync().AsTask();
        if (await Task.WhenAny(start, _run) == _run) await _run;
        return await start;
    }

    private async Task<string> RegisterAsync() => (await SendAsync("POST", "/_matrix/client/v3/register", body:
        """{"auth":{"type":"m.login.dummy"},"username":"alice","password":"secret","device_id":"PHONE"}""")).Ok().String("access_token");

    private async Task<Reply> SendAsync(string method, string path, string? token = null, string? body = null, string? origin = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), _url + path);
        if (body is not null) request.Content = new StringContent(body);
        if (token is not null) request.Headers.Authorization = new("Bearer", token);
        if (origin is not null) request.Headers.Add("Origin", origin);
        using var response = await _http.SendAsync(request);
        return await Reply.ReadAsync(response);
    }
}
