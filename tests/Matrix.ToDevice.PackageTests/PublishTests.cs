namespace Matrix.ToDevice.Tests;

/// <summary>An application of the packages can be published as small as it gets: a warning is an error, in here as in a release.</summary>
[TestFixture("PublishTrimmed")]
[TestFixture("PublishAot")]
internal sealed class PublishTests(string how)
{
    private App _app = null!;

    [OneTimeSetUp]
    public async Task PublishAsync() => _app = await App.PublishAsync("Native", await App.WriteAsync("Native", "MyUsers"), how);

    [Test]
    public Task It_works_on_SQLite() => Exchange.OverARestartAsync(_app, "Matrix.ToDevice.Sqlite");

    [Test]
    public async Task It_works_on_PostgreSQL()
    {
        RequiredPostgreSql.Programs();
        using var database = PostgreSqlCluster.Start();

        await Exchange.OverARestartAsync(_app, "Matrix.ToDevice.PostgreSql", database.ConnectionString);
    }
}
