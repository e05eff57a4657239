using Npgsql;

namespace LocalHomeserver;

/// <summary>Keys in the PostgreSQL database of the accounts: several hosts on it are one server.</summary>
internal sealed class PostgreSqlKeyDatabase(NpgsqlDataSource dataSource) : IKeyDatabase, IHostedService
{
    // Hosts that start at the same moment take turns; the accounts' tables take the same lock.
    private const string Schema =
        "SELECT pg_advisory_xact_lock(hashtext('local_homeserver')); CREATE SCHEMA IF NOT EXISTS local_homeserver;";

    public bool IsShared => true;

    public async Task StartAsync(CancellationToken cancellationToken) =>
        await InOneStepAsync(statements => statements.ExecuteAsync(Schema + KeySchema.Tables), cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async ValueTask<T> InOneStepAsync<T>(Func<KeyStatements, Task<T>> work, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var result = await work(new KeyStatements(connection, cancellationToken));

        // From here on it happens, whether or not the client waits for it.
        await transaction.CommitAsync(CancellationToken.None);
        return result;
    }

    public async ValueTask<T> ReadAsync<T>(Func<KeyStatements, Task<T>> work, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await work(new KeyStatements(connection, cancellationToken));
    }
}
