using System.Net;
using System.Text.Json;

namespace Matrix.ToDevice.Tests;

/// <summary>An empty application gets the packages and their pages, and nothing else of this repository.</summary>
internal sealed class AdoptionTests
{
    private App _server = null!;

    [OneTimeSetUp]
    public async Task BuildAsync() => _server = await App.Server;

    [TestCase("Matrix.ToDevice.Sqlite")]
    [TestCase("Matrix.ToDevice.PostgreSql")]
    [TestCase("Matrix.ToDevice.EntityFrameworkCore")]
    public async Task A_server_written_by_the_pages_delivers_once_and_forgets_nothing_in_a_restart(string store)
    {
        var needsServer = !store.EndsWith("Sqlite", StringComparison.Ordinal);
        if (needsServer) RequiredPostgreSql.Programs();
        using var database = needsServer ? PostgreSqlCluster.Start() : null;

        await Exchange.OverARestartAsync(_server, store, database?.ConnectionString ?? "");
    }

    [Test]
    public async Task Controllers_minimal_APIs_and_logouts_are_as_the_page_shows_them()
    {
        await using var server = await RunningApp.StartAsync(_server, Packed.NewFolder("in memory"), "");
        Assert.That(await server.SendToBobAsync("t1", """{"n":1}"""), Is.EqualTo(HttpStatusCode.OK));

        var (ofController, _) = await server.SyncBobAsync();
        var (ofMinimalApi, since) = await server.SyncBobAsync(path: "/sync");
        Assert.That((ofController, ofMinimalApi), Is.EqualTo((new[] { """{"n":1}""" }, new[] { """{"n":1}""" })));
        await server.LogoutBobAsync();

        Assert.That(await server.SendToBobAsync("t1", "{}", token: "bob's"), Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(since, Is.Not.Empty);
    }

    [Test]
    public async Task The_conformance_kit_finds_a_good_store_good()
    {
        var folder = await App.WriteAsync("Kit");
        var tests = Path.Combine(Repository.Folder, "tests/Matrix.ToDevice.Conformance.Tests");
        File.Copy(Path.Combine(tests, "Stores/ReferenceStore.cs"), Path.Combine(folder, "ReferenceStore.cs"));
        // The reader's store: everything behind the target that the page shows.
        var store = File.ReadAllText(Path.Combine(tests, "Adoption/MyStoreTarget.cs")).Split("// </package-target>")[1];
        File.WriteAllText(Path.Combine(folder, "MyStore.cs"), $"namespace Matrix.ToDevice.Tests;\n{store}");
        var kit = await App.BuildAsync("Kit", folder);

        var said = await CommandLine.RunAsync(CommandLine.Of(folder, kit.Command[0], [.. kit.Command.Skip(1)]));

        Assert.That(said, Does.Contain(" passed, 0 failed, "));
    }

    [Test]
    public void Every_line_of_code_of_the_pages_is_compiled_here()
    {
        var blocks = Packed.Packages.SelectMany(package => App.BlocksOf(package).Select((_, index) => (package.Id, index + 1)));
        // These three are classes for other test frameworks, whose projects compile them.
        var elsewhere = Enumerable.Range(2, 3).Select(block => ("Matrix.ToDevice.Conformance", block));

        Assert.That(App.Blocks.Concat(elsewhere), Is.EquivalentTo(blocks));
    }

    [Test]
    public void What_was_tried_are_the_lowest_versions_that_the_packages_allow()
    {
        using var assets = JsonDocument.Parse(File.ReadAllText(Path.Combine(_server.Folder, "obj/project.assets.json")));
        var restored = assets.RootElement.GetProperty("libraries").EnumerateObject().Select(library => library.Name.Replace('/', ' ')).ToHashSet();
        // The shared framework of a server has newer ones of its own.
        var needed = Packed.Packages.SelectMany(package => package.Dependencies)
            .Where(name => !name.StartsWith("Microsoft.Extensions.", StringComparison.Ordinal)).Distinct();

        Assert.That(needed, Is.Not.Empty.And.SubsetOf(restored));
    }
}
