using Microsoft.Extensions.Logging;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>The parts of a store whose database has been found fit for use.</summary>
internal sealed class Opened : IAsyncDisposable
{
    private const string NotHeard = "Notifications of other hosts do not come through; waiting syncs look by themselves now and then. "
        + "LISTEN needs a connection of its own: not a pooler that hands connections out for each transaction. Set Notifications to "
        + "true for a pooler that leaves a client its connection, to false where messages may come later.";

    private static readonly TimeSpan s_hearing = TimeSpan.FromSeconds(3);

    private readonly PostgreSqlDatabase _database;
    private readonly PostgreSqlStoreOptions _options;
    private readonly PostgreSqlListener? _listener;

    private Opened(
        PostgreSqlDatabase database, PostgreSqlStoreOptions options, bool notifies, KnownRemovals knownRemovals,
        IInboxSignals? signals, TimeProvider time, ILogger logger)
    {
        (_database, _options) = (database, options);
        if (notifies)
        {
            var channel = $"to_device {options.Schema}";
            Notifier = new PostgreSqlNotifier(database, channel, knownRemovals, time, logger);
            _listener = new PostgreSqlListener(
                database, channel, Notifier, $"SELECT last FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_removals",
                knownRemovals, signals, time, logger);
        }

        Reader = new PostgreSqlReader(database, options);
        Outbox = new PostgreSqlOutbox(database, options);
        Leases = new PostgreSqlLeases(database, options);
        Cleaner = new PostgreSqlCleaner(database, options, time);
        Measures = new PostgreSqlMeasures(database, options);
        Upkeep = new PostgreSqlUpkeep(database, options);
        Writer = new PostgreSqlWriter(database, options, time, knownRemovals, batch => MessagesArrived(batch, signals));
    }

    public PostgreSqlWriter Writer { get; }
    public PostgreSqlReader Reader { get; }
    public PostgreSqlCleaner Cleaner { get; }
    public PostgreSqlOutbox Outbox { get; }
    public PostgreSqlLeases Leases { get; }
    public PostgreSqlMeasures Measures { get; }
    public PostgreSqlUpkeep Upkeep { get; }
    public PostgreSqlNotifier? Notifier { get; }

    /// <inheritdoc cref="PostgreSqlListener.IsHearing"/>
    public bool IsHearing => _listener is { IsHearing: true };

    public static async Task<Opened> CreateAsync(
        PostgreSqlStoreOptions options, NpgsqlDataSource? application, KnownRemovals knownRemovals, IInboxSignals? signals,
        TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        var database = new PostgreSqlDatabase(options, application, time, logger);
        try
        {
            database.CheckMultiplexing();
            bool notifies;
            await using (var connection = await database.ConnectAsync(cancellationToken))
            {
                var isDirect = await database.IsDirectAsync(connection, cancellationToken);
                notifies = options.Notifications ?? isDirect;
                database.CheckPool(notifies);
                await PostgreSqlSchema.UpgradeAsync(connection, options, database.Name, time, logger, cancellationToken);
            }

            var opened = new Opened(database, options, notifies, knownRemovals, signals, time, logger);
            if (opened._listener is not null) await opened._listener.StartAsync(CancellationToken.None);
            return opened;
        }
        catch (Exception exception)
        {
            await database.DisposeAsync();
            if (exception is OperationCanceledException) throw;
            throw database.Explain(exception);
        }
    }

    /// <inheritdoc cref="IStoreUpkeep.CheckAsync"/>
    public async ValueTask<string?> CheckAsync(CancellationToken cancellationToken)
    {
        await _database.RunAsync(async (connection, cancellation) =>
        {
            await PostgreSqlSchema.CheckAsync(connection, _options.Schema, _database.Name, cancellation);
            return true;
        }, cancellationToken);
        // A disk that is full, and a standby that confirms nothing, are found out by writing.
        await Upkeep.TryTakeAsync("check", TimeSpan.Zero, cancellationToken);
        return await HearsAsync(cancellationToken) ? null : NotHeard;
    }

    /// <summary>Whether notifications come through, if they are wanted: found out by sending one.</summary>
    private async ValueTask<bool> HearsAsync(CancellationToken cancellationToken)
    {
        if (_listener is null) return _options.Notifications == false;
        try
        {
            return await _listener.HearsAsync(ping => Notifier!.PingAsync(ping, cancellationToken), s_hearing, cancellationToken);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        // First what still waits for its commit, then the news of it.
        await Writer.DisposeAsync();
        if (Notifier is not null) await Notifier.DisposeAsync();
        if (_listener is not null) await _listener.DisposeAsync();
        await _database.DisposeAsync();
    }

    // Here, whoever has made the commits, the module's endpoint or somebody else, and on the other hosts (D25).
    private void MessagesArrived(List<CommitItem> batch, IInboxSignals? signals)
    {
        if (signals is not null)
        {
            foreach (var item in batch)
                foreach (var messages in item.Transaction.Messages) signals.MessagesArrived(messages);
        }

        Notifier?.MessagesArrived(batch);
    }
}
