using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>
/// Tells other hosts what this one has committed: after the commit and outside of it, because a NOTIFY locks the whole
/// database at its commit, on a connection of its own. What comes while one is under way, or shortly behind it, goes together
/// into the next: each one costs every host that listens, and a host that commits a thousand batches a second need not wake the
/// others a thousand times.
/// </summary>
internal sealed class PostgreSqlNotifier : IAsyncDisposable
{
    // The first one after a while goes at once. Under load a wake-up waits for half of this on average.
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(8);

    private readonly PostgreSqlDatabase _database;
    private readonly TimeProvider _time;
    private readonly KnownRemovals _knownRemovals;
    private readonly ILogger _logger;
    private readonly string _channel;
    private readonly Lock _lock = new();
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Task _loop;
    private readonly CancellationTokenSource _stop = new();
    private HashSet<DeviceAddress> _arrived = [], _removed = [], _arrivedBefore = [], _removedBefore = [];
    private Presence _presence;
    private volatile Audience _audience;
    private NpgsqlConnection? _connection;

    public PostgreSqlNotifier(PostgreSqlDatabase database, string channel, KnownRemovals knownRemovals, TimeProvider time, ILogger logger)
    {
        (_database, _channel, _knownRemovals, _time, _logger) = (database, channel, knownRemovals, time, logger);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Which store a notification comes from.</summary>
    public string Name { get; } = Guid.NewGuid().ToString("N");

    /// <summary>Who listens. The listener tells.</summary>
    public Audience Audience { get => _audience; set => _audience = value; }

    public void Say(Presence presence)
    {
        lock (_lock) _presence |= presence;
        _wake.Writer.TryWrite(true);
    }

    public void MessagesArrived(List<CommitItem> batch)
    {
        if (_audience == Audience.Nobody) return;
        lock (_lock)
        {
            foreach (var item in batch)
                foreach (var messages in item.Transaction.Messages) Add(messages);
        }

        _wake.Writer.TryWrite(true);
    }

    public void MessagesArrived(IReadOnlyList<ToDeviceMessage> messages)
    {
        if (_audience == Audience.Nobody) return;
        lock (_lock) Add(messages);
        _wake.Writer.TryWrite(true);
    }

    // Whoever begins to listen looks for messages, and would wait on for a device that has ended. There are few of these.
    public void DeviceRemoved(DeviceAddress device)
    {
        lock (_lock) _removed.Add(device);
        _wake.Writer.TryWrite(true);
    }

    /// <summary>Notifies on a connection of the pool, now.</summary>
    public async Task PingAsync(string ping, CancellationToken cancellationToken)
    {
        await using var connection = await _database.ConnectAsync(cancellationToken);
        await NotifyAsync(connection, new Notification(Name, _knownRemovals.Last, [], [], ping), cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        _wake.Writer.TryComplete();
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
        if (_connection is not null) await _connection.DisposeAsync();
    }

    private void Add(IReadOnlyList<ToDeviceMessage> messages)
    {
        for (var i = 0; i < messages.Count; i++) _arrived.Add(messages[i].Recipient);
    }

    private async Task RunAsync()
    {
        while (await _wake.Reader.WaitToReadAsync())
        {
            _wake.Reader.TryRead(out _);
            Presence presence;
            lock (_lock)
            {
                if (_arrived.Count + _removed.Count == 0 && _presence == Presence.None) continue;
                (_arrived, _arrivedBefore) = (_arrivedBefore, _arrived);
                (_removed, _removedBefore) = (_removedBefore, _removed);
                (presence, _presence) = (_presence, Presence.None);
            }

            try
            {
                await NotifyAsync(new Notification(Name, _knownRemovals.Last, _arrivedBefore, _removedBefore, Presence: presence));
            }
            catch (Exception exception)
            {
                // Whoever hears the next one looks for what this one has not said (D25): until then, they look by themselves now and then.
                lock (_lock) _presence |= presence | Presence.Answers;
                Log.NotNotified(_logger, exception);
            }

            _arrivedBefore.Clear();
            _removedBefore.Clear();
            await Task.Delay(s_pause, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task NotifyAsync(Notification notification)
    {
        var reused = _connection is not null;
        while (true)
        {
            try
            {
                _connection ??= await _database.ConnectAsync(CancellationToken.None);
                await NotifyAsync(_connection, notification, CancellationToken.None);
                return;
            }
            catch
            {
                if (_connection is not null) await _connection.DisposeAsync();
                _connection = null;
                // The server may have closed it long ago.
                if (!reused) throw;
                reused = false;
            }
        }
    }

    private async Task NotifyAsync(NpgsqlConnection connection, Notification notification, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT pg_notify($1, payload) FROM unnest($2) payload", connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = _channel });
        CommitArrays.Add(command.Parameters, NpgsqlDbType.Text, [.. notification.ToPayloads()]);
        await _database.PrepareAsync(command, cancellationToken);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
