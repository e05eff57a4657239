using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Release;

/// <summary>From the gallery to a running server.</summary>
[Category("Slow")]
public class TemplateTests
{
    // A registry that just does not have the very version that a test adapter asks for is no fault of the template's.
    private const string Strict = "-warnaserror -warnnotaserror:NU1603";

    // Before the tests, whose time is bounded: on a busy machine it takes as long as it takes.
    [OneTimeSetUp]
    public Task PlayAsync() => Rehearsal.OnceAsync();

    /// <summary>With the commands of its own README, which sends, sends again and syncs.</summary>
    [Test]
    public async Task A_new_host_delivers_a_message_once_as_its_README_says()
    {
        await Rehearsal.OnceAsync();
        var started = TimeProvider.System.GetTimestamp();
        var folder = await Templates.CreateAsync("matrix-todevice", "Acme.Homeserver");
        await Templates.RunAsync($"dotnet build {Strict}", folder);

        string next;
        using (var host = await NewHost.StartAsync(folder))
        {
            var said = await ExchangeAsync(folder, host);
            TestContext.Out.WriteLine($"dotnet new, build, run, send and sync: {TimeProvider.System.GetElapsedTime(started).TotalSeconds:F1} s");
            Assert.That(said, Does.StartWith("{}{}{"));
            var sync = JsonElement.Parse(said[4..]);
            Assert.That(ContentsOf(sync), Is.EqualTo(new[] { """{"hello":"Bob"}""" }));
            next = sync.GetProperty("next_batch").GetString()!;
        }

        // Another process has what the first one has accepted, and forgets it when it is told that it has arrived.
        using (var host = await NewHost.StartAsync(folder))
        {
            Assert.That(ContentsOf(await SyncAsync(host, null)), Has.Length.EqualTo(1));
            Assert.That(ContentsOf(await SyncAsync(host, next)), Is.Empty);
            Assert.That(ContentsOf(await SyncAsync(host, null)), Is.Empty);
        }
    }

    [Test]
    public async Task A_new_store_keeps_the_promises_that_it_claims_and_serves_a_host()
    {
        await Rehearsal.OnceAsync();
        var started = TimeProvider.System.GetTimestamp();
        var store = await Templates.CreateAsync("matrix-todevice-store", "Acme.Store");
        var said = await Templates.RunAsync($"{Templates.BlocksOf(store, "sh").Single().Trim()} {Strict}", store);

        TestContext.Out.WriteLine($"dotnet new, build, and its conformance tests: {TimeProvider.System.GetElapsedTime(started).TotalSeconds:F1} s");
        var passed = int.Parse(Regex.Match(said, @"Failed: +0, Passed: +(\d+),").Groups[1].Value, CultureInfo.InvariantCulture);
        Assert.That(passed, Is.GreaterThan(60), said);

        // The two lines of its README, in the place of the other store.
        var folder = await Templates.CreateAsync("matrix-todevice", "Acme.HostOfStore");
        var lines = Regex.Matches(Templates.BlocksOf(store, "csharp").Single(), @"(?m)^.*?;").Select(match => match.Value).ToList();
        var program = Path.Combine(folder, "Program.cs");
        var host = Regex.Replace(
            await File.ReadAllTextAsync(program), @"(?s)builder\.Services\.AddSendToDevice\(\).*?UseSqlite\([^\n]*\n", $"{lines[0]}\n{lines[1].TrimEnd(';')}\n");
        Assert.That(host, Does.Contain("UseStore<JournalStore>()").And.Contain(".UseAuth<AuthResolver>()").And.Not.Contain("UseSqlite"));
        await File.WriteAllTextAsync(program, $"using Acme.Store;\n{host}");
        await Templates.RunAsync($"dotnet add reference ../Acme.Store/Acme.Store && dotnet build {Strict}", folder);

        using (var running = await NewHost.StartAsync(folder)) Assert.That(await ExchangeAsync(folder, running), Does.StartWith("{}{}{").And.Contain("hello"));
        using (var running = await NewHost.StartAsync(folder)) Assert.That(ContentsOf(await SyncAsync(running, null)), Has.Length.EqualTo(1));
    }

    /// <summary>Nobody is let in by what a template brings for trials.</summary>
    [Test]
    public async Task A_new_host_knows_nobody_outside_of_development()
    {
        var folder = await Templates.CreateAsync("matrix-todevice", "Acme.Empty");

        Assert.That(await File.ReadAllTextAsync(Path.Combine(folder, "appsettings.json")), Does.Not.Contain("Accounts"));
        Assert.That(await File.ReadAllTextAsync(Path.Combine(folder, "appsettings.Development.json")), Does.Contain("alice-for-trials"));
        await Templates.RunAsync("dotnet publish -o published", folder);
        Assert.That(
            Directory.GetFiles(Path.Combine(folder, "published"), "appsettings*").Select(Path.GetFileName), Is.EqualTo(new[] { "appsettings.json" }),
            "what everybody knows is not published");
    }

    [Test]
    public async Task What_a_template_makes_bears_the_name_that_it_was_given()
    {
        var store = await Templates.CreateAsync("matrix-todevice-store", "Acme.Named");
        var host = await Templates.CreateAsync("matrix-todevice", "Acme.NamedHost");

        foreach (var file in Directory.GetFiles(store, "*", SearchOption.AllDirectories).Concat(Directory.GetFiles(host, "*", SearchOption.AllDirectories)))
        {
            Assert.That(file, Does.Not.Contain("MyStore").And.Not.Contain("MyHomeserver"));
            Assert.That(await File.ReadAllTextAsync(file), Does.Not.Contain("MyStore").And.Not.Contain("MyHomeserver"), file);
        }
    }

    /// <summary>What the commands of the README print, one after another.</summary>
    private static async Task<string> ExchangeAsync(string folder, NewHost host)
    {
        var commands = Templates.BlocksOf(folder, "sh").Single(block => block.StartsWith("HS=", StringComparison.Ordinal));
        Assert.That(commands, Does.Contain("HS=http://localhost:8008/"));
        Assert.That(await File.ReadAllTextAsync(Path.Combine(folder, "Properties/launchSettings.json")), Does.Contain("\"http://localhost:8008\""));
        var here = commands.Replace("http://localhost:8008/", host.Address.ToString(), StringComparison.Ordinal);
        return await Templates.RunAsync(here.Replace("curl ", "curl -sS ", StringComparison.Ordinal), folder);
    }

    private static async Task<JsonElement> SyncAsync(NewHost host, string? since)
    {
        using var http = new HttpClient { BaseAddress = host.Address };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "bob-for-trials");
        var query = since is null ? "" : $"?since={since}";
        return JsonElement.Parse(await http.GetStringAsync(new Uri($"_matrix/client/v3/sync{query}", UriKind.Relative)));
    }

    private static string[] ContentsOf(JsonElement sync) => sync.TryGetProperty("to_device", out var mail)
        ? [.. mail.GetProperty("events").EnumerateArray().Select(message => message.GetProperty("content").GetRawText())]
        : [];
}
