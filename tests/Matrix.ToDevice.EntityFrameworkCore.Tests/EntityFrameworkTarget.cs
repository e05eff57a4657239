using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>A database of its own for each store.</summary>
internal sealed class EntityFrameworkTarget(ITestDatabase databases) : StoreTarget
{
    private readonly ConcurrentDictionary<string, List<(string Table, DataTable Rows)>> _saved = new();

    public override string Name => databases.GetType().Name;

    public override StoreClaims Claims => StoreClaims.Outbox | StoreClaims.Durable | StoreClaims.SeveralInstances | StoreClaims.Restorable | StoreClaims.Upkeep;

    public override async ValueTask<StoreInstance> OpenAsync(string data, TimeProvider time, CancellationToken cancellationToken)
    {
        var services = new ServiceCollection();
        services.AddDbContextPool<HomeserverDb>(options => databases.Use(options, data));
        services.AddSingleton(time).AddSendToDevice().UseEntityFrameworkCore<HomeserverDb>();
        var provider = services.BuildServiceProvider();
        await using var scope = provider.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<HomeserverDb>().Database.EnsureCreatedAsync(cancellationToken);
        return StoreInstance.Of(provider);
    }

    public override ValueTask DeleteAsync(string data, CancellationToken cancellationToken) => databases.DeleteAsync(data);

    public override async ValueTask SaveAsync(string data, CancellationToken cancellationToken)
    {
        var saved = new List<(string, DataTable)>();
        await ForEachTableAsync(data, async (table, command) =>
        {
            var rows = new DataTable();
            command.CommandText = $"SELECT * FROM {table}";
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            rows.Load(reader);
            saved.Add((table, rows));
        }, cancellationToken);
        _saved[data] = saved;
    }

    public override ValueTask RestoreAsync(string data, CancellationToken cancellationToken) => ForEachTableAsync(data, async (table, command) =>
    {
        command.CommandText = $"DELETE FROM {table}";
        await command.ExecuteNonQueryAsync(cancellationToken);
        var rows = _saved[data].Single(saved => saved.Table == table).Rows;
        string[] columns = [.. rows.Columns.Cast<DataColumn>().Select(column => column.ColumnName)];
        command.CommandText = $"INSERT INTO {table} ({string.Join(", ", columns)}) VALUES ({string.Join(", ", columns.Select(column => $"@{column}"))})";
        foreach (DataRow row in rows.Rows)
        {
            command.Parameters.Clear();
            foreach (var column in columns)
            {
                var parameter = command.CreateParameter();
                (parameter.ParameterName, parameter.Value) = ($"@{column}", row[column]);
                command.Parameters.Add(parameter);
            }

            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }, cancellationToken);

    private async ValueTask ForEachTableAsync(string data, Func<string, DbCommand, Task> work, CancellationToken cancellationToken)
    {
        var options = new DbContextOptionsBuilder<HomeserverDb>();
        databases.Use(options, data);
        await using var db = new HomeserverDb(options.Options);
        await db.Database.OpenConnectionAsync(cancellationToken);
        foreach (var table in db.Model.GetEntityTypes().Select(type => type.GetTableName()!).Where(name => name.StartsWith("to_device_", StringComparison.Ordinal)))
        {
            await using var command = db.Database.GetDbConnection().CreateCommand();
            await work(table, command);
        }
    }
}
