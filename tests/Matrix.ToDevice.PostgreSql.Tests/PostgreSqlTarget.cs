using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>A schema of its own for each store, on a real server.</summary>
internal sealed class PostgreSqlTarget(Func<string> connectionString, PostgreSqlLayout layout = PostgreSqlLayout.OneMachine) : StoreTarget
{
    public override string Name => layout == PostgreSqlLayout.OneMachine ? "PostgreSQL" : $"PostgreSQL, {layout}";

    public override StoreClaims Claims => StoreClaims.Outbox | StoreClaims.Durable | StoreClaims.SeveralInstances | StoreClaims.Restorable | StoreClaims.Upkeep
        | (layout == PostgreSqlLayout.OneMachine ? StoreClaims.None : StoreClaims.DeliversOneByOne);

    public override ValueTask<StoreInstance> OpenAsync(string data, TimeProvider time, CancellationToken cancellationToken)
    {
        var services = new ServiceCollection();
        services.AddSingleton(time).AddSendToDevice().UsePostgreSql(options =>
        {
            options.ConnectionString = connectionString();
            options.Schema = data;
            options.Layout = layout;
        });
        return new(StoreInstance.Of(services.BuildServiceProvider()));
    }

    public override ValueTask SaveAsync(string data, CancellationToken cancellationToken)
    {
        View.Execute($"CREATE SCHEMA {data}_saved");
        ForEachTable(data, "CREATE TABLE %2$I.%3$I AS TABLE %1$I.%3$I");
        return default;
    }

    public override ValueTask RestoreAsync(string data, CancellationToken cancellationToken)
    {
        ForEachTable(data, "TRUNCATE %1$I.%3$I; INSERT INTO %1$I.%3$I TABLE %2$I.%3$I");
        return default;
    }

    private DatabaseView View => new(connectionString());

    private void ForEachTable(string data, string sql) => View.Execute($"""
        DO $$
        DECLARE
            name text;
        BEGIN
            FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = '{data}' LOOP
                EXECUTE format('{sql}', '{data}', '{data}_saved', name);
            END LOOP;
        END
        $$
        """);
}
