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
    private readonly Resumption? _resumption;
    private readonly Availability? _availability;
    private readonly Machines? _machines;
    private readonly NamelessRecords? _nameless;

    private Opened(
        PostgreSqlDatabase database, PostgreSqlStoreOptions options, bool notifies, KnownRemovals knownRemovals,
        IInboxSignals? signals, StoreMetrics metrics, TimeProvider time, ILogger logger)
    {
        (_database, _options) = (database, options);
        if (notifies)
        {
            var channel = $"to_device {options.Schema}";
            // In the other layout each bucket has numbers of its own, which hosts learn when they meet them.
            var isOneMachine = options.Layout == PostgreSqlLayout.OneMachine;
            var told = isOneMachine ? knownRemovals : new KnownRemovals();
            Notifier = new PostgreSqlNotifier(database, channel, told, time, logger);
            _listener = new PostgreSqlListener(
                database, channel, Notifier,
                isOneMachine ? $"SELECT last FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_removals" : "SELECT 0::bigint",
                told, signals, time, logger);
        }

        if (options.Layout != PostgreSqlLayout.OneMachine)
        {
            var removals = new BucketRemovals(knownRemovals);
            _machines = new Machines(database, options, time, logger);
            _availability = new Availability(_machines, database.ConnectionsToRead, time);
            _nameless = new NamelessRecords(database, options, _availability);
            var delivery = new Delivery(database, options, _availability, Arrived, logger);
            _resumption = new Resumption(database, options, delivery, _machines, _availability, time, logger);
            var inboxes = new DistributedInboxes(database, options, _availability, time, removals, new Marks(database, options, _availability, time));
            (Reader, Cleaner) = (inboxes, inboxes);
            Outbox = new DistributedOutbox(database, options, _availability);
            Leases = new DistributedLeases(database, options, _availability);
            Measures = new DistributedMeasures(database, options, _availability);
            Upkeep = new DistributedUpkeep(database, options, time, _availability, _nameless);
            Writer = new DistributedWriter(database, options, time, removals, delivery, _resumption, _machines, _availability, _nameless, Arrived, metrics);
            return;
        }

        // Here, whoever has made the commits, the module's endpoint or somebody else, and on the other hosts (D25).
        void Arrived(IReadOnlyList<ToDeviceMessage> messages)
        {
            signals?.MessagesArrived(messages);
            Notifier?.MessagesArrived(messages);
        }

        Reader = new PostgreSqlReader(database, options);
        Outbox = new PostgreSqlOutbox(database, options);
        Leases = new PostgreSqlLeases(database, options);
        Cleaner = new PostgreSqlCleaner(database, options, time, knownRemovals);
        Measures = new PostgreSqlMeasures(database, options);
        Upkeep = new PostgreSqlUpkeep(database, options);
        Writer = new PostgreSqlWriter(database, options, time, knownRemovals, batch => MessagesArrived(batch, signals), metrics);
    }

    public IWriter Writer { get; }
    public IReader Reader { get; }
    public ICleaner Cleaner { get; }
    public IOutbox Outbox { get; }
    public ILeases Leases { get; }
    public IMeasures Measures { get; }
    public IUpkeep Upkeep { get; }
    public PostgreSqlNotifier? Notifier { get; }

    /// <inheritdoc cref="PostgreSqlListener.IsHearing"/>
    public bool IsHearing => _listener is { IsHearing: true };

    public static async Task<Opened> CreateAsync(
        PostgreSqlStoreOptions options, NpgsqlDataSource? application, KnownRemovals knownRemovals, IInboxSignals? signals,
        StoreMetrics metrics, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        var database = new PostgreSqlDatabase(options, application, metrics, time, logger);
        try
        {
            database.CheckMultiplexing();
            bool notifies;
            await using (var connection = await database.ConnectAsync(cancellationToken))
            {
                var isDirect = await database.IsDirectAsync(connection, cancellationToken);
                notifies = options.Notifications ?? isDirect;
                database.CheckPool(notifies);
                if (options.Layout == PostgreSqlLayout.OneMachine)
                    await PostgreSqlSchema.UpgradeAsync(connection, options, database.Name, time, logger, cancellationToken);
                else
                    await DistributedSchema.UpgradeAsync(connection, options, database.Name, logger, cancellationToken);
            }

            var opened = new Opened(database, options, notifies, knownRemovals, signals, metrics, time, logger);
            metrics.Announce();
            if (opened._listener is not null) await opened._listener.StartAsync(CancellationToken.None);
            if (opened._machines is not null) await opened._machines.StartAsync(cancellationToken);
            if (opened._nameless is not null) await opened._nameless.LookAsync(cancellationToken);
            opened._resumption?.Start();
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
            if (_options.Layout == PostgreSqlLayout.OneMachine) await PostgreSqlSchema.CheckAsync(connection, _options.Schema, _database.Name, cancellation);
            else await DistributedSchema.CheckAsync(connection, _options.Schema, _database.Name, cancellation);
            return true;
        }, cancellationToken);
        try
        {
            // A disk that is full, and a standby that confirms nothing, are found out by writing.
            await Upkeep.TryTakeAsync("check", TimeSpan.Zero, cancellationToken);
        }
        catch (PostgreSqlStoreException) when (_machines is { AreSeveral: true })
        {
            // That one cannot be had, which is told, and the others go on.
        }

        if (_availability is { Down.Count: > 0 and var down })
        {
            var hanging = string.Concat(_machines!.Hanging.Select(machine => $"{machine} does not answer. "));
            return $"{down} of {Buckets.Count} parts of the database cannot be had. What is sent to their users is accepted, and delivered when they are back; "
                + $"what these send is refused. {hanging}See whether all machines are up.";
        }

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
        if (_machines is not null) await _machines.DisposeAsync();
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
