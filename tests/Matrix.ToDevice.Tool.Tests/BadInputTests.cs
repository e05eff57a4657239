using System.Security.Cryptography;
using System.Text;
using Microsoft.Data.Sqlite;

namespace Matrix.ToDevice.Tests;

/// <summary>What is no store that this tool can use is left as it is, and one line says what to do.</summary>
[Category("Slow")]
internal sealed class BadInputTests
{
    private static readonly string[] s_commands = ["inspect", "inboxes", "outbox", "show", "purge", "migrate", "verify", "export", "import", "copy", "copy to"];

    [TestCase("missing", "There is no file")]
    [TestCase("empty", "is empty")]
    [TestCase("text", "is not a SQLite database")]
    [TestCase("foreign", "no tables of Matrix.ToDevice")]
    [TestCase("foreign with a log", "no tables of Matrix.ToDevice")]
    [TestCase("newer", "schema version 99")]
    [TestCase("older", "schema version 4")]
    [TestCase("damaged", "is damaged")]
    [TestCase("folder", "is a folder")]
    public async Task A_file_that_is_no_store_of_this_version_is_told_in_one_line_and_not_changed(string kind, string message)
    {
        using var store = new TestStore(TestStore.Sqlite);
        await MakeAsync(store, kind);
        using var good = new TestStore(TestStore.Sqlite);
        await (await good.OpenAsync()).DisposeAsync();
        var export = Path.Combine(good.Folder, "good.export");
        await ToolRun.FineAsync("export", good.Address, export);
        foreach (var command in s_commands)
        {
            // Older ones are what migrate is for, and what is not there yet is made by a move.
            if ((kind, command) is ("older", "migrate") or ("missing", "import" or "copy to")) continue;
            var before = Hash(store.Folder);

            var run = await ToolRun.RunAsync(Arguments(command, store.Address, good.Address, export));

            Assert.That(run.ExitCode, Is.EqualTo(3), $"{command}: {run.Output}{run.Errors}");
            Assert.That(run.Errors.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1), run.Errors);
            Assert.That(run.Errors, Does.StartWith("matrix-to-device: ").And.Contain(message), command);
            Assert.That(run.Output, Is.Empty, command);
            Assert.That(Hash(store.Folder), Is.EqualTo(before), $"{command} has changed something");
        }
    }

    [Test]
    public async Task A_file_that_a_server_has_is_read_and_not_written()
    {
        using var store = new TestStore(TestStore.Sqlite);
        await using var host = await store.OpenAsync();
        await Filled.FillAsync(host);
        using var other = new TestStore(TestStore.Sqlite);
        var before = await Filled.DescribeAsync(host);
        var file = Path.Combine(other.Folder, "x.export");
        foreach (var command in new[] { "purge", "export", "copy", "copy to" })
        {
            var run = await ToolRun.RunAsync(Arguments(command, store.Address, command == "copy to" ? other.Address : new TestStore(TestStore.Sqlite).Address, file));
            Assert.That(run.ExitCode, Is.EqualTo(3), command);
            // For the other direction, the source is looked at first, and there is none.
            if (command != "copy to") Assert.That(run.Errors, Does.Contain("A server has").And.Contain("Stop it"), command);
            Assert.That(File.Exists(file), Is.False);
        }

        Assert.That(await Filled.DescribeAsync(host), Is.EqualTo(before));
        await ToolRun.FineAsync("verify", store.Address);
        await ToolRun.FineAsync("export", store.Address, file, "--running");
    }

    /// <summary>It has the lock, and not opened the file yet: what is read without a lock may be of several moments.</summary>
    [Test]
    public async Task What_is_read_while_a_server_comes_to_the_file_is_told_to_be_so_and_nothing_of_it_is_shown()
    {
        using var store = new TestStore(TestStore.Sqlite);
        using var other = new TestStore(TestStore.Sqlite);
        await using (var host = await store.OpenAsync()) await Filled.FillAsync(host);
        var before = await File.ReadAllBytesAsync(store.File);
        await using (new FileStream(store.File + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None))
        {
            foreach (var arguments in new[]
            {
                new[] { "inspect", store.Address }, ["inboxes", store.Address], ["outbox", store.Address], ["verify", store.Address],
                ["show", store.Address, Filled.Bob.UserId, Filled.Bob.DeviceId],
                ["purge", "user", store.Address, Filled.Bob.UserId, "--dry-run"],
                ["export", store.Address, Path.Combine(other.Folder, "x.export"), "--running"],
            })
            {
                var run = await ToolRun.RunAsync(arguments);

                Assert.That(run.ExitCode, Is.EqualTo(3), $"{arguments[0]}: {run.Output}{run.Errors}");
                Assert.That(run.Errors.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1), run.Errors);
                Assert.That(run.Errors, Does.Contain("A server has opened").And.Contain("Try again"), arguments[0]);
                Assert.That(run.Output, Is.Empty, arguments[0]);
            }
        }

        Assert.That(await File.ReadAllBytesAsync(store.File), Is.EqualTo(before));
        Assert.That(Directory.GetFiles(other.Folder), Is.Empty);
        await ToolRun.FineAsync("verify", store.Address);
    }

    [Test]
    public async Task A_file_that_another_program_has_locked_is_told_in_one_line()
    {
        using var store = new TestStore(TestStore.Sqlite);
        await (await store.OpenAsync()).DisposeAsync();
        using var connection = new SqliteConnection($"Data Source={store.File};Pooling=false");
        await connection.OpenAsync();
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE mine (x)";
        await command.ExecuteNonQueryAsync();
        foreach (var arguments in new[] { new[] { "inspect", store.Address }, ["verify", store.Address], ["purge", "user", store.Address, "@a:b", "--yes"] })
        {
            var run = await ToolRun.RunAsync(arguments);
            Assert.That(run.ExitCode, Is.EqualTo(3), arguments[0]);
            Assert.That(run.Errors, Does.Contain("locked by another program"));
            Assert.That(run.Errors.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1), run.Errors);
        }
    }

    [Test]
    public async Task A_file_whose_server_was_killed_while_it_copied_its_log_is_no_damaged_one()
    {
        using var store = new TestStore(TestStore.Sqlite);
        using var killed = new TestStore(TestStore.Sqlite);
        await using (var host = await store.OpenAsync())
        {
            var large = Filled.Message(Filled.Bob, 1) with { Content = Encoding.UTF8.GetBytes($"\"{new string('x', 200_000)}\"") };
            await host.SendAsync(Filled.Key("1"), [large]);
            File.Copy(store.File, killed.File);
            File.Copy(store.File + "-wal", killed.File + "-wal");
        }

        // The first page has arrived, which says that there are more than the file has yet.
        await using (FileStream from = File.OpenRead(store.File), to = File.OpenWrite(killed.File))
        {
            var page = new byte[16384];
            await from.ReadExactlyAsync(page);
            await to.WriteAsync(page);
        }

        foreach (var command in new[] { "inspect", "verify", "migrate" }) await ToolRun.FineAsync(command, killed.Address);
        Assert.That(
            (await ToolRun.FineAsync("inspect", killed.Address, "--json")).Json.GetProperty("messages").GetProperty("messages").GetInt32(), Is.EqualTo(1));
        using var target = new TestStore(TestStore.Sqlite);
        await ToolRun.FineAsync("copy", "--from", killed.Address, "--to", target.Address);
    }

    [TestCase("no server", "cannot be reached")]
    [TestCase("no database", "There is no such database")]
    [TestCase("wrong password", "refuses this user or password")]
    [TestCase("no schema", "There is no schema")]
    [TestCase("foreign", "has no tables of Matrix.ToDevice")]
    [TestCase("newer", "schema version 99")]
    [TestCase("older", "schema version 4")]
    [TestCase("no rights", "lacks rights")]
    public async Task A_database_that_is_no_store_of_this_version_is_told_in_one_line_and_not_changed(string kind, string message)
    {
        using var store = new TestStore(TestStore.PostgreSql);
        var address = await MakeDatabaseAsync(store, kind);
        using var good = new TestStore(TestStore.Sqlite);
        await (await good.OpenAsync()).DisposeAsync();
        var export = Path.Combine(good.Folder, "good.export");
        await ToolRun.FineAsync("export", good.Address, export);
        foreach (var command in s_commands)
        {
            if ((kind, command) is ("older", "migrate") or ("no schema", "import" or "copy to")) continue;
            var before = Tables();

            var run = await ToolRun.RunAsync(Arguments(command, address, good.Address, export));

            Assert.That(run.ExitCode, Is.EqualTo(3), $"{command}: {run.Output}{run.Errors}");
            Assert.That(run.Errors.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1), run.Errors);
            Assert.That(run.Errors, Does.StartWith("matrix-to-device: ").And.Contain(message).And.Not.Contain("s3cret"), command);
            Assert.That(run.Output, Is.Empty);
            Assert.That(Tables(), Is.EqualTo(before), $"{command} has changed something");
        }
    }

    [TestCase(TestStore.PostgreSql, "CitusReady", "has the layout OneMachine, and not CitusReady")]
    [TestCase(TestStore.CitusReady, "OneMachine", "has the layout CitusReady, and not OneMachine")]
    [TestCase(TestStore.CitusReady, "Citus", "has the layout CitusReady, and not Citus")]
    [TestCase("none", "Citus", "no extension citus")]
    public async Task A_layout_that_a_schema_does_not_have_is_told_in_one_line_and_nothing_is_changed(string kind, string layout, string message)
    {
        using var store = new TestStore(kind == "none" ? TestStore.PostgreSql : kind);
        if (kind != "none") await (await store.OpenAsync()).DisposeAsync();
        using var good = new TestStore(TestStore.Sqlite);
        await (await good.OpenAsync()).DisposeAsync();
        var export = Path.Combine(good.Folder, "good.export");
        await ToolRun.FineAsync("export", good.Address, export);
        foreach (var command in s_commands)
        {
            if (kind == "none" && command is not ("import" or "copy to")) continue;
            var before = Tables();

            var run = await ToolRun.RunAsync(Arguments(command, store.Address.Split(";Layout=")[0] + $";Layout={layout}", good.Address, export));

            Assert.That(run.ExitCode, Is.EqualTo(3), $"{command}: {run.Output}{run.Errors}");
            Assert.That(run.Errors.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1), run.Errors);
            Assert.That(run.Errors, Does.StartWith("matrix-to-device: ").And.Contain(message), command);
            Assert.That(Tables(), Is.EqualTo(before), $"{command} has changed something");
        }

        if (kind != "none") await ToolRun.FineAsync("verify", store.Address.Split(";Layout=")[0]);
    }

    [Test]
    public async Task A_newer_layout_for_many_machines_is_told_in_one_line()
    {
        using var store = new TestStore(TestStore.CitusReady);
        await (await store.OpenAsync()).DisposeAsync();
        store.Execute("INSERT INTO to_device_distribution VALUES (99)");
        foreach (var command in new[] { "inspect", "migrate", "export" })
        {
            var run = await ToolRun.RunAsync(Arguments(command, store.Address, "", Path.Combine(store.Folder, "x")));
            Assert.That(run.ExitCode, Is.EqualTo(3), $"{command}: {run.Output}{run.Errors}");
            Assert.That(run.Errors, Does.StartWith("matrix-to-device: ").And.Contain("schema version 99, and this tool knows 1"), command);
        }
    }

    [Test]
    public async Task Wrong_usage_is_told_in_one_line_without_secrets()
    {
        string[][] wrong =
        [
            [], ["inspect"], ["inspekt", "x.db"], ["inspect", "x.db", "--limit", "3"], ["inboxes", "x.db", "--limit", "0"], ["inboxes", "x.db", "--by", "colour"],
            ["inspect", "x.db", "postgresql:Host=h;Password=s3cret"], ["inspect", "Host=h;Password=s3cret"], ["inspect", "postgresql:Host=h;Password=s3cret;s3cret=1"],
            ["inspect", "postgresql:Password=s3cret"], ["inspect", "env:NOT_THERE"], ["inspect", "file:/not/there"], ["purge", "x.db"],
            ["inspect", "postgresql:Host=h;Password=s3cret;Layout=Sharded"], ["inspect", "postgresql:Host=h;Password=s3cret;Layout=1"], ["copy", "--from", "x.db"], ["copy", "--from", "x.db", "--to", "x.db"],
        ];
        foreach (var arguments in wrong)
        {
            var run = await ToolRun.RunAsync(arguments);
            Assert.That(run.ExitCode, Is.EqualTo(2), string.Join(' ', arguments));
            Assert.That(run.Errors.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1), run.Errors);
            Assert.That(run.Errors + run.Output, Does.Not.Contain("s3cret"));
        }
    }

    [Test]
    public async Task A_store_can_come_from_the_environment_or_a_file_and_errors_are_JSON_too()
    {
        using var store = new TestStore(TestStore.Sqlite);
        await (await store.OpenAsync()).DisposeAsync();
        var file = Path.Combine(store.Folder, "secret");
        await File.WriteAllTextAsync(file, $"sqlite:{store.File}\n");

        Assert.That((await ToolRun.RunAsync(new Dictionary<string, string> { ["A_STORE"] = store.Address }, "inspect", "env:A_STORE")).ExitCode, Is.Zero);
        Assert.That((await ToolRun.RunAsync("inspect", $"file:{file}")).ExitCode, Is.Zero);
        var run = await ToolRun.RunAsync("inspect", Path.Combine(store.Folder, "none"), "--json");
        Assert.That(run.Json.GetProperty("exit_code").GetInt32(), Is.EqualTo(3));
        Assert.That(run.Json.GetProperty("error").GetString(), Does.Contain("There is no file"));
    }

    private static string[] Arguments(string command, string address, string good, string export) => command switch
    {
        "show" => ["show", address, "@a:b", "C"],
        "purge" => ["purge", "device", address, "@a:b", "C", "--yes"],
        "export" => ["export", address, export + "ed"],
        "import" => ["import", address, export],
        "copy" => ["copy", "--from", address, "--to", good],
        "copy to" => ["copy", "--from", good, "--to", address],
        _ => [command, address],
    };

    private static async Task MakeAsync(TestStore store, string kind)
    {
        switch (kind)
        {
            case "missing":
                break;
            case "empty":
                File.WriteAllBytes(store.File, []);
                break;
            case "text":
                File.WriteAllText(store.File, "This is a letter, and no database.");
                break;
            case "folder":
                Directory.CreateDirectory(store.File);
                break;
            case "foreign":
                store.Execute("PRAGMA journal_mode = WAL; CREATE TABLE somebody (x)");
                break;
            case "foreign with a log":
                store.Execute("PRAGMA journal_mode = WAL; CREATE TABLE somebody (x)");
                var copy = store.File + ".copy";
                using (var connection = new SqliteConnection($"Data Source={store.File};Pooling=false"))
                {
                    await connection.OpenAsync();
                    using var command = connection.CreateCommand();
                    command.CommandText = "INSERT INTO somebody VALUES (1)";
                    await command.ExecuteNonQueryAsync();
                    File.Copy(store.File, copy);
                    File.Copy(store.File + "-wal", copy + "-wal");
                }

                File.Move(copy, store.File, overwrite: true);
                File.Move(copy + "-wal", store.File + "-wal", overwrite: true);
                break;
            default:
                await (await store.OpenAsync()).DisposeAsync();
                if (kind == "newer") store.Execute("INSERT INTO to_device_schema VALUES (99)");
                if (kind == "older") store.Execute("UPDATE to_device_schema SET version = 4 WHERE version = 5");
                if (kind == "damaged") Damage(store.File);
                break;
        }
    }

    /// <summary>The page that every reader begins with.</summary>
    private static void Damage(string path)
    {
        using var file = File.OpenWrite(path);
        file.Position = 100;
        file.Write(RandomNumberGenerator.GetBytes(2000));
    }

    private static async Task<string> MakeDatabaseAsync(TestStore store, string kind)
    {
        var server = TestCluster.Cluster;
        switch (kind)
        {
            case "no server":
                return $"postgresql:Host=127.0.0.1;Port={LoopbackPort.Unused()};Username=postgres;Password=s3cret";
            case "no database":
                return $"postgresql:{server.ConnectionString};Database=nothing;Password=s3cret";
            case "wrong password":
                server.Execute("DROP ROLE IF EXISTS careful; CREATE ROLE careful LOGIN PASSWORD 'right'");
                return $"postgresql:{server.ConnectionString};Username=careful;Password=s3cret";
            case "no schema":
                return store.Address;
            case "foreign":
                server.Execute($"CREATE SCHEMA \"{store.Schema}\"; CREATE TABLE \"{store.Schema}\".somebody (x int)");
                return store.Address;
            default:
                await (await store.OpenAsync()).DisposeAsync();
                if (kind == "newer") store.Execute("INSERT INTO to_device_schema VALUES (99)");
                if (kind == "older") store.Execute("UPDATE to_device_schema SET version = 4 WHERE version = 5");
                if (kind != "no rights") return store.Address;
                server.Execute("DROP ROLE IF EXISTS stranger; CREATE ROLE stranger LOGIN");
                return $"postgresql:{server.ConnectionString};Username=stranger;Password=s3cret;Schema={store.Schema}";
        }
    }

    private static string Hash(string folder) => string.Join('\n', Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
        .Select(file => $"{Path.GetFileName(file)} {Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file)))}"));

    private static object? Tables() => TestCluster.Cluster.Query("""
        SELECT string_agg(n.nspname || '.' || c.relname, ',' ORDER BY n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
        """);
}
