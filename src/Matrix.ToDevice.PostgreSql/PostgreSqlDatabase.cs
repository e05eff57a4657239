using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>The database: connections to it, what is tried again, and what its errors mean.</summary>
internal sealed class PostgreSqlDatabase : IAsyncDisposable
{
    private const int MaxAttempts = 6;
    private const int LargeBuffer = 64 << 10;
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMilliseconds(500);

    private readonly PostgreSqlStoreOptions _options;
    private readonly NpgsqlDataSource _dataSource;
    private readonly NpgsqlDataSource? _own;
    private readonly NpgsqlConnectionStringBuilder _settings;
    private readonly StoreMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private volatile bool _prepare;

    public PostgreSqlDatabase(PostgreSqlStoreOptions options, NpgsqlDataSource? application, StoreMetrics metrics, TimeProvider time, ILogger logger)
    {
        (_options, _metrics, _time, _logger) = (options, metrics, time, logger);
        var dataSource = options.DataSource ?? (options.ConnectionString is null ? application : null);
        dataSource ??= _own = Create(options.ConnectionString);
        // A cluster with standbys: only the primary writes, and reads have to see what was written.
        _dataSource = dataSource is NpgsqlMultiHostDataSource hosts ? hosts.WithTargetSession(TargetSessionAttributes.Primary) : dataSource;

        _settings = new NpgsqlConnectionStringBuilder(dataSource.ConnectionString);
        Name = $"{_settings.Database ?? _settings.Username} on {_settings.Host}:{_settings.Port}";
    }

    /// <summary>Which database it is, for messages; without secrets.</summary>
    public string Name { get; }

    /// <summary>How many connections are left to read with.</summary>
    public int ConnectionsToRead => _settings.MaxPoolSize - Committing - 2;

    private int Committing => _options.Layout == PostgreSqlLayout.OneMachine
        ? _options.Writers : _options.Writers * (DistributedWriter.PlacesOfWriter + Resumption.PlacesOfWriter);

    public ValueTask<NpgsqlConnection> ConnectAsync(CancellationToken cancellationToken) =>
        HostTransaction.Without(() => _dataSource.OpenConnectionAsync(cancellationToken));

    /// <summary>Throws when statements of several callers go over one connection: what listens, and what commits, needs its own.</summary>
    public void CheckMultiplexing()
    {
        if (_settings.Multiplexing)
            throw new PostgreSqlStoreException($"The data source for {Name} has Multiplexing=true, and the store needs connections of its own. Leave it out.");
    }

    /// <summary>Throws when the store's own tasks alone could leave no connection to read with.</summary>
    public void CheckPool(bool notifies)
    {
        // Of several machines, one may hang: some for its readers, some for the others', and one to ask whether it is back.
        var reading = _options.Layout == PostgreSqlLayout.OneMachine ? 1 : 3;
        var needed = Committing + reading + (notifies ? 2 : 0);
        if (_settings.Pooling && _settings.MaxPoolSize < needed)
        {
            throw new PostgreSqlStoreException(
                $"The data source for {Name} has a Maximum Pool Size of {_settings.MaxPoolSize}; the store needs {needed} at least: {Committing} to commit "
                + $"(Writers), {(notifies ? "2 to listen and to notify, " : "")}{reading} to read. Raise it, or lower Writers.");
        }
    }

