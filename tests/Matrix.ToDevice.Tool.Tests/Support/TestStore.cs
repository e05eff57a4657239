using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Internal;
using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>A store of either kind, which hosts open and the tool works on.</summary>
internal sealed class TestStore : IDisposable
{
    public const string Sqlite = "SQLite", PostgreSql = "PostgreSQL", CitusReady = "CitusReady", Citus = "Citus";

    // A cluster, where there is one to be had.
    private static readonly string? s_citus = Environment.GetEnvironmentVariable("MATRIX_TODEVICE_TEST_CITUS") is { Length: > 0 } citus ? citus : null;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("todevice-tool-");

    public TestStore(string kind)
    {
        Kind = kind;
        // A cluster outlives the run.
        Schema = kind switch { Sqlite => "", Citus => $"moved {Guid.NewGuid():N}", _ => TestCluster.NewSchema() };
        File = Path.Combine(_folder.FullName, "todevice.db");
        Address = kind switch
        {
            Sqlite => File,
            PostgreSql => $"postgresql:{TestCluster.Cluster.ConnectionString};Schema={Schema}",
            _ => $"postgresql:{Server};Schema={Schema};Layout={kind}",
        };
    }

    /// <summary>All kinds that there are to be had.</summary>
    public static IReadOnlyList<string> Kinds => s_citus is null ? [Sqlite, PostgreSql, CitusReady] : [Sqlite, PostgreSql, CitusReady, Citus];

    /// <summary>Those of the layout for many machines.</summary>
    public static IReadOnlyList<string> Distributed => [.. Kinds.Where(kind => kind is CitusReady or Citus)];

    public string Kind { get; }

    public string Schema { get; }

    public string Folder => _folder.FullName;

    /// <summary>The file of a SQLite store.</summary>
    public string File { get; }

    /// <summary>As the tool is told.</summary>
    public string Address { get; }

    private string Server => Kind == Citus ? s_citus! : TestCluster.Cluster.ConnectionString;

    public ISendToDeviceBuilder Use(ISendToDeviceBuilder builder) => Kind == Sqlite
        ? builder.UseSqlite($"Data Source={File}")
        : builder.UsePostgreSql(options => (options.ConnectionString, options.Schema, options.Layout) = (
            $"{Server};Maximum Pool Size=20", Schema, Kind == PostgreSql ? PostgreSqlLayout.OneMachine : Enum.Parse<PostgreSqlLayout>(Kind)));

    public async Task<OpenStore> OpenAsync()
    {
        var services = new ServiceCollection();
        // What else runs in the background asks for the host's life when it is made.
        services.AddSingleton<IHostApplicationLifetime, ApplicationLifetime>();
        Use(services.AddLogging().AddSendToDevice());
        var provider = services.BuildServiceProvider();
        // The store's own start only: the module's would need a whole host.
        foreach (var start in provider.GetServices<IHostedService>().Where(one => one.GetType().DeclaringType?.Name.EndsWith("BuilderExtensions", StringComparison.Ordinal) == true))
            await start.StartAsync(default);
        return new OpenStore(provider);
    }

    /// <summary>Does to it what nobody should.</summary>
    public void Execute(string sql)
    {
        if (Kind != Sqlite)
        {
            OnServer($"SET search_path TO \"{Schema}\"; {sql}");
            return;
        }

        using var connection = new SqliteConnection($"Data Source={File};Pooling=false");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>A number or text that a statement finds.</summary>
    public string Query(string sql)
    {
        if (Kind != Sqlite) return $"{OnServer($"SET search_path TO \"{Schema}\"; {sql}")}";
        using var connection = new SqliteConnection($"Data Source={File};Pooling=false;Mode=ReadOnly");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return $"{command.ExecuteScalar()}";
    }

    public void Dispose()
    {
        _folder.Delete(recursive: true);
        if (Kind == Citus) OnServer($"DROP SCHEMA IF EXISTS \"{Schema}\" CASCADE");
    }

    private object? OnServer(string sql)
    {
        using var connection = new NpgsqlConnection($"{Server};Pooling=false");
        connection.Open();
        using var command = new NpgsqlCommand(sql, connection);
        return command.ExecuteScalar();
    }
}

/// <summary>A store as a host has it.</summary>
internal sealed class OpenStore(ServiceProvider services) : IAsyncDisposable
{
    public ITransactionStore Transactions { get; } = services.GetRequiredService<ITransactionStore>();

    public IDeviceInbox Inbox { get; } = services.GetRequiredService<IDeviceInbox>();

    public IFederationOutbox Outbox { get; } = services.GetRequiredService<IFederationOutbox>();

    public IStoreUpkeep Upkeep { get; } = services.GetRequiredService<IStoreUpkeep>();

    public async Task<CommitResult> SendAsync(TransactionKey key, ToDeviceMessage[] messages, params OutboundEdu[] edus)
    {
        await using var transaction = await Transactions.BeginAsync(key, Transactions.KnownRemovals, default);
        if (transaction is null) return CommitResult.AlreadyCommitted;
        await Inbox.AppendAsync(transaction, messages, default);
        await Outbox.AppendAsync(transaction, edus, default);
        return await transaction.CommitAsync(default);
    }

    public async Task<List<string>> ReadAsync(DeviceAddress device)
    {
        using var page = await Inbox.ReadAsync(device, InboxPosition.Start, 1000, 10_000_000, default);
        return [.. page.Messages.Select(message =>
            $"{message.Position.Sequence}/{message.Position.SendId} {message.Sender} {message.EventType} {System.Text.Encoding.UTF8.GetString(message.Content.Span)}")];
    }

    public async Task<InboxPosition> PositionAsync(DeviceAddress device, int index)
    {
        using var page = await Inbox.ReadAsync(device, InboxPosition.Start, 1000, 10_000_000, default);
        return page.Messages[index].Position;
    }

    public ValueTask DisposeAsync() => services.DisposeAsync();
}
