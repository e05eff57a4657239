using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>
/// Hears what other hosts have committed, and wakes the syncs of this one. On a connection of its own, which it opens again
/// for as long as it takes; after a gap everybody who waits looks. Stores that listen learn of each other, so that one that
/// is alone need not notify.
/// </summary>
internal sealed class PostgreSqlListener(
    PostgreSqlDatabase database, string channel, PostgreSqlNotifier notifier, string lastRemovalSql, KnownRemovals knownRemovals,
    IInboxSignals? signals, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private static readonly TimeSpan s_shortestPause = TimeSpan.FromMilliseconds(100), s_longestPause = TimeSpan.FromSeconds(10);
    // A connection that a router has forgotten looks like one on which nothing happens.
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(30);
    // It asks after each silence, and hears itself. So much later at the most, or nothing comes through any more.
    private static readonly TimeSpan s_longestSilence = s_silence + TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, TaskCompletionSource> _pings = new();
    private readonly CancellationTokenSource _stop = new();
    private NpgsqlConnection? _connection;
    private Task _loop = Task.CompletedTask;
    private long _lastHeard;

    /// <summary>Whether notifications are known to come through: one has, on this connection and not long ago.</summary>
    public bool IsHearing => Volatile.Read(ref _lastHeard) is not 0 and var heard && time.GetElapsedTime(heard) < s_longestSilence;

    /// <summary>Listens from here on; if it cannot yet, it goes on trying.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            _connection = await ListenAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            Log.NotListening(logger, exception);
        }

        _loop = Task.Run(RunAsync, CancellationToken.None);
    }

    /// <summary>Completes when this store's own notification has come back.</summary>
    public async Task<bool> HearsAsync(Func<string, Task> ping, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var name = Guid.NewGuid().ToString("N");
        var heard = _pings.GetOrAdd(name, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        try
        {
            await ping(name);
            await heard.Task.WaitAsync(timeout, time, cancellationToken);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
        finally
        {
            _pings.TryRemove(name, out _);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var pause = s_shortestPause;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                if (_connection is null)
                {
                    _connection = await ListenAsync(_stop.Token);
                    Log.ListeningAgain(logger);
                    signals?.Missed();
                }

                while (true)
                {
                    if (!await _connection.WaitAsync(s_silence, _stop.Token))
                    {
                        await LearnRemovalsAsync(_connection, _stop.Token);
                        notifier.Say(Presence.Asks);
                    }

                    pause = s_shortestPause;
                }
            }
            catch (Exception exception)
            {
                notifier.Audience = Audience.Unknown;
                Volatile.Write(ref _lastHeard, 0);
                if (_connection is not null) await _connection.DisposeAsync();
                _connection = null;
                if (_stop.IsCancellationRequested) return;
                Log.NotListening(logger, exception);
            }

            await Task.Delay(pause, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause;
        }
    }

    private async Task<NpgsqlConnection> ListenAsync(CancellationToken cancellationToken)
    {
        var connection = await database.ConnectAsync(cancellationToken);
        try
        {
            connection.Notification += (_, notification) => Hear(notification.Payload);
            await using (var command = connection.CreateCommand())
            {
#pragma warning disable CA2100 // A quoted name.
                command.CommandText = $"LISTEN {PostgreSqlSchema.Quote(channel)}";
#pragma warning restore CA2100
                await command.ExecuteNonQueryAsync(cancellationToken);
            }

            await LearnRemovalsAsync(connection, cancellationToken);
            notifier.Say(Presence.Asks);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private async Task LearnRemovalsAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Made of a constant and a quoted name.
        command.CommandText = lastRemovalSql;
#pragma warning restore CA2100
        knownRemovals.Learn((long)(await command.ExecuteScalarAsync(cancellationToken))!);
    }

    private void Hear(string payload)
    {
        try
        {
            var isOwnNews = Notification.IsOwnNews(payload, notifier.Name);
            var notification = isOwnNews ? null : Notification.Parse(payload);
            Volatile.Write(ref _lastHeard, time.GetTimestamp());
            if (notification is null) return;
            if (notification.From == notifier.Name)
            {
                if (notification.Presence.HasFlag(Presence.Asks) && notifier.Audience == Audience.Unknown) notifier.Audience = Audience.Nobody;
                if (notification.Ping is { } ping && _pings.TryGetValue(ping, out var heard)) heard.TrySetResult();
                return;
            }

            var wasAlone = notifier.Audience == Audience.Nobody;
            notifier.Audience = Audience.Others;
            // What either has committed before it knew of the other, it notified nobody of.
            if (wasAlone || notification.Presence.HasFlag(Presence.Asks)) notifier.Say(Presence.Answers);
            if (notification.Presence.HasFlag(Presence.Answers)) signals?.Missed();
            foreach (var device in notification.Removed) signals?.DeviceRemoved(device);
            foreach (var device in notification.Arrived) signals?.MessagesArrived(device);
        }
        catch (JsonException exception)
        {
            // Anybody with rights in the database may send one.
            Log.UnreadableNotification(logger, exception);
        }
    }
}
