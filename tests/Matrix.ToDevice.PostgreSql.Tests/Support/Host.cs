using System.Globalization;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>One host's PostgreSQL store, used through the seams. Several on one database are several hosts.</summary>
internal sealed class Host : IAsyncDisposable
{
    private readonly ServiceProvider _services;

    public Host(string connectionString, Action<PostgreSqlStoreOptions>? configure = null, Action<ISendToDeviceBuilder>? services = null)
    {
        var collection = new ServiceCollection();
        var builder = collection.AddSendToDevice().UsePostgreSql(options =>
        {
            options.ConnectionString = connectionString;
            configure?.Invoke(options);
        });
        collection.AddHealthChecks().AddSendToDevice();
        services?.Invoke(builder);
        _services = collection.BuildServiceProvider();
    }

    public IServiceProvider Services => _services;
    public ITransactionStore Transactions => _services.GetRequiredService<ITransactionStore>();
    public IDeviceInbox Inbox => _services.GetRequiredService<IDeviceInbox>();
    public IFederationOutbox Outbox => _services.GetRequiredService<IFederationOutbox>();
    public PostgreSqlDevices Devices => _services.GetRequiredService<PostgreSqlDevices>();
    public IStoreUpkeep Upkeep => _services.GetRequiredService<IStoreUpkeep>();
    public ToDeviceSync ToDevice => _services.GetRequiredService<ToDeviceSync>();

    public static DeviceAddress Bob(string deviceId) => new("@bob:hs1", deviceId);

    /// <summary>Sends one message from a device of <c>@alice:hs1</c> to devices of <c>@bob:hs1</c>.</summary>
    public async Task<CommitResult> SendAsync(
        string txnId, string content, IEnumerable<string> deviceIds, string? sender = "A1", long? knownRemovals = null, string eventType = "m.test")
    {
        var key = new TransactionKey("@alice:hs1", sender, TransactionKey.SendToDevice, eventType, txnId);
        await using var transaction = (await Transactions.BeginAsync(key, knownRemovals ?? Transactions.KnownRemovals, default))!;
        var (bytes, sendId) = (Encoding.UTF8.GetBytes(content), Random.Shared.NextInt64());
        await Inbox.AppendAsync(
            transaction, [.. deviceIds.Select(deviceId => new ToDeviceMessage(Bob(deviceId), "@alice:hs1", eventType, bytes, sendId))], default);
        return await transaction.CommitAsync(default);
    }

    public Task<CommitResult> SendAsync(string txnId, string content, string deviceId) => SendAsync(txnId, content, [deviceId]);

    /// <summary>Everything that waits for a device of <c>@bob:hs1</c>; and checks that it is counted without a gap (D12).</summary>
    public async Task<List<string>> ReadAsync(string deviceId)
    {
        using var page = await Inbox.ReadAsync(Bob(deviceId), InboxPosition.Start, 1_000_000, int.MaxValue, default);
        var first = page.Messages.Count > 0 ? page.Messages[0].Position.Sequence : 0;
        Assert.That(page.Messages.Select(message => message.Position.Sequence - first), Is.EqualTo(Enumerable.Range(0, page.Messages.Count)), "D12");
        return [.. page.Messages.Select(message => Encoding.UTF8.GetString(message.Content.Span))];
    }

    public async Task<HealthReportEntry> HealthAsync() =>
        (await _services.GetRequiredService<HealthCheckService>().CheckHealthAsync()).Entries["to_device"];

    public ValueTask DisposeAsync() => _services.DisposeAsync();
}

/// <summary>A look into a database from outside of the store.</summary>
internal sealed class DatabaseView(string connectionString)
{
    public void Execute(string sql) => Scalar(sql);

    public long Count(string sql) => Convert.ToInt64(Scalar(sql), CultureInfo.InvariantCulture);

    /// <summary>The texts of a query with one column.</summary>
    public List<string> Texts(string sql)
    {
        using var connection = Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var texts = new List<string>();
        while (reader.Read()) texts.Add(reader.GetString(0));
        return texts;
    }

    /// <summary>Waits until a query gives a number.</summary>
    public async Task ReachesAsync(string sql, long number)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (Count(sql) != number)
        {
            Assert.That(limit.IsCancellationRequested, Is.False, $"{sql} is not {number}");
            await Task.Yield();
        }
    }

    /// <summary>Ends all other connections to the database, in the middle of whatever they do.</summary>
    public long Disconnect(string which = "true") => Count(
        $"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}");

    public NpgsqlConnection Open()
    {
        var connection = new NpgsqlConnection($"{connectionString};Pooling=false");
        connection.Open();
        return connection;
    }

    private object? Scalar(string sql)
    {
        using var connection = Open();
        using var command = new NpgsqlCommand(sql, connection);
        return command.ExecuteScalar();
    }
}