    /// <summary>
    /// Whether a connection leads straight to the server: a pooler gives it another number than the server's process has. One
    /// that hands connections out for each transaction mixes prepared statements up, so they are left out then; and on Citus, where
    /// a session that has shards keeps a plan of one for each time that it has run (see citus.sql).
    /// </summary>
    public async Task<bool> IsDirectAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT pg_backend_pid()", connection);
        var isDirect = (int)(await command.ExecuteScalarAsync(cancellationToken))! == connection.ProcessID;
        if (!isDirect) Log.ThroughPooler(_logger, Name);
        _prepare = _options.PrepareStatements ?? (isDirect && _options.Layout != PostgreSqlLayout.Citus);
        return isDirect;
    }

    /// <summary>
    /// Runs something that may be repeated: it is, after a broken connection, a deadlock or a serialization failure.
    /// </summary>
    /// <exception cref="PostgreSqlStoreException">It failed for another reason, or again and again.</exception>
    public async ValueTask<T> RunAsync<T>(Func<NpgsqlConnection, CancellationToken, ValueTask<T>> work, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var connection = await ConnectAsync(cancellationToken);
                return await ConfirmedAsync(connection, work, cancellationToken);
            }
            catch (Exception exception) when (attempt < MaxAttempts && IsTransient(exception) && !IsOfWorker(exception))
            {
                _metrics.Retried();
                Log.TriedAgain(_logger, attempt, exception);
            }
            catch (Exception exception) when (exception is not (OperationCanceledException or PostgreSqlStoreException))
            {
                throw Explain(exception);
            }

            // The first time at once: that is a deadlock, or a connection that the server had closed before.
            if (attempt > 1)
                await Task.Delay(Min(s_longestPause, TimeSpan.FromMilliseconds(10 << (2 * attempt))), _time, cancellationToken);
        }
    }

    /// <summary>
    /// A commit that has waited too long for its synchronous standby is cancelled, and then it is a success with a warning: it
    /// is on the primary only. Here that is a failure, and a retry finds out when it is on both.
    /// </summary>
    public async ValueTask<T> ConfirmedAsync<T>(
        NpgsqlConnection connection, Func<NpgsqlConnection, CancellationToken, ValueTask<T>> work, CancellationToken cancellationToken)
    {
        var isConfirmed = true;
        // The function in the server that warns: the text depends on the server's language.
        void Notice(object _, NpgsqlNoticeEventArgs warning) => isConfirmed &= warning.Notice.Routine != "SyncRepWaitForLSN";
        connection.Notice += Notice;
        try
        {
            var result = await work(connection, cancellationToken);
            if (isConfirmed) return result;
        }
        finally
        {
            connection.Notice -= Notice;
        }

        throw new PostgreSqlStoreException(
            $"No synchronous standby of {Name} has confirmed a commit in time. Check the standbys, and synchronous_standby_names.",
            new NpgsqlException("The wait for synchronous replication was cancelled."));
    }

    /// <summary>Makes a statement ready on the server, once for each connection.</summary>
    public Task PrepareAsync(NpgsqlCommand command, CancellationToken cancellationToken) =>
        _prepare ? command.PrepareAsync(cancellationToken) : Task.CompletedTask;

    /// <summary>What an error means for whoever runs the server.</summary>
    public PostgreSqlStoreException Explain(Exception exception) => exception as PostgreSqlStoreException ?? new PostgreSqlStoreException(
        exception switch
        {
            PostgresException postgres => postgres.SqlState switch
            {
                PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification =>
                    $"PostgreSQL refuses this user or password for {Name}. Check Username and Password, and the server's pg_hba.conf.",
                PostgresErrorCodes.InvalidCatalogName => $"There is no such database: {Name}. Create it, or name another one.",
                PostgresErrorCodes.InsufficientPrivilege =>
                    $"The user lacks rights in {Name}. To make the tables it needs CREATE on the database; to use tables that another "
                    + "user has made, USAGE on the schema, and SELECT, INSERT, UPDATE and DELETE on its tables.",
                PostgresErrorCodes.ReadOnlySqlTransaction =>
                    $"{Name} is read-only: it is a standby, or default_transaction_read_only is set. Connect to the primary.",
                PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.InvalidSchemaName =>
                    $"The store's tables are missing in {Name}. Restart the server to make them, or run the package's SQL files.",
                PostgresErrorCodes.InvalidSqlStatementName or PostgresErrorCodes.DuplicatePreparedStatement =>
                    $"A pooler in front of {Name} does not carry prepared statements over. Leave PrepareStatements unset, or set it to "
                    + "false; and Npgsql's Max Auto Prepare to 0.",
                PostgresErrorCodes.TooManyConnections =>
                    $"{Name} has no connection left. Raise max_connections, or lower Maximum Pool Size.",
                PostgresErrorCodes.DiskFull => $"The disk of {Name} is full. Nothing was lost; free some space.",
                PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown =>
                    $"{Name} is starting or stopping.",
                _ => $"The store in {Name} failed.",
            },
            NpgsqlException { InnerException: TimeoutException } when exception.Message.Contains("pool", StringComparison.Ordinal) =>
                $"All connections to {Name} are in use. Raise Maximum Pool Size, or find out what holds them.",
            NpgsqlException { InnerException: TimeoutException } => $"{Name} did not answer in time.",
            NpgsqlException => $"{Name} cannot be reached. Check Host and Port, and that PostgreSQL is running.",
            TimeoutException or SocketException => $"{Name} cannot be reached.",
            _ => $"The store in {Name} failed.",
        } + $" ({exception.Message})",
        exception);

    public ValueTask DisposeAsync() => _own?.DisposeAsync() ?? ValueTask.CompletedTask;

    /// <summary>Whether the same thing may succeed at once or soon. A time-out is not: the next one would take as long.</summary>
    private static bool IsTransient(Exception exception) => exception switch
    {
        PostgresException postgres => postgres.SqlState is PostgresErrorCodes.SerializationFailure
            or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown
            or PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.ConnectionFailure or PostgresErrorCodes.ConnectionException
            or PostgresErrorCodes.ConnectionDoesNotExist,
        NpgsqlException { InnerException: IOException or SocketException } => true,
        _ => false,
    };

    /// <summary>Whether the database that was asked could not reach another one that has the rows: that one is down, and asking again and again holds up whoever waits.</summary>
    private bool IsOfWorker(Exception exception) =>
        _options.Layout != PostgreSqlLayout.OneMachine && exception is PostgresException { SqlState: ['0', '8', ..] };

    private static NpgsqlDataSource Create(string? connectionString)
    {
        if (connectionString is null)
        {
            throw new PostgreSqlStoreException(
                "There is no database. Call services.AddNpgsqlDataSource(…), or give UsePostgreSql a data source or a connection string.");
        }

        try
        {
            var builder = new NpgsqlDataSourceBuilder(connectionString);
            // Nothing is left behind in a session, and clearing it costs the server more than a small commit's own statement.
            builder.ConnectionStringBuilder.NoResetOnClose = true;
            // Batches and pages are large: in small pieces, each piece would wake whoever it is for.
            var settings = builder.ConnectionStringBuilder;
            settings.WriteBufferSize = Math.Max(settings.WriteBufferSize, LargeBuffer);
            settings.ReadBufferSize = Math.Max(settings.ReadBufferSize, LargeBuffer);
            return builder.Build();
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or InvalidOperationException or NotSupportedException)
        {
            throw new PostgreSqlStoreException($"The connection string cannot be used: {exception.Message}", exception);
        }
    }

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
