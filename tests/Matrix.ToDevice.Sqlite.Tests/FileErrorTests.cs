using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

public class FileErrorTests
{
    private string _path = null!;

    [SetUp]
    public void SetUp() => _path = TestFolder.NewFile();

    [Test]
    public void A_missing_folder_is_named() =>
        Assert.That(
            () => OpenAsync(options => options.ConnectionString = $"Data Source={_path}/nowhere/x.db"),
            Refused("nowhere does not exist"));

    [Test]
    public void A_file_that_is_no_database_is_refused_and_left_as_it_is()
    {
        File.WriteAllText(_path, new string('x', 10_000));

        Assert.That(() => OpenAsync(), Refused("not a SQLite database"));
        Assert.That(File.ReadAllText(_path), Is.EqualTo(new string('x', 10_000)));
    }

    [Test]
    public async Task A_second_store_on_the_file_is_refused_until_the_first_is_closed()
    {
        await using (var first = SqliteStores.Open(_path))
        {
            await first.SendAsync("t1", "1", "B1");
            Assert.That(() => OpenAsync(), Refused("in use by another process"));
            await first.SendAsync("t2", "2", "B1");
        }

        await using var second = SqliteStores.Open(_path);
        Assert.That((await second.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "1", "2" }));
    }

    [TestCase("a link")]
    [TestCase("a link that says where from here")]
    [TestCase("a link to a link")]
    [TestCase("a link in a linked folder that leads out of it")]
    [TestCase("a linked folder")]
    [TestCase("a path from here")]
    public async Task A_second_store_on_the_file_is_refused_by_whatever_name_it_goes(string kind)
    {
        // The folder that the last but one links to is not beside the link: what is above it depends on where one comes from.
        var folder = Directory.CreateDirectory(Path.Combine(TestFolder.Path, $"{Guid.NewGuid()}", "a", "b")).FullName;
        var file = Path.Combine(folder, "..", "..", "file.db");
        var name = kind switch
        {
            "a link" => Link("link.db", Path.GetFullPath(file)),
            "a link that says where from here" => Link("link.db", "../../file.db"),
            "a link to a link" => Link("second.db", Link("link.db", "../../file.db")),
            "a link in a linked folder that leads out of it" => Path.Combine(
                LinkToFolder(folder), Path.GetFileName(Link("link.db", "../../file.db"))),
            "a linked folder" => Path.Combine(LinkToFolder(Path.GetDirectoryName(Path.GetFullPath(file))!), "file.db"),
            _ => Path.GetRelativePath(Environment.CurrentDirectory, file),
        };

        // The link leads to a file that is not there yet.
        await using (var first = SqliteStores.Open(name))
        {
            await first.SendAsync("t1", "1", "B1");
            Assert.That(File.Exists(file));
            Assert.That(() => OpenAsync(options => options.ConnectionString = $"Data Source={file}"), Refused("in use by another process"));
        }

        await using var second = SqliteStores.Open(file);
        Assert.That((await second.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "1" }));
        Assert.That(() => OpenAsync(options => options.ConnectionString = $"Data Source={name}"), Refused("in use by another process"));
        await second.SendAsync("t2", "2", "B1");

        string Link(string link, string target) => File.CreateSymbolicLink(Path.Combine(folder, link), target).FullName;

        string LinkToFolder(string target) => Directory.CreateSymbolicLink(Path.Combine(TestFolder.Path, $"{Guid.NewGuid()}"), target).FullName;
    }

    [Test]
    public void Links_that_lead_in_a_circle_are_refused()
    {
        File.CreateSymbolicLink(_path, _path + "2");
        File.CreateSymbolicLink(_path + "2", _path);

        Assert.That(() => OpenAsync(), Refused("in a circle"));
    }

    [Test]
    public async Task A_newer_schema_is_refused_and_left_as_it_is()
    {
        await using (var store = SqliteStores.Open(_path)) await store.SendAsync("t1", "1", "B1");
        SqliteFileView.Execute(_path, "INSERT INTO to_device_schema (version) VALUES (1000)");

        Assert.That(() => OpenAsync(), Refused("schema version 1000"));

        SqliteFileView.Execute(_path, "DELETE FROM to_device_schema WHERE version = 1000");
        await using var again = SqliteStores.Open(_path);
        Assert.That((await again.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "1" }));
    }

    [Test]
    public async Task A_file_with_tables_of_the_host_is_shared()
    {
        SqliteFileView.Execute(_path, "CREATE TABLE account (name TEXT); INSERT INTO account VALUES ('alice')");
        await using (var store = SqliteStores.Open(_path)) await store.SendAsync("t1", "1", "B1");

        Assert.That(SqliteFileView.Count(_path, "SELECT count(*) FROM account"), Is.EqualTo(1));
    }

    [Test]
    public async Task D3_a_file_that_another_program_has_locked_fails_the_send_and_recovers_by_itself()
    {
        await using var store = SqliteStores.Open(_path, options => options.BusyTimeout = TimeSpan.FromMilliseconds(50));
        await store.SendAsync("t1", "1", "B1");
        using (var other = SqliteFileView.Open(_path))
        {
            using var transaction = other.BeginTransaction(deferred: false);
            Assert.That(async () => await store.SendAsync("t2", "2", "B1"), Refused("locked by another program"));
            Assert.That((await store.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "1" }), "readers do not mind");
        }

        Assert.That(await store.SendAsync("t2", "2", "B1"), Is.EqualTo(CommitResult.Committed));
        Assert.That((await store.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "1", "2" }));
    }

    [Test]
    public async Task D3_over_http_storage_trouble_is_a_503_and_the_retry_is_accepted()
    {
        await using var server = await TestHomeserver.StartAsync(builder => builder.UseSqlite(options =>
        {
            options.ConnectionString = $"Data Source={_path}";
            options.BusyTimeout = TimeSpan.FromMilliseconds(50);
        }));
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");
        using (var other = SqliteFileView.Open(_path))
        {
            using var transaction = other.BeginTransaction(deferred: false);
            var refused = await alice.SendAsync("t1", "@bob:hs1", "B1");
            refused.ShouldBe(503, "M_UNKNOWN");
            Assert.That(refused.Headers, Contains.Key("Retry-After"));
        }

        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        Assert.That((await bob.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public void A_server_whose_file_cannot_be_used_does_not_start()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSendToDevice().UseSqlite($"Data Source={_path}/nowhere/x.db");

        Assert.That(async () =>
        {
            await using var app = builder.Build();
            await app.StartAsync();
        }, Refused("does not exist"));
    }

    private async Task OpenAsync(Action<SqliteStoreOptions>? configure = null)
    {
        await using var store = SqliteStores.Open(_path, configure);
        await store.SendAsync("t", "x", "B1");
    }

    private static NUnit.Framework.Constraints.ContainsConstraint Refused(string message) =>
        Throws.TypeOf<SqliteStoreException>().With.Message.Contains(message);
}
