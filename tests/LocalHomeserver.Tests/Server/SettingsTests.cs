using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace LocalHomeserver.Tests;

internal sealed class SettingsTests
{
    private static readonly string s_data = Directory.CreateTempSubdirectory("local-homeserver-tests-").FullName;

    // What is not as a setting needs it.
    private static readonly string s_files = Path.Combine(s_data, "files");

    [OneTimeSetUp]
    public void MakeFiles()
    {
        foreach (var folder in (string[])["accounts", "keys", "messages", "settings"]) Directory.CreateDirectory(Path.Combine(s_files, folder));
        Directory.CreateDirectory(Path.Combine(s_files, "accounts", "accounts.db"));
        var garbage = new string('x', 10_000);
        File.WriteAllText(Path.Combine(s_files, "keys", "keys.db"), garbage);
        File.WriteAllText(Path.Combine(s_files, "messages", "to-device.db"), garbage);
        File.WriteAllText(Path.Combine(s_files, "settings", "appsettings.json"), "{");
        File.WriteAllText(Path.Combine(s_files, "file"), garbage);
        const string Registration = """
            id: irc
            url: null
            as_token: a
            hs_token: h
            sender_localpart: bot
            namespaces: { users: [{ exclusive: true, regex: "@_irc_.*" }] }
            """;
        foreach (var (name, right, wrong) in (ReadOnlySpan<(string, string, string)>)[
            ("good", "", ""), ("broken", "id:", "\tid: {"), ("regex", "@_irc_.*", "("), ("url", "null", "nowhere"),
            ("exclusive", "true", "perhaps"), ("token", "hs_token: h", "")])
        {
            File.WriteAllText(
                Path.Combine(s_files, $"{name}.yaml"), right.Length == 0 ? Registration : Registration.Replace(right, wrong, StringComparison.Ordinal));
        }

        using var certificate = TestCertificate.New();
        File.WriteAllBytes(Path.Combine(s_files, "good.pfx"), certificate.Export(X509ContentType.Pkcs12, "right"));
    }

    [OneTimeTearDown]
    public void DeleteData() => Directory.Delete(s_data, recursive: true);

    [Test]
    public async Task The_server_name_is_in_the_user_IDs()
    {
        await using var server = await Homeserver.StartAsync("memory", "--ServerName", "hs1.localhost");
        Assert.That((await server.RegisterAsync()).UserId, Does.EndWith(":hs1.localhost"));
    }

    [Test]
    public void Unless_told_otherwise_the_server_listens_on_port_8008_of_this_machine()
    {
        using var app = Program.Build([]);
        Assert.That(app.Configuration["urls"], Is.EqualTo("http://localhost:8008"));
    }

    [TestCase("", 100)]
    [TestCase(";Max Auto Prepare=0", 0)]
    [TestCase(";MaxAutoPrepare=0", 0)]
    [TestCase(";max auto prepare=7", 7)]
    public void The_connection_string_says_however_it_is_spelled_whether_statements_are_prepared(string said, int expected)
    {
        using var app = Program.Build(["--Store", "postgresql", PostgreSql.Setting, "Host=127.0.0.1;Port=1" + said]);

        var text = app.Services.GetRequiredService<NpgsqlDataSource>().ConnectionString;

        Assert.That(new NpgsqlConnectionStringBuilder(text).MaxAutoPrepare, Is.EqualTo(expected));
    }

