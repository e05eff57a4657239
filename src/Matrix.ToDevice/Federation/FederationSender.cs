using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

/// <summary>
/// Empties the outbox: takes destinations that nobody sends to, and sends to each until nothing waits for it or it fails (D16).
/// What was left by a restart, or by another host, is found by looking.
/// </summary>
internal sealed class FederationSender(
    IServiceScopeFactory scopes,
    OutboxSignal signal,
    ToDeviceMetrics metrics,
    ToDeviceTraces traces,
    IOptions<FederationSenderOptions> options,
    TimeProvider time,
    OutboxLine line,
    QuietLogger<FederationSender> logger,
    AppserviceSender? appservices = null) : BackgroundService
{
    private readonly FederationSenderOptions _options = options.Value;
    private readonly SendingPlaces _places = new(options.Value.MaxDestinations, options.Value.PlacesForFailing);
    private readonly WorkingServers _working = new();
    private readonly string _host = Guid.NewGuid().ToString("N");
    private readonly ConcurrentDictionary<string, Task> _served = new(StringComparer.Ordinal);
    private long _acquired;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        using var scope = scopes.CreateScope();
        if (scope.ServiceProvider.GetService<IFederationOutbox>() is null)
        {
            throw new InvalidOperationException(
                "UseFederation() needs a store that is an IFederationOutbox too. Name one behind AddSendToDevice(), for example .UseInMemory().");
        }

        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        signal.Serve(NeedsWakeUp);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await AcquireAsync(stoppingToken);
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception exception)
            {
                Log.OutboxUnavailable(logger, exception);
            }

            await signal.WaitAsync(_options.PollInterval, time, stoppingToken);
        }

        await Task.WhenAll(_served.Values);
    }

    // Appservices stand in the line too, with pauses and leases of their own: longer ones are no sign of a clock that was set back.
    private TimeSpan LongestPause
    {
        get
        {
            var ofServers = OutboxLine.LongestPause(_options.MaxPause, _options.LeaseDuration);
            return appservices?.LongestPause > ofServers ? appservices.LongestPause : ofServers;
        }
    }

    private bool NeedsWakeUp(string destination)
    {
        if (_served.ContainsKey(destination) || Appservice.IsDestination(destination)) return false;
        _working.Waits(destination);
        return true;
    }

    private async Task AcquireAsync(CancellationToken stopping)
    {
        if (_places.Free is { ByName: 0, InLine: 0 }) return;

        await using var scope = scopes.CreateAsyncScope();
        var outbox = new CountedOutbox(scope.ServiceProvider.GetRequiredService<IFederationOutbox>(), metrics);
        // A name for each call: what comes late for one lease is not taken for what is done with the next one.
        if (_working.TakeWaiting(_places.Free.ByName) is { Count: > 0 } working)
        {
            var holder = $"{_host}-{++_acquired}";
            await ServeAsync(await outbox.AcquireTheseAsync(working, holder, _options.LeaseDuration, stopping), holder, outbox, stopping);
        }

        if (_places.Free is { InLine: > 0 } free)
        {
            var holder = $"{_host}-{++_acquired}";
            await ServeAsync(
                await outbox.AcquireAsync(holder, _options.LeaseDuration, free.InLine, free.ForFailing, LongestPause, stopping),
                holder, outbox, stopping);
        }
    }

    private async Task ServeAsync(IReadOnlyList<OutboxLease> leases, string holder, IFederationOutbox outbox, CancellationToken stopping)
    {
        foreach (var lease in leases)
        {
            if (Appservice.IsDestination(lease.Destination))
            {
                if (appservices?.TryServe(lease, holder) == true) continue;
                await line.GiveBackAsync(outbox, lease, holder, stopping);
                appservices?.Wake();
                continue;
            }

            // It is served still when it has just been given back, or when its time has run out; and there is no place for it when one
            // that is served has become slow meanwhile.
            var done = new TaskCompletionSource();
            if (_served.TryAdd(lease.Destination, done.Task))
            {
                var standing = lease.Failures > 0 ? Standing.Failing : _working.Contains(lease.Destination) ? Standing.Working : Standing.Unknown;
                if (_places.Take(standing) is { } place)
                {
                    _ = ServeAsync(lease, holder, place, done, stopping);
                    continue;
                }

                _served.TryRemove(lease.Destination, out _);
            }

            await line.GiveBackAsync(outbox, lease, holder, stopping);
        }
    }

    private async Task ServeAsync(
        OutboxLease lease, string holder, SendingPlaces.Place place, TaskCompletionSource done, CancellationToken stopping)
    {
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var outbox = new CountedOutbox(scope.ServiceProvider.GetRequiredService<IFederationOutbox>(), metrics);
            var transport = scope.ServiceProvider.GetRequiredService<IFederationTransport>();
            var held = new HeldDestination(lease.Destination, holder, _options.LeaseDuration, outbox, time, logger);
            var requests = new DestinationRequests(lease.Destination, held, place, transport, _options, metrics, traces, time);
            await new DestinationSender(lease, held, requests, outbox, _options, metrics, time, logger).RunAsync(stopping);
            if (requests.HasSucceeded) _working.Add(lease.Destination);
            else _working.Remove(lease.Destination);
        }
        catch (Exception) when (stopping.IsCancellationRequested)
        {
            // The store went before the sender did. What this host has taken is free again when its time has run out.
        }
        catch (Exception exception)
        {
            Log.OutboxUnavailable(logger, exception);
        }

        _served.TryRemove(lease.Destination, out _);
        place.Dispose();
        // For what was committed after the last look and before the destination was free again.
        _working.Waits(lease.Destination);
        signal.Wake();
        done.SetResult();
    }
}