    [Test]
    public async Task The_address_can_be_set_in_the_environment()
    {
        using var process = Start("", ("ASPNETCORE_URLS", "http://127.0.0.1:0"));
        try
        {
            // Exactly one line, so that a script can wait for it.
            var line = await process.StandardOutput.ReadLineAsync();
            Assert.That(line, Does.Match(@"^Homeserver localhost listens on http://127\.0\.0\.1:\d+\. For trials only: anyone can register.$"));

            using var http = new HttpClient();
            var url = line!.Split(' ')[4].TrimEnd('.');
            Assert.That((await http.GetAsync(new Uri(url + "/health"))).StatusCode, Is.EqualTo(HttpStatusCode.OK));
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    [TestCase("--Store nowhere", "memory, sqlite, postgresql")]
    [TestCase("--Store postgresql", "ConnectionStrings:PostgreSql is missing")]
    [TestCase("--Store postgresql --ConnectionStrings:PostgreSql nonsense", "ConnectionStrings:PostgreSql cannot be used")]
    [TestCase("--Store postgresql --ConnectionStrings:PostgreSql Host=127.0.0.1;Port=1;Username=x", "cannot be reached")]
    [TestCase("--Store postgresql --ConnectionStrings:PostgreSql Host=127.0.0.1:1,127.0.0.1:2;Username=x", "cannot be reached")]
    [TestCase("--Data /dev/null", "/dev/null")]
    [TestCase("--Data \"\"", "It must be a folder")]
    [TestCase("--Data /proc/x", "/proc/x")]
    [TestCase("--Data {files}/file/x", "/file/x")]
    [TestCase("--Data {files}/accounts", "accounts.db cannot be used")]
    [TestCase("--Data {files}/keys", "keys.db cannot be used")]
    [TestCase("--Data {files}/messages", "to-device.db is not a SQLite database")]
    [TestCase("--urls \"\"", "Urls is ''")]
    [TestCase("--urls nonsense", "Urls is 'nonsense'. It must be an address such as")]
    [TestCase("--urls ftp://127.0.0.1:8008", "Urls is 'ftp://127.0.0.1:8008'")]
    [TestCase("--urls http://127.0.0.1:8008;http://127.0.0.1:port", "Urls is 'http://127.0.0.1:port'")]
    [TestCase("--urls http://127.0.0.1:70000", "Urls is 'http://127.0.0.1:70000'")]
    [TestCase("--urls http://127.0.0.256:8008", "Urls is 'http://127.0.0.256:8008'")]
    [TestCase("--urls http://127.0.0.1:8008/matrix", "Urls is 'http://127.0.0.1:8008/matrix'")]
    [TestCase("--urls http://192.0.2.1:8008", "cannot listen where its settings say")]
    [TestCase("--urls http://127.0.0.1:{used}", "address already in use")]
    [TestCase("--urls https://127.0.0.1:0", "No server certificate was specified")]
    [TestCase("--urls https://127.0.0.1:0 --Kestrel:Certificates:Default:Path {files}/none.pfx", "none.pfx")]
    [TestCase("--urls https://127.0.0.1:0 --Kestrel:Certificates:Default:Path {files}", "is denied")]
    [TestCase("--urls https://127.0.0.1:0 --Kestrel:Certificates:Default:Path {files}/file", "certificate that Kestrel's settings name")]
    [TestCase("--urls https://127.0.0.1:0 --Kestrel:Certificates:Default:Path {files}/good.pfx", "the password may be incorrect")]
    [TestCase("--urls https://127.0.0.1:0 --Kestrel:Certificates:Default:Path {files}/good.pfx --Kestrel:Certificates:Default:Password x", "password may be")]
    [TestCase("--Kestrel:Endpoints:A:Protocols Http1", "Kestrel:Endpoints:A:Url is ''")]
    [TestCase("--Kestrel:Endpoints:A:Url nonsense", "Kestrel:Endpoints:A:Url is 'nonsense'")]
    [TestCase("--Kestrel:Endpoints:A:Url http://127.0.0.1:0 --Kestrel:Endpoints:A:SslProtocols:0 Tls13", "HTTPS-only")]
    [TestCase("--Logging:LogLevel:Default Nonsense", "'Nonsense' is not supported")]
    [TestCase("--contentRoot {files}/none", "none")]
    [TestCase("--contentRoot {files}/settings", "appsettings.json")]
    [TestCase("--ServerName \"not a name\"", "host name")]
    [TestCase("--PasswordIterations 0", "100000")]
    [TestCase("--AccessTokenLifetime never", "00:05:00")]
    [TestCase("--AccessTokenLifetime -00:05:00", "00:05:00")]
    [TestCase("--Federation:Peers:hs2.localhost 127.0.0.1:8009", "without a path, such as http://127.0.0.1:8009")]
    [TestCase("--Federation:Peers:hs2.localhost ftp://127.0.0.1", "without a path, such as http://127.0.0.1:8009")]
    [TestCase("--Federation:Peers:hs2.localhost http://127.0.0.1:8009/x", "Federation:Peers:hs2.localhost is")]
    [TestCase("--Federation:Peers:hs2.localhost http://127.0.0.1:8009/?x", "Federation:Peers:hs2.localhost is")]
    [TestCase("--Federation:Peers:hs2.localhost http://me@127.0.0.1:8009", "Federation:Peers:hs2.localhost is")]
    [TestCase("--Federation:Peers:hs2.localhost \"\"", "Federation:Peers:hs2.localhost is")]
    [TestCase("--Federation:Peers:hs_2 http://127.0.0.1:8009", "must name a server")]
    [TestCase("--Federation:Peers http://127.0.0.1:8009", "must name a server")]
    [TestCase("--Federation:Peers:localhost http://127.0.0.1:8009", "this server itself")]
    [TestCase("--Appservices:0 {files}/none.yaml", "Appservices:0 is")]
    [TestCase("--Appservices:0 \"\"", "It must be an appservice's registration file")]
    [TestCase("--Appservices:0 {files}", "is denied")]
    [TestCase("--Appservices:0 {files}/file", "it is not one YAML mapping")]
    [TestCase("--Appservices:0 {files}/broken.yaml", "broken.yaml'. It must be an appservice's registration file")]
    [TestCase("--Appservices:0 {files}/regex.yaml", "regular expression of an appservice's namespace, '('")]
    [TestCase("--Appservices:0 {files}/good.yaml --Appservices:1 {files}/good.yaml", "Appservices:1 is")]
    [TestCase("--Appservices:0 {files}/url.yaml", "its url is 'nowhere'")]
    [TestCase("--Appservices:0 {files}/exclusive.yaml", "its exclusive is 'perhaps'")]
    [TestCase("--Appservices:0 {files}/token.yaml", "it has no hs_token")]
    [TestCase("--Federation:MaxPause never", "Federation:MaxPause is 'never'")]
    [TestCase("--Federation:LeaseDuration 00:00:00", "00:05:00")]
    [TestCase("--Federation:Peers:hs2.localhost http://127.0.0.1:8009 --Federation:MaxPause 100.00:00:00", "less than 49 days")]
    [TestCase("--ToDevice:Quota:MaxMessages 0", "SendToDeviceOptions.Quota.MaxMessages, set as ToDevice:Quota:MaxMessages, is 0; it must be at least 1")]
    [TestCase("--ToDevice:Qouta:MaxMessages 1000", "ToDevice:Qouta is set, and there is no such option")]
    [TestCase("--ToDevice:SyncLimit many", "ToDevice:SyncLimit")]
    [TestCase("--ToDevice:Sqlite:CacheBytes 0", "SqliteStoreOptions.CacheBytes is 0")]
    public async Task A_wrong_setting_is_explained_and_the_server_does_not_start(string settings, string explanation)
    {
        using var used = new TcpListener(IPAddress.Loopback, 0);
        used.Start();
        settings = settings
            .Replace("{files}", s_files, StringComparison.Ordinal)
            .Replace("{used}", $"{((IPEndPoint)used.LocalEndpoint).Port}", StringComparison.Ordinal);
        using var process = Start(settings);
        var output = process.StandardOutput.ReadToEndAsync();
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();

        using (Assert.EnterMultipleScope())
        {
            Assert.That(process.ExitCode, Is.EqualTo(1));
            Assert.That(error, Does.Contain(explanation));
            Assert.That(error.Trim(), Does.Not.Contain('\n'));
            Assert.That(await output, Is.Empty);
        }
    }

    [Test]
    public async Task Addresses_as_Kestrels_endpoints_are_used_alone_and_told_in_one_line()
    {
        using var process = Start("--Store memory --Kestrel:Endpoints:A:Url http://127.0.0.1:0");
        try
        {
            var line = await process.StandardOutput.ReadLineAsync();
            Assert.That(line, Does.Match(@"^Homeserver localhost listens on http://127\.0\.0\.1:\d+\. For trials only"));
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    [Test]
    public async Task A_wrong_password_is_explained_and_the_server_does_not_start()
    {
        var database = PostgreSql.NewDatabase();
        using var process = Start($"--Store postgresql \"{PostgreSql.Setting}={database};Username=careful;Password=SECRET\"");
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();

        Assert.That(process.ExitCode, Is.EqualTo(1));
        Assert.That(error, Does.Contain("refuses this user or password").And.Not.Contain("SECRET"));
        Assert.That(error.Trim(), Does.Not.Contain('\n'));
    }

    [Test]
    public async Task The_log_has_no_tokens_whatever_is_logged()
    {
        using var process = Start(
            "--urls http://127.0.0.1:0 --Logging:LogLevel:Default Information --Logging:LogLevel:Microsoft Information");
        string output;
        try
        {
            var line = "";
            while (line?.Contains("For trials only", StringComparison.Ordinal) == false)
                line = await process.StandardOutput.ReadLineAsync();
            using var http = new HttpClient();
            await http.GetAsync(new Uri($"{line!.Split(' ')[4].TrimEnd('.')}/_matrix/client/v3/sync?access_token=SECRET"));
        }
        finally
        {
            process.Kill();
            output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
        }

        Assert.That(output, Does.Not.Contain("SECRET"));
    }

    private static Process Start(string arguments, params (string Name, string Value)[] environment)
    {
        var program = typeof(Program).Assembly.Location;
        var start = new ProcessStartInfo("dotnet", $"\"{program}\" {arguments}")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["Data"] = Path.Combine(s_data, Guid.NewGuid().ToString());
        foreach (var (name, value) in environment) start.Environment[name] = value;
        return Process.Start(start)!;
    }
}
